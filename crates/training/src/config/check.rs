//! The check of a configuration.

use super::TrainingConfig;
use crate::updates::{ParameterGroup, Update};
use crate::{EarlyStopping, TrainingError};
use cni_attacks::Attack;

impl TrainingConfig {
    /// Refuses settings out of their ranges, and those that make no sense together.
    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        for (field, got) in [
            ("epochs", self.epochs),
            ("batch_size", self.batch_size),
            ("accumulation", self.accumulation),
            ("micro_batch", self.micro_batch.unwrap_or(1)),
            ("validation_draws", self.validation_draws),
            ("keep_last", self.keep_last),
        ] {
            if got == 0 {
                return Err(TrainingError::setting(field, 0, "at least 1"));
            }
        }
        if let Some(max) = self.max_grad_norm
            && !(max.is_finite() && max > 0.0)
        {
            return Err(TrainingError::setting("max_grad_norm", max, "a finite number above 0"));
        }
        // What cuts a batch into parts, if anything does.
        let parts = match (self.accumulation, self.micro_batch) {
            (1, None) => None,
            (1, Some(most)) => Some(("micro_batch", most, "none")),
            (parts, _) => Some(("accumulation", parts, "1")),
        };
        if let Some((field, value, off)) = parts
            && !self.gradient.is_additive()
        {
            let got = format!("{value} with the {}", self.gradient.label());
            let wanted = format!("{off}, or a gradient rule that is additive");
            return Err(TrainingError::setting(field, got, wanted));
        }
        if self.objective.has_memory() {
            let objective = self.objective.label();
            if let Some((field, value, off)) = parts {
                let got = format!("{value} with the {objective}");
                let wanted = format!("{off}, or an objective without a memory");
                return Err(TrainingError::setting(field, got, wanted));
            }
            if self.gradient.rule().is_some() {
                let got = format!("{} with the {objective}", self.gradient.label());
                let wanted = "the backward pass, or an objective without a memory";
                return Err(TrainingError::setting("gradient", got, wanted));
            }
        }
        self.optimizer.check()?;
        self.groups.iter().try_for_each(ParameterGroup::check)?;
        self.objective.check(self.epochs)?;
        let of_validation = self.validation_attack.iter().map(|attack| attack.as_ref() as _);
        let of_validation = of_validation.map(|attack: &dyn Attack| ("validation_attack", attack));
        let of_objective = self.objective.attacks().into_iter().map(|attack| ("objective", attack));
        for (field, attack) in of_objective.chain(of_validation) {
            attack.check().map_err(|error| {
                let got = format!("{}: {error}", attack.name());
                TrainingError::setting(field, got, "settings that make sense together")
            })?;
        }
        self.gradient.check(self.epochs)?;
        self.updates.iter().try_for_each(Update::check)?;
        self.average.iter().try_for_each(|average| average.check(self.epochs))?;
        self.early_stopping.iter().try_for_each(EarlyStopping::check)?;
        let mut watch = self.overfitting.iter();
        watch.try_for_each(|watch| watch.check(&self.objective, self.epochs))?;
        self.schedule.check()
    }
}
