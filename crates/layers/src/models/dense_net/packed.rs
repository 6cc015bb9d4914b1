//! A dense network for inference, 64 signs in a word.

use super::{DenseConv, DenseNet, DenseNetConfig, DenseUnit};
use crate::NoiseError;
use crate::binary::{PackedConv2d, PackedError, PackedModel, numbers};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use cni_ops::{SignUnit, running_affine, sign_stage};
use std::path::Path;

/// A [`DenseNet`] of binary units for inference on the host, 64 signs in a word.
///
/// Each stage is one operation: the signs that a unit takes of the running affine map of its batch
/// norm, and the convolution of these signs. First convolution, transitions and classifier are
/// those of the network. On Flex, in full precision, the logits of finite images are exactly those
/// of the network in evaluation mode: a unit adds whole numbers, and all else is the same operation
/// on the same numbers. It has no gradient: what is attacked is the network that it was made of.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use cni_layers::models::{DenseNetConfig, PackedDenseNet};
/// # let device = Device::flex();
/// # let images = Tensor::<4>::full([1, 3, 8, 8], 0.5, &device);
/// let model = DenseNetConfig::binary_28(10).for_cifar().with_blocks([2], []).init(&device);
/// let packed = PackedDenseNet::of(&model).unwrap();
/// assert_eq!(packed.forward(images.clone()).into_data(), model.forward(images).into_data());
/// ```
#[derive(Clone, Debug)]
pub struct PackedDenseNet {
    /// The network without its units.
    rest: DenseNet,
    stages: Vec<Vec<PackedUnit>>,
}

#[derive(Clone, Debug)]
struct PackedUnit {
    scale: Vec<f32>,
    shift: Vec<f32>,
    conv: PackedConv2d,
}

impl PackedUnit {
    fn of(unit: &DenseUnit) -> Result<Self, NoiseError> {
        let DenseConv::Binary(conv) = &unit.conv else {
            let wanted = "binary units, for a packed network";
            return Err(NoiseError::Model { field: "units", got: "full".into(), wanted });
        };
        let [scale, shift] = running_affine(&unit.norm).map(numbers);
        Ok(Self { scale, shift, conv: PackedConv2d::of(conv)? })
    }
}

impl PackedDenseNet {
    /// The network with its units packed.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] for units in full precision, and for latent weights that are not
    /// finite.
    pub fn of(model: &DenseNet) -> Result<Self, NoiseError> {
        let pack = |units: &Vec<DenseUnit>| units.iter().map(PackedUnit::of).collect();
        let stages = model.stages.iter().map(pack).collect::<Result<_, _>>()?;
        Ok(Self { rest: DenseNet { stages: Vec::new(), ..model.valid() }, stages })
    }

    /// The network of a file that [`PackedModel::save`] wrote, with the [`DenseNetConfig`] that it
    /// was made by.
    ///
    /// # Errors
    ///
    /// [`PackedError`] for a file that is not as it was written, or not of a dense network.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, PackedError> {
        let packed = PackedModel::load(path)?;
        let config: DenseNetConfig = packed.config()?;
        Ok(Self::of(&packed.fill(config.try_init(device)?)?)?)
    }

    /// Logits of images.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, channels, height, width]`, pixels in [0, 1]
    /// - logits: `[batch, classes]`
    ///
    /// # Panics
    ///
    /// If the images have another number of channels than the network.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.rest.through(images, |stage, x| {
            let (dims @ [batch, _, height, width], options) =
                (x.dims(), (&x.device().inner(), x.dtype()));
            let units = self.stages[stage].iter().map(|unit| SignUnit {
                scale: &unit.scale,
                shift: &unit.shift,
                kernel: unit.conv.kernel(),
                geometry: unit.conv.geometry([height, width]),
            });
            let y = sign_stage(&numbers(x), dims, &units.collect::<Vec<_>>());
            let channels = y.len() / (batch * height * width).max(1);
            Tensor::from_data(TensorData::new(y, [batch, channels, height, width]), options)
        })
    }
}
