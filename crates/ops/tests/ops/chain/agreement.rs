//! Values and gradients are those of the layers, to rounding.

use super::net::{Net, error, run};
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNormConfig, PaddingConfig2d};
use burn::tensor::Device;
use cni_noise::{Key, normal};
use cni_ops::{Chain, Epilogue, Precision, autocast};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// Batch statistics, and gradients of everything.
    Trains,
    /// Running statistics, and the gradient of the input.
    Frozen,
    /// Running statistics, and gradients of the input and the convolutions.
    FrozenNorms,
}

#[test]
fn a_chain_equals_its_layers_to_rounding() {
    let device = Device::flex().autodiff();
    for (mode, relu, batch) in [
        (Mode::Trains, true, 40),
        (Mode::Trains, false, 5),
        (Mode::Frozen, true, 5),
        (Mode::Frozen, false, 33),
        (Mode::FrozenNorms, true, 8),
        (Mode::FrozenNorms, false, 8),
    ] {
        let x = normal::<4>(Key::new(1), [batch, 3, 16, 16], &device);
        let run = |precision| {
            let net = Net::new(relu, &device);
            let net = match mode {
                Mode::Trains => net,
                Mode::Frozen => net.valid(),
                Mode::FrozenNorms => {
                    let norms = net.norms.into_iter().map(|norm| norm.freeze()).collect();
                    Net { norms, ..net }
                }
            };
            run(&net, &x, precision, relu)
        };
        let (full, half) = (run(Precision::Full), run(Precision::Bf16));
        // Rectifiers turn rounding into flips: a share of about the rounding, times the layers, of
        // the values changes its side, and takes its gradient along, whose error in L2 is the root
        // of that share. Without rectifiers there is nothing but rounding.
        let (of_output, of_gradient) = if relu { (0.02, 0.25) } else { (0.01, 0.03) };
        let name = format!("{mode:?}, rectifiers {relu}, {batch} images");
        let errors = [error(&half.0, &full.0), error(&half.1, &full.1)];
        assert!(errors[0] < of_output && errors[1] < of_gradient, "{name}: {errors:?}");
        assert!(errors[0] > 1e-4, "{name}: the chain ran in full precision");
        assert_eq!(full.2.len(), half.2.len());
        for ((parameter, full), (_, half)) in full.2.iter().zip(&half.2) {
            let error = error(half, full);
            assert!(error < of_gradient, "{name}: {parameter}: {error}");
        }
        for ((statistic, full), (_, half)) in full.3.iter().zip(&half.3) {
            // Means may lie near zero, so that the error is one against the deviation, here about
            // one.
            let error = (half.clone() - full.clone()).abs().max().into_scalar::<f32>();
            assert!(error < 0.01, "{name}: {statistic}: {error}");
            let moved = full.clone().sum().into_scalar::<f32>();
            assert!(mode != Mode::Trains || moved != 0.0, "{name}: {statistic} did not move");
        }
    }
}

/// Two norms of one value, a sum with the input, a rectified bias, and one layer in two places.
#[test]
fn values_may_have_any_readers() {
    let device = Device::flex().autodiff();
    let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
    let conv = |channels: [usize; 2], seed| {
        let config = Conv2dConfig::new(channels, [3, 3]).with_padding(padding.clone());
        let shape = [channels[1], channels[0], 3, 3];
        let weight = normal::<4>(Key::new(seed), shape, &device).mul_scalar(0.2);
        let bias = normal::<1>(Key::new(seed + 50), [channels[1]], &device);
        let (weight, bias) = (Param::from_tensor(weight), Some(Param::from_tensor(bias)));
        Conv2d { weight, bias, ..config.init(&device) }
    };
    let plain = normal::<4>(Key::new(1), [6, 3, 8, 8], &device);
    let run = |precision, tracked: bool, relu: bool| {
        let (first, twice, last) = (conv([3, 3], 10), conv([3, 3], 20), conv([3, 8], 30));
        let norms = [0, 1].map(|_| BatchNormConfig::new(3).init(&device));
        let x = if tracked { plain.clone().require_grad() } else { plain.clone() };
        let out = autocast(precision, || {
            let mut chain = Chain::new();
            let input = chain.input();
            let out = chain.conv2d(&first, input, Epilogue::add(input));
            let out = chain.conv2d(&twice, out, Epilogue::add(input));
            let out = chain.conv2d(&twice, out, Epilogue::default());
            let left = chain.batch_norm(&norms[0], out, Epilogue::default());
            let both = chain.batch_norm(&norms[1], out, Epilogue::add(left));
            chain.conv2d(&last, both, Epilogue { residual: None, relu });
            assert_eq!(chain.obstacle(x.dims()), None);
            chain.run(x.clone())
        });
        let probe = normal::<4>(Key::new(9), out.dims(), &out.device().inner());
        let mut gradients = (out.clone() * probe).sum().backward();
        let mut found = vec![("out".to_string(), out.inner().flatten::<1>(0, 3))];
        if tracked {
            found.push(("x".into(), x.grad_remove(&mut gradients).unwrap().flatten(0, 3)));
        }
        for (i, conv) in [&first, &twice, &last].into_iter().enumerate() {
            let weight = conv.weight.val().grad_remove(&mut gradients).unwrap();
            found.push((format!("weight {i}"), weight.flatten(0, 3)));
            let bias = conv.bias.as_ref().unwrap().val().grad_remove(&mut gradients).unwrap();
            // Those in front of a norm are zero but for rounding.
            if i == 2 {
                found.push((format!("bias {i}"), bias));
            }
        }
        for (i, norm) in norms.iter().enumerate() {
            let gamma = norm.gamma.val().grad_remove(&mut gradients).unwrap();
            found.push((format!("gamma {i}"), gamma));
            found.push((format!("mean {i}"), norm.running_mean.value_sync().inner()));
            found.push((format!("variance {i}"), norm.running_var.value_sync().inner()));
        }
        found
    };
    for (tracked, relu) in [(true, false), (false, false), (true, true)] {
        let run = |precision| run(precision, tracked, relu);
        let (full, half) = (run(Precision::Full), run(Precision::Bf16));
        assert_eq!(full.len(), half.len());
        for ((name, full), (_, half)) in full.into_iter().zip(half) {
            // Flips as above.
            let error = error(&half, &full);
            let limit = if relu { 0.2 } else { 0.02 };
            assert!(error < limit, "{name}, {tracked} {relu}: {error}");
        }
    }
}

/// Nothing but the images and the gradient is rounded, and no rounding turns a rectifier.
#[test]
fn a_chain_of_rectifiers_and_residual_sums_has_no_parameters_and_equals_its_layers() {
    let device = Device::flex().autodiff();
    let plain = normal::<4>(Key::new(1), [5, 3, 8, 8], &device);
    let run = |precision, tracked: bool| {
        let x = if tracked { plain.clone().require_grad() } else { plain.clone().inner() };
        let out = autocast(precision, || {
            let mut chain = Chain::new();
            let input = chain.input();
            let out = chain.epilogue(input, Epilogue::relu());
            let out = chain.epilogue(out, Epilogue::add(input));
            chain.epilogue(out, Epilogue::add_relu(out));
            assert_eq!(chain.obstacle(x.dims()), None);
            chain.run(x.clone())
        });
        if !tracked {
            return vec![out];
        }
        let probe = normal::<4>(Key::new(9), out.dims(), &out.device().inner());
        let mut gradients = (out.clone() * probe).sum().backward();
        vec![out.inner(), x.grad_remove(&mut gradients).unwrap()]
    };
    for tracked in [true, false] {
        let (full, half) = (run(Precision::Full, tracked), run(Precision::Bf16, tracked));
        for (full, half) in full.iter().zip(&half) {
            let error = error(half, full);
            assert!(error > 1e-4 && error < 0.005, "{tracked}: {error}");
        }
    }
}
