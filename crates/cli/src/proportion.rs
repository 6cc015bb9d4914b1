//! Settings of a recipe that count epochs, in a run of another length.

use cni_burn::training::{By, Recipe, Schedule, TrainingConfig};
use std::fmt;

/// The flags that bring what counts epochs in a recipe to the length of a run.
pub struct Proportion {
    /// The epochs of the recipe itself.
    own: usize,
    /// The flags, each with its value.
    flags: Vec<String>,
    /// The recipe that they make.
    recipe: Recipe,
}

impl Proportion {
    /// The flags for `recipe`, which flags have made of `base`; none if both have one length, or if
    /// nothing but the number of epochs counts them. What is set already stays.
    pub fn of(base: &Recipe, recipe: &Recipe) -> Option<Self> {
        let (own, epochs) = (base.epochs()?, recipe.epochs()?);
        if own == epochs {
            return None;
        }
        let (mut flags, mut changed) = (Vec::new(), recipe.clone());
        for (path, value) in base.in_proportion(epochs) {
            if recipe.changed().any(|set| set == path) {
                continue;
            }
            changed = changed.with(&path, &value).ok()?;
            // A shell reads brackets.
            flags.push(match value.contains('[') {
                true => format!("--set '{path}={value}'"),
                false => format!("--set {path}={value}"),
            });
        }
        (!flags.is_empty()).then_some(Self { own, flags, recipe: changed })
    }

    /// True if the flags make a training of the recipe.
    pub fn helps(&self) -> bool {
        self.recipe.training().is_ok()
    }

    /// The sentence about milestones that a training does not come to, if it has such.
    pub fn late(&self, training: &TrainingConfig) -> Option<String> {
        let Schedule::MultiStep { milestones, by: By::Epoch, .. } = &training.schedule else {
            return None;
        };
        let epochs = training.epochs;
        let late = milestones.iter().filter(|milestone| **milestone >= epochs);
        let late: Vec<String> = late.map(usize::to_string).collect();
        (!late.is_empty()).then(|| {
            let late = late.join(", ");
            format!("the schedule's milestones {late} come after epoch {epochs}, the last; {self}")
        })
    }
}

/// `in proportion to the recipe's 160 epochs: --set objective.start_epoch=1`.
impl fmt::Display for Proportion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in proportion to the recipe's {} epochs: {}", self.own, self.flags.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_those_that_a_shorter_run_lacks() {
        let base = Recipe::named("reference-pni").unwrap();
        assert!(Proportion::of(&base, &base).is_none());
        let short = base.with("epochs", "16").unwrap();
        let found = Proportion::of(&base, &short).unwrap();
        assert!(found.helps());
        let wanted = "in proportion to the recipe's 160 epochs: --set objective.start_epoch=1 \
                      --set 'schedule.multi_step.milestones=[8, 12]'";
        assert_eq!(found.to_string(), wanted);
        let late = found.late(&short.training().unwrap()).unwrap();
        assert_eq!(
            late,
            format!("the schedule's milestones 80, 120 come after epoch 16, the last; {wanted}")
        );
        // What the user has set is left to the user.
        let set = short.with("schedule.multi_step.milestones", "[9]").unwrap();
        let found = Proportion::of(&base, &set).unwrap();
        assert!(!found.to_string().contains("milestones"), "{found}");
        assert_eq!(found.late(&set.training().unwrap()), None);
    }
}
