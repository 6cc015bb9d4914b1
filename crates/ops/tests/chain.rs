//! Chains in half precision against the same layers in full precision.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use cni_noise::{Key, normal};
use cni_ops::{Chain, Epilogue, Obstacle, ObstacleReason, Precision, autocast};

/// Blocks of every kind: a stem, an identity, a projection, a shortcut without parameters, and
/// pre-activation.
#[derive(Module, Debug)]
struct Net {
    convs: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
    relu: bool,
}

/// Channels in and out, size of the kernel and stride.
const CONVS: [[usize; 4]; 9] = [
    [3, 16, 3, 1],
    [16, 16, 3, 1],
    [16, 24, 3, 2],
    [24, 24, 3, 1],
    [16, 24, 1, 2],
    [24, 40, 3, 2],
    [40, 40, 3, 1],
    [40, 40, 3, 1],
    [40, 40, 3, 1],
];
const NORMS: [usize; 9] = [16, 16, 24, 24, 24, 40, 40, 40, 40];

impl Net {
    fn new(relu: bool, device: &Device) -> Self {
        let key = Key::new(7);
        let conv = |(index, [channels, outputs, kernel, stride]): (usize, [usize; 4])| {
            let pad = kernel / 2;
            let config = Conv2dConfig::new([channels, outputs], [kernel, kernel])
                .with_stride([stride, stride])
                .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
                .with_bias(false);
            let scale = (2.0 / (channels * kernel * kernel) as f64).sqrt();
            let shape = [outputs, channels, kernel, kernel];
            let weight = normal::<4>(key.child(index as u64), shape, device).mul_scalar(scale);
            Conv2d { weight: Param::from_tensor(weight), ..config.init(device) }
        };
        let norm = |(index, channels): (usize, usize)| {
            let key = key.named("norm").child(index as u64);
            let vector = |at| normal::<1>(key.child(at), [channels], device).mul_scalar(0.1);
            let norm = BatchNormConfig::new(channels).init(device);
            BatchNorm {
                gamma: Param::from_tensor(vector(0).add_scalar(1.0)),
                beta: Param::from_tensor(vector(1)),
                ..norm
            }
        };
        Self {
            convs: CONVS.into_iter().enumerate().map(conv).collect(),
            norms: NORMS.into_iter().enumerate().map(norm).collect(),
            relu,
        }
    }

    fn chain(&self) -> Chain<'_> {
        let (convs, norms, relu) = (&self.convs, &self.norms, self.relu);
        let plain = Epilogue { residual: None, relu };
        let add = |value| Epilogue { residual: Some(value), relu };
        let mut chain = Chain::new();
        let x = chain.input();
        let x = chain.conv2d_batch_norm(&convs[0], &norms[0], x, plain);
        let x = chain.conv2d_batch_norm(&convs[1], &norms[1], x, add(x));
        let out = chain.conv2d_batch_norm(&convs[2], &norms[2], x, plain);
        let shortcut = chain.conv2d_batch_norm(&convs[4], &norms[4], x, Epilogue::default());
        let x = chain.conv2d_batch_norm(&convs[3], &norms[3], out, add(shortcut));
        let out = chain.conv2d_batch_norm(&convs[5], &norms[5], x, plain);
        let shortcut = chain.subsample(x, 2, [8, 8]);
        let x = chain.conv2d(&convs[6], out, Epilogue::add(shortcut));
        let out = chain.batch_norm(&norms[6], x, plain);
        let out = chain.conv2d_batch_norm(&convs[7], &norms[7], out, plain);
        let x = chain.conv2d(&convs[8], out, Epilogue::add(x));
        chain.batch_norm(&norms[8], x, plain);
        chain
    }
}

/// The relative error in L2.
fn error<const D: usize>(half: &Tensor<D>, full: &Tensor<D>) -> f32 {
    let difference = (half.clone() - full.clone()).powf_scalar(2.0).sum().sqrt();
    (difference / full.clone().powf_scalar(2.0).sum().sqrt()).into_scalar::<f32>()
}

type Named = Vec<(String, Tensor<1>)>;

/// The output or its mean, the gradients of the input and of the parameters, and the running
/// statistics.
fn run(
    net: &Net,
    x: &Tensor<4>,
    precision: Precision,
    mean: bool,
) -> (Tensor<2>, Tensor<4>, Named, Named) {
    let x = x.clone().require_grad();
    let out = autocast(precision, || match mean {
        true => net.chain().run_mean(x.clone()),
        false => net.chain().run(x.clone()).flatten(1, 3),
    });
    let probe = normal::<2>(Key::new(9), out.dims(), &out.device().inner());
    let mut gradients = (out.clone() * probe).sum().backward();
    let to_x = x.grad_remove(&mut gradients).unwrap();
    let (mut named, mut statistics) = (Vec::new(), Vec::new());
    for (i, conv) in net.convs.iter().enumerate() {
        if let Some(gradient) = conv.weight.val().grad_remove(&mut gradients) {
            named.push((format!("conv {i}"), gradient.flatten(0, 3)));
        }
    }
    for (i, norm) in net.norms.iter().enumerate() {
        for (name, vector) in [("gamma", &norm.gamma), ("beta", &norm.beta)] {
            if let Some(gradient) = vector.val().grad_remove(&mut gradients) {
                named.push((format!("{name} {i}"), gradient));
            }
        }
        statistics.push((format!("mean {i}"), norm.running_mean.value_sync().inner()));
        statistics.push((format!("variance {i}"), norm.running_var.value_sync().inner()));
    }
    (out.inner(), to_x, named, statistics)
}

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
        let (of_output, of_gradient) = if relu { (0.02, 0.25) } else { (0.01, 0.02) };
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

/// An image's result does not depend on the images beside it, on their number, or on the number of
/// threads.
#[test]
fn images_do_not_depend_on_their_batch() {
    let device = Device::flex();
    let net = Net::new(true, &device).valid();
    let x = normal::<4>(Key::new(1), [70, 3, 16, 16], &device);
    let run = |x: Tensor<4>| autocast(Precision::Bf16, || net.chain().run(x));
    let all = run(x.clone());
    for rows in [0..1, 31..33, 5..37, 69..70, 0..70] {
        let part = run(x.clone().slice(rows.clone()));
        assert_eq!(part.into_data(), all.clone().slice(rows).into_data());
    }
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.install(|| run(x.clone())).into_data(), all.into_data());
    let many = rayon::ThreadPoolBuilder::new().num_threads(50).build().unwrap();
    let device = Device::flex().autodiff();
    let net = Net::new(true, &device);
    let x = normal::<4>(Key::new(2), [40, 3, 8, 8], &device);
    let gradients = || {
        let (out, to_x, gradients, _) = self::run(&net, &x, Precision::Bf16, true);
        let gradients: Vec<_> = gradients.into_iter().map(|(_, g)| g.into_data()).collect();
        (out.into_data(), to_x.into_data(), gradients)
    };
    assert_eq!(one.install(gradients), many.install(gradients));
}

/// What is not finite stays within its image.
#[test]
fn non_finite_values_stay_within_their_image() {
    let device = Device::flex().autodiff();
    let net = Net::new(true, &device).valid();
    let x = normal::<4>(Key::new(1), [40, 3, 16, 16], &device);
    let run = |x: Tensor<4>| {
        let x = x.detach().require_grad();
        let out = autocast(Precision::Bf16, || net.chain().run_mean(x.clone()));
        let mut gradients = out.clone().sum().backward();
        let gradient = x.grad_remove(&mut gradients).unwrap();
        (out.inner(), gradient)
    };
    let (out, gradient) = run(x.clone());
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut data = x.to_data();
        data.as_mut_slice::<f32>().unwrap()[33 * 3 * 256 + 100] = value;
        let (changed, changed_gradient) = run(Tensor::from_data(data, &device));
        let of_image = changed.clone().slice(33..34).sum().into_scalar::<f32>();
        assert!(!of_image.is_finite(), "{value} vanished");
        for rows in [0..33, 34..40] {
            let (ours, wanted) =
                (changed.clone().slice(rows.clone()), out.clone().slice(rows.clone()));
            assert_eq!(ours.into_data(), wanted.into_data());
            let ours = changed_gradient.clone().slice(rows.clone());
            assert_eq!(ours.into_data(), gradient.clone().slice(rows).into_data());
        }
    }
}

#[test]
fn obstacles_are_named_and_the_chain_runs_all_the_same() {
    let device = Device::flex();
    let net = Net::new(true, &device);
    let shape = [2, 3, 16, 16];
    assert_eq!(net.chain().obstacle(shape), None);
    let x = normal::<4>(Key::new(1), shape, &device);
    let ran = |chain: &Chain| {
        let full = chain.run(x.clone());
        let half = autocast(Precision::Bf16, || chain.run(x.clone()));
        let error = error(&half, &full);
        assert!(error > 0.0 && error < 0.02, "{error}");
    };
    let grouped = Conv2dConfig::new([16, 16], [3, 3]).with_groups(4).init(&device);
    let dilated = Conv2dConfig::new([16, 16], [3, 3]).with_dilation([2, 2]).init(&device);
    let biased = Conv2dConfig::new([16, 16], [3, 3]).init(&device);
    let begin = || {
        let mut chain = Chain::new();
        let x = chain.conv2d(&net.convs[0], chain.input(), Epilogue::relu());
        (chain, x)
    };
    let named = |chain: &Chain, step, reason| {
        assert_eq!(chain.obstacle(shape), Some(Obstacle { step, reason }));
        ran(chain);
    };
    for layer in [&grouped, &dilated] {
        let (mut chain, x) = begin();
        chain.conv2d(layer, x, Epilogue::relu());
        named(&chain, 2, ObstacleReason::GroupsOrDilation);
    }
    let (mut chain, x) = begin();
    chain.conv2d_batch_norm(&biased, &net.norms[1], x, Epilogue::relu());
    named(&chain, 2, ObstacleReason::BiasBeforeNorm);
    let (mut chain, x) = begin();
    chain.apply(x, |x| x.mul_scalar(2.0));
    named(&chain, 2, ObstacleReason::Function);
    let (mut chain, x) = begin();
    chain.epilogue(x, Epilogue::add(x));
    named(&chain, 2, ObstacleReason::NoLayer);
    let (mut chain, x) = begin();
    chain.conv2d(&net.convs[1], x, Epilogue::default());
    chain.conv2d(&net.convs[1], x, Epilogue::default());
    named(&chain, 2, ObstacleReason::Unread);
    let text = chain.obstacle(shape).unwrap().to_string();
    assert_eq!(text, "step 2: a result that no later step reads");
    let mut chain = Chain::new();
    chain.subsample(chain.input(), 0, [0, 0]);
    let shapes = Some(Obstacle { step: 1, reason: ObstacleReason::Shape });
    assert_eq!(chain.obstacle(shape), shapes);
    // A chain without a step gives its input.
    let empty = Some(Obstacle { step: 1, reason: ObstacleReason::Empty });
    assert_eq!(Chain::new().obstacle(shape), empty);
    assert_eq!(Chain::new().run(x_of(&device)).into_data(), x_of(&device).into_data());
}

fn x_of(device: &Device) -> Tensor<4> {
    normal::<4>(Key::new(1), [1, 1, 2, 2], device)
}

#[test]
#[should_panic(expected = "wanted one of this")]
fn values_of_another_chain_are_refused() {
    let device = Device::flex();
    let net = Net::new(true, &device);
    let mut other = Chain::new();
    let x = other.conv2d(&net.convs[0], other.input(), Epilogue::default());
    Chain::new().conv2d(&net.convs[1], x, Epilogue::default());
}

#[test]
fn an_empty_batch_gives_an_empty_result() {
    let device = Device::flex();
    let net = Net::new(true, &device).valid();
    let x = Tensor::<4>::zeros([0, 3, 16, 16], &device);
    let out = autocast(Precision::Bf16, || net.chain().run(x));
    assert_eq!(out.dims(), [0, 40, 4, 4]);
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

#[test]
fn gradient_checkpointing_changes_nothing() {
    let run = |device: Device| {
        let x = normal::<4>(Key::new(1), [4, 3, 16, 16], &device);
        let (out, to_x, gradients, _) =
            self::run(&Net::new(true, &device), &x, Precision::Bf16, true);
        let gradients: Vec<_> = gradients.into_iter().map(|(_, g)| g.into_data()).collect();
        (out.into_data(), to_x.into_data(), gradients)
    };
    let device = Device::flex().autodiff();
    assert_eq!(run(device.clone()), run(device.gradient_checkpointing()));
}
