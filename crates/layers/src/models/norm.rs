//! The norms of activations, batch or group.

use crate::NoisyConv2d;
use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::nn::{BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig};
use burn::tensor::Device;
use cni_ops::{Chain, Epilogue, Value};
use serde::{Deserialize, Serialize};

/// The kind of a model's norms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum NormKind {
    /// Batch norm, as published: an activation is normalized by the statistics of the batch, so
    /// that an example's output in training depends on the others.
    #[default]
    Batch,
    /// Group norm (Wu and He, ECCV 2018, arXiv 1803.08494): by the statistics of the example alone,
    /// as private training needs it.
    Group {
        /// The number of groups of channels. A norm of fewer channels has one for each.
        groups: usize,
    },
}

impl NormKind {
    /// True if the kind has a norm of so many channels.
    pub(super) fn fits(self, channels: usize) -> bool {
        match self {
            Self::Batch => true,
            Self::Group { groups } => groups > 0 && channels.is_multiple_of(groups.min(channels)),
        }
    }

    pub(super) fn init(self, channels: usize, device: &Device) -> Norm {
        match self {
            Self::Batch => Norm::Batch(BatchNormConfig::new(channels).init(device)),
            Self::Group { groups } => {
                let norm = GroupNormConfig::new(groups.min(channels), channels);
                Norm::Group(norm.init(device))
            }
        }
    }
}

/// A norm of activations `[batch, channels, height, width]`. Its parameters have the paths of the
/// norm that it is.
#[derive(Clone, Debug)]
pub enum Norm {
    /// Batch norm.
    Batch(BatchNorm),
    /// Group norm.
    Group(GroupNorm),
}

impl Norm {
    /// The norm in a chain, and what follows. A chain with a group norm runs layer by layer.
    pub(super) fn chain<'a>(
        &'a self,
        chain: &mut Chain<'a>,
        x: Value,
        after: Epilogue<Value>,
    ) -> Value {
        match self {
            Self::Batch(norm) => chain.batch_norm(norm, x, after),
            Self::Group(norm) => {
                let x = chain.apply(x, |x| norm.forward(x));
                chain.epilogue(x, after)
            }
        }
    }

    /// A convolution in a chain with the norm after it, if it has one, and what follows.
    pub(super) fn chain_conv<'a>(
        norm: Option<&'a Self>,
        conv: &'a NoisyConv2d,
        chain: &mut Chain<'a>,
        x: Value,
        after: Epilogue<Value>,
    ) -> Value {
        match norm {
            None => conv.chain(chain, None, x, after),
            Some(Self::Batch(norm)) => conv.chain(chain, Some(norm), x, after),
            Some(norm) => {
                let x = conv.chain(chain, None, x, Epilogue::default());
                norm.chain(chain, x, after)
            }
        }
    }
}

/// The same expression of whichever norm it is.
macro_rules! either {
    ($norm:expr, $inner:ident => $value:expr) => {
        match $norm {
            Norm::Batch($inner) => $value,
            Norm::Group($inner) => $value,
        }
    };
    ($norm:expr, $inner:ident -> $value:expr) => {
        match $norm {
            Norm::Batch($inner) => Norm::Batch($value),
            Norm::Group($inner) => Norm::Group($value),
        }
    };
}

/// By hand, since Burn's derive for an enum puts the name of the variant into the paths.
impl Module for Norm {
    fn collect_devices(&self, devices: Devices) -> Devices {
        either!(self, norm => norm.collect_devices(devices))
    }

    fn fork(self, device: &Device) -> Self {
        either!(self, norm -> norm.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        either!(self, norm -> norm.to_device(device))
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        either!(self, norm => norm.visit(visitor))
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        either!(self, norm -> norm.map(mapper))
    }

    fn materialize(self) -> Self {
        either!(self, norm -> norm.materialize())
    }

    fn valid(&self) -> Self {
        either!(self, norm -> norm.valid())
    }

    fn train(self) -> Self {
        either!(self, norm -> norm.train())
    }
}

impl ModuleDisplayDefault for Norm {
    fn content(&self, content: Content) -> Option<Content> {
        either!(self, norm => norm.content(content))
    }
}

impl ModuleDisplay for Norm {
    fn format(&self, settings: burn::module::DisplaySettings) -> String {
        either!(self, norm => norm.format(settings))
    }
}
