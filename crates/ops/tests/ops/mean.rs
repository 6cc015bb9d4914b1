//! The mean of each channel against Burn's operations, bit for bit, with its gradient.

use burn::tensor::{DType, Device, Tensor};
use cni_noise::{Key, normal};
use cni_ops::spatial_mean;

fn by_burn(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, ..] = x.dims();
    x.mean_dims(&[2, 3]).reshape([batch, channels])
}

/// Value and gradient of `mean(x)`, weighted so that every channel has another slope.
fn value_and_gradient(mean: fn(Tensor<4>) -> Tensor<2>, x: &Tensor<4>) -> [Vec<u64>; 2] {
    let leaf = x.clone().autodiff().require_grad();
    let out = mean(leaf.clone());
    let slopes = normal::<2>(Key::new(9), out.dims(), &Device::flex()).cast(x.dtype());
    // Some of minus zero.
    let slopes = slopes.clone().mask_fill(slopes.lower_elem(-1.0), -0.0);
    let gradient = leaf.grad(&(out.clone() * slopes).sum().backward()).unwrap();
    let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect();
    [bits(out.try_to_vec_as().unwrap()), bits(gradient.try_to_vec_as().unwrap())]
}

#[test]
fn means_and_gradients_equal_burns_bit_for_bit() {
    let device = Device::flex();
    for shape in [[128, 64, 8, 8], [3, 5, 7, 9], [1, 1, 1, 1], [2, 3, 1, 40], [2, 3, 40, 1]] {
        let x = normal::<4>(Key::new(1), shape, &device);
        let turned = x.clone().swap_dims(2, 3);
        for x in [x.clone(), turned, x.cast(DType::F64)] {
            assert_eq!(value_and_gradient(spatial_mean, &x), value_and_gradient(by_burn, &x));
            assert_eq!(spatial_mean(x.clone()).into_data(), by_burn(x).into_data());
        }
    }
}

#[test]
fn a_mean_of_what_is_not_a_number_is_none() {
    let x = Tensor::<4>::from_data([[[[1.0, f32::NAN]], [[2.0, f32::INFINITY]]]], &Device::flex());
    let means = spatial_mean(x).try_to_vec_as::<f32>().unwrap();
    assert!(means[0].is_nan() && means[1] == f32::INFINITY);
}
