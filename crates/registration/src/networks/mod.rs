//! Networks that predict a displacement field from a moving and a fixed image, after label-reg (Hu
//! et al., arXiv 1807.03361). `R` is the rank of their images: 4 in 2-D, 5 in 3-D.
//!
//! ```
//! # use burn::tensor::{Device, Tensor};
//! use cni_registration::networks::{LocalNetConfig, Pyramid};
//! # let device = Device::flex();
//! let pyramid = Pyramid { channels: 8, levels: 3, ..Pyramid::default() };
//! let network = LocalNetConfig { pyramid }.init::<4>(&device);
//! let image = Tensor::ones([2, 1, 21, 30], &device);
//! let field = network.forward(image.clone(), image)?; // zero at first
//! assert_eq!(field.dims(), [2, 2, 21, 30]);
//! # Ok::<(), cni_registration::RegistrationError>(())
//! ```
//!
//! Weights come from the device's generator, as all of Burn's, or as a function of a key by
//! `keyed_init` of `cni-layers`. Either way a network predicts no motion at first.
//!
//! # Deviations from label-reg
//!
//! - Group norm in place of a batch norm that always takes the statistics of the batch: a
//!   prediction does not depend on the other examples of its batch.
//! - An upsampling block goes on from the sum with its skip, where label-reg's code computes the
//!   sum and convolves what was before it.
//! - The composite network composes its two fields, where label-reg adds them.
//! - The affine map is about the center of the image, where label-reg's is about its first voxel.
//!
//! # What 3-D costs
//!
//! Burn has convolutions and transposed convolutions in 3-D with their gradients. Its pooling and
//! interpolation end at 2-D, so that those here are made of other operations. A level takes about
//! `5 · kernel^axes · channels²` multiplications for each of its voxels, with its own channels. The
//! levels take as many as each other in 2-D, and each takes half of those of the one before in 3-D.
//! With kernels of 3 that is `45 · levels · channels²` for a voxel of the image in 2-D and
//! `270 · channels²` in 3-D, with the channels at full size, beside the first kernel; a training
//! step takes three times that, and keeps the activations of all blocks, `channels` numbers for a
//! voxel each. On a CPU take few channels and small volumes.

mod composite;
mod global;
mod layers;
mod local;
mod pyramid;

pub use composite::{CompositeNet, CompositeNetConfig};
pub use global::{GlobalNet, GlobalNetConfig};
pub(crate) use layers::Conv;
pub use local::{LocalNet, LocalNetConfig};
pub use pyramid::Pyramid;
pub(crate) use pyramid::WIDEST;

use crate::RegistrationError;
use crate::fields::grid::{check_image, check_same};
use burn::tensor::Tensor;

/// The two images as the channels of one.
fn joined<const R: usize>(
    moving: Tensor<R>,
    fixed: Tensor<R>,
    channels: usize,
) -> Result<Tensor<R>, RegistrationError> {
    check_image("moving", &moving)?;
    check_same("fixed", &fixed, &moving)?;
    match moving.dims()[1] == channels {
        true => Ok(Tensor::cat(vec![moving, fixed], 1)),
        false => {
            let wanted = format!("{channels} channels");
            Err(RegistrationError::Shape { field: "moving", got: moving.dims().to_vec(), wanted })
        }
    }
}
