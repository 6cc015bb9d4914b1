//! The losses of the objectives: equal to PyTorch's, and free of NaN. One file, because both use
//! images and logits that are given.

use super::elle::chord_error;
use super::{Clean, HalfAndHalf, LabelNoise, Madry, Mart, Objective, Trades};
use crate::step::Step;
use burn::module::{Module, Param};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Int, Tensor, TensorData};
use cni_attacks::{
    Access, Attack, AttackBatch, AttackError, Knob, Knobs, Loss, ModelAccess, Threat,
};
use cni_data::Batch;
use cni_noise::{Key, host_uniform};
use serde_json::{Value, json};
use std::sync::Arc;

/// An attack that finds the images that it is given.
#[derive(Clone)]
struct Given(Tensor<4>);

impl Attack for Given {
    fn name(&self) -> String {
        "given".to_string()
    }

    fn threat(&self) -> Threat {
        Threat::whole_box()
    }

    fn access(&self) -> Access {
        Access::None
    }

    fn spec(&self) -> Value {
        json!({ "attack": "given" })
    }

    fn gradient_draws(&self) -> Option<usize> {
        None
    }

    fn knobs(&self) -> Knobs {
        Knobs { loss: Some(Loss::CrossEntropy), ..Knobs::default() }
    }

    fn with_knob(&self, _knob: Knob) -> Result<Arc<dyn Attack>, AttackError> {
        Ok(Arc::new(self.clone()))
    }

    fn run(
        &self,
        _: &mut ModelAccess<'_>,
        _: &AttackBatch,
        _: Key,
    ) -> Result<Tensor<4>, AttackError> {
        Ok(self.0.clone())
    }
}

fn batch(images: Tensor<4>, labels: &[i32]) -> Batch {
    let n = labels.len();
    Batch {
        images: images.autodiff(),
        labels: Tensor::<1, Int>::from_data(labels, &Device::flex()),
        key: Key::new(1),
        epoch: 0,
        number: 0,
        batches: 1,
        indices: (0..n).collect(),
        first_example: 0,
        whole: n,
    }
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// `hash_uniform` of `tests/reference/hashing.py`.
fn hash_uniform(stream: u32, n: usize) -> Vec<f64> {
    let hash = |i: usize| {
        let mut x = (i as u32).wrapping_mul(0x9E37_79B9);
        x = x.wrapping_add(stream.wrapping_mul(0x85EB_CA6B));
        x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        (f64::from(x ^ (x >> 16)) + 0.5) / 4_294_967_296.0
    };
    (0..n).map(hash).collect()
}

fn tensor<const D: usize>(values: Vec<f64>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Normal values of a stream of the hash, times a factor.
fn normal<const D: usize>(stream: u32, factor: f64, shape: [usize; D]) -> Tensor<D> {
    let n = shape.iter().product();
    let pairs = hash_uniform(2 * stream, n).into_iter().zip(hash_uniform(2 * stream + 1, n));
    let one = |(u, v): (f64, f64)| (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
    tensor(pairs.map(|pair| factor * one(pair)).collect(), shape)
}

fn images(stream: u32) -> Tensor<4> {
    tensor(hash_uniform(stream, 96), [6, 1, 4, 4])
}

/// The network of `tests/reference/objectives.py`.
#[derive(Module, Debug)]
struct Net {
    conv: Param<Tensor<4>>,
    out: Param<Tensor<2>>,
}

impl Net {
    fn new() -> Self {
        Self {
            conv: Param::from_tensor(normal(51, 0.5, [2, 1, 3, 3]).autodiff()),
            out: Param::from_tensor(normal(52, 0.7, [8, 4]).autodiff()),
        }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
        let hidden = conv2d(images, self.conv.val(), None, options).tanh();
        hidden.flatten::<2>(1, 3).matmul(self.out.val())
    }
}

fn reference() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/objectives.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn close(case: &str, got: &Tensor<1>, wanted: &Value) {
    let (got, wanted) = (got.try_to_vec_as::<f64>().unwrap(), list(wanted));
    assert_eq!(got.len(), wanted.len(), "{case}");
    for (got, wanted) in got.iter().zip(&wanted) {
        assert!((got - wanted).abs() < 1e-5, "{case}: {got} ≠ {wanted}");
    }
}

/// Losses of each example, and the weights after a step of plain SGD.
#[test]
fn losses_and_one_step_are_pytorchs() {
    let reference = reference();
    let labels: Vec<i32> = list(&reference["labels"]).into_iter().map(|y| y as i32).collect();
    let given = || Given(images(62));
    let smooth = |share| Clean::new().with_label_smoothing(share).unwrap();
    let half = HalfAndHalf::new(given()).with_weights(0.25, 1.5).unwrap();
    let cases: [(&str, Objective); 8] = [
        ("/clean/plain", Objective::clean()),
        ("/clean/smooth", smooth(0.3).into()),
        ("/half_and_half/half", Objective::half_and_half(given())),
        ("/half_and_half/smooth", half.with_label_smoothing(0.1).unwrap().into()),
        ("/trades/six", Objective::trades(given())),
        ("/trades/one", Trades::new(given()).with_beta(1.0).unwrap().into()),
        ("/mart/five", Objective::mart(given())),
        ("/mart/one", Mart::new(given()).with_lambda(1.0).unwrap().into()),
    ];
    let net = Net::new();
    let check = |case: &str, step: &Step<'_>, losses| {
        let found = step.backward(losses);
        let wanted = reference.pointer(case).unwrap();
        close(case, found.losses.loss(), &wanted["losses"]);
        let rate = reference["lr"].as_f64().unwrap();
        for (i, path) in ["conv", "out"].into_iter().enumerate() {
            let weight = step.weights().get(path).unwrap().clone();
            let after = weight - found.gradients.get(path).unwrap().clone().mul_scalar(rate);
            close(&format!("{case} {path}"), &after, &wanted["after"][i]);
        }
    };
    for (case, objective) in cases {
        let step = Step::new(&net, Net::forward, batch(images(61), &labels));
        check(case, &step, objective.losses(&step).unwrap());
    }
    let step = Step::new(&net, Net::forward, batch(images(61), &labels));
    let share = tensor(hash_uniform(66, 6), [6, 1, 1, 1]);
    let (a, b) = (images(64), images(65));
    let c = a.clone() + (b.clone() - a.clone()) * share.clone();
    let losses = [a, b, c].map(|x| step.cross_entropy(step.logits("linear", x.autodiff())));
    check("/elle", &step, crate::Losses::new(chord_error(losses, share.reshape([6]))));
}

/// A model whose parameters are its logits, of dark images and of bright ones.
#[derive(Module, Debug)]
struct Table {
    dark: Param<Tensor<2>>,
    bright: Param<Tensor<2>>,
}

impl Table {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let dark = self.dark.val();
        let bright = images.flatten::<2>(1, 3).inner().greater_elem(0.5).expand(dark.dims());
        dark.mask_where(bright, self.bright.val())
    }
}

const ROWS: usize = 10_000;
const CLASSES: usize = 5;

/// Logits of sizes from 10⁻³ to 10³⁰ of either sign, a quarter of which equal the one before.
fn extreme(name: &str) -> Tensor<2> {
    let draws = host_uniform(Key::new(5).named(name), 0..3 * (ROWS * CLASSES) as u64);
    let mut values = Vec::with_capacity(ROWS * CLASSES);
    for draw in draws.chunks(3) {
        let size = 10f64.powf(33.0 * f64::from(draw[0]) - 3.0);
        let own = if draw[1] < 0.5 { -size } else { size };
        values.push(if draw[2] < 0.25 { values.last().copied().unwrap_or(0.0) } else { own });
    }
    tensor(values, [ROWS, CLASSES])
}

fn assert_finite<const D: usize>(case: &str, values: &Tensor<D>) {
    let values = values.try_to_vec_as::<f32>().unwrap();
    let bad = values.iter().position(|value| !value.is_finite());
    assert!(bad.is_none(), "{case}: {bad:?}, {}", values[bad.unwrap_or(0)]);
}

#[test]
fn extreme_logits_give_finite_losses_and_gradients() {
    let parameter = |name| Param::from_tensor(extreme(name).autodiff());
    let table = Table { dark: parameter("dark"), bright: parameter("bright") };
    let labels: Vec<i32> = (0..ROWS).map(|row| (row % CLASSES) as i32).collect();
    let image = |pixel: f64| Tensor::<4>::full([ROWS, 1, 1, 1], pixel, &Device::flex());
    let given = || Given(image(0.8));
    let noise = LabelNoise::new(0.3);
    let cases: [Objective; 6] = [
        Objective::clean(),
        Clean::new().with_label_smoothing(0.2).unwrap().with_label_noise(noise).unwrap().into(),
        Madry::new(given()).with_label_smoothing(0.9).unwrap().into(),
        Objective::half_and_half(given()),
        Objective::trades(given()),
        Objective::mart(given()),
    ];
    for objective in cases {
        let step = Step::new(&table, Table::forward, batch(image(0.2), &labels));
        let found = step.backward(objective.losses(&step).unwrap());
        let case = objective.spec().to_string();
        assert_finite(&case, found.losses.loss());
        found.gradients.iter().for_each(|(_, gradient)| assert_finite(&case, gradient));
    }
    // The square of a number above 1.8e19 overflows; its gradient does not.
    let step = Step::new(&table, Table::forward, batch(image(0.2), &labels));
    let share = Tensor::<1>::full([ROWS], 0.3, &Device::flex());
    let losses = [0.2, 0.8, 0.2]
        .map(|pixel| step.cross_entropy(step.logits("linear", image(pixel).autodiff())));
    let found = step.backward(crate::Losses::new(chord_error(losses, share)));
    let squares = found.losses.loss().try_to_vec_as::<f32>().unwrap();
    assert!(squares.iter().all(|square| !square.is_nan()));
    found.gradients.iter().for_each(|(_, gradient)| assert_finite("elle", gradient));
}
