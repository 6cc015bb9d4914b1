//! The convolutions against Burn's: values and every gradient, over shapes of all kinds. One file,
//! because all promises are made for the same table of cases.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, TensorData, Tolerance};
use cni_noise::{Key, normal};
use cni_ops::{Epilogue, conv2d, conv2d_batch_norm, release_memory};

/// Batch, channels in and out, height and width, kernel, stride, padding (begin and end), dilation.
type Case = (usize, [usize; 2], [usize; 2], [usize; 2], [usize; 2], [usize; 2], [usize; 2]);

const CASES: [Case; 24] = [
    (2, [16, 16], [32, 32], [3, 3], [1, 1], [1, 1], [1, 1]),
    (5, [3, 16], [32, 32], [3, 3], [1, 1], [1, 1], [1, 1]),
    (3, [16, 32], [32, 32], [3, 3], [2, 2], [1, 1], [1, 1]),
    (3, [16, 32], [32, 32], [1, 1], [2, 2], [0, 0], [1, 1]),
    (2, [32, 64], [16, 16], [3, 3], [2, 2], [1, 1], [1, 1]),
    (9, [64, 64], [8, 8], [3, 3], [1, 1], [1, 1], [1, 1]),
    // One of everything.
    (1, [1, 1], [1, 1], [1, 1], [1, 1], [0, 0], [1, 1]),
    (1, [1, 1], [5, 7], [3, 3], [1, 1], [1, 1], [1, 1]),
    (1, [2, 3], [1, 1], [3, 3], [1, 1], [1, 1], [1, 1]),
    // Odd sizes, odd channels, kernels that are not square, all paddings.
    (1, [3, 10], [7, 9], [3, 3], [2, 2], [1, 1], [1, 1]),
    (2, [5, 9], [11, 6], [5, 3], [1, 2], [2, 0], [1, 1]),
    (3, [7, 17], [6, 13], [2, 4], [2, 1], [1, 3], [1, 1]),
    (2, [4, 6], [9, 9], [3, 3], [1, 1], [0, 0], [1, 1]),
    (2, [4, 6], [10, 9], [3, 3], [3, 3], [2, 2], [1, 1]),
    (2, [4, 6], [12, 11], [3, 3], [1, 1], [2, 2], [2, 2]),
    (2, [4, 6], [12, 11], [3, 3], [2, 3], [2, 1], [2, 1]),
    // A stride beyond the kernel: some inputs reach no output.
    (2, [3, 4], [10, 10], [2, 2], [3, 3], [0, 0], [1, 1]),
    (33, [2, 3], [4, 4], [3, 3], [1, 1], [1, 1], [1, 1]),
    // Images smaller than the padding.
    (2, [3, 4], [1, 1], [5, 5], [1, 1], [2, 2], [1, 1]),
    (2, [3, 4], [1, 1], [3, 3], [1, 1], [2, 2], [2, 2]),
    (2, [3, 4], [1, 1], [7, 7], [1, 1], [3, 3], [1, 1]),
    (2, [3, 4], [1, 2], [7, 7], [1, 1], [3, 3], [1, 1]),
    (2, [3, 4], [2, 1], [7, 7], [1, 1], [3, 3], [1, 1]),
    (2, [3, 4], [2, 2], [7, 7], [2, 2], [3, 3], [1, 1]),
];

/// The precision of single-precision sums in another order, relative to the terms.
fn tolerance() -> Tolerance<f32> {
    Tolerance::rel_abs(1e-5, 2e-5)
}

fn layer(case: &Case, bias: bool, key: Key, device: &Device) -> Conv2d {
    let (_, [inputs, outputs], _, kernel, stride, padding, dilation) = *case;
    let layer = Conv2dConfig::new([inputs, outputs], kernel)
        .with_stride(stride)
        .with_padding(PaddingConfig2d::Explicit(padding[0], padding[1], padding[0], padding[1]))
        .with_dilation(dilation)
        .with_bias(bias)
        .init(device);
    let scale = 1.0 / ((inputs * kernel[0] * kernel[1]) as f64).sqrt();
    let shape = [outputs, inputs, kernel[0], kernel[1]];
    let weight = normal::<4>(key.child(0), shape, device).mul_scalar(scale);
    let bias = bias.then(|| Param::from_tensor(normal(key.child(1), [outputs], device)));
    Conv2d { weight: Param::from_tensor(weight), bias, ..layer }
}

/// The gradients of `(out * probe).sum()` with respect to all that it was made of.
fn gradients(out: &Tensor<4>, x: &Tensor<4>, layer: &Conv2d, key: Key) -> Vec<Tensor<1>> {
    let probe = normal::<4>(key.child(9), out.dims(), &out.device().inner());
    let mut gradients = (out.clone() * probe).sum().backward();
    let flat = |tensor: Tensor<4>| {
        let n = tensor.shape().num_elements();
        tensor.reshape([n])
    };
    let mut all = vec![flat(x.grad_remove(&mut gradients).unwrap())];
    all.push(flat(layer.weight.val().grad_remove(&mut gradients).unwrap()));
    all.extend(layer.bias.as_ref().map(|bias| bias.val().grad_remove(&mut gradients).unwrap()));
    all
}

#[test]
fn values_and_gradients_equal_burns() {
    let device = Device::flex().autodiff();
    for (i, case) in CASES.iter().enumerate() {
        for bias in [false, true] {
            let key = Key::new(i as u64);
            let layer = layer(case, bias, key, &device);
            let (batch, [inputs, _], [height, width], ..) = *case;
            let shape = [batch, inputs, height, width];
            let x = normal::<4>(key.child(2), shape, &device).require_grad();
            let (ours, burns) = (conv2d(&layer, x.clone()), layer.forward(x.clone()));
            ours.clone()
                .into_data()
                .assert_approx_eq::<f32>(&burns.clone().into_data(), tolerance());
            let ours = gradients(&ours, &x, &layer, key);
            let burns = gradients(&burns, &x, &layer, key);
            // A weight's gradient is a sum over all positions, and as much larger its rounding is.
            let terms = (batch * height * width) as f32;
            for ((ours, burns), scale) in
                ours.into_iter().zip(burns).zip([1.0, terms.sqrt(), terms.sqrt()])
            {
                let tolerance = Tolerance::<f32>::rel_abs(1e-5, 2e-5 * scale);
                ours.into_data().assert_approx_eq::<f32>(&burns.into_data(), tolerance);
            }
        }
    }
}

/// A batch norm with running statistics and parameters that are not their initial ones.
fn batch_norm(channels: usize, key: Key, device: &Device) -> BatchNorm {
    let norm = BatchNormConfig::new(channels).init(device);
    let draw = |n| normal::<1>(key.named("norm").child(n), [channels], device);
    let plain = |n| normal::<1>(key.named("norm").child(n), [channels], &device.clone().inner());
    norm.running_mean.update(plain(2));
    norm.running_var.update(plain(3).abs() + 0.5);
    norm.running_mean.value_sync();
    norm.running_var.value_sync();
    BatchNorm {
        gamma: Param::from_tensor(draw(0) + 1.0),
        beta: Param::from_tensor(draw(1)),
        ..norm
    }
}

/// Value and all gradients of a convolution with a norm and what follows, ours or Burn's.
fn chain(
    ours: bool,
    case: &Case,
    training: bool,
    residual: bool,
    relu: bool,
) -> (Vec<Tensor<1>>, [Tensor<1>; 2]) {
    let key = Key::new(77);
    let device = Device::flex().autodiff();
    let (batch, [inputs, outputs], [height, width], ..) = *case;
    let conv = layer(case, true, key, &device);
    let mut norm = batch_norm(outputs, key, &device);
    norm.training = norm.training.with_value(training);
    let x = normal::<4>(key.child(2), [batch, inputs, height, width], &device).require_grad();
    let shape = conv.forward(x.clone().detach()).dims();
    let added = residual.then(|| normal::<4>(key.child(3), shape, &device).require_grad());
    let out = if ours {
        let after = Epilogue { residual: added.clone(), relu };
        conv2d_batch_norm(&conv, &norm, x.clone(), after)
    } else {
        let out = norm.forward(conv.forward(x.clone()));
        let out = added.clone().map_or(out.clone(), |added| out + added);
        if relu { burn::tensor::activation::relu(out) } else { out }
    };
    let flat = |tensor: Tensor<4>| {
        let n = tensor.shape().num_elements();
        tensor.reshape([n])
    };
    let probe = normal::<4>(key.child(9), out.dims(), &device.clone().inner());
    let mut gradients = (out.clone() * probe).sum().backward();
    let mut all = vec![flat(out.inner()), flat(x.grad_remove(&mut gradients).unwrap())];
    all.push(flat(conv.weight.val().grad_remove(&mut gradients).unwrap()));
    all.push(conv.bias.as_ref().unwrap().val().grad_remove(&mut gradients).unwrap());
    all.extend([&norm.gamma, &norm.beta].map(|p| p.val().grad_remove(&mut gradients).unwrap()));
    all.extend(added.map(|added| flat(added.grad_remove(&mut gradients).unwrap())));
    (all, [norm.running_mean.value_sync().inner(), norm.running_var.value_sync().inner()])
}

#[test]
fn a_norm_and_what_follows_equal_burns() {
    let cases = [CASES[0], CASES[2], CASES[7], CASES[9], CASES[17]];
    for case in &cases {
        for flags in 0..8 {
            let [training, residual, relu] = [1, 2, 4].map(|bit| flags & bit != 0);
            let (ours, running) = chain(true, case, training, residual, relu);
            let (burns, burns_running) = chain(false, case, training, residual, relu);
            assert_eq!(ours.len(), burns.len());
            let (batch, _, [height, width], ..) = *case;
            let terms = ((batch * height * width) as f32).sqrt();
            for (i, (ours, burns)) in ours.into_iter().zip(burns).enumerate() {
                let largest = burns.clone().abs().max().into_scalar::<f32>();
                // Parameters' gradients, from the third to the sixth, are sums over the batch, some
                // of which cancel.
                let size = if (2..6).contains(&i) { largest.max(terms) } else { largest.max(1.0) };
                let tolerance = Tolerance::<f32>::absolute(2e-5 * size);
                ours.into_data().assert_approx_eq::<f32>(&burns.into_data(), tolerance);
            }
            for (ours, burns) in running.into_iter().zip(burns_running) {
                ours.into_data().assert_approx_eq::<f32>(&burns.into_data(), tolerance());
            }
        }
    }
}

/// Sums in another order differ in their last bits: were everything handed to Burn, nothing here
/// would show it.
#[test]
fn the_kernels_are_not_burns() {
    for training in [false, true] {
        let (ours, _) = chain(true, &CASES[5], training, true, true);
        let (burns, _) = chain(false, &CASES[5], training, true, true);
        assert_ne!(ours[0].to_data(), burns[0].to_data());
    }
    let device = Device::flex();
    let conv = layer(&CASES[5], false, Key::new(1), &device);
    let x = normal::<4>(Key::new(2), [9, 64, 8, 8], &device);
    assert_ne!(conv2d(&conv, x.clone()).into_data(), conv.forward(x).into_data());
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        // The direct kernel, Winograd's, and a stride; more images than a task takes.
        let of_case = |case| pool.install(|| chain(true, case, true, true, true)).0;
        let all = [&CASES[17], &CASES[5], &CASES[3]].into_iter().flat_map(of_case);
        all.map(|tensor| tensor.into_data()).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(5));
}

#[test]
fn what_is_not_a_number_is_not_hidden() {
    let device = Device::flex();
    let layer = layer(&CASES[6], false, Key::new(1), &device);
    let norm = batch_norm(1, Key::new(1), &device).valid();
    let x = Tensor::<4>::full([1, 1, 1, 1], f32::NAN, &device);
    let out = conv2d_batch_norm(&layer, &norm, x.clone(), Epilogue::relu());
    assert!(out.into_scalar::<f32>().is_nan());
    assert!(cni_ops::batch_norm(&norm, x, Epilogue::relu()).into_scalar::<f32>().is_nan());
}

#[test]
fn what_is_not_a_number_stays_within_its_image_and_reach() {
    let device = Device::flex();
    let layer = layer(&CASES[5], false, Key::new(1), &device);
    let x = normal::<4>(Key::new(2), [9, 64, 8, 8], &device);
    let clean = conv2d(&layer, x.clone()).try_to_vec_as::<f32>().unwrap();
    let mut values = x.try_to_vec_as::<f32>().unwrap();
    // Image 4, channel 3, row 2, column 7.
    values[((4 * 64 + 3) * 8 + 2) * 8 + 7] = f32::NAN;
    let x = Tensor::<4>::from_data(TensorData::new(values, [9, 64, 8, 8]), &device);
    let out = conv2d(&layer, x).try_to_vec_as::<f32>().unwrap();
    for (i, (out, clean)) in out.into_iter().zip(clean).enumerate() {
        let (image, row, column) = (i / (64 * 64), i / 8 % 8, i % 8);
        if image == 4 && (1..4).contains(&row) && column >= 6 {
            assert!(out.is_nan(), "{i}");
        } else if image != 4 || row > 5 || column < 4 {
            // Beyond the tiles that the value is in, nothing has changed.
            assert_eq!(out, clean, "{i}");
        }
    }
}

#[test]
fn other_element_types_and_groups_go_to_burn() {
    let device = Device::flex();
    let conv = Conv2dConfig::new([4, 4], [3, 3]).with_groups(2).init(&device);
    let x = normal::<4>(Key::new(1), [2, 4, 6, 6], &device);
    assert_eq!(conv2d(&conv, x.clone()).into_data(), conv.forward(x).into_data());
}

#[test]
fn views_of_other_tensors_are_read_where_they_lie() {
    let device = Device::flex();
    let conv = layer(&CASES[7], true, Key::new(1), &device);
    let x = normal::<4>(Key::new(1), [3, 1, 5, 7], &device);
    let part = conv2d(&conv, x.clone().narrow(0, 1, 2));
    assert_eq!(part.into_data(), conv2d(&conv, x.clone()).narrow(0, 1, 2).into_data());
    let turned = x.swap_dims(2, 3);
    let tolerance = tolerance();
    let (ours, burns) = (conv2d(&conv, turned.clone()), conv.forward(turned));
    ours.into_data().assert_approx_eq::<f32>(&burns.into_data(), tolerance);
}

#[test]
fn memory_of_a_tensor_in_use_is_not_lent_again_nor_released() {
    let device = Device::flex();
    let layer = layer(&CASES[0], true, Key::new(1), &device);
    let x = normal::<4>(Key::new(2), [32, 16, 32, 32], &device);
    let first = conv2d(&layer, x.clone());
    let before = first.to_data();
    for _ in 0..3 {
        // A sum that works in place, on memory that may have been another tensor's.
        let other = conv2d(&layer, x.clone().mul_scalar(2.0)) + 1.0;
        release_memory();
        assert_ne!(other.into_data(), before);
    }
    assert_eq!(first.to_data(), before);
    assert_eq!(conv2d(&layer, x).into_data(), before);
}
