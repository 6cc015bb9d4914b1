//! Randomized smoothing of linear classifiers, whose true radii are known. One file, because all
//! tests use the same classifiers.

use crate::support::{self, images};
use burn::tensor::{DType, Device, Tensor};
use cni_attacks::{AttackError, Classifier};
use cni_evaluation::{
    Certificate, Certificates, EvaluationError, Smoothed, Smoothing, certified_accuracy,
    clopper_pearson_lower,
};
use cni_noise::{ExampleIds, Key, Noise, layer_key, normal, scope, uniform};
use serde_json::Value;
use statrs::distribution::{ContinuousCDF, Normal};

const SIGMA: f64 = 0.25;

/// Two classes by the sign of w·(x − 1/2), plus noise of standard deviation `tau`·‖w‖, which is
/// drawn once for each pass.
struct Linear {
    weight: Tensor<2>,
    tau: f64,
}

impl Linear {
    fn new(tau: f64) -> Self {
        let weight = normal::<2>(Key::new(21), [support::VALUES, 1], &Device::flex());
        let weight = weight.cast(DType::F64);
        let norm = weight.clone().square().sum().sqrt().into_scalar::<f64>();
        Self { weight: weight.div_scalar(norm), tau }
    }

    /// The signed distance of each image from the boundary.
    fn distances(&self, images: &Tensor<4>) -> Vec<f64> {
        let x = images.clone().sub_scalar(0.5).flatten::<2>(1, 3);
        x.matmul(self.weight.clone()).try_to_vec_as().unwrap()
    }
}

impl Classifier for Linear {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let mut margin = images.sub_scalar(0.5).flatten::<2>(1, 3).matmul(self.weight.clone());
        if self.tau > 0.0
            && let Some(key) = layer_key("margin", &margin.device())
        {
            let noise = normal::<2>(key, [1, 1], &margin.device()).cast(DType::F64);
            margin = margin + noise.mul_scalar(self.tau);
        }
        Tensor::cat(vec![margin.clone().neg(), margin], 1)
    }
}

fn points(n: usize) -> Tensor<4> {
    uniform::<4>(Key::new(22), [n, 3, 2, 2], &Device::flex()).cast(DType::F64)
}

fn smoothing(selection: usize, samples: usize, alpha: f64) -> Smoothing {
    Smoothing::new(SIGMA)
        .and_then(|smoothing| smoothing.with_selection(selection))
        .and_then(|smoothing| smoothing.with_samples(samples))
        .and_then(|smoothing| smoothing.with_alpha(alpha))
        .unwrap()
}

/// Each of 300 certificates is wrong with a probability of at most 0.01. More than 13 wrong ones
/// have a probability of 10⁻⁵ (binomial).
#[test]
fn certified_radii_stay_below_the_true_distance() {
    let (linear, n, samples, alpha) = (Linear::new(0.0), 300, 500, 0.01);
    let clean = points(n);
    let found = smoothing(30, samples, alpha).certify(&linear, clean.clone(), Key::new(1), 0);
    let found = found.unwrap();
    let (mut wrong, mut tight) = (0, Vec::new());
    for (i, distance) in linear.distances(&clean).into_iter().enumerate() {
        let class = usize::from(found.selection[i][1] > found.selection[i][0]);
        let votes = u64::from(found.estimation[i][class]);
        let wanted = clopper_pearson_lower(votes, samples as u64, 1.0 - alpha).unwrap();
        match found.certificates[i] {
            Certificate::Abstain => assert!(wanted <= 0.5),
            Certificate::Certified { class: certified, radius, lower } => {
                assert_eq!(certified, class);
                assert!((lower - wanted).abs() < 1e-12);
                assert!((radius - SIGMA * Normal::standard().inverse_cdf(wanted)).abs() < 1e-12);
                let right = (distance > 0.0) == (class == 1);
                wrong += u32::from(!right || radius > distance.abs());
                if (SIGMA / 2.0..1.5 * SIGMA).contains(&distance.abs()) {
                    tight.push(radius / distance.abs());
                }
            }
        }
    }
    assert!(wrong <= 13, "{wrong} of {n}");
    // The bound of 500 samples costs a sixth of such a radius, not all of it.
    let mean = tight.iter().sum::<f64>() / tight.len() as f64;
    assert!(tight.len() > 50 && (0.7..1.0).contains(&mean), "{} {mean}", tight.len());
}

/// With noise of its own on the margin the classifier has p = Φ(distance / √(σ² + τ²)), if every
/// sample draws both noises. A single draw of τ for all samples of an image would give p nearly
/// zero or one. Each of 100 bounds is above p with a probability of at most 0.05. More than 18 such
/// bounds have a probability of 10⁻⁶.
#[test]
fn samples_of_a_stochastic_classifier_are_independent() {
    let (linear, n) = (Linear::new(0.5), 100);
    let clean = points(n);
    let distances = linear.distances(&clean);
    let spread = (SIGMA * SIGMA + linear.tau * linear.tau).sqrt();
    let (mut above, mut sum) = (0, 0.0);
    let (settings, samples) = (smoothing(1, 100, 0.05), 100.0);
    for (i, distance) in distances.into_iter().enumerate() {
        // A single image leaves room for all samples in one pass.
        let image = clean.clone().slice(i..i + 1);
        let found = settings.certify(&linear, image, Key::new(2).child(i as u64), 0).unwrap();
        let p = Normal::standard().cdf(distance / spread);
        let votes = found.estimation[0][1];
        let lower = clopper_pearson_lower(u64::from(votes), 100, 0.95).unwrap();
        above += u32::from(lower > p);
        sum += (f64::from(votes) - samples * p).powi(2) / (samples * p * (1.0 - p));
        if let Certificate::Certified { radius, lower, class } = found.certificates[0] {
            let of_class = if class == 1 { p } else { 1.0 - p };
            assert!(radius <= distance.abs() || lower > of_class);
        }
    }
    assert!(above <= 18, "{above} of {n}");
    // The counts vary as binomial ones do: the ratio is one, within five times √(2/n).
    let mean = sum / n as f64;
    assert!((mean - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{mean}");
}

#[test]
fn samples_that_all_agree_certify_the_largest_radius() {
    const DATA: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/smoothing.json");
    let data: Value = serde_json::from_str(&std::fs::read_to_string(DATA).unwrap()).unwrap();
    let constant = |x: Tensor<4>| Tensor::zeros([x.dims()[0], 2], &x.device());
    let image = Tensor::full([1, 1, 1, 2], 0.5, &Device::flex());
    for case in data["largest_radius"].as_array().unwrap() {
        let samples = case["samples"].as_u64().unwrap() as usize;
        let smoothing = Smoothing::new(0.5).and_then(|s| s.with_samples(samples)).unwrap();
        let smoothing = smoothing.with_batch(1000).unwrap();
        let smoothing = smoothing.with_alpha(case["alpha"].as_f64().unwrap()).unwrap();
        let found = smoothing.certify(&constant, image.clone(), Key::new(3), 0).unwrap();
        let wanted = 0.5 * case["radius"].as_f64().unwrap();
        let Certificate::Certified { class: 0, radius, .. } = found.certificates[0] else {
            panic!("{:?}", found.certificates);
        };
        assert!((radius - wanted).abs() < 1e-9, "{samples}: {radius}, wanted {wanted}");
        // The largest radius of the paper's settings, 100,000 samples and α = 0.001.
        assert!(samples != 100_000 || radius < 2.01 && radius > 1.905, "{radius}");
    }
}

/// If all n samples agree, they decide a certificate if α^(1/n) > 1/2, and a prediction if 2^(1 -
/// n) <= α.
#[test]
fn samples_that_can_only_abstain_are_refused_and_one_more_decides() {
    let constant = |x: Tensor<4>| Tensor::zeros([x.dims()[0], 2], &x.device());
    let image = Tensor::full([1, 1, 1, 2], 0.5, &Device::flex());
    for (alpha, to_certify, to_predict) in [(0.001, 10, 11), (0.05, 5, 6), (0.4, 2, 3)] {
        let certify = |samples| {
            let settings = smoothing(5, samples, alpha);
            settings.certify(&constant, image.clone(), Key::new(1), 0)
        };
        let predict = |samples| {
            let settings = smoothing(5, samples, alpha);
            settings.predict(&constant, image.clone(), Key::new(1), 0)
        };
        let refused = |error: EvaluationError| match error {
            EvaluationError::Samples { got, wanted, alpha } => (got, wanted, alpha),
            other => panic!("{other}"),
        };
        let few = certify(to_certify - 1).unwrap_err();
        assert_eq!(refused(few), (to_certify - 1, to_certify, alpha));
        let few = predict(to_predict - 1).unwrap_err();
        assert_eq!(refused(few), (to_predict - 1, to_predict, alpha));
        let found = certify(to_certify).unwrap().certificates[0];
        assert!(matches!(found, Certificate::Certified { radius, .. } if radius > 0.0));
        assert_eq!(predict(to_predict).unwrap().predictions[0], Smoothed::Class(0));
    }
    let message = smoothing(5, 10, 0.001).predict(&constant, image, Key::new(1), 0).unwrap_err();
    let wanted = "samples: got 10, wanted at least 11 for alpha 0.001: with fewer every answer is \
                  to abstain";
    assert_eq!(message.to_string(), wanted);
}

/// On the boundary every answer is wrong. Each of 400 predictions gives an answer with a
/// probability of at most 0.05: at most 42 do, five standard errors above the mean. The same holds
/// for certificates.
#[test]
fn on_the_boundary_smoothing_abstains() {
    let linear = Linear::new(0.0);
    let image = Tensor::full([400, 3, 2, 2], 0.5, (&Device::flex(), DType::F64));
    let settings = smoothing(10, 101, 0.05);
    let found = settings.predict(&linear, image.clone(), Key::new(4), 0).unwrap();
    let answers = found.predictions.iter().filter(|p| **p != Smoothed::Abstain).count();
    assert!((1..=42).contains(&answers), "{answers}");
    let found = settings.certify(&linear, image, Key::new(4), 0).unwrap();
    let answers = found.certificates.iter().filter(|c| **c != Certificate::Abstain).count();
    assert!((1..=42).contains(&answers), "{answers}");

    let clean = points(50);
    let found = settings.predict(&linear, clean.clone(), Key::new(5), 0).unwrap();
    for (distance, found) in linear.distances(&clean).into_iter().zip(found.predictions) {
        // At a distance of two σ, 97.7 % of samples agree, so the test decides with 101 of them.
        if distance.abs() > 2.0 * SIGMA {
            assert_eq!(found, Smoothed::Class(usize::from(distance > 0.0)));
        }
    }
}

#[test]
fn results_depend_on_the_key_and_not_on_batches() {
    let (quiet, clean, key) = (Linear::new(0.0), images(8, DType::F64), Key::new(6));
    let run = |batch: usize, images: Tensor<4>, key: Key, examples: ExampleIds| {
        let settings = smoothing(5, 40, 0.1).with_batch(batch).unwrap();
        let found = settings.certify(&quiet, images, key, examples).unwrap();
        (found.selection, found.estimation)
    };
    let whole = run(256, clean.clone(), key, 30.into());
    for batch in [1, 3, 8, 17] {
        assert_eq!(run(batch, clean.clone(), key, 30.into()), whole, "{batch}");
    }
    let part = run(256, clean.clone().slice(2..5), key, ExampleIds::from(30).select(&[2, 3, 4]));
    assert_eq!((part.0, part.1), (whole.0[2..5].to_vec(), whole.1[2..5].to_vec()));
    assert_ne!(run(256, clean.clone(), Key::new(7), 30.into()), whole);
    // Selection and estimation use different samples. Noise on the input stays on if the model's
    // own noise is off.
    let settings = smoothing(40, 40, 0.1);
    let of = |model: &Linear| settings.certify(model, clean.clone(), key, 30).unwrap();
    assert_ne!(of(&quiet).selection, of(&quiet).estimation);
    assert_eq!(scope(Noise::Off, || of(&Linear::new(0.5))), of(&quiet));
    assert_ne!(of(&Linear::new(0.5)), of(&quiet));
}

#[test]
fn certified_accuracy_falls_with_the_radius() {
    let of = |class, radius| Certificate::Certified { class, radius, lower: 0.9 };
    let found = [of(1, 0.5), of(0, 0.25), of(2, 1.0), Certificate::Abstain];
    let at = |radius| certified_accuracy(&found, &[1, 0, 1, 0], radius);
    assert_eq!([0.0, 0.25, 0.3, 0.6].map(|r| at(r).unwrap()), [0.5, 0.5, 0.25, 0.0]);
    let message = |result: Result<f64, EvaluationError>| result.unwrap_err().to_string();
    let wanted = "labels: got 1, wanted 4, one for each image";
    assert_eq!(message(certified_accuracy(&found, &[1], 0.0)), wanted);
    assert_eq!(
        message(certified_accuracy(&[], &[], 0.0)),
        "certificates: got 0, wanted at least 1"
    );
    assert_eq!(message(at(-0.5)), "radius: got -0.5, wanted a finite number of at least 0");
}

#[test]
fn bad_settings_and_models_are_refused() {
    let message = |result: Result<Smoothing, EvaluationError>| result.unwrap_err().to_string();
    for sigma in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        let wanted = format!(
            "sigma: got {sigma}, wanted a finite number above 0: without noise on the input there \
             is no certificate"
        );
        assert_eq!(message(Smoothing::new(sigma)), wanted);
    }
    let fine = || Smoothing::new(SIGMA).unwrap();
    for alpha in [0.0, 1.0, -0.1, 2.0, f64::NAN] {
        let wanted = format!("alpha: got {alpha}, wanted a number between 0 and 1");
        assert_eq!(message(fine().with_alpha(alpha)), wanted);
    }
    for (field, got) in [
        ("selection", message(fine().with_selection(0))),
        ("samples", message(fine().with_samples(0))),
        ("batch", message(fine().with_batch(0))),
    ] {
        assert_eq!(got, format!("{field}: got 0, wanted at least 1"));
    }
    let run = |model: &dyn Classifier, images| -> Result<Certificates, EvaluationError> {
        smoothing(2, 4, 0.1).certify(model, images, Key::new(1), 10)
    };
    let pixels = |x: Tensor<4>| x.flatten::<2>(1, 3);
    let clean = images(4, DType::F64);
    let empty = Tensor::zeros([0, 3, 2, 2], &Device::flex());
    let wanted = "images: got an empty batch of shape [0, 3, 2, 2], wanted at least one pixel";
    assert_eq!(run(&pixels, empty).unwrap_err().to_string(), wanted);
    let one = |x: Tensor<4>| pixels(x).slice([0..4, 0..1]);
    let wanted = "logits: got shape [4, 1], wanted [4, classes] with at least 2 classes";
    assert_eq!(run(&one, clean.clone()).unwrap_err().to_string(), wanted);
    let broken = |x: Tensor<4>| pixels(x).slice_fill([2..3, 0..1], f64::NAN);
    let error = run(&broken, clean).unwrap_err();
    let wanted = AttackError::NonFinite { field: "logits", got: 1, example: 12 };
    assert!(matches!(error, EvaluationError::Attack(error) if error == wanted));
}
