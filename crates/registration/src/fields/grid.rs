//! The grid of voxels that images and fields lie on.

use crate::RegistrationError;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// The sizes of the spatial axes.
pub(crate) fn sizes<const R: usize>(x: &Tensor<R>) -> Vec<usize> {
    x.dims()[2..].to_vec()
}

/// Refuses what is no batch of 2-D or 3-D images with at least a voxel.
pub(crate) fn check_image<const R: usize>(
    field: &'static str,
    x: &Tensor<R>,
) -> Result<(), RegistrationError> {
    match (R == 4 || R == 5) && !x.dims().contains(&0) {
        true => Ok(()),
        false => {
            let wanted = "[batch, channels, height, width] or [batch, channels, depth, height, \
                          width] with no size of 0";
            Err(RegistrationError::Shape { field, got: x.dims().to_vec(), wanted: wanted.into() })
        }
    }
}

/// Refuses what is no batch of fields with a component for each axis, or has an axis of fewer than
/// `least` voxels.
pub(crate) fn check_field<const R: usize>(
    field: &'static str,
    x: &Tensor<R>,
    least: usize,
) -> Result<(), RegistrationError> {
    check_image(field, x)?;
    match x.dims()[1] == R - 2 && sizes(x).iter().all(|size| *size >= least) {
        true => Ok(()),
        false => {
            let wanted =
                format!("{} components, one for each axis, and axes of at least {least}", R - 2);
            Err(RegistrationError::Shape { field, got: x.dims().to_vec(), wanted })
        }
    }
}

/// Refuses a tensor whose batch or spatial sizes are not those of `of`.
pub(crate) fn check_fits<const R: usize>(
    field: &'static str,
    x: &Tensor<R>,
    of: &Tensor<R>,
) -> Result<(), RegistrationError> {
    match x.dims()[0] == of.dims()[0] && sizes(x) == sizes(of) {
        true => Ok(()),
        false => {
            let wanted = format!("a batch of {} on a grid of {:?}", of.dims()[0], sizes(of));
            Err(RegistrationError::Shape { field, got: x.dims().to_vec(), wanted })
        }
    }
}

/// Refuses a tensor that does not have the shape of `of`.
pub(crate) fn check_same<const R: usize>(
    field: &'static str,
    x: &Tensor<R>,
    of: &Tensor<R>,
) -> Result<(), RegistrationError> {
    match x.dims() == of.dims() {
        true => Ok(()),
        false => {
            let wanted = format!("{:?}", of.dims());
            Err(RegistrationError::Shape { field, got: x.dims().to_vec(), wanted })
        }
    }
}

/// Refuses sizes that are none of a grid for tensors of rank `R`, or below `least`.
pub(crate) fn check_sizes<const R: usize>(
    field: &'static str,
    size: &[usize],
    least: usize,
) -> Result<(), RegistrationError> {
    match (R == 4 || R == 5) && size.len() == R - 2 && size.iter().all(|&voxels| voxels >= least) {
        true => Ok(()),
        false => {
            let axes = R.saturating_sub(2);
            let wanted = format!("{axes} axes of at least {least} voxels, and 2 or 3 axes");
            Err(RegistrationError::Shape { field, got: size.to_vec(), wanted })
        }
    }
}

/// The shape `[batch, channels, ..size]`.
pub(crate) fn shape<const R: usize>(batch: usize, channels: usize, size: &[usize]) -> [usize; R] {
    std::array::from_fn(|axis| match axis {
        0 => batch,
        1 => channels,
        axis => size[axis - 2],
    })
}

/// The coordinates of every voxel: `[1, axes, ..size]`, in voxels from the first one.
pub(crate) fn coordinates<const R: usize>(
    size: &[usize],
    device: &Device,
    dtype: DType,
) -> Tensor<R> {
    let voxels: usize = size.iter().product();
    let mut values = Vec::with_capacity(size.len() * voxels);
    for axis in 0..size.len() {
        let stride: usize = size[axis + 1..].iter().product();
        values.extend((0..voxels).map(|voxel| (voxel / stride % size[axis]) as f64));
    }
    let data = TensorData::new(values, shape::<R>(1, size.len(), size));
    Tensor::from_data(data, (&device.clone().inner(), dtype))
}

/// Rows as a tensor on the device of another.
pub(crate) fn index<const R: usize>(rows: &[usize], like: &Tensor<R>) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
    let count = rows.len();
    Tensor::from_data(TensorData::new(rows, [count]), &like.device())
}
