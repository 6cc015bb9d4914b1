//! Mixed precision: what it casts, what it leaves alone, and that gradients come back in full
//! precision.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{DType, Device, Tensor};
use cni_noise::{Key, normal};
use cni_ops::{Precision, autocast, conv2d, current_precision, linear};
use std::panic::catch_unwind;

/// The largest difference, relative to the largest value.
fn error<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    let size = b.clone().abs().max().into_scalar::<f32>();
    (a - b).abs().max().into_scalar::<f32>() / size
}

#[test]
fn values_and_gradients_are_those_of_full_precision_to_half_precisions_rounding() {
    let device = Device::flex().autodiff();
    let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
    let conv = Conv2dConfig::new([8, 16], [3, 3]).with_padding(padding).init(&device);
    let weight = normal::<4>(Key::new(3), [16, 8, 3, 3], &device).mul_scalar(0.1);
    let conv = Conv2d { weight: Param::from_tensor(weight), ..conv };
    let classes: Linear = LinearConfig::new(16, 5).init(&device);
    let weight = normal::<2>(Key::new(4), [16, 5], &device).mul_scalar(0.25);
    let classes = Linear { weight: Param::from_tensor(weight), ..classes };
    let x = normal::<4>(Key::new(1), [3, 8, 6, 6], &device).require_grad();
    let probe = normal::<2>(Key::new(2), [3, 5], &device.clone().inner());
    let run = |precision| {
        autocast(precision, || {
            let out = conv2d(&conv, x.clone()).mean_dims(&[2, 3]).reshape([3, 16]);
            let out = linear(&classes, out);
            let mut gradients = (out.clone() * probe.clone()).sum().backward();
            let to_x = x.grad_remove(&mut gradients).unwrap();
            let to_weight = conv.weight.val().grad_remove(&mut gradients).unwrap();
            let to_bias = conv.bias.as_ref().unwrap().val().grad_remove(&mut gradients).unwrap();
            (out.inner(), to_x, to_weight, to_bias)
        })
    };
    let full = run(Precision::Full);
    // Half a unit in the last place of a value; a backend may sum in the type too, here over 108
    // terms.
    for (precision, rounding) in
        [(Precision::Bf16, 2f32.powi(-8)), (Precision::F16, 2f32.powi(-11))]
    {
        let half = run(precision);
        assert_eq!([half.0.dtype(), half.1.dtype(), half.2.dtype()], [DType::F32; 3]);
        let errors = [
            error(half.0, full.0.clone()),
            error(half.1, full.1.clone()),
            error(half.2, full.2.clone()),
            error(half.3, full.3.clone()),
        ];
        assert!(errors.iter().all(|&e| e < 16.0 * rounding), "{precision}: {errors:?}");
        assert!(errors[0] > rounding / 100.0, "{precision} changed nothing");
    }
}

#[test]
fn scopes_nest_and_end_with_a_panic() {
    let panicked = catch_unwind(|| {
        autocast(Precision::Bf16, || {
            assert_eq!(current_precision(), Precision::Bf16);
            autocast(Precision::Full, || assert_eq!(current_precision(), Precision::Full));
            assert_eq!(current_precision(), Precision::Bf16);
            panic!("inside")
        })
    });
    assert!(panicked.is_err());
    assert_eq!(current_precision(), Precision::Full);
}

#[test]
fn names_are_read_back_and_others_refused() {
    for precision in [Precision::Full, Precision::Bf16, Precision::F16] {
        assert_eq!(precision.to_string().parse(), Ok(precision));
    }
    let error = "fp8".parse::<Precision>().unwrap_err().to_string();
    assert_eq!(error, "precision: got \"fp8\", wanted full, bf16 or f16");
}
