//! Noise in a chain against the kernels for noise alone, in every form that these have.

use super::net::{Net, error};
use burn::tensor::{Device, Tensor};
use cni_noise::{Key, normal};
use cni_ops::{
    Amplitude, Chain, ChainNoise, Epilogue, FusedNoise, NoiseForm, NoiseLaunch, NoiseRows,
    Precision, StdPower, autocast,
};
use std::cell::Cell;

/// Channels, height and width of the value that gets noise.
const FEATURES: [usize; 3] = [16, 8, 8];
const ELEMENTS: usize = FEATURES[0] * FEATURES[1] * FEATURES[2];
const FORMS: [(Amplitude, StdPower, bool, bool, usize); 8] = [
    (Amplitude::Value, StdPower::One, false, false, 0),
    (Amplitude::Value, StdPower::One, false, true, 0),
    (Amplitude::Value, StdPower::Zero, false, false, 2),
    (Amplitude::Root, StdPower::One, true, true, 3),
    (Amplitude::Root, StdPower::Half, false, true, 3),
    (Amplitude::Root, StdPower::Half, false, true, 0),
    // The factor alone follows the standard deviation.
    (Amplitude::Value, StdPower::Zero, true, true, 3),
    (Amplitude::Root, StdPower::Zero, true, false, 3),
];

/// Noise of a form, which counts its draws.
struct Shared {
    form: NoiseForm,
    through_std: bool,
    amplitudes: Tensor<1>,
    factor: Option<Tensor<2>>,
    /// False if the chain has to add it itself.
    alone: bool,
    off: bool,
    draws: Cell<usize>,
}

impl Shared {
    fn new(
        (amplitude, independent, factor_by_std, through_std, rank): (
            Amplitude,
            StdPower,
            bool,
            bool,
            usize,
        ),
        alone: bool,
        device: &Device,
    ) -> Self {
        // One amplitude a channel, or a variance an element.
        let (count, mean) = match amplitude {
            Amplitude::Value => (FEATURES[0], 0.3),
            Amplitude::Root => (ELEMENTS, 0.1),
        };
        let values = |key, count| normal::<1>(Key::new(key), [count], device).mul_scalar(0.02);
        let amplitudes = values(11, count).add_scalar(mean).require_grad();
        let factor = (rank > 0)
            .then(|| values(12, ELEMENTS * rank).reshape([ELEMENTS, rank]).mul_scalar(5.0));
        Self {
            form: NoiseForm { amplitude, independent, factor_by_std },
            through_std,
            amplitudes,
            factor: factor.map(Tensor::require_grad),
            alone,
            off: false,
            draws: Cell::new(0),
        }
    }
}

impl ChainNoise for Shared {
    fn add(&self, x: Tensor<4>) -> Tensor<4> {
        assert!(self.alone, "the chain ran layer by layer");
        let Some((noise, rows)) = self.draw(x.dims()) else { return x };
        NoiseLaunch::new(&noise, &rows, &x).unwrap().add(noise, x)
    }

    fn is_shared(&self, _: [usize; 4]) -> bool {
        true
    }

    fn draw(&self, [rows, ..]: [usize; 4]) -> Option<(FusedNoise, NoiseRows)> {
        if self.off {
            return None;
        }
        self.draws.set(self.draws.get() + 1);
        let stride = match self.form.amplitude {
            Amplitude::Value => FEATURES[1] * FEATURES[2],
            Amplitude::Root => 1,
        };
        let noise = FusedNoise {
            form: self.form,
            through_std: self.through_std,
            amplitudes: self.amplitudes.clone(),
            stride,
            factor: self.factor.clone(),
        };
        let [independent, shared] = [21, 22].map(|key| Key::new(key).words());
        let (draw_per_row, std_per_row, first) = (false, false, 0);
        let rows = NoiseRows { rows, draw_per_row, std_per_row, independent, shared, first };
        Some((noise, rows))
    }
}

/// The places of noise in a chain.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Between two convolutions, the value read by a residual sum too.
    Between,
    /// On the chain's input, a norm of the batch right behind it.
    Input,
    /// Last, with what may follow.
    Last,
}

fn chain<'a>(net: &'a Net, noise: &'a Shared, place: Place) -> Chain<'a> {
    let (convs, norms) = (&net.convs, &net.norms);
    let mut chain = Chain::new();
    let x = chain.input();
    match place {
        Place::Between => {
            let x = chain.conv2d_batch_norm(&convs[1], &norms[0], x, Epilogue::default());
            let noisy = chain.noise(noise, x);
            chain.conv2d_batch_norm(&convs[1], &norms[1], noisy, Epilogue::add(x));
        }
        Place::Input => {
            let noisy = chain.noise(noise, x);
            let x = chain.batch_norm(&norms[0], noisy, Epilogue::add(x));
            chain.conv2d(&convs[1], x, Epilogue::default());
        }
        Place::Last => {
            let out = chain.conv2d(&convs[1], x, Epilogue::default());
            let noisy = chain.noise(noise, out);
            chain.epilogue(noisy, Epilogue::add(x));
        }
    }
    chain
}

/// The result, and the gradients of the input, a weight, the amplitudes and the factor.
fn run(
    net: &Net,
    noise: &Shared,
    place: Place,
    precision: Precision,
) -> Vec<(&'static str, Tensor<1>)> {
    let [channels, height, width] = FEATURES;
    let device = Device::flex().autodiff();
    let x = normal::<4>(Key::new(1), [40, channels, height, width], &device).add_scalar(0.5);
    let x = x.require_grad();
    let chain = chain(net, noise, place);
    assert_eq!(chain.obstacle(x.dims()), None);
    let out = autocast(precision, || chain.run(x.clone()));
    let probe = normal::<4>(Key::new(9), out.dims(), &Device::flex());
    let mut gradients = (out.clone() * probe.autodiff()).sum().backward();
    let mut found = vec![("out", out.inner().flatten(0, 3))];
    found.push(("input", x.grad_remove(&mut gradients).unwrap().flatten(0, 3)));
    let weight = net.convs[1].weight.val().grad_remove(&mut gradients);
    found.extend(weight.map(|gradient| ("weight", gradient.flatten(0, 3))));
    let amplitudes = noise.amplitudes.grad_remove(&mut gradients);
    found.extend(amplitudes.map(|gradient| ("amplitudes", gradient)));
    let factor = noise.factor.as_ref().and_then(|factor| factor.grad_remove(&mut gradients));
    found.extend(factor.map(|gradient| ("factor", gradient.flatten(0, 1))));
    found
}

/// Nothing but bfloat16's rounding lies between the two: there are no rectifiers, which would turn.
#[test]
fn noise_in_one_operation_is_that_of_the_kernels_alone() {
    let device = Device::flex().autodiff();
    for form in FORMS {
        for place in [Place::Between, Place::Input, Place::Last] {
            let net = Net::new(false, &device);
            let alone = Shared::new(form, true, &device);
            let full = run(&net, &alone, place, Precision::Full);
            let net = Net::new(false, &device);
            let within = Shared::new(form, false, &device);
            let half = run(&net, &within, place, Precision::Bf16);
            assert_eq!((alone.draws.get(), within.draws.get()), (1, 1), "{form:?}, {place:?}");
            assert_eq!(full.len(), 4 + usize::from(alone.factor.is_some()));
            assert_eq!(full.len(), half.len());
            for ((name, full), (_, half)) in full.iter().zip(&half) {
                let error = error(half, full);
                assert!(error < 0.03, "{form:?}, {place:?}, {name}: {error}");
            }
        }
    }
}

#[test]
fn noise_that_is_off_leaves_the_chain_without_it() {
    let device = Device::flex().autodiff();
    for place in [Place::Between, Place::Input, Place::Last] {
        let noise = Shared { off: true, ..Shared::new(FORMS[3], false, &device) };
        let ours = run(&Net::new(false, &device), &noise, place, Precision::Bf16);
        let names: Vec<_> = ours.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["out", "input", "weight"], "{place:?}");
        let alone = Shared { off: true, ..Shared::new(FORMS[3], true, &device) };
        let full = run(&Net::new(false, &device), &alone, place, Precision::Full);
        let error = error(&ours[0].1, &full[0].1);
        assert!(0.0 < error && error < 0.02, "{place:?}: {error}");
    }
}

#[test]
#[should_panic(expected = "got 1025 rows of the factor")]
fn a_factor_for_other_elements_is_refused() {
    let device = Device::flex().autodiff();
    let noise = Shared::new(FORMS[4], false, &device);
    let factor = Tensor::zeros([ELEMENTS + 1, 3], &device);
    let noise = Shared { factor: Some(factor), ..noise };
    run(&Net::new(false, &device), &noise, Place::Between, Precision::Bf16);
}

#[test]
#[should_panic(expected = "noise in a chain: got a fused form of 1025 amplitudes, stride 1")]
fn amplitudes_for_other_elements_are_refused() {
    let device = Device::flex().autodiff();
    let amplitudes = Tensor::ones([ELEMENTS + 1], &device);
    let noise = Shared { amplitudes, ..Shared::new(FORMS[4], false, &device) };
    run(&Net::new(false, &device), &noise, Place::Between, Precision::Bf16);
}

/// Sums of their gradients would mix those of several.
#[test]
#[should_panic(expected = "noise for kernels: got a fused form of 1024 amplitudes, stride 64")]
fn amplitudes_of_elements_with_a_stride_of_channels_are_refused() {
    let device = Device::flex().autodiff();
    let amplitudes = Tensor::ones([ELEMENTS], &device);
    let noise = Shared { amplitudes, ..Shared::new(FORMS[0], true, &device) };
    run(&Net::new(false, &device), &noise, Place::Between, Precision::Full);
}
