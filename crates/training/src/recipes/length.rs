//! The settings of a recipe that count epochs.

use super::{ABOUT, Recipe};
use serde_json::Value;

/// The own length of a recipe, and that of a run by it.
#[derive(Clone, Copy)]
struct Lengths {
    own: usize,
    run: usize,
}

impl Lengths {
    /// A number of epochs in proportion, at least `least` and at most `most`.
    fn scaled(self, epochs: u64, least: usize, most: usize) -> usize {
        let share = epochs as f64 / self.own as f64;
        ((share * self.run as f64).round() as usize).clamp(least, most.max(least))
    }
}

impl Recipe {
    /// The number of epochs, if the recipe has a whole number there.
    pub fn epochs(&self) -> Option<usize> {
        self.tree.0.get("epochs").and_then(Value::as_u64).map(|epochs| epochs as usize)
    }

    /// The settings that count epochs, as a run of so many has them in proportion: the path of
    /// each and its value, written for [`with`](Self::with). They are the first epochs of attacks,
    /// rules and averages, ramps of a radius, and the milestones of a schedule that moves by epoch.
    ///
    /// The published training is the one at the recipe's own length: a shorter one in proportion is
    /// a choice, which [`with`](Self::with) leaves to its caller.
    ///
    /// ```
    /// use cni_training::Recipe;
    /// let recipe = Recipe::named("dajat-ramp")?;
    /// let shorter = recipe.in_proportion(22);
    /// let wanted = [("gradient.start_epoch", "2"), ("objective.epsilon_ramp.epochs", "22")];
    /// assert_eq!(shorter, wanted.map(|(path, value)| (path.to_string(), value.to_string())));
    /// # Ok::<(), cni_training::RecipeError>(())
    /// ```
    pub fn in_proportion(&self, epochs: usize) -> Vec<(String, String)> {
        let own = self.epochs().unwrap_or(0);
        if own == 0 || epochs == 0 {
            return Vec::new();
        }
        let (lengths, mut found) = (Lengths { own, run: epochs }, Vec::new());
        let fields = self.tree.0.iter().filter(|(field, _)| !ABOUT.contains(&field.as_str()));
        fields.for_each(|(field, value)| count(field, value, lengths, &mut found));
        found.sort();
        found
    }
}

/// Adds the settings at a path that count epochs.
fn count(path: &str, value: &Value, lengths: Lengths, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            let number = |field: &str| fields.get(field).and_then(Value::as_u64);
            let start = number("start_epoch").filter(|start| *start > 0);
            let start = start.map(|start| lengths.scaled(start, 0, lengths.run - 1));
            if let Some(start) = start {
                found.push((format!("{path}.start_epoch"), start.to_string()));
            }
            let ramp = fields.get("epsilon_ramp").and_then(|ramp| ramp.get("epochs")?.as_u64());
            if let Some(ramp) = ramp {
                let ramp = lengths.scaled(ramp, 1, lengths.run - start.unwrap_or(0));
                found.push((format!("{path}.epsilon_ramp.epochs"), ramp.to_string()));
            }
            let by_epoch = fields.get("by").is_none_or(|by| by == "epoch");
            let milestones = fields.get("milestones").and_then(Value::as_array);
            if let Some(milestones) = milestones.filter(|all| by_epoch && !all.is_empty()) {
                let scaled = milestones.iter().filter_map(Value::as_u64);
                let scaled = scaled.map(|epoch| lengths.scaled(epoch, 1, usize::MAX));
                // One that falls on the end of the run, or on another, is none.
                let mut scaled: Vec<usize> = scaled.filter(|epoch| *epoch < lengths.run).collect();
                scaled.dedup();
                let text: Vec<String> = scaled.iter().map(usize::to_string).collect();
                found.push((format!("{path}.milestones"), format!("[{}]", text.join(", "))));
            }
            for (field, value) in fields {
                count(&format!("{path}.{field}"), value, lengths, found);
            }
        }
        Value::Array(all) => {
            for (i, value) in all.iter().enumerate() {
                count(&format!("{path}.{i}"), value, lengths, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_all(recipe: &Recipe, epochs: usize) -> Recipe {
        let shorter = recipe.with("epochs", &epochs.to_string()).unwrap();
        let settings = recipe.in_proportion(epochs);
        settings.iter().fold(shorter, |recipe, (path, value)| recipe.with(path, value).unwrap())
    }

    #[test]
    fn every_recipe_has_any_length_in_proportion() {
        for name in Recipe::names() {
            let recipe = Recipe::named(name).unwrap();
            let own = recipe.epochs().unwrap();
            for epochs in [1, 2, 3, 7, 20, own, 2 * own] {
                with_all(&recipe, epochs).training().unwrap_or_else(|error| panic!("{error}"));
            }
            // At its own length nothing changes.
            let [same, whole] = [with_all(&recipe, own), recipe.clone()];
            let settings = |of: &Recipe| serde_json::to_value(of.training().unwrap()).unwrap();
            assert_eq!(settings(&same), settings(&whole), "{name}");
        }
    }

    #[test]
    fn first_epochs_ramps_and_milestones_keep_their_share_of_the_run() {
        let recipe = Recipe::named("reference-pni").unwrap();
        let of = |epochs| {
            let all = recipe.in_proportion(epochs);
            all.iter().map(|(path, value)| format!("{path}={value}")).collect::<Vec<_>>()
        };
        let milestones = |epochs: &str| format!("schedule.multi_step.milestones={epochs}");
        assert_eq!(of(32), ["objective.start_epoch=1".to_string(), milestones("[16, 24]")]);
        assert_eq!(of(2), ["objective.start_epoch=0".to_string(), milestones("[1]")]);
        assert_eq!(of(1), ["objective.start_epoch=0".to_string(), milestones("[]")]);
        // A schedule by step counts no epochs, and a ramp ends within the run.
        let by_step = recipe.with("schedule.multi_step.by", "step").unwrap();
        assert_eq!(by_step.in_proportion(32).len(), 1);
        let ramped = recipe.with("objective.epsilon_ramp.epochs", "155").unwrap();
        let ramp = ramped.in_proportion(3).into_iter().find(|(path, _)| path.contains("ramp"));
        assert_eq!(ramp.unwrap().1, "3");
        let late = ramped.with("objective.start_epoch", "100").unwrap();
        let found = late.in_proportion(4);
        let value = |of: &str| found.iter().find(|(path, _)| path.ends_with(of)).unwrap().1.clone();
        assert_eq!((value("start_epoch"), value("ramp.epochs")), ("3".into(), "1".into()));
    }
}
