//! The layer as a module of Burn, written by hand so that visitors hear of a band that is drawn.

use super::BandLimit2d;
use crate::parameters::RANDOM_BAND;
use burn::module::{
    Content, Devices, DisplaySettings, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor,
};
use burn::tensor::Device;
use std::fmt;

impl Module for BandLimit2d {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        if self.band().is_random() {
            let band = self.band().to_string();
            visitor.enter_module(&band, RANDOM_BAND);
            visitor.exit_module(&band, RANDOM_BAND);
        }
    }

    fn map<M: ModuleMapper>(self, _: &mut M) -> Self {
        self
    }

    fn to_device(self, _: &Device) -> Self {
        self
    }

    fn fork(self, _: &Device) -> Self {
        self
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn materialize(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn train(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for BandLimit2d {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_debug_attribute("band", &self.band()).optional()
    }
}

impl ModuleDisplay for BandLimit2d {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }
}

impl fmt::Display for BandLimit2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(DisplaySettings::default()))
    }
}
