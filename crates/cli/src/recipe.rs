//! The recipe of a training, and what flags change of it. One file: each change, and the training
//! that all of them give.

use crate::given::{Given, Idle};
use crate::model::{Kind, ModelFlags, without_foreign};
use crate::output::Output;
use crate::proportion::Proportion;
use crate::threat::trained_against;
use crate::values::{count, epsilon};
use clap::Args;
use cni_burn::attacks::{Norm, attack_from_spec};
use cni_burn::data::Augmentation;
use cni_burn::data::reading::read;
use cni_burn::noise::nearest_name;
use cni_burn::prelude::*;
use cni_burn::training::{Recipe, RecipeError};
use serde_json::{Map, Value, json};
use std::error::Error;
use std::path::{Path, PathBuf};

/// The flags of a recipe.
#[derive(Args)]
pub struct RecipeFlags {
    /// Recipe: a name of `cni recipes`, or a TOML file. A run that is resumed goes on with its own.
    #[arg(long, default_value = "fast-noise")]
    pub recipe: PathBuf,
    /// Setting of the recipe to change, such as epochs=30 or objective.attack.steps=10; an empty
    /// value gives it its default. May be given several times.
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Number of epochs, in place of the recipe's.
    #[arg(long, value_parser = count)]
    pub epochs: Option<usize>,
    /// Examples of a batch, in place of the recipe's.
    #[arg(long, value_parser = count)]
    pub batch: Option<usize>,
    /// Largest change of a pixel in training, in place of the recipe's: a fraction such as 8/255,
    /// or a number.
    #[arg(long, value_parser = epsilon)]
    pub epsilon: Option<f64>,
    /// Element type in which convolutions and linear layers multiply, in place of the recipe's:
    /// full, bf16 or f16. The rest is in full precision, and so is validation. What a CPU does for
    /// bf16, `cni info` says and CNI_HALF_PRECISION chooses; f16 is slow there.
    #[arg(long)]
    pub precision: Option<Precision>,
}

/// A recipe with everything that flags change of it.
pub struct Resolved {
    pub recipe: Recipe,
    pub model: ModelFlags,
    pub training: TrainingConfig,
    /// The sentence about milestones that the training does not come to.
    late: Option<String>,
}

impl RecipeFlags {
    /// The recipe that the flags describe, with the model that its own flags describe. `run` is the
    /// folder of a run that goes on.
    ///
    /// # Errors
    ///
    /// A sentence that names the flag or the field, what was got and what was wanted.
    pub fn resolve(
        &self,
        model: &ModelFlags,
        given: &Given,
        run: Option<&Path>,
    ) -> Result<Resolved, Box<dyn Error>> {
        let base = self.base(given, run)?;
        let mut recipe = base.clone();
        for set in &self.set {
            let Some((path, value)) = set.split_once('=') else {
                let wanted = "PATH=VALUE, such as epochs=30";
                return Err(format!("--set: got {set}, wanted {wanted}").into());
            };
            recipe = recipe.with(path, value)?;
        }
        let flags = [
            ("epochs", self.epochs.map(|epochs| epochs.to_string())),
            ("batch_size", self.batch.map(|batch| batch.to_string())),
            ("precision", self.precision.map(|precision| precision.to_string())),
        ];
        for (path, value) in flags {
            if let Some(value) = value {
                recipe = recipe.with(path, &value)?;
            }
        }
        let fields = fields_of(model)?;
        for (field, value) in &fields {
            if field != "dataset" && given.has(&field.replace('_', "-")) {
                recipe = recipe.with(&format!("model.{field}"), &value.to_string())?;
            }
        }
        recipe = without_foreign(recipe, &base, given)?;
        let model = model_of(&recipe, fields)?;
        let proportion = Proportion::of(&base, &recipe);
        if let (Err(error), Some(proportion)) = (recipe.training(), &proportion)
            && proportion.helps()
        {
            return Err(format!("{error}; {proportion}").into());
        }
        let training = self.at_epsilon(&recipe)?;
        let late = proportion.and_then(|proportion| proportion.late(&training));
        Ok(Resolved { recipe, model, training, late })
    }

    /// The recipe before any flag changes it.
    fn base(&self, given: &Given, run: Option<&Path>) -> Result<Recipe, Box<dyn Error>> {
        // By its name, the recipe of a run is the one that it keeps, with what was changed of it.
        let of_run = run.map(recipe_of_run).transpose()?.flatten();
        let own =
            |recipe: &Recipe| !given.has("recipe") || self.recipe.to_str() == Some(recipe.name());
        if let Some(recipe) = of_run.filter(own) {
            return Ok(recipe);
        }
        Ok(named(&self.recipe)?)
    }

    /// Refuses settings of the model that others leave without effect, by `--set` as by a flag.
    pub fn refuse_idle(&self, idle: &[Idle]) -> Result<(), String> {
        for set in &self.set {
            let Some((path, value)) = set.split_once('=') else { continue };
            let Some(field) = path.trim().strip_prefix("model.") else { continue };
            let flag = field.replace('_', "-");
            let without = |idle: &&Idle| idle.when && idle.flags.contains(&flag.as_str());
            if let Some(Idle { because, .. }) = idle.iter().find(without) {
                let got = format!("--set model.{field}: got {}", value.trim());
                return Err(format!("{got}, wanted it left out, since {because}"));
            }
        }
        Ok(())
    }

    /// The training with all attacks at the radius asked for.
    fn at_epsilon(&self, recipe: &Recipe) -> Result<TrainingConfig, Box<dyn Error>> {
        let training = recipe.training()?;
        let Some(epsilon) = self.epsilon else { return Ok(training) };
        let refused = |wanted: &str, because: &str| {
            Err(format!("--epsilon: got {epsilon}, wanted {wanted}, since {because}").into())
        };
        if let Some(set) = recipe.changed().find(|path| path.ends_with("epsilon")) {
            return refused("it left out", &format!("--set has {set}"));
        }
        let mut settings = serde_json::to_value(&training)?;
        // A training attack may reach beyond the radius that the training is for, as N-FGSM's does.
        let judged = training.validation_attack.as_deref().map(|attack| attack.threat());
        let Some(threat) = judged.or_else(|| trained_against(&json!({ "config": settings })))
        else {
            let because = format!("the recipe {} attacks nothing", recipe.name());
            return refused("it left out", &because);
        };
        if threat.norm() != Norm::Linf {
            let because = format!("the recipe {} is against {threat}", recipe.name());
            return refused("it left out, and --set in its place", &because);
        }
        let factor = epsilon / threat.epsilon();
        scale_epsilon(&mut settings, &|radius| match radius == threat.epsilon() {
            true => epsilon,
            false => factor * radius,
        })?;
        Ok(serde_json::from_value(settings)?)
    }
}

impl Resolved {
    /// Leaves mirror images out of the training's augmentation.
    pub fn without_flips(&mut self) {
        let all = std::mem::take(&mut self.training.augment);
        self.training.augment = all.into_iter().filter_map(unmirrored).collect();
    }

    /// The recipe as it is trained: with every setting, that of the model too. What is said about
    /// the one that it began as no longer holds if a setting has changed.
    pub fn recipe(&self) -> Result<Recipe, Box<dyn Error>> {
        let mut model = fields_of(&self.model)?;
        model.retain(|field, value| field != "dataset" && !value.is_null());
        let recipe = self.recipe.with_training(&self.training)?.with_model(model);
        let begun = TrainingConfig { key: self.training.key, ..self.recipe.training()? };
        let changed = self.recipe.changed().next().is_some()
            || serde_json::to_value(begun)? != serde_json::to_value(&self.training)?;
        Ok(match changed {
            true => recipe.with_about(&format!("{} with other settings.", recipe.name())),
            false => recipe,
        })
    }

    /// Says what was chosen.
    pub fn say(&self, classes: usize, output: Output) -> std::io::Result<()> {
        let Self { recipe, training, late, .. } = self;
        output.say(format_args!("recipe {}: {}", recipe.name(), recipe.about()))?;
        let changed: Vec<&str> = recipe.changed().collect();
        if !changed.is_empty() {
            output.say(format_args!("changed: {}", changed.join(", ")))?;
        }
        let (epochs, precision) = (training.epochs, training.precision);
        let passes = training.passes(classes, self.model.noise.noise != Kind::None);
        output.say(format_args!(
            "{epochs} epochs of {passes} passes an image, precision {precision}"
        ))?;
        let specs = |all: &[Augmentation]| all.iter().map(Augmentation::spec).collect::<Vec<_>>();
        let begun = recipe.training();
        // No flag of a recipe changes its augmentation but that which leaves out mirror images.
        if begun.is_ok_and(|begun| specs(&begun.augment) != specs(&training.augment)) {
            output.say("augmentation without mirror images")?;
        }
        late.iter().try_for_each(|late| output.say(format_args!("warning: {late}")))
    }
}

/// True for a recipe that is given by the path of its file, and not by its name.
pub fn is_file(recipe: &Path) -> bool {
    recipe.extension().is_some() || recipe.components().count() > 1
}

/// The recipe of this name, or in this file.
pub fn named(recipe: &Path) -> Result<Recipe, RecipeError> {
    match recipe.to_str() {
        Some(name) if !is_file(recipe) => Recipe::named(name),
        _ => Recipe::load(recipe),
    }
}

/// The recipe that a run or published weights were begun with, if there is one.
pub fn recipe_of_run(run: &Path) -> Result<Option<Recipe>, RecipeError> {
    let path = run.join("recipe.toml");
    path.exists().then(|| Recipe::load(path)).transpose()
}

/// The fields of the model that flags describe, by the names of recipes.
fn fields_of(model: &ModelFlags) -> serde_json::Result<Map<String, Value>> {
    serde_json::to_value(model).map(|fields| fields.as_object().cloned().unwrap_or_default())
}

/// The model of a recipe. What the recipe does not tell is as the flags have it.
fn model_of(recipe: &Recipe, flags: Map<String, Value>) -> Result<ModelFlags, String> {
    let mut fields = flags;
    for (field, value) in recipe.model() {
        if field == "dataset" || !fields.contains_key(&field) {
            let known: Vec<&str> =
                fields.keys().map(String::as_str).filter(|name| *name != "dataset").collect();
            let hint = nearest_name(&field, known.iter().copied());
            let hint = hint.map_or(String::new(), |name| format!("; the nearest is {name}"));
            let (name, known) = (recipe.name(), known.join(", "));
            return Err(format!("{name}: model: got {field}, wanted one of {known}{hint}"));
        }
        fields.insert(field, value);
    }
    let model: ModelFlags =
        read(fields.into()).map_err(|reason| format!("{}: model: {reason}", recipe.name()))?;
    if model.noise.place.is_empty() && model.noise.noise != Kind::None {
        let wanted = "at least one place, or the noise none";
        return Err(format!("{}: model: place: got none, wanted {wanted}", recipe.name()));
    }
    Ok(model)
}

/// Gives each attack among some settings another radius, a function of its own.
fn scale_epsilon(settings: &mut Value, scaled: &dyn Fn(f64) -> f64) -> Result<(), Box<dyn Error>> {
    if settings["attack"].is_string() && settings["threat"].is_object() {
        let attack = attack_from_spec(settings)?;
        let epsilon = scaled(attack.threat().epsilon());
        *settings = attack.with_knob(Knob::Epsilon(epsilon))?.spec();
        return Ok(());
    }
    // Free adversarial training has a threat without an attack.
    if let Ok(threat) = serde_json::from_value::<Threat>(settings["threat"].clone()) {
        let epsilon = scaled(threat.epsilon());
        if let Some(step) = settings["step_size"].as_f64() {
            settings["step_size"] = (step * epsilon / threat.epsilon()).into();
        }
        settings["threat"] = serde_json::to_value(Threat::new(threat.norm(), epsilon)?)?;
        return Ok(());
    }
    match settings {
        Value::Object(fields) => {
            fields.values_mut().try_for_each(|value| scale_epsilon(value, scaled))
        }
        Value::Array(all) => all.iter_mut().try_for_each(|value| scale_epsilon(value, scaled)),
        _ => Ok(()),
    }
}

/// An augmentation without its mirroring; `None` if nothing else is left of it.
fn unmirrored(augmentation: Augmentation) -> Option<Augmentation> {
    let spec = augmentation.spec();
    match spec["augmentation"].as_str() {
        Some("flip") => None,
        Some("crop_flip") => {
            let spec = json!({ "augmentation": "crop", "padding": spec["padding"] });
            serde_json::from_value(spec).ok()
        }
        _ => Some(augmentation),
    }
}
