//! The built-in recipes.

use crate::exit::Exit;
use crate::output::Output;
use clap::Args;
use cni_burn::training::{Recipe, RecipeError};
use serde_json::{Value, json};
use std::error::Error;

/// The flags of `recipes`.
#[derive(Args)]
pub struct Recipes {
    /// Recipe to print as the TOML file that it is, to be changed and passed to `train --recipe`.
    name: Option<String>,
    #[command(flatten)]
    output: Output,
}

pub fn recipes(args: &Recipes) -> Result<Exit, Box<dyn Error>> {
    if let Some(name) = &args.name {
        let recipe = Recipe::named(name)?;
        args.output.say(Recipe::text_of(name)?.trim_end())?;
        args.output.result(&about(&recipe)?)?;
        return Ok(Exit::Done);
    }
    let mut all = Vec::new();
    for name in Recipe::names() {
        let recipe = Recipe::named(name)?;
        let told = about(&recipe)?;
        args.output.say(format_args!("{name}: {}", recipe.about()))?;
        let (epochs, passes) = (&told["epochs"], &told["passes_per_image_and_epoch"]);
        args.output.say(format_args!("    {epochs} epochs of {passes} passes an image"))?;
        args.output.say(format_args!("    source: {}", recipe.source()))?;
        for published in recipe.published() {
            args.output.say(format_args!("    published: {published}"))?;
        }
        all.push(told);
    }
    args.output.result(&all)?;
    Ok(Exit::Done)
}

/// A recipe in facts. The passes are those of a model of ten classes with the recipe's noise.
fn about(recipe: &Recipe) -> Result<Value, RecipeError> {
    let training = recipe.training()?;
    let noisy = recipe.model().get("noise").is_some_and(|noise| noise != "none");
    Ok(json!({
        "name": recipe.name(),
        "about": recipe.about(),
        "source": recipe.source(),
        "published": recipe.published(),
        "epochs": training.epochs,
        "passes_per_image_and_epoch": training.passes(10, noisy),
        "model": recipe.model(),
        "training": training,
    }))
}
