use crate::RegistrationError;
use burn::tensor::{Device, Tensor};
use cni_noise::Key;

/// Where true fields come from.
pub trait FieldSource<const R: usize> {
    /// Draws `count` fields, `[count, axes, ..spatial]` in voxels, as a function of the key.
    ///
    /// # Errors
    ///
    /// Those of the source: settings out of their range, a body that cannot be solved.
    fn draw(&self, key: Key, count: usize, device: &Device)
    -> Result<Tensor<R>, RegistrationError>;
}
