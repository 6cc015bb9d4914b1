//! A plant: a model with an attack whose numbers are wrong, or right.

use super::world::{CLASSES, EPSILON, EXAMPLES, Model, images, linear};
use cni_attacks::{Attack, AttackError, Pgd, Threat};
use cni_evaluation::audit::{Audit, Effort};
use cni_evaluation::{Check, Verdict};
use cni_noise::Key;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A model, the attack whose numbers are to be trusted, and the checks that must object.
pub struct Plant {
    pub what: &'static str,
    pub model: Model,
    pub attack: Arc<dyn Attack>,
    /// The number of draws of the noise that judge an image.
    pub judging: usize,
    /// The ε for which the images are made.
    pub epsilon: f64,
    /// The number of images.
    pub examples: usize,
    pub fails: &'static [&'static str],
    /// The checks that warn, or fail as well.
    pub warns: &'static [&'static str],
}

impl Plant {
    pub fn new(what: &'static str, model: Model, attack: impl Attack + 'static) -> Self {
        let (judging, epsilon, examples) = (20, EPSILON, EXAMPLES);
        let attack = Arc::new(attack);
        Self { what, model, attack, judging, epsilon, examples, fails: &[], warns: &[] }
    }

    /// The results of some checks, or of all, for images and draws of a key.
    pub fn check(
        &self,
        effort: Effort,
        key: Key,
        only: Option<&[&str]>,
    ) -> BTreeMap<String, Check> {
        let (images, labels) = images(key.named("images"), self.examples, self.epsilon);
        let surrogate = Arc::new(linear());
        let audit = Audit::new(self.attack.clone()).with_effort(effort).with_key(key);
        let mut audit = audit.with_surrogate("the linear model", surrogate);
        audit = audit.with_judging_draws(self.judging).unwrap();
        if let Some(only) = only {
            audit = audit.with_checks(only).unwrap();
        }
        let checks = audit.run(&self.model, images, labels, 0, &mut |_| {}).unwrap();
        checks.into_iter().map(|check| (check.name.clone(), check)).collect()
    }

    /// The checks that missed the failure, under several keys.
    fn missed(&self) -> Vec<String> {
        let only = [self.fails, self.warns].concat();
        let mut missed = Vec::new();
        for key in [1, 2].map(Key::new) {
            let checks = self.check(Effort::Standard, key, Some(&only));
            let mut expect = |names: &[&str], verdicts: &[Verdict]| {
                for name in names.iter().filter(|name| !verdicts.contains(&checks[**name].verdict))
                {
                    missed.push(format!("{}: {}", self.what, line(&checks[*name])));
                }
            };
            expect(self.fails, &[Verdict::Fail]);
            expect(self.warns, &[Verdict::Warn, Verdict::Fail]);
        }
        missed
    }
}

pub fn assert_all_caught(plants: Vec<Plant>) {
    let missed: Vec<String> = plants.iter().flat_map(Plant::missed).collect();
    assert!(missed.is_empty(), "not caught by\n{}", missed.join("\n"));
}

pub fn line(check: &Check) -> String {
    format!("{} ({}): {}", check.name, check.verdict, check.measured)
}

pub fn threat() -> Threat {
    Threat::linf(EPSILON).unwrap()
}

/// An attack that is strong enough for every sound model here without noise.
pub fn pgd() -> Pgd {
    let steps = || -> Result<Pgd, AttackError> {
        Pgd::new(threat()).with_steps(40)?.with_step_size(EPSILON / 10.0)?.with_restarts(2)
    };
    steps().unwrap()
}

/// The same with averages over noise.
pub fn eot_pgd() -> Pgd {
    let attack = Pgd::new(threat()).with_steps(20).and_then(|attack| attack.with_draws(16));
    attack.unwrap()
}

#[test]
fn labels_are_those_of_the_examples_numbers() {
    let (_, labels) = images(Key::new(1), EXAMPLES, EPSILON);
    let labels: Vec<u32> = labels.try_to_vec_as().unwrap();
    assert!(labels.iter().enumerate().all(|(number, label)| number % CLASSES == *label as usize));
}
