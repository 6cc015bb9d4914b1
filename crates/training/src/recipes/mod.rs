//! The recipes: trainings as files that a user reads, changes and passes on.

mod built_in;
mod check;
mod error;
mod length;
mod tree;

pub use error::RecipeError;

use crate::TrainingConfig;
use serde_json::{Map, Value};
use std::path::Path;
use tree::{Tree, settings_of, to_toml};

/// The version of the format of recipe files.
const FORMAT: u64 = 1;

/// The fields of a recipe that are no settings of the training.
const ABOUT: [&str; 6] = ["recipe", "name", "about", "source", "published", "model"];

/// A recipe: the settings of a training and of its model, as a TOML file.
///
/// The file has the version of the format, `recipe = 1`, then who it is and where it comes from,
/// the settings of the model in a table `model`, and the fields of a [`TrainingConfig`]. A number
/// outside that table may be a fraction in quotes.
///
/// ```
/// use cni_training::Recipe;
/// let recipe: Recipe = r#"
///     recipe = 1
///     name = "two-steps"
///     about = "Adversarial training with two steps of PGD."
///     source = "arXiv 1706.06083"
///     epochs = 30
///     schedule = { cosine = { lr = 0.1, min_lr = 0.0 } }
///
///     [objective]
///     objective = "madry"
///     attack = { attack = "pgd", threat = { norm = "linf", epsilon = "8/255" }, steps = 2 }
///
///     [model]
///     depth = 20
/// "#
/// .parse()?;
/// assert_eq!(recipe.training()?.epochs, 30);
/// let shorter = recipe.with("epochs", "10")?;
/// assert_eq!(shorter.training()?.epochs, 10);
/// # Ok::<(), cni_training::RecipeError>(())
/// ```
///
/// The recipes of published trainings are built in: [`named`](Self::named), [`names`](Self::names).
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    tree: Tree,
    /// The paths that [`with`](Self::with) has set, and their texts.
    set: Vec<(String, String)>,
}

impl Recipe {
    /// The built-in recipe of this name.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Name`] for a name that no recipe has.
    pub fn named(name: &str) -> Result<Self, RecipeError> {
        Self::text_of(name)?.parse()
    }

    /// The file of the built-in recipe of this name, with its comments.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Name`] for a name that no recipe has.
    pub fn text_of(name: &str) -> Result<&'static str, RecipeError> {
        built_in::text(name).ok_or_else(|| RecipeError::name(name, built_in::NAMES))
    }

    /// The names of the built-in recipes.
    pub const fn names() -> &'static [&'static str] {
        built_in::NAMES
    }

    /// The recipe in a TOML file.
    ///
    /// # Errors
    ///
    /// [`RecipeError`] for a file that cannot be read, is no TOML, or has a field or value that is
    /// not known.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, RecipeError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|error| RecipeError::File { path: path.to_path_buf(), error })?;
        text.parse().map_err(|error: RecipeError| error.within(path))
    }

    /// The recipe of a training that is built in code, for a model with these settings.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Field`] for a training that has no form as a file, such as one with a custom
    /// rule.
    pub fn of(
        name: &str,
        training: &TrainingConfig,
        model: Map<String, Value>,
    ) -> Result<Self, RecipeError> {
        let mut tree = Map::from_iter([
            ("recipe".to_string(), FORMAT.into()),
            ("name".to_string(), name.into()),
            ("model".to_string(), model.into()),
        ]);
        tree.extend(settings_of(training)?);
        let recipe = Self { tree: Tree(tree), set: Vec::new() };
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe with one setting changed, by the path that leads to it, such as `epochs` or
    /// `objective.attack.steps`. The value is written as in TOML; a text needs no quotes. An empty
    /// value takes the setting away, so that it has its default. Whether the settings make sense
    /// together, [`training`](Self::training) tells once all of them are set.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Contradiction`] if the path, or one that it leads through, was set to
    /// something else before, and [`RecipeError::Field`] for a path that leads nowhere, or to what
    /// is no setting, such as the name.
    pub fn with(&self, path: &str, value: &str) -> Result<Self, RecipeError> {
        let leads = |a: &str, b: &str| a == b || b.starts_with(&format!("{a}."));
        let clash = self.set.iter().find(|(before, was)| {
            (leads(before, path) || leads(path, before)) && (before != path || was != value)
        });
        if let Some((before, was)) = clash {
            let [first, second] =
                [(before.as_str(), was.as_str()), (path, value)].map(|(p, v)| format!("{p}={v}"));
            return Err(RecipeError::Contradiction { first, second });
        }
        let first = path.split('.').next().unwrap_or_default();
        if ABOUT.contains(&first) && first != "model" {
            let reason = format!("{first}: got {value}, wanted a setting of the training");
            return Err(RecipeError::field(self.name(), reason));
        }
        let mut recipe = self.clone();
        recipe.tree.set(path, value)?;
        recipe.check_kinds()?;
        recipe.set.push((path.to_string(), value.to_string()));
        Ok(recipe)
    }

    /// The recipe with another training, and nothing of it from [`with`](Self::with).
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn with_training(&self, training: &TrainingConfig) -> Result<Self, RecipeError> {
        let mut tree = self.tree.0.clone();
        tree.retain(|field, _| ABOUT.contains(&field.as_str()));
        tree.extend(settings_of(training)?);
        Ok(Self { tree: Tree(tree), set: Vec::new() })
    }

    /// The recipe with these settings of the model.
    pub fn with_model(&self, model: Map<String, Value>) -> Self {
        let mut recipe = self.clone();
        recipe.tree.0.insert("model".to_string(), model.into());
        recipe
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// What it is for, in a sentence.
    pub fn about(&self) -> &str {
        self.text("about")
    }

    /// The recipe with another sentence about it.
    pub fn with_about(&self, about: &str) -> Self {
        let mut recipe = self.clone();
        recipe.tree.0.insert("about".to_string(), about.into());
        recipe
    }

    /// Where it comes from: a paper, a program.
    pub fn source(&self) -> &str {
        self.text("source")
    }

    /// The published numbers of such trainings, each with its source.
    pub fn published(&self) -> Vec<&str> {
        let all = self.tree.0.get("published").and_then(Value::as_array);
        all.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The settings of the model, for whoever builds it.
    pub fn model(&self) -> Map<String, Value> {
        self.tree.0.get("model").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// The paths that [`with`](Self::with) has set, in their order.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        self.set.iter().map(|(path, _)| path.as_str())
    }

    /// The training, with the default key.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Field`] for a field that is not known, a value that it may not have, and
    /// settings that make no sense together.
    pub fn training(&self) -> Result<TrainingConfig, RecipeError> {
        let mut fields = self.tree.0.clone();
        fields.retain(|field, _| !ABOUT.contains(&field.as_str()));
        let training = self.tree.read(fields)?;
        training.check().map_err(|error| RecipeError::field(self.name(), error))?;
        Ok(training)
    }

    /// The text of the recipe as a TOML file.
    pub fn to_toml(&self) -> String {
        to_toml(&self.tree.0)
    }

    fn text(&self, field: &str) -> &str {
        self.tree.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

impl std::str::FromStr for Recipe {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Self, RecipeError> {
        let recipe = Self { tree: Tree::parse(text)?, set: Vec::new() };
        recipe.check()?;
        Ok(recipe)
    }
}
