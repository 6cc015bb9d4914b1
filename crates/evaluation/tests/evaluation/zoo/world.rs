//! A small world: four patterns, images of them with different contrasts, and models that tell them
//! apart.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};
use cni_noise::{Key, host_normal, layer_key, normal, normal_like, permutation};
use std::f64::consts::PI;
use std::sync::OnceLock;

/// The radius of all attacks in the zoo, unless a test says otherwise.
pub const EPSILON: f64 = 8.0 / 255.0;
pub const CLASSES: usize = 4;
/// The number of pixels of an image, `[1, 8, 8]`.
pub const PIXELS: usize = 64;
/// The number of images of a batch.
pub const EXAMPLES: usize = 64;

/// A model: images to logits.
pub type Model = Box<dyn Fn(Tensor<4>) -> Tensor<2> + Send + Sync>;

/// Walsh functions over blocks of two by two pixels, values ±1, orthogonal to each other,
/// `[numbers, PIXELS]`.
fn walsh(numbers: &[usize]) -> Tensor<2> {
    let sign = |number: usize, pixel: usize| {
        let (row, column) = (pixel / 8 / 2, pixel % 8 / 2);
        if (number & (row * 4 + column)).count_ones().is_multiple_of(2) { 1.0f32 } else { -1.0 }
    };
    let values: Vec<f32> =
        numbers.iter().flat_map(|&n| (0..PIXELS).map(move |p| sign(n, p))).collect();
    Tensor::<1>::from_floats(values.as_slice(), &Device::flex()).reshape([numbers.len(), PIXELS])
}

/// The pattern of each class.
pub fn patterns() -> Tensor<2> {
    walsh(&[1, 2, 4, 8])
}

/// Images and labels. Example `i` shows the pattern of its class with a contrast between 0.1 and
/// 2.2 ε, on a background of patterns that belong to no class, stored in 8 bits.
pub fn images(key: Key, n: usize, epsilon: f64) -> (Tensor<4>, Tensor<1, Int>) {
    let device = Device::flex();
    let order = permutation(key.named("contrast"), n);
    let contrast: Vec<f32> = order
        .iter()
        .map(|&place| ((0.1 + 2.1 * place as f64 / (n - 1) as f64) * epsilon) as f32)
        .collect();
    let classes: Vec<i64> = (0..n).map(|i| (i % CLASSES) as i64).collect();
    let labels = Tensor::<1, Int>::from_ints(classes.as_slice(), &device);
    let own = patterns().select(0, labels.clone());
    let others = walsh(&[3, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15]);
    let weights = host_normal(key.named("background"), 0..(n * 11) as u64);
    let weights = Tensor::<1>::from_floats(weights.as_slice(), &device).reshape([n, 11]);
    let contrast = Tensor::<1>::from_floats(contrast.as_slice(), &device).reshape([n, 1]);
    let images = (own * contrast + weights.matmul(others) * 0.03 + 0.5).clamp(0.0, 1.0);
    let stored = images.mul_scalar(255.0).round().div_scalar(255.0);
    (stored.reshape([n, 1, 8, 8]), labels)
}

/// Pixels around zero, `[batch, PIXELS]`.
pub fn centred(images: Tensor<4>) -> Tensor<2> {
    images.sub_scalar(0.5).flatten::<2>(1, 3)
}

/// The contrast of each class's pattern in an image, in units of ε, `[batch, CLASSES]`.
pub fn contrasts(images: Tensor<4>) -> Tensor<2> {
    centred(images).matmul(patterns().transpose()).div_scalar(PIXELS as f64 * EPSILON)
}

/// A model that gives the class of the clearest pattern. It is robust within ε exactly if the
/// contrast is above ε.
pub fn linear() -> Model {
    Box::new(|images| contrasts(images).mul_scalar(2.0))
}

/// [`linear`] with normal noise on every weight, drawn once for the batch: `sigma` times the size
/// of the weights.
pub fn noisy_linear(sigma: f64) -> Model {
    Box::new(move |images| {
        let mut weight = patterns();
        if let Some(key) = layer_key("weight", &images.device()) {
            weight = weight.clone() + normal_like(key, &weight, 0) * sigma;
        }
        centred(images).matmul(weight.transpose()).mul_scalar(2.0 / (PIXELS as f64 * EPSILON))
    })
}

/// A model of two layers with a hyperbolic tangent between them, trained on data of its own, with
/// normal noise of `sigma` on the hidden values, drawn for each example.
pub fn network(sigma: f64) -> Model {
    let [inner, outer] = trained().clone();
    Box::new(move |images| {
        let mut hidden = centred(images).matmul(inner.clone()).tanh();
        if sigma > 0.0
            && let Some(key) = layer_key("hidden", &hidden.device())
        {
            let examples = cni_noise::current_examples();
            hidden = hidden.clone() + cni_noise::normal_rows(key, &examples, &hidden) * sigma;
        }
        hidden.matmul(outer.clone())
    })
}

fn trained() -> &'static [Tensor<2>; 2] {
    static WEIGHTS: OnceLock<[Tensor<2>; 2]> = OnceLock::new();
    WEIGHTS.get_or_init(|| {
        let (device, key) = (Device::flex(), Key::new(2002));
        let mut inner = normal::<2>(key.child(0), [PIXELS, 32], &device) * 0.25;
        let mut outer = normal::<2>(key.child(1), [32, CLASSES], &device) * 0.2;
        for step in 0..300u64 {
            let (images, labels) = images(key.named("data").child(step), 64, EPSILON);
            let [w, v] = [&inner, &outer].map(|w| w.clone().autodiff().require_grad());
            let noise = normal::<4>(key.named("jitter").child(step), [64, 1, 8, 8], &device);
            let images = images + noise * (0.5 * EPSILON);
            let logits = centred(images).matmul(w.clone()).tanh().matmul(v.clone());
            let own = labels.one_hot::<2>(CLASSES).float();
            let loss = -(log_softmax(logits, 1) * own).sum().div_scalar(64.0);
            let mut gradients = loss.backward();
            let rate = 1.0 + (PI * step as f64 / 300.0).cos();
            inner = inner - w.grad_remove(&mut gradients).expect("a leaf") * rate;
            outer = outer - v.grad_remove(&mut gradients).expect("a leaf") * rate;
        }
        [inner, outer]
    })
}
