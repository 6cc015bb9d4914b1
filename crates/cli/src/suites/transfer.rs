//! Transfers from another model, or from the attacked model in another state.

use super::entry::attack_of;
use crate::checkpoint::same_classes;
use crate::data::About;
use crate::model::config_of_run;
use burn::tensor::Device;
use cni_burn::data::ImageData;
use cni_burn::layers::models::Network;
use cni_burn::prelude::*;
use cni_burn::training::{CheckpointSelector, checkpoint_info, load_checkpoint};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

/// The model itself with one draw of its noise held, as `from` says it.
const HELD: &str = "itself, held";

/// The model itself with its noise off.
const OFF: &str = "itself, off";

/// The target of attacks: the threat, the model that they meet, and its images.
pub struct Target<'a> {
    pub threat: Threat,
    pub model: &'a Network,
    /// True if the model has noise, and has it switched off. Without noise it is itself in every
    /// state.
    pub noise_off: bool,
    pub images: &'a ImageData,
    pub device: &'a Device,
    /// The key of a draw that is held.
    pub key: Key,
}

/// A transfer as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenTransfer {
    /// The folder of a run or of published weights; or the model itself, with its noise held or
    /// off.
    from: String,
    /// The attack on that model.
    pub of: Map<String, Value>,
    candidates: Option<usize>,
    draws: Option<usize>,
}

impl WrittenTransfer {
    /// The transfer to a model.
    pub fn attack(self, target: &Target) -> Result<Arc<dyn Attack>, Box<dyn Error>> {
        let Self { from, of, candidates, draws } = self;
        let of = attack_of(&of, target.threat)?;
        if target.noise_off && (from == HELD || from == OFF) {
            let wanted = "another model, since --noise-off has switched off the noise of this one";
            return Err(format!("from: got {from:?}, wanted {wanted}").into());
        }
        let itself = || FrozenModel::new(target.model, Network::forward);
        let transfer = if from == HELD {
            Transfer::from_held(itself(), target.key, of)
        } else if from == OFF {
            Transfer::from_noise_off(itself(), of)
        } else {
            let model = surrogate(Path::new(&from), target).map_err(|error| {
                let wanted = format!("a run's folder, {HELD:?} or {OFF:?}");
                format!("from: got {from:?}, wanted {wanted}: {error}")
            })?;
            // Keys derive from the name: it is that of the weights, wherever they lie.
            let name = ModelCard::fingerprint_of(&model)[..8].to_string();
            Transfer::of(name, FrozenModel::new(&model, Network::forward), of)
        };
        let transfer = match candidates {
            Some(candidates) => transfer.with_candidates(candidates)?,
            None => transfer,
        };
        let transfer = match draws {
            Some(draws) => transfer.with_draws(draws)?,
            None => transfer,
        };
        transfer.check()?;
        Ok(Arc::new(transfer))
    }
}

/// The best model of a run, or published weights, for images and classes like those of the attacked
/// model.
fn surrogate(run: &Path, target: &Target) -> Result<Network, Box<dyn Error>> {
    let best = CheckpointSelector::Best;
    let config = config_of_run(run, best)?;
    let (theirs, ours) = (About::of_model(&config), About::of(target.images));
    for (field, theirs, ours) in [
        ("shape of an image", format!("{:?}", theirs.shape), format!("{:?}", ours.shape)),
        ("classes", theirs.classes.to_string(), ours.classes.to_string()),
    ] {
        if theirs != ours {
            return Err(format!("{field}: got {theirs}, wanted {ours}").into());
        }
    }
    same_classes(target.images, &checkpoint_info(run, best)?.classes, &run.to_string_lossy())?;
    Ok(load_checkpoint(config.try_init(target.device)?, run, best)?.0)
}
