//! A run of the trainer. One file, because most of it is the flags of one command.

use crate::checkpoint::trained_against;
use crate::compute::Compute;
use crate::curves::Curves;
use crate::data::{About, Dataset, Folder, Images, Source, part};
use crate::exit::Exit;
use crate::given::{Given, Idle};
use crate::model::{Asked, Kind, ModelFlags, config_of_run};
use crate::output::Output;
use crate::values::{above_zero, count, epsilon, named, zero_or_more};
use clap::Args;
use cni_burn::data::Augmentation;
use cni_burn::prelude::*;
use cni_burn::training::{
    AttackLabels, CheckpointInfo, CheckpointSelector, Devices, HalfAndHalf, Parallel, Progress,
    Trained, checkpoint_info,
};
use serde_json::json;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

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
    compute: Compute,
    /// Element type in which convolutions and linear layers multiply: full, bf16 or f16. The rest
    /// is in full precision, and so is validation.
    #[arg(long, default_value_t = Precision::Full)]
    precision: Precision,
    /// Folder of the run: checkpoints, model.json, config.json, history.json, the file .lock and
    /// training.html, a page of the learning curves that loads itself anew while the run goes on.
    #[arg(long, default_value = "runs/cni")]
    out: PathBuf,
    /// Continue the run in --out from its last checkpoint; begin it if there is none yet.
    #[arg(long)]
    resume: bool,
    /// Train on clean images alone.
    #[arg(long)]
    clean: bool,
    /// Largest change of a pixel in training: a fraction such as 8/255, or a number.
    #[arg(long, default_value = "8/255", value_parser = epsilon)]
    epsilon: f64,
    /// First epoch, from 0, that trains on adversarial images. PNI's code: 5.
    #[arg(long, default_value_t = 0)]
    adversarial_from: usize,
    /// Attack the model's own predictions instead of the labels, as PNI's code does.
    #[arg(long)]
    predicted_labels: bool,
    /// Number of epochs. The learning rate falls by ten after each quarter of them, as in the
    /// recipe's 400.
    #[arg(long, default_value_t = 400, value_parser = count)]
    epochs: usize,
    /// Examples of a batch.
    #[arg(long, default_value_t = 256, value_parser = count)]
    batch: usize,
    /// Learning rate.
    #[arg(long, default_value_t = 0.1, value_parser = above_zero)]
    lr: f64,
    /// One-cycle schedule up to --lr instead of steps; better for few epochs.
    #[arg(long)]
    one_cycle: bool,
    /// Weight decay.
    #[arg(long, default_value_t = 1e-4, value_parser = zero_or_more)]
    weight_decay: f64,
    /// Leave noise parameters out of the weight decay, as PNI's code does.
    #[arg(long)]
    no_noise_decay: bool,
    /// Largest norm of the gradient; 0 for no limit. The recipe limits adversarial training alone.
    #[arg(long, value_parser = zero_or_more)]
    max_grad_norm: Option<f64>,
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
            idle(
                self.clean,
                &["epsilon", "adversarial-from", "predicted-labels"],
                "--clean attacks nothing",
            ),
            idle(self.devices == 1, &["parallel"], "one device shares nothing"),
            idle(
                self.weight_decay == 0.0 || self.model.noise.noise == Kind::None,
                &["no-noise-decay"],
                "no noise decays",
            ),
            idle(digits, &["no-flip"], "the digits are never mirrored"),
            idle(!cfg!(feature = "tui"), &["tui"], "the program is built without `--features tui`"),
            idle(self.tui, &["quiet"], "--tui asks for progress"),
            idle(self.output.json, &["tui"], "--json prints nothing else on standard output"),
        ]);
        all
    }

    /// Refuses to go on with a run that was begun with other flags.
    fn agrees_with(&self, info: &CheckpointInfo, given: &Given) -> Result<(), Box<dyn Error>> {
        let (run, folder) = (&self.out, self.train.is_some());
        Asked { flags: &self.model, folder, given, defaults: true }
            .agrees_with(&config_of_run(run, CheckpointSelector::Last)?, run)?;
        if let (false, Some(threat)) = (self.clean, trained_against(&info.run)) {
            let [asked, saved] =
                [self.epsilon, threat.epsilon()].map(|epsilon| json!({ "epsilon": epsilon }));
            let because = format!("{} was trained so", run.display());
            given.agree(&asked, &saved, true, &because)?;
        }
        Ok(())
    }

    /// The configuration of the training.
    fn config(&self, key: Key) -> Result<TrainingConfig, Box<dyn Error>> {
        let attack = Pgd::training(Threat::linf(self.epsilon)?);
        let labels = match self.predicted_labels {
            true => AttackLabels::Predicted,
            false => AttackLabels::True,
        };
        let objective = match self.clean {
            true => Objective::clean(),
            false => HalfAndHalf::new(attack.clone())
                .with_start_epoch(self.adversarial_from)
                .with_labels(labels)
                .into(),
        };
        let mut config = TrainingConfig::cni(objective);
        config.epochs = self.epochs;
        config.batch_size = self.batch;
        let (weight_decay, decay_noise) = (self.weight_decay, !self.no_noise_decay);
        config.optimizer = Sgd { weight_decay, decay_noise, ..Sgd::cni() }.into();
        config.max_grad_norm =
            self.max_grad_norm.map_or(config.max_grad_norm, |norm| (norm > 0.0).then_some(norm));
        // At most one for each epoch, and none before the first, which trains at the rate asked
        // for.
        let mut quarters = [1, 2, 3].map(|quarter| (quarter * self.epochs / 4).max(1)).to_vec();
        quarters.dedup();
        config.schedule = match self.one_cycle {
            true => Schedule::one_cycle(self.lr),
            false => Schedule::multi_step(self.lr, &quarters),
        };
        let augmentation = if self.flips() { Augmentation::cifar() } else { Augmentation::crop(4) };
        config.augment = vec![augmentation];
        config.validation_attack = (!self.clean).then(|| Arc::new(attack) as Arc<dyn Attack>);
        config.precision = self.precision;
        config.key = key.named("training");
        Ok(config)
    }
}

pub fn train(args: Train, given: &Given) -> Result<Exit, Box<dyn Error>> {
    let (images, output) = (args.images(), args.output);
    // A run that goes on is the one that was begun, and says so before it reads any data.
    if args.resume {
        match checkpoint_info(&args.out, CheckpointSelector::Last) {
            Ok(info) => args.agrees_with(&info, given)?,
            Err(error) => output.say(format_args!("nothing to continue: {error}"))?,
        }
    }
    given.refuse(&args.model.idle())?;
    given.refuse(&args.idle())?;
    if !args.clean && args.adversarial_from >= args.epochs {
        let wanted = format!("less than the {} of --epochs", args.epochs);
        let because = "no epoch would train on adversarial images; --clean asks for that";
        return Err(given.refusal("adversarial-from", wanted, because).into());
    }
    let devices = Devices::new(args.compute.devices(args.devices)?, args.parallel)?;
    args.compute.say_half_precision(&[args.precision], output)?;
    let key = Key::new(args.seed);
    let data = images.train(&args.source)?;
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
    let config = args.model.config(&about)?;
    let model = keyed_init(config.try_init(devices.first())?, key.named("weights"));
    let parameters = count_parameters(&model);
    output.say(format_args!("{parameters} parameters, {} examples to train on", train.len()))?;
    let progress = match (args.tui, args.quiet) {
        (true, _) => Progress::Dashboard,
        (false, true) => Progress::Quiet,
        (false, false) => Progress::Lines,
    };
    let curves = Curves::new(&args.out, args.epochs)?;
    let page = curves.clone();
    let trained = Trainer::new(args.config(key)?, &args.out)?
        .with_validation(validation)
        .with_devices(devices)
        .with_progress(progress)
        .with_watch(noise_amplitudes)
        .with_model_config(&config)?
        .with_callback(move |ended| {
            page.go_on(ended.history);
            ControlFlow::Continue(())
        })
        .resume(args.resume)
        .run(model, ResNet::forward, train);
    let trained = curves.end(trained, output)?;
    let Trained { best_epoch: best, history, ended, notices, .. } = trained;
    let run = args.out.display();
    output.say(format_args!("best epoch on the validation slice: {best}; run: {run}"))?;
    let run = args.out.to_string_lossy();
    output.result(&json!({
        "run": run,
        "best_epoch": best,
        "history": history,
        "ended": ended,
        "notices": notices,
    }))?;
    Ok(Exit::Done)
}
