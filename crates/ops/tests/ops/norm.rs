//! Batch norm against Burn's: the update of the running statistics, and the residual.

use burn::module::Module;
use burn::nn::BatchNormConfig;
use burn::tensor::{Device, Tensor, Tolerance};
use cni_noise::{Key, normal, sign};
use cni_ops::{Epilogue, batch_norm};

/// The batch's statistics of these values are exact in single precision, however they are summed,
/// so that what is left to differ is the update.
#[test]
fn running_statistics_are_updated_bit_for_bit_as_by_burn() {
    let device = Device::flex().autodiff();
    let batch = |key| {
        let signs = sign::<4>(key, [8, 3, 4, 4], &device);
        // Of every pair of images the second is the first with its signs turned: mean 0.
        let half = signs.slice(0..4);
        Tensor::cat(vec![half.clone() + 0.5, half.neg() + 0.5], 0)
    };
    let run = |ours: bool| {
        let layer = BatchNormConfig::new(3).with_momentum(0.3).init(&device);
        for step in 0..2 {
            let x = batch(Key::new(step)).mul_scalar(1.0 + step as f64);
            match ours {
                true => batch_norm(&layer, x, Epilogue::relu()),
                false => layer.forward(x),
            };
        }
        [layer.running_mean.value_sync(), layer.running_var.value_sync()].map(Tensor::into_data)
    };
    assert_eq!(run(true), run(false));
    assert_ne!(run(true)[1], Tensor::<1>::ones([3], &device).into_data());
}

#[test]
fn a_norm_by_running_statistics_takes_its_residual_in_one_pass() {
    let device = Device::flex();
    let layer = BatchNormConfig::new(16).init(&device);
    layer.running_mean.update(normal(Key::new(4), [16], &device));
    layer.running_var.update(normal::<1>(Key::new(5), [16], &device).abs() + 0.5);
    let layer = layer.valid();
    let x = normal::<4>(Key::new(2), [2, 16, 8, 8], &device);
    let residual = normal::<4>(Key::new(3), [2, 16, 8, 8], &device);
    let ours =
        batch_norm(&layer, x.clone(), Epilogue { residual: Some(residual.clone()), relu: false });
    let burns = layer.forward(x) + residual;
    ours.to_data().assert_approx_eq::<f32>(&burns.to_data(), Tolerance::absolute(2e-5));
    assert_ne!(ours.into_data(), burns.into_data());
}
