//! Checkpoints: the weights of an evaluation, and the images that they are judged on.

use crate::data::{About, Folder, Images, Source, of_run, say_skipped};
use crate::given::{Given, Idle};
use crate::model::{Asked, ModelFlags, config_of_run};
use crate::output::Output;
use crate::selector::{is_pytorch, selector, within_run};
use crate::threat::trained_against;
use crate::values::named;
use burn::tensor::Device;
use clap::Args;
use cni_burn::cards::epochs;
use cni_burn::data::{DataError, ImageData};
use cni_burn::evaluation::Epoch;
use cni_burn::layers::models::{Network, NetworkConfig};
use cni_burn::prelude::{Pretrained, Threat};
use cni_burn::training::{CheckpointInfo, CheckpointSelector, checkpoint_info, load_checkpoint};
use std::error::Error;
use std::path::{Path, PathBuf};

/// The flags of the run or the file that weights come from, and of the images to judge on.
#[derive(Args)]
pub struct Origin {
    /// Folder of the run to evaluate.
    #[arg(long, default_value = Self::RUN)]
    pub run: PathBuf,
    /// Weights of the library's own, by name, in place of those of a run.
    #[arg(long, value_name = "NAME", value_parser = named(Pretrained::ALL))]
    pub pretrained: Option<Pretrained>,
    /// Folder with the weights of --pretrained.
    #[arg(long, default_value = "weights")]
    pub weights: PathBuf,
    #[command(flatten)]
    pub model: ModelFlags,
    /// Folder of images to judge on, with a sub-folder for each class, in place of --dataset.
    #[arg(long)]
    pub test: Option<PathBuf>,
    /// Read the images of --test as gray ones, for a PyTorch file.
    #[arg(long)]
    pub grayscale: bool,
    #[command(flatten)]
    pub source: Source,
}

impl Origin {
    /// The folder that `cni train` writes to by default.
    pub const RUN: &str = "runs/cni";
}

/// A model with its weights, and the images of its evaluation.
pub struct Checkpoint {
    pub model: Network,
    pub config: NetworkConfig,
    /// True if the model has no noise.
    pub silent: bool,
    pub test: ImageData,
    /// The name of the model in tables.
    pub name: String,
    /// The folder of its run; none for a PyTorch file and for weights by name.
    run: Option<PathBuf>,
    /// The epochs that led to it, if they are known.
    pub history: Vec<Epoch>,
    /// The threat that it was trained against, if it is known.
    pub trained: Option<Threat>,
}

impl Checkpoint {
    /// Finds what `--pretrained` or `--checkpoint` names, and loads it.
    ///
    /// # Errors
    ///
    /// A sentence that names the flag or the file, what was got and what was wanted.
    pub fn open(
        path: &Path,
        from: &Origin,
        given: &Given,
        device: &Device,
        output: Output,
    ) -> Result<Self, Box<dyn Error>> {
        let named = from.pretrained;
        given.refuse(&[
            Idle {
                when: named.is_some(),
                flags: &["run", "checkpoint"],
                because: "--pretrained names the weights",
            },
            Idle {
                when: named.is_none(),
                flags: &["weights"],
                because: "only --pretrained looks for weights there",
            },
        ])?;
        if let Some(named) = named {
            let (folder, best) = (named.verified(&from.weights)?, CheckpointSelector::Best);
            let checkpoint = Self::of_run(&folder, best, from, given, device, output)?;
            return Ok(Self { name: named.to_string(), run: None, ..checkpoint });
        }
        if path.extension().is_some_and(is_pytorch) {
            return Self::of_pytorch(path, from, given, device, output);
        }
        let (run, selector) = match path.to_str().and_then(selector) {
            Some(selector) => (from.run.clone(), selector),
            None => within_run(path)?,
        };
        if run != from.run && given.has("run") {
            let because = "that is where --checkpoint leads";
            return Err(given.refusal("run", run.display(), because).into());
        }
        Self::of_run(&run, selector, from, given, device, output)
    }

    fn of_run(
        run: &Path,
        selector: CheckpointSelector,
        from: &Origin,
        given: &Given,
        device: &Device,
        output: Output,
    ) -> Result<Self, Box<dyn Error>> {
        let config = config_of_run(run, selector)?;
        let folder = from.test.is_some();
        Asked { flags: &from.model, folder, given, defaults: false }.agrees_with(&config, run)?;
        let because = "the run's model says how many channels its images have";
        given.refuse(&[Idle { when: true, flags: &["grayscale"], because }])?;
        let images = of_run(run, &config, from.test.as_deref())?;
        given.refuse(&images.idle())?;
        let (model, epoch) = load_checkpoint(config.try_init(device)?, run, selector)?;
        let normalization = model.normalize().config()?;
        output.say(format_args!("{}: normalization: {normalization}", run.display()))?;
        let CheckpointInfo { classes, history, run: configuration, .. } =
            checkpoint_info(run, CheckpointSelector::Epoch(epoch))?;
        // Rounded weights are another model.
        let rounded = match configuration["published"]["weights"].as_str() {
            Some(precision) => format!(", {precision}"),
            None => String::new(),
        };
        let name = format!("{} (epoch {epoch}{rounded})", run.display());
        let test = images.test(&from.source, Some((&config, &classes)))?;
        say_skipped(&test, output)?;
        same_classes(&test, &classes, &name)?;
        Ok(Self {
            model,
            silent: !config.is_stochastic(),
            config,
            test,
            name,
            run: Some(run.to_path_buf()),
            history: epochs(history),
            trained: trained_against(&configuration),
        })
    }

    fn of_pytorch(
        path: &Path,
        from: &Origin,
        given: &Given,
        device: &Device,
        output: Output,
    ) -> Result<Self, Box<dyn Error>> {
        let because = "a PyTorch file belongs to no run";
        given.refuse(&[Idle { when: true, flags: &["run"], because }])?;
        if from.model.is_dense() {
            let because = "PyTorch files are of ResNets";
            return Err(given.refusal("family", "that of a ResNet", because).into());
        }
        given.refuse(&from.model.idle())?;
        let images = match &from.test {
            Some(dir) => Images::Folder(Folder { flag: "test", dir, grayscale: from.grayscale }),
            None => Images::Named(from.model.dataset),
        };
        given.refuse(&images.idle())?;
        let test = images.test(&from.source, None)?;
        say_skipped(&test, output)?;
        let about = match images {
            Images::Named(set) => set.about(),
            Images::Folder(_) => About::of(&test),
        };
        let config = from.model.res_net(&about)?;
        let (model, report) = config.try_init(device)?.import_pytorch(path)?;
        output.say(format_args!("{}: {report}", path.display()))?;
        let (own, asked) = (&report.normalization, &config.normalize);
        let from_file = report.normalization_from.is_some();
        if from_file && given.has("normalization") && own != asked {
            return Err(given.refusal("normalization", own, "the file brings its own").into());
        }
        Ok(Self {
            model: Network::ResNet(model),
            silent: !config.is_stochastic(),
            config: config.into(),
            test,
            name: path.display().to_string(),
            run: None,
            history: Vec::new(),
            trained: None,
        })
    }
}

/// The folder for what is measured of a checkpoint, unless told otherwise: within its run, or here
/// for a PyTorch file and for weights by name, by that name.
pub fn folder_for(of: &str, checkpoint: &Checkpoint) -> PathBuf {
    match &checkpoint.run {
        Some(run) => run.join(of),
        None => {
            let path = Path::new(&checkpoint.name);
            let file = if path.extension().is_some_and(is_pytorch) {
                path.file_stem()
            } else {
                path.file_name()
            };
            format!("{}-{of}", file.unwrap_or_default().display()).into()
        }
    }
}

/// Refuses a test set whose labels mean something else than those of the training.
pub fn same_classes(test: &ImageData, classes: &[String], model: &str) -> Result<(), DataError> {
    let longest = classes.len().max(test.classes().len());
    let differs = |&i: &usize| classes.get(i) != test.classes().get(i);
    match (0..longest).find(differs) {
        // Checkpoints of other makes do not say.
        Some(position) if !classes.is_empty() => Err(DataError::Classes {
            name: test.name().to_string(),
            reference: format!("the training of {model}"),
            position,
            got: test.classes().get(position).cloned(),
            wanted: classes.get(position).cloned(),
        }),
        _ => Ok(()),
    }
}
