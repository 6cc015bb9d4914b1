use crate::history::EpochRow;
use crate::objectives::{read_attack, write_attack};
use crate::{Objective, TrainingError};
use cni_attacks::{Attack, AttackError, Pgd, Threat};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A watch for catastrophic overfitting: a model that trains against an attack of one step can learn
/// to withstand that step alone, within less than an epoch (Wong et al., arXiv 2001.03994, section
/// 5).
///
/// After every epoch an attack of more steps is made on as many training images as a batch has,
/// chosen by the run's key, without augmentation, and the same in every epoch, as is their noise.
/// It is made on the model in training, also where the run validates an average. A model with noise
/// is judged by [`validation_draws`](crate::TrainingConfig::validation_draws) draws. The cost is
/// that attack on one batch an epoch.
///
/// The decision is a function of the history, so that a run that resumes decides as it would have.
///
/// ```
/// use cni_attacks::Threat;
/// use cni_training::OverfittingWatch;
/// let watch = OverfittingWatch::fall_back(Threat::linf(8.0 / 255.0)?)?;
/// assert_eq!((watch.attack.name(), watch.drop), ("PGD-5".to_string(), 0.2));
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverfittingWatch {
    /// The attack on the watched images.
    #[serde(serialize_with = "write_attack", deserialize_with = "read_attack")]
    pub attack: Arc<dyn Attack>,
    /// The fall of the accuracy below the best so far that counts, as a fraction. Epochs that
    /// trained on clean images alone, as before an objective's first adversarial epoch, do not
    /// count.
    #[serde(default = "twenty_points")]
    pub drop: f64,
    /// What the run does then.
    #[serde(default)]
    pub then: Remedy,
}

/// The remedy of a run that has overfitted catastrophically.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// It ends: [`Trained::ended`](crate::Trained::ended) has the reason. The epoch of the fall is
    /// kept as any other.
    #[default]
    Stop,
    /// It goes back to the end of the epoch before the fall and trains on from there with this
    /// attack in place of the objective's. The epoch that fell leaves no trace but
    /// [`Overfitting::fell`] in the row of the one that was trained in its place. If the accuracy
    /// falls once more, below the best since, the run ends.
    FallBack(
        #[serde(serialize_with = "write_attack", deserialize_with = "read_attack")] Arc<dyn Attack>,
    ),
}

/// The finding of an [`OverfittingWatch`] after an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overfitting {
    /// Accuracy on the watched training images under its attack, a fraction.
    pub robust: f64,
    /// The fall that made the run go back to the end of the epoch before, and train this one anew
    /// with the other attack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fell: Option<Fall>,
}

/// A fall of the accuracy on the watched images. Both are fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fall {
    /// The best so far.
    pub from: f64,
    /// The accuracy after the fall.
    pub to: f64,
}

/// `from 45.3 % to 1.6 %`.
impl fmt::Display for Fall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {:.1} % to {:.1} %", 100.0 * self.from, 100.0 * self.to)
    }
}

/// The consequence of a fall.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Consequence {
    /// The run ends, for this reason.
    Ends(String),
    /// It goes back.
    FallsBack(Fall),
}

fn twenty_points() -> f64 {
    0.2
}

impl OverfittingWatch {
    /// PGD-5 with steps of ε/4 on the watched images, as Wong et al., and a run that ends when their
    /// accuracy has fallen by more than 20 points.
    ///
    /// # Errors
    ///
    /// [`AttackError`] for a threat that PGD does not have.
    pub fn stop(threat: Threat) -> Result<Self, AttackError> {
        let attack = Arc::new(Pgd::training(threat).with_steps(5)?);
        Ok(Self { attack, drop: twenty_points(), then: Remedy::Stop })
    }

    /// The same, and a run that then goes back and on with PGD-2, steps of ε/2.
    ///
    /// # Errors
    ///
    /// Those of [`stop`](Self::stop).
    pub fn fall_back(threat: Threat) -> Result<Self, AttackError> {
        let two = Pgd::training(threat).with_steps(2)?.with_step_size(threat.epsilon() / 2.0)?;
        Ok(Self { then: Remedy::FallBack(Arc::new(two)), ..Self::stop(threat)? })
    }

    /// The objective of a run that has fallen back; `None` if the run never does.
    pub(crate) fn objective(&self, objective: &Objective) -> Option<Objective> {
        match &self.then {
            Remedy::Stop => None,
            Remedy::FallBack(attack) => objective.with_attack(attack.clone()),
        }
    }

    pub(crate) fn check(&self, objective: &Objective, epochs: usize) -> Result<(), TrainingError> {
        if !(self.drop > 0.0 && self.drop < 1.0) {
            let wanted = "a number between 0 and 1";
            return Err(TrainingError::setting("overfitting: drop", self.drop, wanted));
        }
        if matches!(self.then, Remedy::Stop) {
            return Ok(());
        }
        match self.objective(objective) {
            Some(objective) => objective.check(epochs),
            None => {
                let got = format!("fall_back with the {}", objective.label());
                let wanted = "stop, or an objective with an attack that can be replaced";
                Err(TrainingError::setting("overfitting: then", got, wanted))
            }
        }
    }

    /// The attacks that the watch may make, with the names of their settings.
    pub(crate) fn attacks(&self) -> Vec<(&'static str, &dyn Attack)> {
        let other = match &self.then {
            Remedy::Stop => None,
            Remedy::FallBack(attack) => Some(("overfitting: then", attack.as_ref())),
        };
        std::iter::once(("overfitting: attack", self.attack.as_ref())).chain(other).collect()
    }

    /// The consequence of the last of these epochs, if it has one.
    pub(crate) fn after(&self, rows: &[EpochRow]) -> Option<Consequence> {
        let (last, before) = rows.split_last()?;
        let to = Some(last).filter(|row| attacked(row))?.overfitting?.robust;
        let switch = rows.iter().find(|row| fell(row).is_some()).map(|row| row.epoch);
        // After a fall only what the run went back to counts, and what came of it.
        let since = switch.map_or(0, |epoch| epoch.saturating_sub(1));
        let counts = before.iter().filter(|row| row.epoch >= since && attacked(row));
        let best = counts.filter_map(|row| Some(row.overfitting?.robust));
        let from = best.reduce(f64::max).filter(|best| best - to > self.drop)?;
        let fall = Fall { from, to };
        if matches!(self.then, Remedy::FallBack(_)) && switch.is_none() {
            return Some(Consequence::FallsBack(fall));
        }
        let again = if switch.is_some() { " once more" } else { "" };
        Some(Consequence::Ends(format!("{}{again}", self.words(&fall))))
    }

    /// A fall in words.
    pub(crate) fn words(&self, fall: &Fall) -> String {
        let attack = self.attack.name();
        format!("catastrophic overfitting: accuracy under {attack} on training images fell {fall}")
    }
}

/// True unless an epoch reports accuracy on clean images alone.
fn attacked(row: &EpochRow) -> bool {
    row.train.robust.is_some() || row.train.clean.is_none()
}

fn fell(row: &EpochRow) -> Option<Fall> {
    row.overfitting.and_then(|seen| seen.fell)
}

/// True if a run with these epochs has fallen back.
pub(crate) fn has_fallen_back(rows: &[EpochRow]) -> bool {
    rows.iter().any(|row| fell(row).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HalfAndHalf, Madry};

    fn threat() -> Threat {
        Threat::linf(8.0 / 255.0).unwrap()
    }

    fn rows(robust: &[(f64, bool)]) -> Vec<EpochRow> {
        let row = |(i, &(robust, fell)): (usize, &(f64, bool))| EpochRow {
            epoch: i + 1,
            overfitting: Some(Overfitting {
                robust,
                fell: fell.then_some(Fall { from: 0.9, to: 0.0 }),
            }),
            ..EpochRow::default()
        };
        robust.iter().enumerate().map(row).collect()
    }

    fn plain(robust: &[f64]) -> Vec<EpochRow> {
        rows(&robust.iter().map(|robust| (*robust, false)).collect::<Vec<_>>())
    }

    #[test]
    fn a_fall_below_the_best_so_far_by_more_than_the_drop_counts() {
        let watch = OverfittingWatch::stop(threat()).unwrap();
        for fine in [&[][..], &[0.0], &[0.5, 0.35], &[0.1, 0.5, 0.31], &[0.5, 0.1, 0.5]] {
            assert_eq!(watch.after(&plain(fine)), None, "{fine:?}");
        }
        let says = "catastrophic overfitting: accuracy under PGD-5 on training images fell from \
                    50.0 % to 29.0 %";
        // Slowly as well as at once.
        for fallen in [&[0.5, 0.29][..], &[0.1, 0.5, 0.4, 0.29]] {
            assert_eq!(watch.after(&plain(fallen)), Some(Consequence::Ends(says.into())));
        }
        // Clean training withstands no attack, and falls from nothing.
        let mut clean = plain(&[0.5, 0.1]);
        clean[0].train.clean = Some(0.9);
        assert_eq!(watch.after(&clean), None);
        assert_eq!(watch.after(&[EpochRow::default()]), None);
    }

    #[test]
    fn a_run_falls_back_once_and_then_ends() {
        let watch = OverfittingWatch::fall_back(threat()).unwrap();
        let fall = Fall { from: 0.5, to: 0.0 };
        let falls = Some(Consequence::FallsBack(fall));
        assert_eq!(watch.after(&plain(&[0.4, 0.5, 0.0])), falls);
        // Back at 0.3, from where the best before the fall no longer counts.
        let back = [(0.5, false), (0.3, false), (0.2, true), (0.4, false)];
        assert!(!has_fallen_back(&plain(&[0.5, 0.3])) && has_fallen_back(&rows(&back)));
        for n in 3..=4 {
            assert_eq!(watch.after(&rows(&back[..n])), None);
        }
        let again = rows(&[&back[..], &[(0.1, false)]].concat());
        let Some(Consequence::Ends(reason)) = watch.after(&again) else { panic!("it goes on") };
        assert!(reason.ends_with("fell from 40.0 % to 10.0 % once more"), "{reason}");
    }

    #[test]
    fn another_attack_leaves_all_else_of_an_objective() {
        let two =
            || -> Arc<dyn Attack> { Arc::new(Pgd::training(threat()).with_steps(2).unwrap()) };
        let one = Pgd::random_fgsm(threat());
        let objectives: [Objective; 2] = [
            Madry::new(one.clone()).with_start_epoch(2).into(),
            HalfAndHalf::new(one).with_weights(0.2, 0.8).unwrap().into(),
        ];
        for objective in objectives {
            let mut wanted = objective.spec();
            wanted["attack"] = two().spec();
            assert_eq!(objective.with_attack(two()).unwrap().spec(), wanted);
        }
        assert!(Objective::clean().with_attack(two()).is_none());
    }

    #[test]
    fn a_watch_comes_back_from_its_file_and_wrong_settings_are_named() {
        for watch in [OverfittingWatch::stop(threat()), OverfittingWatch::fall_back(threat())] {
            let spec = serde_json::to_value(watch.unwrap()).unwrap();
            let read: OverfittingWatch = serde_json::from_value(spec.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), spec);
        }
        let madry = Objective::madry(Pgd::random_fgsm(threat()));
        let says = |watch: OverfittingWatch, objective: &Objective| {
            watch.check(objective, 3).unwrap_err().to_string()
        };
        for drop in [0.0, 1.0, f64::NAN] {
            let watch = OverfittingWatch { drop, ..OverfittingWatch::stop(threat()).unwrap() };
            let wanted = format!("overfitting: drop: got {drop}, wanted a number between 0 and 1");
            assert_eq!(says(watch, &madry), wanted);
        }
        let back = OverfittingWatch::fall_back(threat()).unwrap();
        assert!(back.check(&madry, 3).is_ok());
        let said = says(back, &Objective::clean());
        assert!(said.starts_with("overfitting: then: got fall_back with the objective clean"));
    }
}
