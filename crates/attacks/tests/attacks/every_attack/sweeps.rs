//! Robust accuracy over radii.

use crate::support::{Toy, images};
use burn::tensor::{DType, Device, Tensor};
use cni_attacks::{
    Access, Attack, AttackBatch, AttackError, Ddn, Ead, Fab, Knob, ModelAccess, Norm, Pgd, Threat,
};
use cni_noise::Key;
use std::sync::Arc;

/// A custom attack whose radius can be changed.
#[derive(Clone)]
struct Own(Pgd);

impl Attack for Own {
    fn name(&self) -> String {
        "own".to_string()
    }

    fn threat(&self) -> Threat {
        self.0.threat()
    }

    fn access(&self) -> Access {
        Access::Gradients
    }

    fn spec(&self) -> serde_json::Value {
        self.0.spec()
    }

    fn gradient_draws(&self) -> Option<usize> {
        Some(1)
    }

    fn with_knob(&self, knob: Knob) -> Result<Arc<dyn Attack>, AttackError> {
        match knob {
            Knob::Epsilon(epsilon) => Ok(Arc::new(Self(Pgd::new(Threat::l2(epsilon)?)))),
            other => Err(AttackError::NoKnob { attack: self.name(), field: other.field() }),
        }
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        self.0.run(access, batch, key)
    }
}

const RADII: [f64; 4] = [0.2, 0.0, 0.05, 2.0];

#[test]
fn each_radius_has_what_an_attack_of_that_radius_finds() {
    let toy = Toy::new(3, DType::F32);
    let (clean, model) = (images(10, DType::F32), toy.classifier());
    let labels = toy.predictions(&clean);
    let own = Own(Pgd::new(Threat::l2(0.5).unwrap()));
    let on = || own.on(&model).with_key(Key::new(2)).with_examples(30).with_chunk(4).unwrap();
    let curve = on().epsilons(RADII).run(clean.clone(), labels.clone()).unwrap();
    assert_eq!(curve.iter().map(|at| at.epsilon).collect::<Vec<_>>(), RADII);
    for at in &curve {
        let alone = Pgd::new(Threat::l2(at.epsilon).unwrap());
        let runner = alone.on(&model).with_key(Key::new(2)).with_examples(30);
        let alone = runner.run(clean.clone(), labels.clone()).unwrap();
        let found = at.adversarial.clone();
        assert_eq!(found.images.into_data(), alone.images.clone().into_data());
        assert_eq!(
            (found.success_rate, found.queries),
            (alone.success_rate.clone(), alone.queries.clone())
        );
        assert_eq!(at.robust_accuracy, alone.robust_accuracy());
    }
    let accuracy = |at: usize| curve[at].robust_accuracy;
    assert!(accuracy(1) == 1.0 && accuracy(2) >= accuracy(0) && accuracy(0) > accuracy(3));
    for wrong in [-0.1, f64::NAN] {
        let error = on().epsilons([wrong]).run(clean.clone(), labels.clone()).unwrap_err();
        assert!(matches!(error, AttackError::Epsilon { .. }), "{error}");
    }
    assert!(on().epsilons([]).run(clean, labels).is_err());
}

#[test]
fn an_attack_of_minimum_norm_answers_all_radii_by_one_run() {
    let toy = Toy::new(3, DType::F32);
    let (clean, model) = (images(10, DType::F32), toy.classifier());
    // One example is misclassified without a change.
    let labels = toy.predictions(&clean).slice_fill(0..1, 0).slice_fill(1..2, 1);
    let ddn = Ddn::new(Threat::unbounded(Norm::L2)).unwrap().with_steps(40).unwrap();
    let once = ddn.on(&model).run(clean.clone(), labels.clone()).unwrap();
    let mut sorted = once.distance.clone();
    sorted.sort_by(f64::total_cmp);
    let radii = [0.0, sorted[5], 10.0, sorted[3]];
    let curve = ddn.on(&model).epsilons(radii).run(clean.clone(), labels).unwrap();
    for at in &curve {
        let within: Vec<bool> = once.distance.iter().map(|far| *far <= at.epsilon).collect();
        let wanted: Vec<f64> = within.iter().map(|&within| f64::from(within)).collect();
        assert_eq!(at.adversarial.success_rate, wanted, "{}", at.epsilon);
        assert_eq!(at.adversarial.passes, once.passes);
        let distance = Norm::L2.distance(&at.adversarial.images, &clean);
        assert!(distance.max().into_scalar::<f32>() <= at.epsilon as f32);
    }
    let accuracies: Vec<f64> = curve.iter().map(|at| at.robust_accuracy).collect();
    // An image that is misclassified without a change counts at every radius.
    assert!(accuracies[0] < 1.0 && accuracies[0] > accuracies[3], "{accuracies:?}");
    assert!(accuracies[3] > accuracies[1] && accuracies[1] > accuracies[2], "{accuracies:?}");
}

/// Three classes of a linear model on two pixels. From the image (0.5, 0.5) class 1 is 0.4 away
/// along the first pixel, class 2 is 0.15 away along the second, though its logit is lower.
fn near_and_far(x: Tensor<4>) -> Tensor<2> {
    let moved = x.flatten::<2>(1, 3) - 0.5;
    let [first, second] = [0, 1].map(|pixel| moved.clone().narrow(1, pixel, 1));
    let zero = first.zeros_like();
    Tensor::cat(vec![zero, first.mul_scalar(2.5) - 1.0, second.mul_scalar(10.0) - 1.5], 1)
}

/// An attack that leaves with its first image within the threat, which for an unbounded one is any
/// image, would report the farther class.
#[test]
fn a_sweep_takes_the_nearest_image_and_not_the_first() {
    let device = Device::flex();
    let image = Tensor::<4>::full([1, 1, 1, 2], 0.5, &device);
    let label = Tensor::from_ints([0], &device);
    let fab = Fab::targeted(Threat::unbounded(Norm::L2));
    let ddn = Ddn::new(Threat::unbounded(Norm::L2)).unwrap().with_steps(100).unwrap();
    for attack in [&fab as &dyn Attack, &ddn] {
        let on = || attack.on(&near_and_far).with_early_stop(true);
        let curve = on().epsilons([0.14, 0.17, 0.5]).run(image.clone(), label.clone()).unwrap();
        let robust: Vec<f64> = curve.iter().map(|at| at.robust_accuracy).collect();
        assert_eq!(robust, [1.0, 0.0, 0.0], "{}", attack.name());
    }
}

/// By the elastic-net rule the image that is kept need not be the nearest in L1.
#[test]
fn only_an_attack_that_keeps_the_nearest_image_answers_every_radius() {
    let threat = Threat::unbounded(Norm::L1);
    let (nearest, elastic) = (Ead::l1(threat).unwrap(), Ead::elastic_net(threat).unwrap());
    let elastic = elastic.with_steps(200).unwrap();
    let attacks = [&nearest as &dyn Attack, &elastic];
    assert_eq!(attacks.map(Attack::is_minimum_norm), [true, true]);
    assert_eq!(attacks.map(Attack::answers_every_radius), [true, false]);
    let device = Device::flex();
    let image = Tensor::<4>::full([1, 1, 1, 2], 0.5, &device);
    let label = Tensor::from_ints([0], &device);
    let curve = elastic.on(&near_and_far).epsilons([0.3, 1.0]);
    let curve = curve.run(image.clone(), label.clone()).unwrap();
    assert_eq!(curve[1].robust_accuracy, 0.0);
    for at in curve {
        let alone = elastic.with_knob(Knob::Epsilon(at.epsilon)).unwrap();
        let alone = alone.on(&near_and_far).run(image.clone(), label.clone()).unwrap();
        let (accuracy, found) = (at.robust_accuracy, at.adversarial);
        assert_eq!((found.queries, accuracy), (alone.queries.clone(), alone.robust_accuracy()));
        assert_eq!(found.images.into_data(), alone.images.into_data());
    }
}
