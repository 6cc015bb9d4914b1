//! The evaluation on models whose robust accuracy is known.

use burn::tensor::{Device, Int, Tensor};
use cni_attacks::evaluation::{DataCard, Evaluation, EvaluationError, ModelCard, Record, table};
use cni_attacks::{Attack, AttackError, Classifier, Pgd, RandomNoise, Suite, Threat};
use cni_noise::{Key, Noise, layer_key, normal_at, scope, uniform};

const EPSILON: f64 = 0.1;

/// Two classes by the sign of the mean pixel less one half, plus noise of standard deviation `sigma` on the threshold.
struct Threshold {
    sigma: f64,
}

impl Classifier for Threshold {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let mut margin = images.flatten::<2>(1, 3).mean_dim(1).sub_scalar(0.5);
        if let Some(key) = layer_key("threshold", &margin.device()) {
            margin = margin.clone() + normal_at(key, 0, [1, 1], &margin).mul_scalar(self.sigma);
        }
        Tensor::cat(vec![margin.clone().neg(), margin], 1).mul_scalar(10.0)
    }
}

fn images(n: usize) -> Tensor<4> {
    let brightness = uniform::<4>(Key::new(1), [n, 1, 1, 1], &Device::flex());
    (brightness.mul_scalar(0.6).add_scalar(0.2)).expand([n, 1, 2, 2])
}

fn labels(images: &Tensor<4>) -> Tensor<1, Int> {
    let [n, ..] = images.dims();
    images.clone().slice([0..n, 0..1, 0..1, 0..1]).reshape([n]).greater_elem(0.5).int()
}

fn batches(n: usize, size: usize) -> Vec<(Tensor<4>, Tensor<1, Int>)> {
    let (x, y) = (images(n), labels(&images(n)));
    let cut = |first: usize| {
        let rows = first..(first + size).min(n);
        (x.clone().slice([rows.clone()]), y.clone().slice([rows]))
    };
    (0..n).step_by(size).map(cut).collect()
}

fn suite(draws: usize) -> Vec<Box<dyn Attack>> {
    let threat = Threat::linf(EPSILON).unwrap();
    vec![
        Box::new(RandomNoise::new(threat)),
        Box::new(Pgd::fgsm(threat)),
        Box::new(Pgd::new(threat).with_draws(draws).unwrap()),
    ]
}

#[test]
fn robust_accuracy_of_a_threshold_is_the_share_of_examples_beyond_epsilon() {
    let evaluation = Evaluation::new(suite(1)).unwrap();
    let evaluated = evaluation.run(&Threshold { sigma: 0.0 }, batches(200, 64)).unwrap();
    let record = &evaluated.record;
    let x: Vec<f64> = images(200).slice([0..200, 0..1, 0..1, 0..1]).try_to_vec_as().unwrap();
    let beyond = x.iter().filter(|&&x| (x - 0.5).abs() > EPSILON).count() as f64 / 200.0;
    assert_eq!((record.stochastic, record.draws, record.examples), (false, 1, 200));
    assert_eq!(record.clean.one_shot.accuracy, 1.0);
    let robust = |name: &str| {
        let attack = record.attacks.iter().find(|attack| attack.name == name).unwrap();
        attack.robust.one_shot.accuracy
    };
    assert!((robust("FGSM") - beyond).abs() < 1e-9, "{} ≠ {beyond}", robust("FGSM"));
    assert!(robust("FGSM") <= robust("Random-1"));
    let worst = &record.worst_case.as_ref().unwrap().one_shot;
    assert_eq!(worst.accuracy, beyond);
    assert!(worst.low < beyond && beyond < worst.high);
    assert!(
        evaluated.rows.iter().all(|row| row.attacks.iter().all(|a| a.distance <= EPSILON + 1e-6))
    );
}

#[test]
fn the_result_does_not_depend_on_the_split_into_batches() {
    let run = |size| {
        let evaluation = Evaluation::new(suite(3)).unwrap().with_draws(7).unwrap();
        let mut evaluated = evaluation.run(&Threshold { sigma: 0.1 }, batches(60, size)).unwrap();
        let record = &mut evaluated.record;
        // What may differ: time, and the two passes of the probe over the first batch.
        record.seconds = 0.0;
        record.scoring.forwards -= 2 * 8;
        record.attacks.iter_mut().for_each(|attack| attack.seconds = 0.0);
        evaluated
    };
    assert_eq!(run(60), run(17));
}

/// Under noise an example is correct with a probability; the mean over 200 draws must be the closed form's, whose
/// standard error over draws is at most the spread of the per-draw accuracies over √200.
#[test]
fn accuracy_under_noise_is_a_probability() {
    use statrs::distribution::{ContinuousCDF, Normal};
    let sigma = 0.15;
    let evaluation = Evaluation::new(vec![]).unwrap().with_draws(200).unwrap();
    let record = evaluation.run(&Threshold { sigma }, batches(100, 50)).unwrap().record;
    assert!(record.stochastic && record.worst_case.is_none());
    let x: Vec<f64> = images(100).slice([0..100, 0..1, 0..1, 0..1]).try_to_vec_as().unwrap();
    let p = |x: &f64| Normal::standard().cdf((x - 0.5).abs() / sigma);
    let wanted = x.iter().map(p).sum::<f64>() / 100.0;
    let draws = &record.clean.one_shot.per_draw;
    let spread = (draws.iter().map(|d| (d - wanted).powi(2)).sum::<f64>() / 200.0).sqrt();
    let error = spread / 200f64.sqrt();
    assert!(
        (record.clean.one_shot.accuracy - wanted).abs() < 5.0 * error,
        "{} ≠ {wanted}",
        record.clean.one_shot.accuracy
    );
}

#[test]
fn a_stochastic_model_attacked_without_eot_is_warned_of() {
    let warnings = |draws, judged| {
        let evaluation = Evaluation::new(suite(draws)).unwrap().with_draws(judged).unwrap();
        evaluation.run(&Threshold { sigma: 0.1 }, batches(8, 8)).unwrap().record.warnings
    };
    assert!(warnings(1, 20)[0].contains("EOT"));
    assert!(warnings(4, 5)[0].contains("5 draws"));
    assert!(warnings(4, 20).is_empty());
    // The draws that decide a suite are no mean of an attack's.
    let suite = Suite::custom("nested", suite(1)).unwrap();
    let evaluation = Evaluation::new(vec![Box::new(suite)]).unwrap();
    let record = evaluation.run(&Threshold { sigma: 0.1 }, batches(8, 8)).unwrap().record;
    assert!(record.warnings[0].contains("EOT"));
    // In a scope without noise the model is deterministic.
    assert!(scope(Noise::Off, || warnings(1, 20)).is_empty());
}

#[test]
fn probabilities_instead_of_logits_are_warned_of() {
    let softmax =
        |x: Tensor<4>| burn::tensor::activation::softmax(Threshold { sigma: 0.0 }.logits(x), 1);
    let evaluation = Evaluation::new(suite(1)).unwrap();
    let record = evaluation.run(&softmax, batches(8, 8)).unwrap().record;
    assert!(record.warnings[0].contains("probabilities"));
}

#[test]
fn a_record_survives_its_file_and_leaves_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let evaluation = Evaluation::new(suite(1)).unwrap().with_key(Key::new(9)).with_cards(
        ModelCard { name: "threshold".into(), noise: "none".into(), ..ModelCard::default() },
        DataCard { name: "gray".into(), fingerprint: "00".into(), ..DataCard::default() },
    );
    let evaluated = evaluation.run(&Threshold { sigma: 0.1 }, batches(8, 8)).unwrap();
    evaluated.save(&folder.path().join("new")).unwrap();
    evaluated.save(&folder.path().join("new")).unwrap();
    let text = std::fs::read_to_string(folder.path().join("new/record.json")).unwrap();
    let read: Record = serde_json::from_str(&text).unwrap();
    assert_eq!(read, evaluated.record);
    assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 3);
    let rows = std::fs::read_to_string(folder.path().join("new/rows.jsonl")).unwrap();
    assert_eq!(rows.lines().count(), 8);
    let text = table(&[&read]);
    assert!(text.starts_with("model ") && text.contains("threshold") && text.lines().count() == 2);
}

#[test]
fn what_cannot_be_evaluated_is_refused_by_name() {
    let run = |batches: Vec<(Tensor<4>, Tensor<1, Int>)>| {
        Evaluation::new(suite(1)).unwrap().run(&Threshold { sigma: 0.0 }, batches).unwrap_err()
    };
    assert_eq!(run(vec![]).to_string(), "data: got no examples, wanted at least one");
    let (x, y) = batches(4, 4).remove(0);
    let cases = [
        ((x.clone(), y.clone().slice(0..2)), "labels: got 2, wanted 4, one for each image"),
        ((x.clone() * 255.0, y.clone()), "wanted values in [0, 1]"),
        ((x.clone(), y.clone() + 2), "wanted a class in 0..2"),
        ((x.clone().slice(0..0), y.clone().slice(0..0)), "got an empty batch"),
    ];
    for (batch, message) in cases {
        let error = run(vec![batch]).to_string();
        assert!(error.contains(message), "{error}");
    }
    let nan = |x: Tensor<4>| Threshold { sigma: 0.0 }.logits(x).mul_scalar(f64::NAN);
    let error = Evaluation::new(vec![]).unwrap().run(&nan, [(x, y)]).unwrap_err();
    assert!(matches!(
        error,
        EvaluationError::Attack(AttackError::NonFinite { field: "logits", got: 4, example: 0 })
    ));

    let threat = Threat::linf(EPSILON).unwrap();
    let twice: Vec<Box<dyn Attack>> = vec![Box::new(Pgd::new(threat)), Box::new(Pgd::new(threat))];
    assert!(
        matches!(Evaluation::new(twice), Err(EvaluationError::DuplicateName(name)) if name == "PGD-10")
    );
    assert!(Evaluation::new(vec![]).unwrap().with_draws(0).is_err());
    assert!(Evaluation::new(vec![]).unwrap().with_confidence(1.0).is_err());
}
