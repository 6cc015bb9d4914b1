//! The check of a recipe.

use super::{FORMAT, Recipe, RecipeError};
use serde_json::Value;

impl Recipe {
    /// Refuses what is no recipe.
    pub(super) fn check(&self) -> Result<(), RecipeError> {
        let got = self.tree.0.get("recipe");
        if got.and_then(Value::as_u64) != Some(FORMAT) {
            let got = got.map_or("nothing".to_string(), Value::to_string);
            let wanted = format!("{FORMAT}, the version of the format");
            let reason = format!("recipe: got {got}, wanted {wanted}");
            return Err(RecipeError::field(self.name(), reason));
        }
        if self.tree.0.contains_key("key") {
            let reason = "key: got one, wanted it left out: the key is that of the run";
            return Err(RecipeError::field(self.name(), reason));
        }
        self.check_kinds()?;
        self.training().map(drop)
    }

    /// Refuses what is said about a recipe, and a model, of the wrong kind.
    pub(super) fn check_kinds(&self) -> Result<(), RecipeError> {
        for (field, kind, wanted) in [
            ("name", Value::is_string as fn(&Value) -> bool, "a text"),
            ("about", Value::is_string, "a text"),
            ("source", Value::is_string, "a text"),
            ("published", is_texts, "a list of texts"),
            ("model", Value::is_object, "a table"),
        ] {
            if let Some(got) = self.tree.0.get(field).filter(|got| !kind(got)) {
                let reason = format!("{field}: got {got}, wanted {wanted}");
                return Err(RecipeError::field(self.name(), reason));
            }
        }
        Ok(())
    }
}

fn is_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|all| all.iter().all(Value::is_string))
}
