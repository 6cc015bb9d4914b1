//! Learned noise as a module of Burn, written by hand: the law decides which parameters there are,
//! and they lie directly below the noise.

use super::LearnedNoise;
use crate::noise::Spec;
use burn::module::{
    Content, Devices, DisplaySettings, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor, Param,
};
use burn::tensor::{Device, Tensor};

/// The noise with each of its parameters mapped.
macro_rules! each_parameter {
    ($noise:expr, $parameter:ident => $mapped:expr) => {{
        let Self { spec, vectors, factor, name, batch_std } = $noise;
        let vectors = vectors.into_iter().map(|(name, $parameter)| (name, $mapped)).collect();
        let factor = factor.map(|$parameter| $mapped);
        Self { spec, vectors, factor, name, batch_std }
    }};
}

impl Module for LearnedNoise {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        // First: visitors need the metadata before the parameters.
        visitor.enter_module(Spec::FIELD, Self::CONTAINER);
        self.spec.announce(visitor);
        for (name, _) in self.vectors.iter().filter(|(name, _)| self.spec.law.is_amplitude(name)) {
            visitor.enter_module(name, Spec::AMPLITUDE);
            visitor.exit_module(name, Spec::AMPLITUDE);
        }
        if self.batch_std {
            visitor.enter_module("std", Spec::BATCH_STD);
            visitor.exit_module("std", Spec::BATCH_STD);
        }
        visitor.exit_module(Spec::FIELD, Self::CONTAINER);
        for (name, vector) in &self.vectors {
            visitor.enter_module(name, Self::CONTAINER);
            vector.visit(visitor);
            visitor.exit_module(name, Self::CONTAINER);
        }
        if let Some(factor) = &self.factor {
            visitor.enter_module(Self::FACTOR, Self::CONTAINER);
            factor.visit(visitor);
            visitor.exit_module(Self::FACTOR, Self::CONTAINER);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let Self { spec, vectors, factor, name, batch_std } = self;
        let mut vector = |(name, vector): (&'static str, Param<Tensor<1>>)| {
            mapper.enter_module(name, Self::CONTAINER);
            let vector = Module::map(vector, mapper);
            mapper.exit_module(name, Self::CONTAINER);
            (name, vector)
        };
        let vectors = vectors.into_iter().map(&mut vector).collect();
        let factor = factor.map(|factor| {
            mapper.enter_module(Self::FACTOR, Self::CONTAINER);
            let factor = Module::map(factor, mapper);
            mapper.exit_module(Self::FACTOR, Self::CONTAINER);
            factor
        });
        Self { spec, vectors, factor, name, batch_std }
    }

    fn to_device(self, device: &Device) -> Self {
        each_parameter!(self, parameter => parameter.to_device(device))
    }

    fn fork(self, device: &Device) -> Self {
        each_parameter!(self, parameter => parameter.fork(device))
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        let vectors = self.vectors.iter();
        let devices = vectors.fold(devices, |found, (_, vector)| vector.collect_devices(found));
        match &self.factor {
            Some(factor) => factor.collect_devices(devices),
            None => devices,
        }
    }

    fn materialize(self) -> Self {
        each_parameter!(self, parameter => parameter.materialize())
    }

    fn valid(&self) -> Self {
        each_parameter!(self.clone(), parameter => parameter.valid())
    }

    fn train(self) -> Self {
        each_parameter!(self, parameter => parameter.train())
    }
}

impl ModuleDisplayDefault for LearnedNoise {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .set_top_level_type("LearnedNoise")
            .add_debug_attribute("law", &self.spec.law)
            .add_debug_attribute("scale", &self.spec.scale)
            .optional()
    }

    fn num_params(&self) -> usize {
        Module::num_params(self)
    }
}

impl ModuleDisplay for LearnedNoise {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }
}

impl std::fmt::Display for LearnedNoise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.format(Default::default()))
    }
}
