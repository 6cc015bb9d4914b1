use crate::TrainingError;
use cni_attacks::{Attack, Knob};
use serde::{Deserialize, Serialize};

/// A linear growth of the attack's radius over the first epochs that it is made in: over five in
/// N-FGSM on SVHN (de Jorge et al., arXiv 2202.01181), over all in DAJAT (Addepalli et al., NeurIPS
/// 2022).
///
/// It moves with every step. What is in proportion to the radius, as the steps of
/// [`Pgd`](cni_attacks::Pgd) are, grows along: see [`Knob::Epsilon`]. A radius of zero leaves the
/// images as they are, without a pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpsilonRamp {
    /// The epochs that it takes, from the first one with an attack on.
    pub epochs: usize,
    /// The first radius, in units of the pixel range: at least 0 and below that of the attack.
    #[serde(default)]
    pub from: f64,
}

impl EpsilonRamp {
    /// From 0 to the attack's own radius in so many epochs.
    pub fn new(epochs: usize) -> Self {
        Self { epochs, from: 0.0 }
    }

    /// The radius on the way to `epsilon` after so many epochs with an attack; `None` at its end.
    pub(super) fn radius(self, epsilon: f64, after: f64) -> Option<f64> {
        let share = after / self.epochs as f64;
        (share < 1.0).then_some(self.from + (epsilon - self.from) * share)
    }

    /// Refuses a ramp that ends after the run, or that the attack cannot follow.
    pub(super) fn check(self, attack: &dyn Attack, epochs: usize) -> Result<(), TrainingError> {
        let setting = |field, got: String, wanted| Err(TrainingError::setting(field, got, wanted));
        if !(1..=epochs).contains(&self.epochs) {
            let got = format!("{} of {epochs} epochs with an attack", self.epochs);
            return setting("epsilon_ramp: epochs", got, "at least 1, and an end within the run");
        }
        let epsilon = attack.threat().epsilon();
        if !(self.from >= 0.0 && self.from < epsilon) {
            let got = format!("{} beside the radius {epsilon}", self.from);
            return setting("epsilon_ramp: from", got, "at least 0 and less than the radius");
        }
        match attack.with_knob(Knob::Epsilon(0.5 * epsilon)) {
            Ok(_) => Ok(()),
            Err(error) => setting("epsilon_ramp", error.to_string(), "an attack of any radius"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cni_attacks::{Pgd, Threat};

    #[test]
    fn a_radius_grows_linearly_and_ends_at_the_attacks_own() {
        let ramp = EpsilonRamp { epochs: 4, from: 0.02 };
        let near = |after, wanted: f64| {
            let got = ramp.radius(0.1, after).unwrap();
            assert!((got - wanted).abs() < 1e-12, "{after}: {got}");
        };
        near(0.0, 0.02);
        near(0.5, 0.03);
        near(3.0, 0.08);
        assert_eq!([4.0, 9.5].map(|after| ramp.radius(0.1, after)), [None, None]);
        assert_eq!(EpsilonRamp::new(2).radius(0.5, 1.0), Some(0.25));
    }

    #[test]
    fn a_ramp_that_has_no_end_or_no_attack_to_move_is_named() {
        let pgd = Pgd::new(Threat::linf(0.1).unwrap());
        let says =
            |ramp: EpsilonRamp, attack: &dyn Attack| ramp.check(attack, 3).unwrap_err().to_string();
        assert!(EpsilonRamp::new(3).check(&pgd, 3).is_ok());
        let got = |epochs| format!("epsilon_ramp: epochs: got {epochs} of 3 epochs with an attack");
        assert!(says(EpsilonRamp::new(0), &pgd).starts_with(&got(0)));
        assert!(says(EpsilonRamp::new(4), &pgd).starts_with(&got(4)));
        for from in [-0.1, 0.1, f64::NAN] {
            let error = says(EpsilonRamp { epochs: 2, from }, &pgd);
            let wanted = format!("epsilon_ramp: from: got {from} beside the radius 0.1, wanted");
            assert!(error.starts_with(&wanted), "{error}");
        }
        /// An attack without any setting.
        struct Fixed;
        impl Attack for Fixed {
            fn name(&self) -> String {
                "fixed".to_string()
            }
            fn threat(&self) -> Threat {
                Threat::linf(0.1).unwrap()
            }
            fn access(&self) -> cni_attacks::Access {
                cni_attacks::Access::None
            }
            fn spec(&self) -> serde_json::Value {
                serde_json::json!({ "attack": "fixed" })
            }
            fn gradient_draws(&self) -> Option<usize> {
                None
            }
            fn run(
                &self,
                _: &mut cni_attacks::ModelAccess<'_>,
                batch: &cni_attacks::AttackBatch,
                _: cni_noise::Key,
            ) -> Result<burn::tensor::Tensor<4>, cni_attacks::AttackError> {
                Ok(batch.images.clone())
            }
        }
        let error = says(EpsilonRamp::new(2), &Fixed);
        assert!(error.starts_with("epsilon_ramp: got epsilon: fixed has no such"), "{error}");
    }
}
