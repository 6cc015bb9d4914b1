//! A run of the trainer. One file, because most of it is the flags of one command.

mod kept;

use crate::checkpoint::Origin;
use crate::commands::private_train::{say_plan, say_spent};
use crate::compute::Compute;
use crate::curves::Curves;
use crate::data::{About, Dataset, Folder, Images, Source, part, say_skipped};
use crate::ending::before_the_end;
use crate::exit::Exit;
use crate::given::{Given, Idle};
use crate::model::{Asked, GROUP, ModelFlags, config_of_run};
use crate::output::Output;
use crate::privacy::of_training;
use crate::recipe::{RecipeFlags, Resolved, recipe_of_run};
use crate::threat::trained_against;
use crate::values::{count, named};
use burn::tensor::Device;
use clap::Args;
use cni_burn::layers::binary::latent_weights;
use cni_burn::layers::models::Network;
use cni_burn::prelude::*;
use cni_burn::privacy::PrivateSgd;
use cni_burn::training::{
    CheckpointInfo, CheckpointSelector, Devices, Parallel, Progress, Trained, checkpoint_info,
};
use kept::Kept;
use serde_json::json;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

/// The group of the weights behind the signs of a binary model, for the rules of its recipe.
const LATENT: &str = "latent";

/// The flags of `train`.
#[derive(Args)]
pub struct Train {
    #[command(flatten)]
    model: ModelFlags,
    /// Folder of images to train on, with a sub-folder for each class, in place of --dataset. All
    /// images have the size of the first.
    #[arg(long)]
    train: Option<PathBuf>,
    /// Read the images of --train as gray ones.
    #[arg(long)]
    grayscale: bool,
    /// Mirror no training images: for images whose classes a mirror changes, such as characters.
    #[arg(long)]
    no_flip: bool,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    pub(super) recipe: RecipeFlags,
    #[command(flatten)]
    compute: Compute,
    /// Folder of the run: checkpoints, model.json, config.json, recipe.toml, flags.json,
    /// history.json, the file .lock and training.html, a page of the learning curves that loads
    /// itself anew while the run goes on.
    #[arg(long, default_value = Origin::RUN)]
    pub(super) out: PathBuf,
    /// Continue the run in --out from its last checkpoint; begin it if there is none yet. Flags
    /// that are left out are those that the run was begun with; others have to agree with them.
    #[arg(long)]
    pub(super) resume: bool,
    /// Train on the first N devices of the backend, each with its share of every batch. On a CPU
    /// this is for trying out.
    #[arg(long, default_value_t = 1, value_parser = count)]
    devices: usize,
    /// Way in which several devices share the batches.
    #[arg(long, default_value_t = Parallel::Multi, value_parser = named(Parallel::ALL))]
    parallel: Parallel,
    /// Use only N training examples: the first, or of a folder N at equal distances.
    #[arg(long, value_parser = count)]
    subset: Option<usize>,
    /// Examples cut from the training set to select the best checkpoint.
    #[arg(long, default_value_t = 1000, value_parser = count)]
    validation: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Burn's terminal dashboard; needs the feature `tui`.
    #[arg(long)]
    tui: bool,
    /// No progress.
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    output: Output,
}

impl Train {
    /// The images to train on.
    fn images(&self) -> Images<'_> {
        match &self.train {
            Some(dir) => Images::Folder(Folder { flag: "train", dir, grayscale: self.grayscale }),
            None => Images::Named(self.model.dataset),
        }
    }

    /// True if images are mirrored.
    fn flips(&self) -> bool {
        !self.no_flip && (self.train.is_some() || self.model.dataset != Dataset::Digits)
    }

    /// Flags that others leave without effect.
    fn idle(&self) -> Vec<Idle<'static>> {
        let idle = |when, flags, because| Idle { when, flags, because };
        let digits = self.train.is_none() && self.model.dataset == Dataset::Digits;
        let mut all = self.images().idle();
        all.extend([
            idle(self.devices == 1, &["parallel"], "one device shares nothing"),
            idle(digits, &["no-flip"], "the digits are never mirrored"),
            idle(!cfg!(feature = "tui"), &["tui"], "the program is built without `--features tui`"),
            idle(self.tui, &["quiet"], "--tui asks for progress"),
            idle(self.output.json, &["tui"], "--json prints nothing else on standard output"),
        ]);
        all
    }

    /// The recipe, its model and its training, as all flags have them.
    fn resolve(&self, given: &Given, key: Key) -> Result<Resolved, Box<dyn Error>> {
        let run = self.resume.then_some(self.out.as_path());
        let mut resolved = self.recipe.resolve(&self.model, given, run)?;
        if !self.flips() {
            resolved.without_flips();
        }
        resolved.training.key = key.named("training");
        Ok(resolved)
    }

    /// Refuses flags and settings that others leave without effect.
    fn refuse_idle(&self, resolved: &Resolved, given: &Given) -> Result<(), Box<dyn Error>> {
        let of_model = resolved.model.idle();
        given.refuse(&of_model)?;
        self.recipe.refuse_idle(&of_model)?;
        Ok(given.refuse(&self.idle())?)
    }

    /// Refuses to go on with a run that was begun with other flags.
    fn agrees_with(
        &self,
        info: &CheckpointInfo,
        resolved: &Resolved,
        given: &Given,
    ) -> Result<(), Box<dyn Error>> {
        let (run, folder) = (&self.out, self.train.is_some());
        if let (true, Some(begun)) = (given.has("recipe"), recipe_of_run(run)?)
            && begun.name() != resolved.recipe.name()
        {
            let because = format!("{} was trained so", run.display());
            return Err(given.refusal("recipe", begun.name(), &because).into());
        }
        let saved = config_of_run(run, CheckpointSelector::Last)?;
        let about = if folder { About::of_model(&saved) } else { self.model.dataset.about() };
        // The model that the flags build counts; the flags name the difference.
        if resolved.model.config(&about).ok().as_ref() != Some(&saved) {
            Asked { flags: &resolved.model, folder, given, defaults: true }
                .agrees_with(&saved, run)?;
        }
        if let (Some(epsilon), Some(threat)) = (self.recipe.epsilon, trained_against(&info.run)) {
            let [asked, saved] =
                [epsilon, threat.epsilon()].map(|epsilon| json!({ "epsilon": epsilon }));
            let because = format!("{} was trained so", run.display());
            given.agree(&asked, &saved, true, &because)?;
        }
        Ok(())
    }
}

/// Refuses what `train` would refuse before it reads any data.
pub fn check(args: &Train, given: &Given) -> Result<(), Box<dyn Error>> {
    let resolved = args.resolve(given, Key::new(args.seed))?;
    args.refuse_idle(&resolved, given)?;
    if args.train.is_none() {
        resolved.model.config(&args.model.dataset.about())?.try_init(&Device::flex())?;
    }
    Ok(())
}

pub fn train(args: Train, given: &Given) -> Result<Exit, Box<dyn Error>> {
    train_with(args, None, given)
}

/// A run, private if there are settings of privacy.
pub(super) fn train_with(
    mut args: Train,
    privacy: Option<&PrivateSgd>,
    given: &Given,
) -> Result<Exit, Box<dyn Error>> {
    // A run that goes on is the one that was begun, and says so before it reads any data.
    let begun = args.resume.then(|| checkpoint_info(&args.out, CheckpointSelector::Last));
    if args.resume
        && let Some(kept) = Kept::read(&args.out)?
    {
        if let Some(Ok(_)) = &begun {
            kept.agrees_with(&args, given)?;
        }
        kept.take_the_place(&mut args, given)?;
    }
    let (images, output) = (args.images(), args.output);
    let key = Key::new(args.seed);
    let mut resolved = args.resolve(given, key)?;
    if privacy.is_some() && !given.has("norm") && !resolved.model.is_dense() {
        // Private training looks at each example alone.
        resolved.model.norm = GROUP.to_string();
    }
    match &begun {
        Some(Ok(info)) => args.agrees_with(info, &resolved, given)?,
        Some(Err(error)) => output.say(format_args!("nothing to continue: {error}"))?,
        None => {}
    }
    args.refuse_idle(&resolved, given)?;
    let devices = Devices::new(args.compute.devices(args.devices)?, args.parallel)?;
    args.compute.say_half_precision(&[resolved.training.precision], output)?;
    let data = images.train(&args.source)?;
    say_skipped(&data, output)?;
    let data = part(data, args.train.is_some(), args.subset, "subset", given)?;
    if args.validation >= data.len() {
        let wanted = format!("less than the {} examples there are", data.len());
        let because = "the rest is what there is to train on";
        return Err(given.refusal("validation", wanted, because).into());
    }
    let (train, validation) = data.split_validation(args.validation, key.named("split"))?;
    let about = match images {
        Images::Named(set) => set.about(),
        Images::Folder(_) => About::of(&train),
    };
    let config = resolved.model.config(&about)?;
    let model = keyed_init(config.try_init(devices.first())?, key.named("weights"));
    let parameters = count_parameters(&model);
    resolved.say(about.classes, output)?;
    let [learn, choose] = [train.len(), validation.len()];
    output.say(format_args!(
        "{parameters} parameters, {learn} examples to train on, {choose} to choose the best epoch"
    ))?;
    let progress = match (args.tui, args.quiet) {
        (true, _) => Progress::Dashboard,
        (false, true) => Progress::Quiet,
        (false, false) => Progress::Lines,
    };
    let recipe = resolved.recipe()?;
    let training = resolved.training;
    let epochs = training.epochs;
    let private = privacy.map(|settings| settings.plan(training.clone(), train.len()));
    let private = private.transpose().map_err(of_training)?;
    let mut trainer = match &private {
        Some(run) => {
            say_plan(run, output)?;
            run.trainer(&args.out)?
        }
        None => Trainer::new(training, &args.out)?,
    };
    if let (Some(run), Some(Ok(info))) = (&private, &begun)
        && info.epoch < epochs
        && !run.allows_after(info.epoch, &args.out)
    {
        output.say(format_args!(
            "{}: ended at epoch {}: {}",
            args.out.display(),
            info.epoch,
            run.end()
        ))?;
        let spent = say_spent(run, &args.out, output)?;
        output.result(&json!({
            "run": args.out.to_string_lossy(),
            "history": info.history,
            "ended": run.end(),
            "privacy": spent,
        }))?;
        return Ok(Exit::Done);
    }
    let curves = Curves::new(&args.out, epochs)?;
    let [first, page, last] = [(); 3].map(|()| curves.clone());
    before_the_end(move |reason| last.last_words(reason))?;
    let begun = Instant::now();
    if !latent_weights(&model).is_empty() {
        trainer = trainer.with_group(LATENT, |model: &Network| {
            latent_weights(model).into_iter().map(|weight| weight.id).collect()
        })?;
    }
    let trained = trainer
        .with_recipe(recipe)
        .with_validation(validation)
        .with_devices(devices)
        .with_progress(progress)
        .with_watch(noise_amplitudes)
        .with_model_config(&config)?
        .with_file(Kept::FILE, Kept::of(&args).bytes()?)
        .with_beginning(move |history| first.go_on(history))
        .with_callback(move |ended| {
            page.go_on(ended.history);
            ControlFlow::Continue(())
        })
        .resume(args.resume)
        .run(model, Network::forward, train);
    let trained = curves.end(trained, output)?;
    let Trained { best_epoch: best, history, ended, notices, .. } = trained;
    let (run, seconds) = (args.out.display(), begun.elapsed().as_secs_f64());
    let took = match seconds < 120.0 {
        true => format!("{seconds:.0} s"),
        false => format!("{:.0} min", seconds / 60.0),
    };
    output.say(format_args!(
        "trained in {took}; best epoch on the validation slice: {best}; run: {run}"
    ))?;
    let spent = private.map(|run| say_spent(&run, &args.out, output)).transpose()?;
    let run = args.out.to_string_lossy();
    let mut result = json!({
        "run": run,
        "best_epoch": best,
        // Of this process: a run that has gone on took longer.
        "seconds": seconds,
        "history": history,
        "ended": ended,
        "notices": notices,
    });
    if let Some(spent) = spent {
        result["privacy"] = spent;
    }
    output.result(&result)?;
    Ok(Exit::Done)
}
