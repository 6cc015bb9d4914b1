//! Robust accuracy over radii: one attack at several ε.

use crate::error::at_least_one;
use crate::rows::where_rows;
use crate::runner::Runner;
use crate::{Adversarial, Attack, AttackBatch, AttackError, Goal, Knob, Perturbed, Threat};
use burn::tensor::Tensor;

/// An attack on a model at several radii, ready to run: see [`Runner::epsilons`].
#[must_use = "an attack does nothing until it is run"]
pub struct Sweep<'a> {
    runner: Runner<'a, dyn Attack + 'a>,
    epsilons: Vec<f64>,
}

/// The result of an attack at one radius.
#[derive(Clone, Debug)]
pub struct AtRadius {
    /// The radius ε, in units of the pixel range [0, 1].
    pub epsilon: f64,
    /// The robust accuracy within this radius, from 0 to 1: [`Adversarial::robust_accuracy`].
    pub robust_accuracy: f64,
    /// The images within this radius, and their success. A minimum-norm attack runs once for all
    /// radii; its passes and queries are those of that run.
    pub adversarial: Adversarial,
}

impl<'a> Runner<'a, dyn Attack + 'a> {
    /// Sweeps the attack over these radii, in units of the pixel range, instead of its own.
    ///
    /// An attack that [answers every radius](Attack::answers_every_radius) runs once, and its
    /// distances give the result at each. It runs within its own threat if that covers all radii,
    /// otherwise without a bound, and no example leaves with the first image within: a nearer one
    /// may follow. Any other attack runs once for each radius; a step size in proportion to the
    /// radius scales with it.
    ///
    /// On a model with noise the nearest image lies where the attack's own draws change their mind,
    /// so that in fresh draws it succeeds about half of the time, however large the radius. Such a
    /// curve is no robust accuracy of a noisy model; that of an attack within each radius is.
    ///
    /// ```
    /// # use burn::tensor::{Device, Tensor};
    /// use cni_attacks::{Attack, Ddn, Norm, Threat};
    /// # let model = |x: Tensor<4>| x.flatten::<2>(1, 3);
    /// # let device = Device::flex();
    /// # let pixels = Tensor::<1>::from_data([0.9, 0.6, 0.5, 0.1], &device);
    /// # let (images, labels) = (pixels.reshape([1, 1, 2, 2]), Tensor::from_ints([0], &device));
    /// let attack = Ddn::new(Threat::unbounded(Norm::L2))?;
    /// let curve = attack.on(&model).epsilons([0.1, 0.2, 0.4]).run(images, labels)?;
    /// let accuracies: Vec<f64> = curve.iter().map(|at| at.robust_accuracy).collect();
    /// assert_eq!(accuracies, [1.0, 1.0, 0.0]);
    /// # Ok::<(), cni_attacks::AttackError>(())
    /// ```
    pub fn epsilons(self, epsilons: impl IntoIterator<Item = f64>) -> Sweep<'a> {
        Sweep { runner: self, epsilons: epsilons.into_iter().collect() }
    }
}

impl Sweep<'_> {
    /// The result at each radius, in the given order, as of [`Runner::run`].
    ///
    /// # Errors
    ///
    /// If there is no radius, or one of them is negative or NaN; [`AttackError::NoKnob`] if the
    /// attack's radius cannot be changed; those of [`Runner::run`].
    pub fn run(
        mut self,
        images: Tensor<4>,
        goal: impl Into<Goal>,
    ) -> Result<Vec<AtRadius>, AttackError> {
        at_least_one("epsilons", self.epsilons.len())?;
        let norm = self.runner.attack.threat().norm();
        for epsilon in &self.epsilons {
            Threat::unbounded(norm).with_epsilon(*epsilon)?;
        }
        let batch = AttackBatch::new(images, &goal.into(), self.runner.examples.clone())?;
        match self.runner.attack.answers_every_radius() {
            true => self.once(&batch),
            false => self.at_each(&batch),
        }
    }

    fn at_each(&mut self, batch: &AttackBatch) -> Result<Vec<AtRadius>, AttackError> {
        let mut curve = Vec::new();
        for &epsilon in &self.epsilons {
            let attack = self.runner.attack.with_knob(Knob::Epsilon(epsilon))?;
            let (found, stochastic) = self.runner.carry_out(attack.as_ref(), batch)?;
            curve.push(AtRadius::new(epsilon, self.runner.judge(batch, found, stochastic)?));
        }
        Ok(curve)
    }

    /// One run of a minimum-norm attack, whose distances give the result at every radius.
    fn once(&mut self, batch: &AttackBatch) -> Result<Vec<AtRadius>, AttackError> {
        let farthest = self.epsilons.iter().copied().fold(0.0, f64::max);
        let own = self.runner.attack;
        self.runner.early_stop = Some(false);
        let (found, stochastic) = match own.threat().epsilon() >= farthest {
            true => self.runner.carry_out(own, batch)?,
            false => {
                let free = own.with_knob(Knob::Epsilon(f64::INFINITY))?;
                self.runner.carry_out(free.as_ref(), batch)?
            }
        };
        let stochastic = self.runner.is_stochastic(batch, stochastic)?;
        let (rates, draws) = self.runner.success_rates(batch, &found.images, stochastic)?;
        let (clean, _) = self.runner.success_rates(batch, &batch.images, stochastic)?;
        let within = |epsilon: f64| {
            let near: Vec<bool> = found.distance.iter().map(|far| *far <= epsilon).collect();
            let pick = |of: &[f64], or: &[f64]| -> Vec<f64> {
                (0..near.len()).map(|row| if near[row] { of[row] } else { or[row] }).collect()
            };
            let part = Perturbed {
                images: where_rows(&near, batch.images.clone(), &found.images),
                distance: pick(&found.distance, &vec![0.0; near.len()]),
                ..found.clone()
            };
            AtRadius::new(epsilon, Adversarial::new(part, pick(&rates, &clean), draws))
        };
        Ok(self.epsilons.iter().map(|&epsilon| within(epsilon)).collect())
    }
}

impl AtRadius {
    fn new(epsilon: f64, adversarial: Adversarial) -> Self {
        Self { epsilon, robust_accuracy: adversarial.robust_accuracy(), adversarial }
    }
}
