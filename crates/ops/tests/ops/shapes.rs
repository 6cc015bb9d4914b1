//! The shapes of convolutions and norms: every kind of padding, and what does not fit.

use burn::nn::conv::Conv2dConfig;
use burn::nn::{BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, Tolerance};
use cni_noise::{Key, normal};
use cni_ops::{
    Epilogue, Precision, autocast, batch_norm, conv2d, conv2d_batch_norm, conv2d_output_size,
    padding_pairs,
};

/// A kind of padding, and the input, kernel, stride and dilation that it is for.
type Case = (PaddingConfig2d, [usize; 2], [usize; 2], [usize; 2], [usize; 2]);

fn paddings() -> Vec<Case> {
    use PaddingConfig2d::{Explicit, Same, Valid};
    vec![
        (Valid, [9, 8], [3, 2], [1, 1], [1, 1]),
        (Explicit(1, 1, 1, 1), [8, 8], [3, 3], [1, 1], [1, 1]),
        (Explicit(0, 2, 1, 3), [7, 9], [3, 3], [2, 1], [1, 1]),
        (Same, [8, 8], [3, 3], [1, 1], [1, 1]),
        (Same, [7, 10], [3, 5], [2, 3], [1, 1]),
        // One row or column more at the end.
        (Same, [6, 7], [2, 4], [1, 1], [1, 1]),
        (Same, [9, 9], [3, 3], [1, 1], [2, 2]),
        (Same, [5, 5], [1, 1], [3, 3], [1, 1]),
    ]
}

#[test]
fn every_kind_of_padding_has_kernels_mixed_precision_and_burns_values() {
    let device = Device::flex().autodiff();
    for (padding, size, kernel, stride, dilation) in paddings() {
        let layer = Conv2dConfig::new([4, 6], kernel)
            .with_stride(stride)
            .with_dilation(dilation)
            .with_padding(padding.clone())
            .init(&device);
        let x = normal::<4>(Key::new(1), [3, 4, size[0], size[1]], &device).require_grad();
        let burns = layer.forward(x.clone());
        let pairs = padding_pairs(&padding, size, kernel, stride);
        let output = conv2d_output_size(size, kernel, stride, dilation, pairs).unwrap();
        assert_eq!(burns.dims()[2..], output, "{padding:?}");
        let ours = conv2d(&layer, x.clone());
        let (ours_data, burns_data) = (ours.to_data(), burns.to_data());
        ours_data.assert_approx_eq::<f32>(&burns_data, Tolerance::rel_abs(1e-5, 2e-5));
        // Sums in another order differ in their last bits: it was not Burn's operation.
        if kernel != [1, 1] {
            assert_ne!(ours_data, burns_data, "{padding:?}");
        }
        let gradients = |out: Tensor<4>| {
            let probe = normal::<4>(Key::new(2), out.dims(), &Device::flex());
            let mut gradients = (out * probe).sum().backward();
            [&x, &layer.weight.val()].map(|part| part.grad_remove(&mut gradients).unwrap())
        };
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 5e-4);
        for (ours, burns) in gradients(ours).into_iter().zip(gradients(burns)) {
            ours.into_data().assert_approx_eq::<f32>(&burns.into_data(), tolerance);
        }
        let half = autocast(Precision::Bf16, || conv2d(&layer, x.clone()));
        assert_ne!(half.to_data(), ours_data, "{padding:?}");
        half.into_data().assert_approx_eq::<f32>(&burns_data, Tolerance::absolute(0.05));
    }
}

#[test]
fn an_output_size_that_no_convolution_has_is_none() {
    let size = |kernel, stride, dilation| {
        conv2d_output_size([4, 4], kernel, stride, dilation, [(0, 0), (1, 1)])
    };
    assert_eq!(size([3, 3], [1, 2], [1, 1]), Some([2, 2]));
    assert_eq!(size([4, 6], [1, 1], [1, 1]), Some([1, 1]));
    assert_eq!(size([5, 3], [1, 1], [1, 1]), None);
    assert_eq!(size([3, 3], [1, 1], [2, 1]), None);
    for zero in [[0, 1], [1, 0]] {
        assert_eq!(size(zero, [1, 1], [1, 1]), None);
        assert_eq!(size([1, 1], zero, [1, 1]), None);
        assert_eq!(size([1, 1], [1, 1], zero), None);
    }
    assert_eq!(size([usize::MAX, 1], [1, 1], [usize::MAX, 1]), None);
}

/// The message of the panic of `norm`, alone or behind a convolution, with these channels of the
/// norm and this residual; the input of the norm is `[2, 4, 6, 6]`.
fn refusal(fused: bool, training: bool, channels: usize, residual: Option<[usize; 4]>) -> String {
    let device = if training { Device::flex().autodiff() } else { Device::flex() };
    let same = PaddingConfig2d::Same;
    let conv = Conv2dConfig::new([4, 4], [3, 3]).with_padding(same).init(&device);
    let layer = BatchNormConfig::new(channels).init(&device);
    let x = Tensor::<4>::ones([2, 4, 6, 6], &device);
    let residual = residual.map(|shape| Tensor::ones(shape, &device));
    let after = Epilogue { residual, relu: true };
    let run = || match fused {
        true => conv2d_batch_norm(&conv, &layer, x, after),
        false => batch_norm(&layer, x, after),
    };
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_residual_or_a_norm_of_another_shape_is_refused_at_the_door() {
    // As many values in another order, more, fewer, and one that would broadcast.
    let shapes = [[2, 6, 4, 6], [4, 4, 6, 6], [1, 4, 6, 6], [2, 4, 1, 1]];
    for (fused, training) in [(false, false), (false, true), (true, false), (true, true)] {
        for shape in shapes {
            let message = refusal(fused, training, 4, Some(shape));
            let wanted = format!("residual: got shape {shape:?}, wanted the output's [2, 4, 6, 6]");
            assert_eq!(message, wanted);
        }
        for channels in [3, 5] {
            let message = refusal(fused, training, channels, None);
            let wanted = format!("batch_norm: got a batch norm of {channels} channels");
            assert!(message.starts_with(&wanted) && message.ends_with("wanted 4"), "{message}");
        }
    }
}
