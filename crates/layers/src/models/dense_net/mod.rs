//! Dense networks of binary or full-precision units.

mod build;
mod config;

pub use config::{DenseNetConfig, DenseStem, DenseUnits};

use super::Normalize;
use crate::binary::BinaryConv2d;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{BatchNorm, Linear, PaddingConfig2d};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use cni_ops::Epilogue;

/// A network in which each unit sees the outputs of all before it in its stage (Huang et al., CVPR
/// 2017), by signs: BinaryDenseNet (Bethge et al., arXiv 1906.08637). Made by [`DenseNetConfig`].
///
/// A unit is a batch norm, a sign and a 3x3 convolution of signs, without a bottleneck. First
/// convolution, transitions and classifier are in full precision.
#[derive(Module, Debug)]
pub struct DenseNet {
    /// Pixels in [0, 1] to normalized values.
    pub normalize: Normalize,
    /// The first convolution.
    pub stem: Conv2d,
    /// Its batch norm, with a rectifier and a pooling behind, if the stem is the large one.
    pub stem_norm: Option<BatchNorm>,
    /// The units of each stage.
    pub stages: Vec<Vec<DenseUnit>>,
    /// The ways from each stage to the next.
    pub transitions: Vec<Transition>,
    /// The last batch norm.
    pub norm: BatchNorm,
    /// The classifier.
    pub fc: Linear,
}

/// A unit of a dense network: batch norm and convolution, whose output follows its input.
#[derive(Module, Debug)]
pub struct DenseUnit {
    /// The batch norm.
    pub norm: BatchNorm,
    /// The convolution.
    pub conv: DenseConv,
}

/// The convolution of a unit.
#[derive(Module, Debug)]
pub enum DenseConv {
    /// A convolution of signs.
    Binary(BinaryConv2d),
    /// A convolution in full precision, behind a rectifier.
    Full(Conv2d),
}

/// The way from a stage to the next: batch norm, pooling, rectifier, 1x1 convolution.
#[derive(Module, Debug)]
pub struct Transition {
    /// The batch norm.
    pub norm: BatchNorm,
    /// The convolution.
    pub conv: Conv2d,
    /// True if height and width become half of what they were.
    pub pools: bool,
}

impl DenseNet {
    /// Logits of images.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, channels, height, width]`, pixels in [0, 1]
    /// - logits: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = cni_ops::conv2d(&self.stem, self.normalize.forward(images));
        if let Some(norm) = &self.stem_norm {
            x = cni_ops::batch_norm(norm, x, Epilogue::relu());
            let pool = MaxPool2dConfig::new([3, 3]).with_strides([2, 2]);
            x = pool.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init().forward(x);
        }
        for (stage, units) in self.stages.iter().enumerate() {
            x = units.iter().fold(x, |x, unit| unit.forward(x));
            if let Some(transition) = self.transitions.get(stage) {
                x = transition.forward(x);
            }
        }
        let x = cni_ops::batch_norm(&self.norm, x, Epilogue::relu());
        let [batch, channels, ..] = x.dims();
        self.fc.forward(x.flatten::<3>(2, 3).mean_dim(2).reshape([batch, channels]))
    }
}

impl DenseUnit {
    /// `[batch, channels, height, width]` to the same with the unit's growth more channels.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let new = match &self.conv {
            DenseConv::Binary(conv) => {
                conv.forward(cni_ops::batch_norm(&self.norm, x.clone(), Epilogue::default()))
            }
            DenseConv::Full(conv) => {
                let new = cni_ops::batch_norm(&self.norm, x.clone(), Epilogue::relu());
                cni_ops::conv2d(conv, new)
            }
        };
        Tensor::cat(vec![x, new], 1)
    }
}

impl Transition {
    /// `[batch, channels, height, width]` to fewer channels of half the size, or of the same.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut x = cni_ops::batch_norm(&self.norm, x, Epilogue::default());
        if self.pools {
            x = MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init().forward(x);
        }
        cni_ops::conv2d(&self.conv, relu(x))
    }
}
