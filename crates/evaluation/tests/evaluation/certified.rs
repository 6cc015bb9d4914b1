//! Certificates as part of an evaluation, on models whose radii are known in closed form.

use crate::threshold::{Threshold, batches, images, suite};
use burn::tensor::Tensor;
use cni_attacks::{Classifier, Norm};
use cni_evaluation::{
    Evaluated, Evaluation, EvaluationError, Row, RowCertificate, Smoothing, Step, clopper_pearson,
};
use cni_noise::Key;
use std::cell::Cell;
use std::path::Path;

const SIGMA: f64 = 0.25;

fn smoothing() -> Smoothing {
    let smoothing = Smoothing::new(SIGMA).and_then(|s| s.with_samples(400));
    smoothing.and_then(|s| s.with_selection(20)).and_then(|s| s.with_alpha(0.01)).unwrap()
}

fn evaluation() -> Evaluation {
    let evaluation = Evaluation::new(suite(1)).unwrap().with_key(Key::new(4));
    let evaluation = evaluation.with_draws(4).unwrap();
    evaluation.with_certificates(smoothing()).unwrap()
}

fn certificate(row: &Row) -> RowCertificate {
    row.certificate.unwrap()
}

/// The sign of the mean pixel minus one half is a linear classifier. Its smoothed form is right up
/// to the distance of an image from the boundary: `|mean − 1/2|·√4` for 4 equal pixels. Each of 200
/// certificates is wrong with a probability of at most 0.01. More than 10 wrong ones have a
/// probability of 10⁻⁵ (binomial).
#[test]
fn radii_stay_below_those_of_a_linear_model() {
    let model = Threshold { sigma: 0.0 };
    let n = 200;
    let Evaluated { record, rows, .. } = evaluation().run(&model, batches(n, 64)).unwrap();
    let means: Vec<f64> =
        images(n).mean_dims(&[1, 2, 3]).flatten::<1>(0, 3).try_to_vec_as().unwrap();
    let exact = means.iter().map(|mean| 2.0 * (mean - 0.5).abs());
    let (mut wrong, mut sum, mut all) = (0, 0.0, 0.0);
    for (row, exact) in rows.iter().zip(exact) {
        let of = certificate(row);
        let right = of.predicted == Some(row.label);
        wrong += usize::from(of.predicted.is_some() && (!right || of.radius > exact));
        sum += if right { of.radius } else { 0.0 };
        all += exact;
    }
    assert!(wrong <= 10, "{wrong} of {n}");
    let made = record.certificates.unwrap();
    assert_eq!((made.norm, made.sigma, made.selection), (Norm::L2, SIGMA, 20));
    assert_eq!((made.samples, made.alpha, record.schema), (400, 0.01, 4));
    assert!((made.average_radius - sum / n as f64).abs() < 1e-12);
    // The bounds of 400 samples cost some of the average radius, but less than half of it.
    let exact = all / n as f64;
    assert!((0.6..1.0).contains(&(made.average_radius / exact)), "{made:?}, exact {exact}");
    let interval = made.average_radius_low..made.average_radius_high;
    assert!(interval.contains(&made.average_radius), "{interval:?}");
    // The curve follows from the rows, with exact intervals.
    for point in &made.curve {
        let holds = |row: &&Row| {
            let of = certificate(row);
            of.predicted == Some(row.label) && of.radius >= point.x
        };
        let count = rows.iter().filter(holds).count() as u64;
        let (low, high) = clopper_pearson(count, n as u64, 0.95).unwrap();
        assert_eq!((point.low, point.high), (Some(low), Some(high)));
        assert!((point.y - count as f64 / n as f64).abs() < 1e-12);
    }
    assert!(made.curve.windows(2).all(|pair| pair[1].y <= pair[0].y));
    assert_eq!(made.curve.last().unwrap().y, 0.0);
    // Each image takes 420 samples, and the probe asks whether the model has noise.
    assert!(made.passes.forwards >= 420 * n as u64 && made.passes.backwards == 0);
}

/// If all samples agree, the radius is σ·Φ⁻¹(α^(1/n)): the average is that times the accuracy.
#[test]
fn the_average_radius_of_a_constant_model_has_a_closed_form() {
    let constant = |x: Tensor<4>| {
        let [rows, ..] = x.dims();
        let zero = x.clone().flatten::<2>(1, 3).sum_dim(1).mul_scalar(0.0);
        Tensor::cat(vec![zero.clone(), zero.add_scalar(1.0)], 1).reshape([rows, 2])
    };
    let Evaluated { record, rows, .. } = evaluation().run(&constant, batches(30, 10)).unwrap();
    let right = rows.iter().filter(|row| row.label == 1).count() as f64 / 30.0;
    let made = record.certificates.unwrap();
    assert!(right > 0.2 && right < 0.8, "{right}");
    let wanted = right * smoothing().largest_radius();
    assert!((made.average_radius - wanted).abs() < 1e-9, "{} {wanted}", made.average_radius);
    assert_eq!(made.abstained, 0.0);
    assert!(rows.iter().all(|row| certificate(row).estimation == 400));
}

/// A model that fails after a number of calls.
struct Mortal {
    calls: Cell<usize>,
}

impl Classifier for Mortal {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let left = self.calls.get();
        self.calls.set(left.saturating_sub(1));
        let logits = Threshold { sigma: 0.1 }.logits(images);
        if left == 0 { logits.mul_scalar(f64::NAN) } else { logits }
    }
}

/// Runs the evaluation, and returns the batches whose certification began.
fn run(
    model: &dyn Classifier,
    state: Option<&Path>,
) -> Result<(Evaluated, Vec<usize>), EvaluationError> {
    let mut begun = Vec::new();
    let mut watch = |step: &Step| {
        if let Step::Certificates { examples, passes } = step {
            assert!(passes.forwards > 0);
            begun.push(*examples);
        }
    };
    let mut evaluated = evaluation().run_with(model, batches(12, 4), state, &mut watch)?;
    begun.dedup();
    let record = &mut evaluated.record;
    record.seconds = 0.0;
    record.attacks.iter_mut().for_each(|attack| attack.seconds = 0.0);
    record.certificates.iter_mut().for_each(|made| made.seconds = 0.0);
    Ok((evaluated, begun))
}

/// With noise of its own each of the 420 samples of a batch is a pass, so a batch takes more than
/// 420 calls.
#[test]
fn certificates_that_die_go_on_with_the_next_batch() {
    let (whole, all) = run(&Threshold { sigma: 0.1 }, None).unwrap();
    assert_eq!(all, [0, 4, 8]);
    let folder = tempfile::tempdir().unwrap();
    let mortal = Mortal { calls: Cell::new(1_100) };
    let error = run(&mortal, Some(folder.path())).unwrap_err().to_string();
    assert!(error.contains("NaN"), "{error}");
    let (last, begun) = run(&Threshold { sigma: 0.1 }, Some(folder.path())).unwrap();
    assert!(begun.len() < 3 && begun.last() == Some(&8), "{begun:?}");
    assert_eq!(last, whole);
}

#[test]
fn a_record_with_certificates_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let evaluated = evaluation().run(&Threshold { sigma: 0.0 }, batches(12, 4)).unwrap();
    evaluated.save(folder.path()).unwrap();
    assert_eq!(Evaluated::read(folder.path()).unwrap(), evaluated);
    let refused = |change: fn(&mut Evaluated)| {
        let mut evaluated = evaluated.clone();
        change(&mut evaluated);
        evaluated.check().unwrap_err().to_string()
    };
    let lost = refused(|e| e.rows[3].certificate = None);
    assert_eq!(lost, "certificates of rows: got 11, wanted 12");
    let other = refused(|e| e.record.certificates.as_mut().unwrap().average_radius += 0.1);
    assert!(other.starts_with("average certified radius: got "), "{other}");
    let share = refused(|e| e.record.certificates.as_mut().unwrap().curve[2].y = 1.5);
    assert_eq!(share, "certified accuracy: got 1.5, wanted fractions from 0 to 1");
}

#[test]
fn samples_that_can_only_abstain_are_refused_at_once() {
    let few = Smoothing::new(SIGMA).and_then(|s| s.with_samples(9)).unwrap();
    let error = Evaluation::new(suite(1)).unwrap().with_certificates(few).err().unwrap();
    assert!(error.to_string().starts_with("samples: got 9, wanted at least 10"), "{error}");
}
