//! The part that all networks share: features at several sizes.

use super::layers::{ConvNorm, Down};
use crate::RegistrationError;
use crate::error::{at_least, odd};
use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// The most channels of a level.
pub(crate) const WIDEST: usize = 16_384;

/// The features of a network at several sizes, each half of that before, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pyramid {
    /// Channels of an image, at most 8,192: the two images of a pair are read together.
    pub image_channels: usize,
    /// Channels of the features at full size. They double at each level, to at most 16,384.
    pub channels: usize,
    /// Sizes, the full one and the smallest included: at least 2.
    pub levels: usize,
    /// Voxels of the first kernel along each axis, odd.
    pub first_kernel: usize,
    /// Voxels of all other kernels along each axis, odd.
    pub kernel: usize,
    /// Groups of channels that are normalized together, at least two channels each.
    pub groups: usize,
}

impl Default for Pyramid {
    /// label-reg's sizes: images of one channel, 32 channels at full size, 5 levels, a first kernel
    /// of 7 and others of 3; groups of 8 channels at full size.
    fn default() -> Self {
        Self { image_channels: 1, channels: 32, levels: 5, first_kernel: 7, kernel: 3, groups: 4 }
    }
}

impl Pyramid {
    /// Channels at a level, from 0.
    pub(super) fn channels_at(&self, level: usize) -> usize {
        self.channels << level
    }

    /// Refuses what is no network, or one whose channels overflow.
    pub(super) fn check<const R: usize>(&self) -> Result<(), RegistrationError> {
        if R != 4 && R != 5 {
            let wanted = "4 (2-D) or 5 (3-D)".into();
            return Err(RegistrationError::Count { field: "rank", got: R, wanted });
        }
        if at_least("image_channels", self.image_channels, 1)? > WIDEST / 2 {
            let (got, wanted) = (self.image_channels, format!("at most {}", WIDEST / 2));
            return Err(RegistrationError::Count { field: "image_channels", got, wanted });
        }
        at_least("groups", self.groups, 1)?;
        if !self.channels.is_multiple_of(self.groups) || self.channels / self.groups < 2 {
            let wanted = format!("a multiple of the {} groups, at least twice", self.groups);
            let got = self.channels;
            return Err(RegistrationError::Count { field: "channels", got, wanted });
        }
        at_least("levels", self.levels, 2)?;
        if self.levels > 16 {
            let wanted = "at most 16".into();
            return Err(RegistrationError::Count { field: "levels", got: self.levels, wanted });
        }
        if self.channels > WIDEST >> (self.levels - 1) {
            let wanted = format!("at most {WIDEST} after {} doublings", self.levels - 1);
            let got = self.channels;
            return Err(RegistrationError::Count { field: "channels", got, wanted });
        }
        odd("first_kernel", self.first_kernel)?;
        odd("kernel", self.kernel).map(|_| ())
    }

    pub(super) fn init<const R: usize>(&self, device: &Device) -> Encoder<R> {
        let down = |level: usize| {
            let (input, first) = match level {
                0 => (2 * self.image_channels, self.first_kernel),
                level => (self.channels_at(level - 1), self.kernel),
            };
            let channels = [input, self.channels_at(level)];
            Down::new(channels, [first, self.kernel], self.groups, device)
        };
        let last = self.levels - 1;
        let channels = [last - 1, last].map(|level| self.channels_at(level));
        Encoder {
            down: (0..last).map(down).collect(),
            deepest: ConvNorm::new(channels[0], channels[1], self.kernel, self.groups, device),
        }
    }
}

/// Residual blocks with max pooling, and a convolution of the smallest features.
#[derive(Module, Debug)]
pub(super) struct Encoder<const R: usize> {
    down: Vec<Down<R>>,
    deepest: ConvNorm<R>,
}

impl<const R: usize> Encoder<R> {
    /// The smallest features, and those of the levels before from the full size on.
    pub fn forward(&self, images: Tensor<R>) -> (Tensor<R>, Vec<Tensor<R>>) {
        let mut levels = Vec::with_capacity(self.down.len());
        let mut x = images;
        for down in &self.down {
            let [features, pooled] = down.forward(x);
            levels.push(features);
            x = pooled;
        }
        (relu(self.deepest.forward(x)), levels)
    }
}
