//! A run of the trainer with private SGD.

use crate::commands::epsilon::sentence;
use crate::commands::train::{Train, train_with};
use crate::exit::Exit;
use crate::given::Given;
use crate::output::Output;
use crate::privacy::{AccountantFlag, of_training};
use clap::Args;
use cni_burn::privacy::{Budget, PRIVACY_FILE, PrivateRun, PrivateSgd, Randomness};
use serde_json::{Value, json};
use std::error::Error;
use std::path::Path;

/// The flags of `private-train`.
#[derive(Args)]
#[command(mut_arg("recipe", |recipe| recipe.default_value("clean")))]
pub struct PrivateTrain {
    #[command(flatten)]
    train: Train,
    #[command(flatten)]
    privacy: PrivacyFlags,
}

/// The flags of privacy.
#[derive(Args)]
#[command(next_help_heading = "Privacy")]
pub struct PrivacyFlags {
    /// Epsilon that the run may spend, and never exceeds.
    #[arg(long)]
    privacy_epsilon: Option<f64>,
    /// Delta that goes with it, below one over the number of examples.
    #[arg(long)]
    delta: Option<f64>,
    /// Norm that the gradient of each example is clipped to.
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// Clip every parameter tensor by itself, to an equal share of the norm.
    #[arg(long)]
    per_layer: bool,
    /// Noise multiplier; by default the least for which all epochs stay within the budget. With
    /// more epochs than it allows the run ends before the first that would exceed the budget.
    #[arg(long)]
    noise_multiplier: Option<f64>,
    #[command(flatten)]
    accountant: AccountantFlag,
    /// Draw batches and noise from the operating system, which nothing keeps: for weights that
    /// others get. Without it they follow from --seed, which is written beside the weights, by a
    /// generator that is not cryptographic. A run with it does not replay.
    #[arg(long)]
    system_randomness: bool,
}

impl PrivacyFlags {
    /// The settings; those of the run in a folder, if one goes on.
    fn settings(&self, given: &Given, run: Option<&Path>) -> Result<PrivateSgd, Box<dyn Error>> {
        if let Some(path) = run.map(|run| run.join(PRIVACY_FILE)).filter(|path| path.exists()) {
            let settings = PrivateSgd::of_run(path.with_file_name(""))?;
            let because = format!("{} was trained so", path.with_file_name("").display());
            given.agree(&self.named(), &named(&settings), false, &because)?;
            return Ok(settings);
        }
        let missing = |flag: &str| format!("--{flag}: got none, wanted a number, the budget");
        let epsilon = self.privacy_epsilon.ok_or_else(|| missing("privacy-epsilon"))?;
        let delta = self.delta.ok_or_else(|| missing("delta"))?;
        let budget = Budget::new(epsilon, delta).map_err(of_training)?;
        let randomness =
            if self.system_randomness { Randomness::System } else { Randomness::Keyed };
        Ok(PrivateSgd {
            per_layer: self.per_layer,
            noise_multiplier: self.noise_multiplier,
            ..PrivateSgd::new(budget, self.clip)
                .with_accountant(self.accountant.get())
                .with_randomness(randomness)
        })
    }

    /// The flags by their names.
    fn named(&self) -> Value {
        json!({
            "privacy_epsilon": self.privacy_epsilon,
            "delta": self.delta,
            "clip": self.clip,
            "per_layer": self.per_layer,
            "noise_multiplier": self.noise_multiplier,
            "accountant": self.accountant.accountant,
            "system_randomness": self.system_randomness,
        })
    }
}

/// The flags that settings stand for.
fn named(settings: &PrivateSgd) -> Value {
    json!({
        "privacy_epsilon": settings.budget.epsilon(),
        "delta": settings.budget.delta(),
        "clip": settings.max_norm,
        "per_layer": settings.per_layer,
        "noise_multiplier": settings.noise_multiplier,
        "accountant": settings.accountant.name(),
        "system_randomness": settings.randomness == Randomness::System,
    })
}

/// Says what a private run will do.
pub fn say_plan(run: &PrivateRun, output: Output) -> std::io::Result<()> {
    let gradient = run.gradient();
    output.say(format_args!(
        "private: {} steps of noise multiplier {:.4} at sampling rate {:.6}; {}",
        run.steps(),
        gradient.mechanism().noise_multiplier(),
        gradient.mechanism().sample_rate(),
        sentence(run.planned())
    ))
}

/// Says what a private run has spent, for people and as a result.
pub fn say_spent(run: &PrivateRun, folder: &Path, output: Output) -> Result<Value, Box<dyn Error>> {
    let spent = run.spent(folder)?;
    output.say(format_args!("spent: {}", sentence(&spent)))?;
    output.say("it covers the weights, not the training scores or the choice of the best epoch")?;
    Ok(serde_json::to_value(spent)?)
}

pub fn private_train(args: PrivateTrain, given: &Given) -> Result<Exit, Box<dyn Error>> {
    let PrivateTrain { train, privacy } = args;
    let resumed = train.resume.then_some(train.out.as_path());
    let settings = privacy.settings(given, resumed)?;
    train_with(train, Some(&settings), given)
}
