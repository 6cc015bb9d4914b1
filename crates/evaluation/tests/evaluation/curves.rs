//! Curves over radii.

use crate::threshold::{EPSILON, Threshold, batches, images, suite};
use crate::toy::timeless;
use cni_attacks::{Attack, AttackError, Pgd, RandomNoise, Threat};
use cni_evaluation::{Evaluated, Evaluation, EvaluationError, Step, table};

const RADII: [f64; 4] = [0.0, 0.05, EPSILON, 0.2];

fn attacks() -> Vec<Box<dyn Attack>> {
    let threat = Threat::linf(EPSILON).unwrap();
    vec![Box::new(RandomNoise::new(threat)), Box::new(Pgd::fgsm(threat))]
}

/// The robust accuracy of the threshold is the share of examples whose distance exceeds the radius.
#[test]
fn the_curve_of_a_threshold_is_the_share_of_examples_beyond_each_radius() {
    let [high, rest @ ..] = RADII;
    let evaluation = Evaluation::new(attacks()).unwrap();
    // The order of the radii has no effect.
    let evaluation = evaluation.with_epsilons(rest.into_iter().chain([high])).unwrap();
    let evaluated = evaluation.run(&Threshold { sigma: 0.0 }, batches(200, 64)).unwrap();
    let record = &evaluated.record;
    let x: Vec<f64> = images(200).slice([0..200, 0..1, 0..1, 0..1]).try_to_vec_as().unwrap();
    let beyond =
        |radius: f64| x.iter().filter(|&&x| (x - 0.5).abs() > radius).count() as f64 / 200.0;
    let [random, fgsm] = &record.curves[..] else { panic!("{:?}", record.curves) };
    assert_eq!([random.attack.as_str(), fgsm.attack.as_str()], ["Random-1", "FGSM"]);
    for (point, radius) in fgsm.points.iter().zip(RADII) {
        let one_shot = &point.accuracy.one_shot;
        assert_eq!(point.epsilon, radius);
        assert!((one_shot.accuracy - beyond(radius)).abs() < 1e-9, "{radius}");
        assert!(one_shot.low <= one_shot.accuracy && one_shot.accuracy <= one_shot.high);
    }
    // At its own radius the attack is the one of the record, and does not run twice.
    let own = &record.attacks[1];
    assert_eq!((&fgsm.points[2].accuracy, fgsm.points[2].passes), (&own.robust, own.passes));
    assert_eq!(own.name, "FGSM");
    let text = table(&[record]);
    let line = text.lines().find(|line| line.contains("by radius")).unwrap();
    // A model without a card has a name nevertheless.
    assert!(line.starts_with("model, % by radius"), "{text}");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[words.len() - 4..], ["0", "0.05", "0.1", "51/255"], "{text}");
    let folder = tempfile::tempdir().unwrap();
    evaluated.save(folder.path()).unwrap();
    assert_eq!(Evaluated::read(folder.path()).unwrap(), evaluated);
}

/// In a cascade the curves are those of all attacks so far, so they never rise from one attack to
/// the next.
#[test]
fn the_curves_of_a_cascade_are_those_after_each_attack() {
    let evaluation = Evaluation::new(attacks()).unwrap().cascade().with_epsilons(RADII).unwrap();
    let record = evaluation.run(&Threshold { sigma: 0.0 }, batches(60, 30)).unwrap().record;
    let of = |index: usize| record.curves[index].points.iter();
    for (before, after) in of(0).zip(of(1)) {
        assert!(after.accuracy.one_shot.accuracy <= before.accuracy.one_shot.accuracy);
    }
    assert_eq!(record.curves[1].points[2].accuracy, record.worst_case.unwrap());
}

#[test]
fn curves_survive_a_kill_and_are_part_of_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let evaluation = |radii: &[f64]| {
        let evaluation = Evaluation::new(attacks()).unwrap().with_draws(4).unwrap();
        evaluation.with_epsilons(radii.iter().copied()).unwrap()
    };
    let model = Threshold { sigma: 0.1 };
    let run =
        |radii: &[f64], until: usize| {
            let mut labels = Vec::new();
            let mut watch = |step: &Step| {
                let Step::Attack { label, .. } = step else { return };
                labels.push(label.to_string());
            };
            // A batch that is an error ends the run as a kill would.
            let batches = batches(40, 20).into_iter().enumerate();
            let batches = batches.map(|(i, batch)| {
                if i < until { Ok(batch) } else { Err(std::io::Error::other("no more")) }
            });
            let state = Some(folder.path());
            let found = evaluation(radii).run_with(&model, batches, state, &mut watch);
            (found.map(timeless), labels)
        };
    run(&RADII, 1).0.unwrap_err();
    let error = run(&RADII[1..], 2).0.unwrap_err().to_string();
    assert!(error.contains("epsilons: got 0.05, 0.1, 0.2, wanted 0, 0.05, 0.1, 0.2"), "{error}");
    let (found, labels) = run(&RADII, 2);
    assert!(labels.contains(&"FGSM at 51/255".to_string()), "{labels:?}");
    let whole = evaluation(&RADII).run(&model, batches(40, 20)).unwrap();
    assert_eq!(found.unwrap(), timeless(whole));
    assert!(run(&RADII, 2).1.is_empty());
}

#[test]
fn radii_that_cannot_be_are_refused_by_name() {
    let message = |found: Result<Evaluation, EvaluationError>| found.err().unwrap().to_string();
    // The error names the attack whose radius cannot be set.
    let bare: Vec<Box<dyn Attack>> = vec![Box::new(NoKnob(suite(1).remove(0)))];
    let lacks = Evaluation::new(bare).unwrap().with_epsilons([0.1]);
    let text = message(lacks);
    assert!(text.contains("Random-1") && text.contains("epsilon"), "{text}");
    let twice = Evaluation::new(attacks()).unwrap().with_epsilons([0.1, 0.2, 0.1]);
    assert_eq!(message(twice), "epsilons: got 0.1 twice, wanted every radius once");
    let negative = Evaluation::new(attacks()).unwrap().with_epsilons([-0.1]);
    assert!(message(negative).starts_with("epsilon: got -0.1"));
    // A file has no number for a ball without a bound.
    for radius in [f64::INFINITY, f64::NAN] {
        let unbounded = Evaluation::new(attacks()).unwrap().with_epsilons([0.1, radius]);
        let wanted = format!("epsilon: got {radius}, wanted a finite number of at least 0");
        assert_eq!(message(unbounded), wanted);
    }
    // A radius in one norm has no meaning in another.
    let mut two = attacks();
    two.push(Box::new(Pgd::new(Threat::l2(0.5).unwrap())));
    let two = Evaluation::new(two).unwrap().with_epsilons([0.1]);
    assert_eq!(message(two), "norm of PGD-10: got L2, wanted Linf as of Random-1");
}

/// An attack without knobs, whatever knobs the attack within has.
struct NoKnob(Box<dyn Attack>);

impl Attack for NoKnob {
    fn name(&self) -> String {
        self.0.name()
    }
    fn threat(&self) -> Threat {
        self.0.threat()
    }
    fn access(&self) -> cni_attacks::Access {
        self.0.access()
    }
    fn spec(&self) -> serde_json::Value {
        self.0.spec()
    }
    fn gradient_draws(&self) -> Option<usize> {
        self.0.gradient_draws()
    }
    fn run(
        &self,
        access: &mut cni_attacks::ModelAccess<'_>,
        batch: &cni_attacks::AttackBatch,
        key: cni_noise::Key,
    ) -> Result<burn::tensor::Tensor<4>, AttackError> {
        self.0.run(access, batch, key)
    }
}
