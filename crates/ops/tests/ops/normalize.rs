//! The normalization of images against Burn's operations, bit for bit, with its gradient.

use burn::tensor::{DType, Device, Tensor};
use cni_noise::{Key, normal, uniform};
use cni_ops::normalize;

fn by_burn(x: Tensor<4>, mean: Tensor<1>, std: Tensor<1>) -> Tensor<4> {
    (x - mean.reshape([1, -1, 1, 1])) / std.reshape([1, -1, 1, 1])
}

type Normalization = fn(Tensor<4>, Tensor<1>, Tensor<1>) -> Tensor<4>;

/// Value and gradient of `normalize(x)` for slopes some of which are zero, of either sign.
fn value_and_gradient(
    normalize: Normalization,
    x: &Tensor<4>,
    [mean, std]: &[Tensor<1>; 2],
) -> [Vec<u64>; 2] {
    let leaf = x.clone().autodiff().require_grad();
    let out = normalize(leaf.clone(), mean.clone(), std.clone());
    let slopes = normal::<4>(Key::new(9), out.dims(), &Device::flex()).cast(x.dtype());
    let slopes = slopes.clone().mask_fill(slopes.clone().lower_elem(-1.0), -0.0);
    let slopes = slopes.clone().mask_fill(slopes.greater_elem(1.0), 0.0);
    let gradient = leaf.grad(&(out.clone() * slopes).sum().backward()).unwrap();
    let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect();
    [bits(out.try_to_vec_as().unwrap()), bits(gradient.try_to_vec_as().unwrap())]
}

#[test]
fn normalized_images_and_gradients_equal_burns_bit_for_bit() {
    let device = Device::flex();
    let constants = |channels| {
        [0, 1].map(|n| uniform::<1>(Key::new(7).child(n), [channels], &device).add_scalar(0.1))
    };
    for (shape, channels) in
        [([128, 3, 32, 32], 3), ([2, 5, 7, 3], 5), ([1, 1, 1, 1], 1), ([2, 3, 4, 4], 1)]
    {
        let x = uniform::<4>(Key::new(1), shape, &device);
        let turned = x.clone().swap_dims(2, 3);
        for (x, constants) in [
            (x.clone(), constants(channels)),
            (turned, constants(channels)),
            (x.clone().cast(DType::F64), constants(channels).map(|c| c.cast(DType::F64))),
        ] {
            let ours = value_and_gradient(normalize, &x, &constants);
            assert_eq!(ours, value_and_gradient(by_burn, &x, &constants), "{shape:?}");
            let [mean, std] = constants;
            let ours = normalize(x.clone(), mean.clone(), std.clone()).into_data();
            assert_eq!(ours, by_burn(x, mean, std).into_data(), "{shape:?}");
        }
    }
    // Images of one channel are spread over the constants' channels.
    let [mean, std] = constants(3);
    let x = uniform::<4>(Key::new(1), [2, 1, 4, 4], &device);
    assert_eq!(normalize(x, mean, std).dims(), [2, 3, 4, 4]);
}
