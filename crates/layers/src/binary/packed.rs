//! Binary layers for inference, 64 signs in a word.

use super::{BinaryConv2d, BinaryLinear, PadValue, numbers};
use crate::NoiseError;
use burn::nn::PaddingConfig2d;
use burn::tensor::{Tensor, TensorData};
use cni_ops::{PackedKernel, PackedSigns, SignGeometry, padding_pairs, sign_conv2d};

/// A convolution of signs for inference on the host, 64 weights in a word.
///
/// Its values are exactly those of the [`BinaryConv2d`] that it was made of, for finite inputs.
#[derive(Clone, Debug)]
pub struct PackedConv2d {
    kernel: PackedKernel,
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: PaddingConfig2d,
    pad: PadValue,
}

impl PackedConv2d {
    /// The layer with its weights packed.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] for a layer whose inputs are not quantized, for one with groups, and
    /// for latent weights that are not finite.
    pub fn of(layer: &BinaryConv2d) -> Result<Self, NoiseError> {
        quantized(layer.input().is_some())?;
        let conv = &layer.conv;
        if conv.groups > 1 {
            let (got, wanted) = (conv.groups.to_string(), "1, for a packed layer");
            return Err(NoiseError::Model { field: "groups", got, wanted });
        }
        let latent = conv.weight.base();
        let shape = latent.dims();
        let weights = PackedSigns::pack(&finite(numbers(latent))?, shape);
        Ok(Self {
            kernel: PackedKernel::new(&weights),
            stride: conv.stride,
            dilation: conv.dilation,
            padding: layer.padding().clone(),
            pad: layer.pad(),
        })
    }

    /// `[batch, channels_in, height, width]` to `[batch, channels_out, height_out, width_out]`.
    ///
    /// # Panics
    ///
    /// If the input has other channels than the layer, or the kernel is larger than the padded
    /// input.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let dims @ [batch, _, height, width] = x.dims();
        let [outputs, _, kernel_height, kernel_width] = self.kernel.shape();
        let (input, kernel) = ([height, width], [kernel_height, kernel_width]);
        let geometry = self.geometry(input);
        let options = (&x.device().inner(), x.dtype());
        let y = sign_conv2d(&PackedSigns::pack(&numbers(x), dims), &self.kernel, geometry);
        let [rows, columns] = geometry.output(input, kernel).expect("a kernel that fits");
        Tensor::from_data(TensorData::new(y, [batch, outputs, rows, columns]), options)
    }

    /// The packed weights.
    pub(crate) fn kernel(&self) -> &PackedKernel {
        &self.kernel
    }

    /// The geometry for an input of a height and a width.
    pub(crate) fn geometry(&self, input: [usize; 2]) -> SignGeometry {
        let [_, _, height, width] = self.kernel.shape();
        SignGeometry {
            stride: self.stride,
            dilation: self.dilation,
            padding: padding_pairs(&self.padding, input, [height, width], self.stride),
            pad: match self.pad {
                PadValue::Zero => None,
                PadValue::Minus => Some(true),
                PadValue::Plus => Some(false),
            },
        }
    }
}

/// A linear layer of signs for inference on the host, 64 weights in a word.
///
/// Its values are exactly those of the [`BinaryLinear`] that it was made of, for finite inputs.
#[derive(Clone, Debug)]
pub struct PackedLinear {
    kernel: PackedKernel,
}

impl PackedLinear {
    /// The layer with its weights packed.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] for a layer whose inputs are not quantized, and for latent weights
    /// that are not finite.
    pub fn of(layer: &BinaryLinear) -> Result<Self, NoiseError> {
        quantized(layer.input().is_some())?;
        let latent = layer.linear.weight.base();
        let [inputs, outputs] = latent.dims();
        let latent = finite(numbers(latent.transpose()))?;
        let weights = PackedSigns::pack(&latent, [outputs, inputs, 1, 1]);
        Ok(Self { kernel: PackedKernel::new(&weights) })
    }

    /// `[batch, .., features_in]` to `[batch, .., features_out]`.
    ///
    /// # Panics
    ///
    /// If the last axis does not have the layer's input features.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let mut dims = x.dims();
        let [outputs, inputs, ..] = self.kernel.shape();
        assert_eq!(dims[D - 1], inputs, "input features");
        let rows = dims[..D - 1].iter().product();
        let geometry =
            SignGeometry { stride: [1, 1], dilation: [1, 1], padding: [(0, 0), (0, 0)], pad: None };
        let options = (&x.device().inner(), x.dtype());
        let x = PackedSigns::pack(&numbers(x), [rows, inputs, 1, 1]);
        dims[D - 1] = outputs;
        Tensor::from_data(TensorData::new(sign_conv2d(&x, &self.kernel, geometry), dims), options)
    }
}

fn quantized(input: bool) -> Result<(), NoiseError> {
    match input {
        true => Ok(()),
        false => {
            let wanted = "a quantizer of the inputs, for a packed layer";
            Err(NoiseError::Model { field: "input", got: "none".into(), wanted })
        }
    }
}

/// The values of latent weights, all of which must have a sign.
fn finite(values: Vec<f32>) -> Result<Vec<f32>, NoiseError> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(values),
        Some(value) => {
            let wanted = "finite latent weights, for a packed layer";
            Err(NoiseError::Model { field: "weight", got: value.to_string(), wanted })
        }
    }
}
