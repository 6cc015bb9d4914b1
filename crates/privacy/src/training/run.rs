use super::folder::{About, LEDGER_FILE, PRIVACY_FILE, SPENT_FILE, spent_of_run, steps_counted};
use super::randomness::SystemRandom;
use super::sampler::PrivateSampler;
use super::{PrivateGradient, PrivateSgd, Randomness};
use crate::files::{load, save};
use crate::{
    Ledger, Mechanism, Phase, PoissonPlan, PrivacyError, Spent, noise_multiplier_for, steps_for,
};
use burn::module::{Module, ModuleDisplay};
use cni_training::{PerExampleClip, Trainer, TrainingConfig};
use std::ops::ControlFlow;
use std::path::Path;

/// A training with private SGD. Made by [`PrivateSgd::plan`].
///
/// Epsilon covers the weights after every epoch, all checkpoints together. It does **not** cover
/// what else a run says of its training examples: the training losses and scores in `history.json`
/// and on the screen, and a run that stops at a number that is not finite. Nor does it cover the
/// validation examples, which choose the best epoch. The number of examples counts as public.
///
/// A step that is counted in [`LEDGER_FILE`] may not have been taken, if the run was killed; no
/// step that was taken is left out. A run that resumes takes the steps of an epoch anew: with keyed
/// randomness they are the same steps, which count once; with the system's they are others, which
/// count again and can end the run an epoch earlier.
///
/// Epsilon compares training sets as the run gets them. Where validation images are split off
/// before by a rule that depends on the number of images, it holds for what the split leaves.
#[derive(Clone, Debug)]
pub struct PrivateRun {
    settings: PrivateSgd,
    config: TrainingConfig,
    gradient: PrivateGradient,
    steps: u64,
    planned: Spent,
}

impl PrivateRun {
    pub(super) fn new(
        settings: &PrivateSgd,
        mut config: TrainingConfig,
        examples: usize,
    ) -> Result<Self, PrivacyError> {
        check(settings, &config)?;
        let PrivateSgd { budget, accountant, .. } = settings;
        let (batch, epochs) = (config.batch_size, config.epochs as u64);
        let clip = PerExampleClip { max_norm: settings.max_norm, per_layer: settings.per_layer };
        // Checks the sizes before anything is searched for.
        PrivateGradient::new(clip, 1.0, examples, batch)?;
        let plan = PoissonPlan::new(examples as u64, batch as u64, epochs)?;
        plan.check_delta(budget.delta())?;
        let (per_epoch, rate, all) = (plan.steps_per_epoch(), plan.sample_rate(), plan.steps());
        let (sigma, steps) = match settings.noise_multiplier {
            None => (noise_multiplier_for(*budget, rate, all, accountant)?, all),
            Some(sigma) => {
                let mechanism = Mechanism::new(sigma, rate)?;
                let whole = Ledger::from_iter([Phase::new(mechanism, all)?]);
                let fits = accountant.epsilon(&whole, budget.delta())? <= budget.epsilon();
                let allowed = match fits {
                    true => all,
                    false => steps_for(*budget, &Ledger::new(), mechanism, accountant)?,
                };
                (sigma, allowed / per_epoch * per_epoch)
            }
        };
        if steps == 0 {
            let wanted = format!("at least {per_epoch}, an epoch; raise noise_multiplier");
            return Err(PrivacyError::Count { field: "steps", got: 0, wanted });
        }
        let system = match settings.randomness {
            Randomness::Keyed => None,
            Randomness::System => Some(SystemRandom::new()?),
        };
        let gradient = PrivateGradient::new(clip, sigma, examples, batch)?
            .with_steps(steps)
            .with_system(system.clone());
        config.sampler = PrivateSampler { examples, system }.into();
        config.gradient = gradient.clone().into();
        let planned = Ledger::from_iter([Phase::new(gradient.mechanism(), steps)?]);
        let planned = accountant.spent(&planned, budget.delta())?;
        Ok(Self { settings: settings.clone(), config, gradient, steps, planned })
    }

    /// The configuration, with its sampler and its gradient rule.
    pub fn config(&self) -> &TrainingConfig {
        &self.config
    }

    /// The gradient rule, which knows σ and the size of the noise.
    pub fn gradient(&self) -> &PrivateGradient {
        &self.gradient
    }

    /// The steps of an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.gradient.steps_per_epoch()
    }

    /// The steps of the run: of all epochs, or of those that the budget allows.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The privacy spent after [`steps`](Self::steps) steps.
    pub fn planned(&self) -> &Spent {
        &self.planned
    }

    /// A trainer of the run. It writes [`PRIVACY_FILE`] and [`LEDGER_FILE`] into the folder beside
    /// what every run writes, and ends before an epoch that would exceed the budget:
    /// [`Trained::ended`](cni_training::Trained::ended) says so.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Training`] for a configuration that the trainer refuses. When it runs it
    /// refuses, by the name of the layer, a model with batch norm or dropout and, under an
    /// objective with an attack, one with noise that a whole batch scales; and a model, an attack
    /// or an objective of one's own by which the gradient of an example depends on the others.
    pub fn trainer<N: Module + ModuleDisplay + 'static>(
        &self,
        folder: impl AsRef<Path>,
    ) -> Result<Trainer<N>, PrivacyError> {
        let folder = folder.as_ref();
        let mut config = self.config.clone();
        config.gradient = self.gradient.clone().with_ledger(folder.join(LEDGER_FILE)).into();
        let about = About {
            settings: self.settings.clone(),
            noise_multiplier: self.gradient.mechanism().noise_multiplier(),
            sample_rate: self.gradient.mechanism().sample_rate(),
            noise_std: self.gradient.noise_std(),
            steps_per_epoch: self.steps_per_epoch(),
            steps: self.steps,
            planned: self.planned.clone(),
        };
        let about = serde_json::to_vec_pretty(&about).expect("settings are plain data");
        let trainer = Trainer::new(config, folder)?.with_file(PRIVACY_FILE, about);
        let (run, folder) = (self.clone(), folder.to_path_buf());
        Ok(trainer.with_callback(move |ended| match run.allows_after(ended.row.epoch, &folder) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(run.end()),
        }))
    }

    /// True if the budget allows an epoch after this one, the epochs counted from 1.
    pub fn allows_after(&self, epoch: usize, folder: impl AsRef<Path>) -> bool {
        let counted = match self.settings.randomness {
            Randomness::Keyed => epoch as u64 * self.steps_per_epoch(),
            // A ledger that cannot be read stops the next step, with the reason.
            Randomness::System => {
                let path = folder.as_ref().join(LEDGER_FILE);
                steps_counted(&path, self.gradient.mechanism()).unwrap_or_default()
            }
        };
        counted.saturating_add(self.steps_per_epoch()) <= self.steps
    }

    /// The reason why a run ends before its last epoch.
    pub fn end(&self) -> String {
        let budget = self.settings.budget;
        let (epsilon, delta) = (budget.epsilon(), budget.delta());
        format!("the budget of epsilon {epsilon} at delta {delta} allows no further epoch")
    }

    /// The privacy that the run in a folder has spent, by its ledger. It is written to
    /// [`SPENT_FILE`].
    ///
    /// # Errors
    ///
    /// Those of [`spent_of_run`]; [`PrivacyError::Json`] if the file exists and holds something
    /// else.
    pub fn spent(&self, folder: impl AsRef<Path>) -> Result<Spent, PrivacyError> {
        let folder = folder.as_ref();
        let spent = spent_of_run(folder)?;
        let path = folder.join(SPENT_FILE);
        if path.exists() {
            load::<Spent>(&path, "what a private run has spent")?;
        }
        save(&spent, &path)?;
        Ok(spent)
    }
}

/// Refuses a configuration that cannot be private.
fn check(settings: &PrivateSgd, config: &TrainingConfig) -> Result<(), PrivacyError> {
    if !settings.accountant.is_upper_bound() {
        let wanted = "rdp or prv, which give upper bounds";
        return Err(PrivacyError::setting("accountant", settings.accountant.name(), wanted));
    }
    let sampler = &config.sampler.spec()["sampler"];
    if sampler != "epochs" && sampler != "poisson" {
        let wanted = "epochs or poisson: a private run samples by coins";
        return Err(PrivacyError::setting("sampler", sampler, wanted));
    }
    let gradient = &config.gradient.spec()["gradient"];
    if gradient != "backward" {
        let wanted = "backward: a private run clips the gradient of each example and adds noise";
        return Err(PrivacyError::setting("gradient", gradient, wanted));
    }
    if config.overfitting.is_some() {
        let wanted = "none: it decides by training images, which epsilon does not cover";
        return Err(PrivacyError::setting("overfitting", "a watch", wanted));
    }
    Ok(())
}
