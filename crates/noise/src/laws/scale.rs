//! The size of noise, and the tensor that it is for.

use super::LawError;
use crate::named_values;
use serde::{Deserialize, Serialize};

/// The way in which the size of noise follows the tensor that receives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoiseScale {
    /// As the method's authors compute it. The colored law multiplies its diagonal *variance* by
    /// the tensor's standard deviation `s` and leaves the factor alone; the gradient passes through
    /// `s`. In the white law `s` is a constant of the backward pass.
    #[default]
    Reference,
    /// In proportion to the tensor: `s` times a noise that does not depend on the tensor's scale.
    /// The gradient passes through `s`.
    // The name in files of before.
    #[serde(alias = "scaled")]
    Relative,
    /// Whatever the tensor is: the parameters are in its units.
    Absolute,
}

/// The elements that share a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// One parameter for the tensor.
    Layer,
    /// One for each channel: output channels of a weight, channels of an activation.
    Channel,
    /// One for each element.
    Element,
}

named_values!(NoiseScale, LawError, refused("scale"), [Reference, Relative, Absolute]);
named_values!(Granularity, LawError, refused("granularity"), [Layer, Channel, Element]);

/// The error of a text that names no value of this field.
fn refused(field: &'static str) -> impl Fn(&str, &str) -> LawError {
    move |got, names| LawError::new(field, format!("{got:?}"), format!("one of {names}"))
}

impl Granularity {
    /// The number of parameters for a tensor.
    pub fn parameters(self, shape: &TensorShape) -> usize {
        match self {
            Self::Layer => 1,
            Self::Channel => shape.channels(),
            Self::Element => shape.elements(),
        }
    }
}

/// The shape of a tensor that receives noise, without the batch axis, and the axis of its channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorShape {
    /// The sizes.
    #[serde(rename = "shape")]
    pub dims: Vec<usize>,
    /// The axis of the channels.
    pub channel_axis: usize,
}

impl TensorShape {
    /// The shape of these sizes.
    ///
    /// # Panics
    ///
    /// If there is no such axis.
    pub fn new(dims: &[usize], channel_axis: usize) -> Self {
        let rank = dims.len();
        assert!(channel_axis < rank, "channel_axis: got {channel_axis}, wanted less than {rank}");
        Self { dims: dims.to_vec(), channel_axis }
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        self.dims[self.channel_axis]
    }

    /// Neighbouring elements of one channel.
    pub fn stride(&self) -> usize {
        self.dims[self.channel_axis + 1..].iter().product()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for scale in NoiseScale::ALL {
            assert_eq!(scale.to_string().parse(), Ok(*scale));
        }
        for granularity in Granularity::ALL {
            assert_eq!(granularity.to_string().parse(), Ok(*granularity));
        }
        let error = "scaled".parse::<NoiseScale>().unwrap_err().to_string();
        let wanted = "scale: got \"scaled\", wanted one of reference, relative, absolute";
        assert_eq!(error, wanted);
    }
}
