//! From a checkpoint to a report. One file, because most of it is the flags of one command.

use crate::checkpoint::{Checkpoint, Origin, folder_for};
use crate::compute::Compute;
use crate::conclusion::{conclude, write};
use crate::data::{part, without_examples};
use crate::exit::Exit;
use crate::given::{Given, Idle, command};
use crate::output::Output;
use crate::place::{Force, Place, of_seed, remove_adversarial};
use crate::progress::EvaluationBar;
use crate::suites::{AttackFile, Attacks, Checks, Suites, Target, checks};
use crate::threat::threat_for;
use crate::values::{above_zero, count, epsilon, shard};
use burn::tensor::Device;
use clap::Args;
use cni_burn::data::ImageData;
use cni_burn::evaluation::audit::Audit;
use cni_burn::evaluation::{EvaluationError, ShardError};
use cni_burn::layers::models::Network;
use cni_burn::prelude::*;
use serde_json::json;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The flags of `evaluate`.
#[derive(Args)]
pub struct Evaluate {
    /// Checkpoint: best, last or the number of an epoch of --run; a file or folder among a
    /// run's checkpoints; or a PyTorch file (.pt, .pth, .th, .tar), which goes into the model that
    /// the model flags describe.
    #[arg(long, default_value = "best")]
    pub checkpoint: PathBuf,
    #[command(flatten)]
    pub from: Origin,
    #[command(flatten)]
    pub compute: Compute,
    /// Element type in which convolutions and linear layers multiply while an attack runs: full,
    /// bf16 or f16. What the attacks find is judged in full precision. What a CPU does for bf16,
    /// `cni info` says and CNI_HALF_PRECISION chooses; f16 is slow there.
    #[arg(long, default_value_t = Precision::Full)]
    pub precision: Precision,
    /// The same for all other passes, to judge a model as it is deployed in another precision.
    #[arg(long, default_value_t = Precision::Full)]
    pub judge_precision: Precision,
    /// The attacks.
    #[arg(long, value_enum, default_value_t = Suites::Standard)]
    pub suite: Suites,
    /// Attacks from a TOML file, in place of --suite: `attacks = 1`, and a table `[[attack]]` for
    /// each, with its settings by the names that records have; --epsilon gives them their threat.
    /// An attack with `audit = true` is the one that the checks are about. `transfer` takes its
    /// images from another run, or from the model itself with its noise held or off.
    #[arg(long, value_name = "FILE")]
    pub attacks: Option<PathBuf>,
    /// Effort of the checks of the attack: none, quick (minutes), standard (part of an hour) or
    /// thorough (hours); by default quick, and none if AutoAttack attacks.
    #[arg(long, value_parser = checks())]
    pub checks: Option<Checks>,
    /// Largest change of a pixel: a fraction such as 8/255, or a number. By default that of the
    /// run's training, and 8/255 if it had none in Linf.
    #[arg(long, value_parser = epsilon)]
    pub epsilon: Option<f64>,
    /// Test examples to judge: the first, or of a folder those at equal distances.
    #[arg(long, default_value_t = 1000, value_parser = count)]
    pub examples: usize,
    /// Examples of a batch.
    #[arg(long, default_value_t = 128, value_parser = count)]
    pub batch: usize,
    /// Draws of the noise that judge each image. A model without noise needs one, and gets one.
    #[arg(long, default_value_t = 20, value_parser = count)]
    pub draws: usize,
    /// Steps of the EOT attack, which is also the one that the checks are about.
    #[arg(long, default_value_t = 20, value_parser = count)]
    pub eot_steps: usize,
    /// Draws that each gradient of the EOT attack averages over. A model without noise needs one,
    /// and gets one.
    #[arg(long, default_value_t = 20, value_parser = count)]
    pub eot_draws: usize,
    /// Further radii at which each attack runs, for a curve of robust accuracy: 2/255,4/255,16/255.
    #[arg(long, value_delimiter = ',', value_parser = epsilon)]
    pub epsilons: Vec<f64>,
    /// Certify each image by randomized smoothing with Gaussian noise of this standard deviation on
    /// its pixels, whose range is [0, 1].
    #[arg(long, value_parser = above_zero)]
    pub sigma: Option<f64>,
    /// Samples of each certificate. Published ones have 100,000.
    #[arg(long, default_value_t = 1000, value_parser = count)]
    pub samples: usize,
    /// Keep the adversarial images, in the folder `adversarial` of --out.
    #[arg(long)]
    pub keep_adversarial: bool,
    /// Judge the model with its noise switched off.
    #[arg(long)]
    pub noise_off: bool,
    /// Name of the model in tables.
    #[arg(long)]
    pub name: Option<String>,
    /// Seed of attacks and draws.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Folder for the record, the report and the state of an evaluation that was killed; by default
    /// `evaluation` in the run's, and `NAME-evaluation` here for --pretrained NAME or a PyTorch file
    /// NAME.pth.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Judge one part of the examples: i/n is part i, from 1, of n. Its results go to the folder
    /// `shard-i-of-n` of --out, and `cni merge` makes the record from all of them. A part that was
    /// killed goes on, and one that is done does nothing.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
    #[command(flatten)]
    pub force: Force,
    /// Exit with code 3 if a check fails. The record is written all the same.
    #[arg(long)]
    pub strict: bool,
    /// No progress.
    #[arg(long)]
    pub quiet: bool,
    #[command(flatten)]
    pub output: Output,
}

impl Evaluate {
    /// The file of the attacks, if they come from one.
    fn file(&self) -> Result<Option<AttackFile>, Box<dyn Error>> {
        self.attacks.as_deref().map(AttackFile::open).transpose()
    }

    /// True if there is an attack for the checks.
    fn has_audited(&self, file: Option<&AttackFile>) -> bool {
        file.map_or(self.suite.has_eot(), AttackFile::has_audited)
    }

    /// The effort of the checks, if there are any.
    fn effort(&self, file: Option<&AttackFile>) -> Option<Effort> {
        let by_default = if self.has_audited(file) { Checks::QUICK } else { Checks::NONE };
        self.checks.unwrap_or(by_default).0
    }

    /// Flags that others leave without effect.
    fn idle(&self, file: Option<&AttackFile>) -> [Idle<'static>; 8] {
        let checks = self.checks.is_some_and(|checks| checks != Checks::NONE);
        let without = checks && !self.has_audited(file);
        let idle = |when, flags, because| Idle { when, flags, because };
        let autoattack = !self.suite.has_eot();
        [
            idle(
                file.is_some(),
                &["suite", "eot-steps", "eot-draws"],
                "--attacks says what attacks",
            ),
            idle(
                file.is_some_and(AttackFile::has_threats),
                &["epsilon"],
                "every attack of --attacks has a threat of its own",
            ),
            idle(autoattack, &["eot-steps", "eot-draws"], "AutoAttack attacks by itself"),
            idle(
                without && file.is_some(),
                &["checks"],
                "they are about the attack with `audit = true`, and --attacks has none",
            ),
            idle(without, &["checks"], "they are about the EOT attack, which --suite leaves out"),
            idle(
                self.sigma.is_none(),
                &["samples"],
                "only certificates need samples, and --sigma asks for them",
            ),
            idle(self.effort(file).is_none(), &["strict"], "there are no checks that could fail"),
            idle(self.shard.is_some(), &["strict"], "`cni merge --strict` judges all shards"),
        ]
    }
}

/// Refuses what `evaluate` would refuse before it reads a run.
pub fn check(args: &Evaluate, given: &Given) -> Result<(), Box<dyn Error>> {
    Ok(given.refuse(&args.idle(args.file()?.as_ref()))?)
}

pub fn evaluate(args: &Evaluate, given: &Given) -> Result<Exit, Box<dyn Error>> {
    let file = args.file()?;
    given.refuse(&args.idle(file.as_ref()))?;
    let (attacks, judge) = (args.precision, args.judge_precision);
    let device = args.compute.device(&[("precision", attacks), ("judge-precision", judge)])?;
    args.compute.say_half_precision(&[attacks, judge], args.output)?;
    let checkpoint = Checkpoint::open(&args.checkpoint, &args.from, given, &device, args.output)?;
    let out = args.out.clone().unwrap_or_else(|| folder_for("evaluation", &checkpoint));
    let Checkpoint { model, config, silent, test, name, history, trained, .. } = checkpoint;
    let because = "the model has no noise";
    given.refuse(&[Idle { when: silent, flags: &["noise-off"], because }])?;
    let test = part(test, args.from.test.is_some(), Some(args.examples), "examples", given)?;
    for class in without_examples(&test)? {
        args.output.say(format_args!("warning: the test images have none of class {class:?}"))?;
    }
    // A file of attacks may have threats of its own.
    let own = file.as_ref().is_some_and(AttackFile::has_threats);
    let threat = threat_for(args.epsilon, trained.filter(|_| !own), args.output)?;

    let eot = Pgd::new(threat).with_steps(args.eot_steps)?.with_draws(args.eot_draws)?;
    let model_card = ModelCard {
        config: Some(serde_json::to_value(&config)?),
        trained_against: trained,
        history,
        ..model_card(args.name.clone().unwrap_or(name), &model)?
    };
    let (evaluation, audited): (_, Option<Arc<dyn Attack>>) = match &file {
        None => {
            let audited = args.suite.has_eot().then(|| Arc::new(eot.clone()) as _);
            (args.suite.evaluation(eot)?, audited)
        }
        Some(file) => {
            let key = Key::new(args.seed).named("held");
            let noise_off = args.noise_off;
            let target =
                Target { threat, model: &model, noise_off, images: &test, device: &device, key };
            let Attacks { all, audited } = file.attacks(&target)?;
            (Evaluation::by(all)?, audited)
        }
    };
    let mut evaluation = evaluation
        .with_draws(args.draws)?
        .with_key(Key::new(args.seed).named("evaluation"))
        .with_attack_precision(attacks)
        .with_judging_precision(judge)
        .with_cards(model_card, data_card(&test)?)
        .with_command(command());
    if let Some((effort, audited)) = args.effort(file.as_ref()).zip(audited) {
        evaluation = evaluation.with_audit(Audit::of(audited).with_effort(effort))?;
    }
    if !args.epsilons.is_empty() {
        evaluation = evaluation.with_epsilons(args.epsilons.iter().copied())?;
    }
    if let Some(sigma) = args.sigma {
        evaluation =
            evaluation.with_certificates(Smoothing::new(sigma)?.with_samples(args.samples)?)?;
    }
    if args.keep_adversarial {
        evaluation = evaluation.with_adversarial(out.join("adversarial"));
    }
    if !args.force.force {
        evaluation = evaluation.keep_finished();
    }
    let frozen = FrozenModel::new(&model, Network::forward);
    if let Some(shard) = args.shard {
        return judge_shard(shard, &evaluation, &frozen, (&test, args), (&out, &device));
    }
    let (_place, before) = Place::take(&out)?;
    let state = out.join("state");
    let mut replaces = false;
    let mut judge = || -> Result<_, Box<dyn Error>> {
        if let Some(before) = &before
            && let Some(first) = test.batches(args.batch, &device).next()
        {
            let differs = evaluation.difference_from(before, &frozen, first, test.len())?;
            replaces = differs.is_some();
            let differs = differs.map(|setting| of_seed(setting, args.seed));
            args.force.allows(&out, "evaluation", differs, args.output)?;
        }
        let batches = test.batches(args.batch, &device);
        let mut bar = EvaluationBar::new(args.quiet, test.len());
        let evaluated =
            evaluation.run_with(&frozen, batches, Some(&state), &mut |step| bar.show(step))?;
        bar.finish();
        Ok(evaluated)
    };
    let evaluated = if args.noise_off { scope(Noise::Off, judge) } else { judge() }?;

    let record = write(evaluated, &out)?;
    if replaces
        && !args.keep_adversarial
        && let Some(removed) = remove_adversarial(&out)?
    {
        args.output.say(removed)?;
    }
    let noise = if args.noise_off { "its noise switched off" } else { "no noise" };
    conclude(&record, &out, noise, args.strict, args.output)
}

/// Judges one shard, for `cni merge`.
fn judge_shard(
    shard: Shard,
    evaluation: &Evaluation,
    model: &dyn Classifier,
    (test, args): (&ImageData, &Evaluate),
    (out, device): (&Path, &Device),
) -> Result<Exit, Box<dyn Error>> {
    let folder = out.join(shard.folder());
    let _place = Place::of_shard(&folder)?;
    let batches = test.batches(args.batch, device);
    let own = shard.batches(batches.len());
    let [first, end] = [own.start, own.end].map(|batch| test.len().min(batch * args.batch));
    let judge = || {
        let mut bar = EvaluationBar::new(args.quiet, end - first);
        evaluation.run_shard(shard, model, batches, &folder, &mut |step| bar.show(step))?;
        bar.finish();
        Ok::<_, EvaluationError>(())
    };
    let judged = if args.noise_off { scope(Noise::Off, judge) } else { judge() };
    judged.map_err(|error| match &error {
        EvaluationError::Shard(of) if matches!(**of, ShardError::Finished { .. }) => {
            format!("{error}; take another --out, or --force to replace it")
        }
        _ => error.to_string(),
    })?;
    let examples = end - first;
    let (all, at) = (test.len(), folder.display());
    args.output.say(format_args!("shard {shard}: {examples} of {all} examples: {at}"))?;
    if examples == 0 {
        let advice = "shards are whole batches: with a smaller --batch this one has its share";
        args.output.say(advice)?;
    }
    let folder = folder.to_string_lossy();
    args.output.result(&json!({ "shard": shard, "folder": folder, "examples": examples }))?;
    Ok(Exit::Done)
}
