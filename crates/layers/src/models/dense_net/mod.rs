//! Dense networks of binary or full-precision units.

mod build;
mod config;
#[cfg(feature = "flex")]
mod packed;

pub use config::{DenseNetConfig, DenseStem, DenseUnits};
#[cfg(feature = "flex")]
pub use packed::PackedDenseNet;

use super::Normalize;
use crate::NoiseError;
use crate::binary::{BinaryConv2d, Quantizer};
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
    ///
    /// # Panics
    ///
    /// If the images have another number of channels than the model.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.through(images, |stage, x| {
            self.stages[stage].iter().fold(x, |x, unit| unit.forward(x))
        })
    }

    /// The same network with another gradient of the signs that units make of their inputs. Its
    /// values do not change: it is what an attack on the network follows (BPDA, Athalye et al.,
    /// arXiv 1802.00420, section 4.1).
    ///
    /// ```
    /// # use burn::tensor::{Device, Tensor};
    /// use cni_layers::binary::Quantizer;
    /// use cni_layers::models::DenseNetConfig;
    /// # let device = Device::flex();
    /// # let images = Tensor::<4>::full([1, 3, 8, 8], 0.5, &device);
    /// let model = DenseNetConfig::binary_28(10).for_cifar().with_blocks([2], []).init(&device);
    /// let smooth = model.clone().with_surrogate(Quantizer::tanh_sign(2.0)).unwrap();
    /// assert_eq!(smooth.forward(images.clone()).into_data(), model.forward(images).into_data());
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] for units in full precision, and for a setting of the quantizer out of
    /// its range.
    pub fn with_surrogate(mut self, surrogate: Quantizer) -> Result<Self, NoiseError> {
        for unit in self.stages.iter_mut().flatten() {
            let DenseConv::Binary(conv) = &unit.conv else {
                let wanted = "binary units, whose signs a surrogate stands for";
                return Err(NoiseError::Model { field: "units", got: "full".into(), wanted });
            };
            unit.conv = DenseConv::Binary(conv.clone().with_surrogate(surrogate)?);
        }
        Ok(self)
    }

    /// Logits of images, with another computation of the stages.
    fn through(
        &self,
        images: Tensor<4>,
        stage: impl Fn(usize, Tensor<4>) -> Tensor<4>,
    ) -> Tensor<2> {
        let images = self.normalize.of_model(images, self.stem.weight.lazy_shape()[1]);
        let mut x = cni_ops::conv2d(&self.stem, images);
        if let Some(norm) = &self.stem_norm {
            x = cni_ops::batch_norm(norm, x, Epilogue::relu());
            let pool = MaxPool2dConfig::new([3, 3]).with_strides([2, 2]);
            x = pool.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init().forward(x);
        }
        for (at, transition) in self.transitions.iter().enumerate() {
            x = transition.forward(stage(at, x));
        }
        let x = stage(self.transitions.len(), x);
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
