//! The adversary's losses and the discriminator.

use crate::support::{device, number, random, tensor};
use burn::tensor::{DType, Tensor};
use cni_registration::adversary::{AdversarialLoss, DiscriminatorConfig};
use statrs::distribution::{Continuous, ContinuousCDF, Normal};
use std::f64::consts::LN_2;

fn logits(values: Vec<f64>) -> Tensor<1> {
    let count = values.len();
    tensor(values, [count])
}

/// The Jensen-Shannon divergence of two normal laws of variance 1, by the trapezoid rule, whose
/// error is far below the tolerances here for functions that fade at both ends.
fn jensen_shannon(distance: f64) -> f64 {
    let (p, q) = (Normal::new(0.0, 1.0).unwrap(), Normal::new(distance, 1.0).unwrap());
    let step = 1e-3;
    let values = (-12_000..12_000 + (distance / step) as i64).map(|i| {
        let x = i as f64 * step;
        let (p, q) = (p.pdf(x), q.pdf(x));
        let part = |a: f64| if a > 0.0 { 0.5 * a * (2.0 * a / (p + q)).ln() } else { 0.0 };
        part(p) + part(q)
    });
    values.sum::<f64>() * step
}

/// The middles of `n` quantiles of equal mass.
fn quantiles(mean: f64, n: usize) -> Vec<f64> {
    let law = Normal::new(mean, 1.0).unwrap();
    (0..n).map(|i| law.inverse_cdf((i as f64 + 0.5) / n as f64)).collect()
}

/// Between two normal laws of variance 1 the best logit is linear, `log p/q = −m x + m²/2`. Means
/// over 4,000 quantiles stand for the laws, to about 1e-3.
#[test]
fn the_best_discriminator_has_the_loss_of_the_jensen_shannon_divergence() {
    let loss = AdversarialLoss::JensenShannon;
    for m in [0.5, 1.0, 3.0] {
        let wanted = 2.0 * LN_2 - 2.0 * jensen_shannon(m);
        let [on_true, on_predicted] = [quantiles(0.0, 4000), quantiles(m, 4000)];
        let of = |slope: f64, offset: f64| {
            let logit = |x: &[f64]| logits(x.iter().map(|x| slope * x + offset).collect());
            number(&loss.discriminator(logit(&on_true), logit(&on_predicted)))
        };
        let best = of(-m, m * m / 2.0);
        assert!((best - wanted).abs() < 1e-3, "{m}: {best} {wanted}");
        // Any other one is worse.
        for (slope, offset) in [(0.1, 0.0), (-0.1, 0.0), (0.0, 0.1), (0.0, -0.1)] {
            assert!(of(slope - m, offset + m * m / 2.0) > best);
        }
    }
    // None can be told from itself: 2 log 2, at the logit 0.
    assert!((jensen_shannon(0.0)).abs() < 1e-12);
}

/// Gradient descent from zero finds the same loss.
#[test]
fn a_trained_discriminator_comes_to_the_same_loss() {
    let (m, loss) = (1.5, AdversarialLoss::NonSaturating);
    let [on_true, on_predicted] = [0.0, m].map(|mean| logits(quantiles(mean, 1000)));
    let mut weights = tensor::<1>(vec![0.0, 0.0], [2]);
    let mut last = f64::NAN;
    for _ in 0..300 {
        let leaf = weights.clone().autodiff().require_grad();
        let logit =
            |x: &Tensor<1>| x.clone() * leaf.clone().narrow(0, 0, 1) + leaf.clone().narrow(0, 1, 1);
        let value = loss.discriminator(logit(&on_true), logit(&on_predicted));
        last = number(&value);
        weights = weights - leaf.grad(&value.backward()).unwrap().mul_scalar(1.0);
    }
    let wanted = 2.0 * LN_2 - 2.0 * jensen_shannon(m);
    assert!((last - wanted).abs() < 3e-3, "{last} {wanted}");
}

#[test]
fn losses_are_those_of_their_table() {
    let (t, p) = ([1.2, -0.4], [0.3, 2.0, -1.0]);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mean =
        |x: &[f64], f: &dyn Fn(f64) -> f64| x.iter().map(|x| f(*x)).sum::<f64>() / x.len() as f64;
    let on_true = mean(&t, &|x| -sigmoid(x).ln());
    let on_predicted = mean(&p, &|x| -(1.0 - sigmoid(x)).ln());
    let wanted = [
        (AdversarialLoss::JensenShannon, on_true + on_predicted, -on_predicted),
        (AdversarialLoss::NonSaturating, on_true + on_predicted, mean(&p, &|x| -sigmoid(x).ln())),
        (
            AdversarialLoss::LeastSquares,
            0.5 * mean(&t, &|x| (x - 1.0).powi(2)) + 0.5 * mean(&p, &|x| x * x),
            0.5 * mean(&p, &|x| (x - 1.0).powi(2)),
        ),
        (
            AdversarialLoss::Wasserstein { clip: 0.01 },
            mean(&p, &|x| x) - mean(&t, &|x| x),
            -mean(&p, &|x| x),
        ),
    ];
    for (loss, discriminator, network) in wanted {
        let [on_true, on_predicted] = [logits(t.to_vec()), logits(p.to_vec())];
        let found = number(&loss.discriminator(on_true, on_predicted.clone()));
        assert!((found - discriminator).abs() < 1e-12, "{loss:?}: {found} {discriminator}");
        let found = number(&loss.network(on_predicted));
        assert!((found - network).abs() < 1e-12, "{loss:?}: {found} {network}");
        let text = serde_json::to_string(&loss).unwrap();
        assert_eq!(serde_json::from_str::<AdversarialLoss>(&text).unwrap(), loss, "{text}");
    }
}

/// The loss that fades and the one that does not, where the discriminator is sure.
#[test]
fn only_the_saturating_loss_fades() {
    let slope = |loss: AdversarialLoss| {
        let logit = logits(vec![-20.0]).autodiff().require_grad();
        number(&logit.grad(&loss.network(logit.clone()).backward()).unwrap())
    };
    assert!(slope(AdversarialLoss::JensenShannon).abs() < 1e-8);
    assert!((slope(AdversarialLoss::NonSaturating) + 1.0).abs() < 1e-8);
    let far = AdversarialLoss::JensenShannon;
    let extreme = far.discriminator(logits(vec![1e4]), logits(vec![-1e4]));
    assert_eq!(number(&extreme), 0.0);
}

#[test]
fn a_discriminator_judges_each_field_by_itself_at_any_size() {
    let config = DiscriminatorConfig { channels: 4, ..DiscriminatorConfig::new([13, 9]) };
    let discriminator = config.init::<4>(&device());
    let fields = random::<4>(1, [3, 2, 13, 9]).cast(DType::F32);
    let all: Vec<f32> = discriminator.forward(fields.clone()).unwrap().into_data().iter().collect();
    assert_eq!(all.len(), 3);
    for (example, logit) in all.iter().enumerate() {
        let alone = discriminator.forward(fields.clone().narrow(0, example, 1)).unwrap();
        assert!((alone.into_scalar::<f32>() - logit).abs() < 1e-5);
    }
    // Twice the unit sees half the displacement.
    let double = DiscriminatorConfig { unit: 2.0, ..config };
    let keyed = |config: &DiscriminatorConfig| {
        cni_layers::keyed_init(config.init::<4>(&device()), cni_noise::Key::new(3))
    };
    let same = keyed(&double).forward(fields.clone().mul_scalar(2.0)).unwrap();
    let wanted = keyed(&DiscriminatorConfig { unit: 1.0, ..double }).forward(fields).unwrap();
    same.into_data().assert_approx_eq::<f32>(&wanted.into_data(), Default::default());
    let deep = DiscriminatorConfig { channels: 2, ..DiscriminatorConfig::new([5, 8, 7]) };
    let fields = Tensor::<5>::zeros([2, 3, 5, 8, 7], &device());
    assert_eq!(deep.init::<5>(&device()).forward(fields).unwrap().dims(), [2]);
}

#[test]
fn losses_refuse_settings_that_they_do_not_have() {
    let read = |text: &str| serde_json::from_str::<AdversarialLoss>(text);
    for (name, loss) in [
        ("jensen_shannon", AdversarialLoss::JensenShannon),
        ("non_saturating", AdversarialLoss::NonSaturating),
        ("least_squares", AdversarialLoss::LeastSquares),
    ] {
        let text = format!(r#"{{"loss":"{name}"}}"#);
        assert_eq!(serde_json::to_string(&loss).unwrap(), text);
        assert_eq!(read(&text).unwrap(), loss);
        let error = read(&format!(r#"{{"loss":"{name}","clip":0.1}}"#)).unwrap_err().to_string();
        assert!(error.contains("unknown field `clip`"), "{error}");
    }
}
