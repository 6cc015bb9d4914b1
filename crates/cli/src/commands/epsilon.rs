//! The epsilon of a private training, or the noise for one.

use crate::exit::Exit;
use crate::output::Output;
use crate::privacy::{AccountantFlag, of_flag};
use clap::{ArgGroup, Args};
use cni_burn::privacy::{
    Accountant, Budget, Ledger, Mechanism, Phase, PoissonPlan, Spent, ledger_of_run,
    noise_multiplier_for,
};
use serde_json::json;
use std::error::Error;
use std::path::PathBuf;

/// The flags of `epsilon`.
#[derive(Args)]
#[command(group(ArgGroup::new("what").required(true).args(["noise_multiplier", "epsilon", "run"])))]
#[command(group(ArgGroup::new("how_often").args(["steps", "epochs"])))]
pub struct Epsilon {
    /// Noise multiplier: the standard deviation of the noise over the clipping norm.
    #[arg(long)]
    noise_multiplier: Option<f64>,
    /// Epsilon that the training may spend: asks for the noise multiplier.
    #[arg(long)]
    epsilon: Option<f64>,
    /// Folder of a private run: asks for what its ledger has spent.
    #[arg(long, conflicts_with_all = ["sample_rate", "steps", "examples", "batch", "epochs"])]
    run: Option<PathBuf>,
    /// Delta, below one over the number of examples, which is checked where --examples tells it.
    #[arg(long, allow_negative_numbers = true)]
    delta: f64,
    /// Probability with which an example enters a batch.
    #[arg(long, requires = "steps", conflicts_with_all = ["examples", "batch", "epochs"])]
    sample_rate: Option<f64>,
    /// Steps of the training.
    #[arg(long, requires = "sample_rate", allow_negative_numbers = true)]
    steps: Option<u64>,
    /// Examples of the training set, with --batch and --epochs, in place of rate and steps.
    #[arg(long, requires_all = ["batch", "epochs"])]
    examples: Option<u64>,
    /// Expected examples of a batch.
    #[arg(long, requires = "examples")]
    batch: Option<u64>,
    /// Epochs of examples / batch steps each, rounded up.
    #[arg(long, requires = "examples")]
    epochs: Option<u64>,
    #[command(flatten)]
    accountant: AccountantFlag,
    #[command(flatten)]
    output: Output,
}

impl Epsilon {
    /// The sampling rate and the steps.
    fn sampling(&self) -> Result<(f64, u64), Box<dyn Error>> {
        if let (Some(rate), Some(steps)) = (self.sample_rate, self.steps) {
            return Ok((rate, steps));
        }
        let (Some(examples), Some(batch), Some(epochs)) = (self.examples, self.batch, self.epochs)
        else {
            let wanted = "--sample-rate and --steps, or --examples, --batch and --epochs";
            return Err(format!("--sample-rate: got none, wanted {wanted}").into());
        };
        let plan = PoissonPlan::new(examples, batch, epochs).map_err(of_flag)?;
        plan.check_delta(self.delta).map_err(of_flag)?;
        Ok((plan.sample_rate(), plan.steps()))
    }

    /// The private steps that are asked about.
    fn ledger(&self, accountant: &Accountant) -> Result<Ledger, Box<dyn Error>> {
        if let Some(run) = &self.run {
            return Ok(ledger_of_run(run)?);
        }
        let (rate, steps) = self.sampling()?;
        let phase = |sigma| Phase::new(Mechanism::new(sigma, rate)?, steps);
        let sigma = match (self.noise_multiplier, self.epsilon) {
            (None, Some(epsilon)) => {
                let budget = Budget::new(epsilon, self.delta).map_err(of_flag)?;
                noise_multiplier_for(budget, rate, steps, accountant).map_err(of_flag)?
            }
            (sigma, _) => sigma.unwrap_or_default(),
        };
        Ok([phase(sigma).map_err(of_flag)?].into_iter().collect())
    }
}

pub fn epsilon(args: &Epsilon) -> Result<Exit, Box<dyn Error>> {
    let (accountant, output) = (args.accountant.get(), args.output);
    let ledger = args.ledger(&accountant)?;
    let spent = accountant.spent(&ledger, args.delta).map_err(of_flag)?;
    for phase in ledger.phases() {
        let mechanism = phase.mechanism();
        output.say(format_args!(
            "{} steps of noise multiplier {:.4} at sampling rate {}",
            phase.steps(),
            mechanism.noise_multiplier(),
            mechanism.sample_rate()
        ))?;
    }
    output.say(sentence(&spent))?;
    output.result(&json!({ "spent": spent }))?;
    Ok(Exit::Done)
}

/// A sentence of what was spent, and how far that goes.
pub fn sentence(spent: &Spent) -> String {
    let Spent { accountant, delta, epsilon, upper_bound, warning, .. } = spent;
    let kind = match upper_bound {
        true => "an upper bound if sampler, clipping and noise are as told",
        false => "an approximation, which can be too small",
    };
    let loose = match warning {
        Some(_) => "; it may be loose, since the best order is at an end of the list",
        None => "",
    };
    let name = accountant.name();
    format!(
        "epsilon {epsilon:.4} at delta {delta} by {name}: {kind}, no certified guarantee{loose}"
    )
}
