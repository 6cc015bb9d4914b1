//! A network with blocks of every kind, and what a run of it gives.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use cni_noise::{Key, normal};
use cni_ops::{Chain, Epilogue, Precision, autocast};

/// Blocks of every kind: a stem, an identity, a projection, a shortcut without parameters, and
/// pre-activation.
#[derive(Module, Debug)]
pub struct Net {
    pub convs: Vec<Conv2d>,
    pub norms: Vec<BatchNorm>,
    pub relu: bool,
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
    pub fn new(relu: bool, device: &Device) -> Self {
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

    pub fn chain(&self) -> Chain<'_> {
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
pub fn error<const D: usize>(half: &Tensor<D>, full: &Tensor<D>) -> f32 {
    let difference = (half.clone() - full.clone()).powf_scalar(2.0).sum().sqrt();
    (difference / full.clone().powf_scalar(2.0).sum().sqrt()).into_scalar::<f32>()
}

pub type Named = Vec<(String, Tensor<1>)>;

/// The output or its mean, the gradients of the input and of the parameters, and the running
/// statistics.
pub fn run(
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
