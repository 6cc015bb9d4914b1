//! Robust accuracy over radii.

use crate::support::{Toy, images};
use burn::tensor::{DType, Tensor};
use cni_attacks::{
    Access, Attack, AttackBatch, AttackError, Ddn, Knob, ModelAccess, Norm, Pgd, Threat,
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
