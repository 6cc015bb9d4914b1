//! Tensors in double precision, and derivatives by finite differences.

use burn::tensor::{DType, Device, Tensor, TensorData};
use cni_noise::{Key, host_normal};

pub fn device() -> Device {
    Device::flex()
}

pub fn tensor<const R: usize>(values: Vec<f64>, dims: [usize; R]) -> Tensor<R> {
    Tensor::from_data(TensorData::new(values, dims), (&device(), DType::F64))
}

/// Standard normal values.
pub fn random<const R: usize>(seed: u64, dims: [usize; R]) -> Tensor<R> {
    let drawn = host_normal(Key::new(seed), 0..dims.iter().product::<usize>() as u64);
    tensor(drawn.into_iter().map(f64::from).collect(), dims)
}

/// `[1, channels, ..size]` from a function of the channel and the voxel.
pub fn made<const R: usize>(
    channels: usize,
    size: &[usize],
    value: impl Fn(usize, &[f64]) -> f64,
) -> Tensor<R> {
    let voxels: usize = size.iter().product();
    let voxel = |number: usize| -> Vec<f64> {
        let place = |axis: usize| number / size[axis + 1..].iter().product::<usize>() % size[axis];
        (0..size.len()).map(|axis| place(axis) as f64).collect()
    };
    let of = |channel: usize| (0..voxels).map(move |number| (channel, number));
    let values = (0..channels).flat_map(of).map(|(c, number)| value(c, &voxel(number)));
    let mut dims = [1; R];
    dims[1] = channels;
    dims[2..].copy_from_slice(size);
    tensor(values.collect(), dims)
}

pub fn numbers<const R: usize>(x: &Tensor<R>) -> Vec<f64> {
    x.clone().detach().into_data().iter::<f64>().collect()
}

pub fn number(x: &Tensor<1>) -> f64 {
    numbers(x)[0]
}

pub fn farthest(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The voxels at least `margin` from every side of the grid.
pub fn interior<const R: usize>(x: &Tensor<R>, margin: usize) -> Tensor<R> {
    (2..R).fold(x.clone(), |x, axis| {
        let voxels = x.dims()[axis];
        x.narrow(axis, margin, voxels - 2 * margin)
    })
}

/// Compares the gradient of a function of one tensor with central differences.
pub fn assert_gradient<const R: usize>(
    x: &Tensor<R>,
    tolerance: f64,
    f: impl Fn(Tensor<R>) -> Tensor<1>,
) {
    let leaf = x.clone().autodiff().require_grad();
    let gradients = f(leaf.clone()).backward();
    let found = numbers(&leaf.grad(&gradients).expect("the function depends on it"));
    let values = numbers(x);
    let step = 1e-6;
    let at = |index: usize, by: f64| {
        let mut values = values.clone();
        values[index] += by;
        number(&f(tensor(values, x.dims())))
    };
    for (index, found) in found.into_iter().enumerate() {
        let wanted = (at(index, step) - at(index, -step)) / (2.0 * step);
        assert!((found - wanted).abs() < tolerance, "{index}: {found}, not {wanted}");
    }
}
