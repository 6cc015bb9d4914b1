//! The checks of a model and its data before the first step.

use super::progress::Progress;
use super::scope::seed;
use crate::history::{CLEAN, LOSS, ROBUST, ROBUST_LOSS};
use crate::parameters::{MIXING, layer_in_training};
use crate::{Devices, OverfittingWatch, TrainingConfig, TrainingError};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use cni_attacks::Attack;
use cni_data::{ImageData, Loader};
use cni_noise::{Key, Noise, scope};
use cni_ops::{Precision, autocast};

/// Examples that the model is shown.
const EXAMPLES: usize = 4;

/// The layers of Burn's that draw at random in training, all there are.
pub(super) const DRAWING: [&str; 3] = ["Dropout", "GaussianNoise", "RRelu"];

/// True if a run can begin on these devices and show its progress.
pub(crate) fn check_settings(
    config: &TrainingConfig,
    progress: Progress,
    devices: &Devices,
    loader: &Loader,
) -> Result<(), TrainingError> {
    let sizes = loader.batch_sizes(0)?;
    if !config.sampler.may_be_empty() {
        devices.check(config.batch_size, &sizes)?;
    } else if devices.len() > 1 {
        let got = format!("{} with the {}", devices.len(), config.sampler.label());
        let wanted = "one device, or a sampler whose batches are never empty";
        return Err(TrainingError::setting("devices", got, wanted));
    }
    if progress == Progress::Dashboard && !cfg!(feature = "tui") {
        let wanted = "lines or quiet, or a build with the feature `tui`";
        return Err(TrainingError::setting("progress", "dashboard", wanted));
    }
    if devices.len() > 1 && !config.gradient.is_additive() {
        let got = format!("{} with the {}", devices.len(), config.gradient.label());
        let wanted = "one device, or a gradient rule that is additive";
        return Err(TrainingError::setting("devices", got, wanted));
    }
    if devices.len() > 1 && config.objective.has_memory() {
        let got = format!("{} with the {}", devices.len(), config.objective.label());
        let wanted = "one device, or an objective without a memory";
        return Err(TrainingError::setting("devices", got, wanted));
    }
    let rules = config.gradient.rule().is_some() || !config.updates.is_empty();
    if !devices.share_optimizer() && (rules || config.average.is_some()) {
        let got = "ddp with a rule or an average";
        return Err(TrainingError::setting("devices", got, "multi, which has one optimizer"));
    }
    if !config.precision.works_on(devices.first()) {
        let wanted = "an element type that the device computes in";
        return Err(TrainingError::setting("precision", config.precision, wanted));
    }
    Ok(())
}

/// True if training and validation data are of one kind, and whether there is a validation for the
/// settings that need one.
pub(crate) fn check_data(
    train: &ImageData,
    validation: Option<&ImageData>,
    config: &TrainingConfig,
    metrics: &[String],
) -> Result<(), TrainingError> {
    let Some(validation) = validation else {
        let needs = [
            ("validation_attack", config.validation_attack.is_some()),
            ("early_stopping", config.early_stopping.is_some()),
            ("metric", !metrics.is_empty()),
        ];
        return match needs.into_iter().find(|(_, needs)| *needs) {
            Some((field, _)) => {
                let wanted = "a validation set, by Trainer::with_validation";
                Err(TrainingError::setting(field, "no validation set", wanted))
            }
            None if train.is_empty() => {
                Err(TrainingError::setting("train", "no examples", "at least one"))
            }
            None => Ok(()),
        };
    };
    for (i, name) in metrics.iter().enumerate() {
        let known = ["loss", "clean", "robust", "robust_loss", LOSS, CLEAN, ROBUST, ROBUST_LOSS];
        if known.contains(&name.as_str()) || metrics[..i].contains(name) {
            return Err(TrainingError::setting("metric", name, "a name of its own"));
        }
    }
    for (field, data) in [("train", train), ("validation", validation)] {
        if data.is_empty() {
            return Err(TrainingError::setting(field, "no examples", "at least one"));
        }
    }
    if train.image_shape() != validation.image_shape() {
        let got = format!("{:?} beside {:?}", validation.image_shape(), train.image_shape());
        let wanted = "images of the shape of the training set's";
        return Err(TrainingError::setting("validation", got, wanted));
    }
    let (ours, theirs) = (validation.classes(), train.classes());
    if ours == theirs {
        return Ok(());
    }
    let differs = ours.iter().zip(theirs).position(|(a, b)| a != b);
    let got = match differs {
        Some(i) => format!("class {i} {:?} beside {:?}", ours[i], theirs[i]),
        None => format!("{} classes beside {}", ours.len(), theirs.len()),
    };
    let wanted = "the training set's list of classes";
    Err(TrainingError::setting("validation", got, wanted))
}

/// The properties that a model shows in inference.
pub(crate) struct Probe {
    /// True if its outputs depend on the noise scope or the device's generator.
    pub noisy: bool,
    /// Its outputs for an image.
    pub outputs: usize,
}

/// Refuses a model without an output for each class, in inference.
///
/// It may have more outputs than there are classes. Noise that starts at zero shows in no output,
/// so what a model announces counts beside this: see [`has_noise`](crate::parameters::has_noise).
pub(crate) fn probe(
    logits: impl Fn(Tensor<4>) -> Tensor<2>,
    train: &ImageData,
    device: &Device,
    key: Key,
) -> Result<Probe, TrainingError> {
    let rows = 0..train.len().min(EXAMPLES);
    let (images, _) = train.batch(rows.clone(), device)?;
    let pass = |draw| {
        let key = key.child(draw);
        seed(device, key);
        let logits =
            autocast(Precision::Full, || scope(Noise::Keyed(key), || logits(images.clone())));
        let shape = logits.dims();
        let bits = logits.into_data().convert::<f32>();
        (shape, bits.as_bytes().to_vec())
    };
    let (shape, first) = pass(0);
    let [given, outputs] = shape;
    if given != rows.len() {
        let got = format!("logits of shape {shape:?} for {} images", rows.len());
        return Err(TrainingError::setting("forward", got, "a row of logits for each image"));
    }
    let classes = train.classes().len();
    if outputs < classes {
        let got = format!("{outputs} outputs for {classes} classes of data");
        return Err(TrainingError::setting("forward", got, "an output for each class"));
    }
    Ok(Probe { noisy: first != pass(1).1, outputs })
}

/// True if the attacks can run against so many outputs.
pub(crate) fn check_attacks(config: &TrainingConfig, outputs: usize) -> Result<(), TrainingError> {
    let of_objective = config.objective.attacks().into_iter().map(|attack| ("objective", attack));
    let of_validation = config.validation_attack.iter();
    let of_validation =
        of_validation.map(|attack| ("validation_attack", attack.as_ref() as &dyn Attack));
    let of_watch = config.overfitting.iter().flat_map(OverfittingWatch::attacks);
    for (field, attack) in of_objective.chain(of_validation).chain(of_watch) {
        if attack.min_classes() > outputs {
            let (name, least) = (attack.name(), attack.min_classes());
            let got = format!("{name} against {outputs} outputs, of which it wants {least}");
            let wanted = "an attack that has outputs enough";
            return Err(TrainingError::setting(field, got, wanted));
        }
    }
    Ok(())
}

/// Refuses a model that mixes the examples of a batch under a gradient rule that separates them.
pub(crate) fn check_examples<M: Module>(
    model: &M,
    config: &TrainingConfig,
) -> Result<(), TrainingError> {
    match layer_in_training(model, &MIXING).filter(|_| config.gradient.separates_examples()) {
        None => Ok(()),
        Some(layer) => {
            let got = format!("the {} for a model with {layer}", config.gradient.label());
            let wanted = "a model without batch statistics, or with frozen ones: they mix examples";
            Err(TrainingError::setting("gradient", got, wanted))
        }
    }
}

/// Refuses layers of Burn's that draw at random in training on several devices: see [`seed`].
pub(crate) fn check_layers<M: Module>(model: &M, devices: &Devices) -> Result<(), TrainingError> {
    if devices.parallel().is_none() {
        return Ok(());
    }
    match layer_in_training(model, &DRAWING) {
        None => Ok(()),
        Some(layer) => {
            let got = format!("{} for a model with {layer}", devices.len());
            let wanted = "one device: the layer draws from a generator that all devices share";
            Err(TrainingError::setting("devices", got, wanted))
        }
    }
}
