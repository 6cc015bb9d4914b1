//! The layer as a module of Burn, of which visitors hear if its band is drawn.

use super::BandLimit2d;
use crate::parameters::{RANDOM_BAND, announced};
use burn::module::{Content, DisplaySettings, ModuleDisplay, ModuleDisplayDefault};
use std::fmt;

announced!(BandLimit2d, |layer| {
    layer.band().is_random().then(|| (layer.band().to_string(), RANDOM_BAND))
});

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
