use super::FieldSource;
use crate::RegistrationError;
use crate::fields::grid::{check_field, index};
use burn::tensor::{Device, Tensor};
use cni_noise::{Key, host_uniform};

/// Fields that were made before, each drawn with equal probability, with replacement.
#[derive(Clone, Debug)]
pub struct FieldBank<const R: usize>(Tensor<R>);

impl<const R: usize> FieldBank<R> {
    /// The bank of these fields, `[fields, axes, ..spatial]` in voxels.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Shape`] for a tensor that is no fields.
    pub fn new(fields: Tensor<R>) -> Result<Self, RegistrationError> {
        check_field("fields", &fields, 1)?;
        Ok(Self(fields))
    }

    /// All fields, `[fields, axes, ..spatial]` in voxels.
    pub fn fields(&self) -> Tensor<R> {
        self.0.clone()
    }
}

impl<const R: usize> FieldSource<R> for FieldBank<R> {
    fn draw(
        &self,
        key: Key,
        count: usize,
        device: &Device,
    ) -> Result<Tensor<R>, RegistrationError> {
        let all = self.0.dims()[0];
        let drawn = host_uniform(key, 0..count as u64);
        let rows: Vec<usize> =
            drawn.into_iter().map(|u| (f64::from(u) * all as f64) as usize).collect();
        Ok(self.0.clone().select(0, index(&rows, &self.0)).to_device(device))
    }
}
