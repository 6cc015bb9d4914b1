//! The plan of an ablation: a file that says which runs there are. One file, because all of it is
//! the reading of that file.

use super::folders::folder_name;
use crate::recipe::is_file;
use cni_burn::data::reading::{from_toml, read};
use cni_burn::noise::nearest_name;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::error::Error;
use std::path::Path;

/// The version of the format of plans.
const FORMAT: u64 = 1;

/// The most runs of a plan: more than any machine finishes.
const MOST: usize = 10_000;

/// A plan as its file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The version of the format.
    plan: u64,
    name: String,
    recipe: String,
    seeds: Vec<u64>,
    /// The arm that the others are compared with; by default the first.
    baseline: Option<String>,
    /// Settings of the recipe, for every run.
    #[serde(default)]
    set: Map<String, Value>,
    /// Flags of `cni train` and of `cni evaluate`, for every run.
    #[serde(default)]
    train: Map<String, Value>,
    #[serde(default)]
    evaluate: Map<String, Value>,
    #[serde(rename = "arm")]
    arms: Vec<ArmOfFile>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArmOfFile {
    name: String,
    /// Settings of the recipe.
    #[serde(default)]
    set: Map<String, Value>,
    /// Lists of values of further settings: the arm stands for all of their combinations.
    #[serde(default)]
    grid: Map<String, Value>,
}

/// A plan: its arms and its runs.
#[derive(Clone, Debug)]
pub struct Plan {
    pub name: String,
    pub recipe: String,
    pub baseline: String,
    pub arms: Vec<PlanArm>,
    pub seeds: Vec<u64>,
    /// Flags of the two commands of a run.
    pub train: Vec<String>,
    pub evaluate: Vec<String>,
    /// Settings of the recipe for every run.
    pub set: Map<String, Value>,
}

/// An arm, with what it sets beside the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanArm {
    pub name: String,
    pub set: Map<String, Value>,
}

/// A run of a plan: an arm from a seed.
#[derive(Clone, Copy, Debug)]
pub struct PlanRun<'a> {
    /// The position among the runs.
    pub index: usize,
    pub arm: &'a PlanArm,
    pub seed: u64,
}

/// Flags of each run that are the plan's: it gives them itself, and judges the whole of what it has
/// trained.
const OWN: [&str; 13] = [
    "recipe",
    "set",
    "seed",
    "out",
    "resume",
    "run",
    "name",
    "json",
    "quiet",
    "force",
    "shard",
    "pretrained",
    "weights",
];

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    ///
    /// A sentence that names the file and the field, what was got and what was wanted.
    pub fn load(path: &Path) -> Result<Self, Box<dyn Error>> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        Self::parse(&text, path.parent()).map_err(|reason| format!("{name}: {reason}").into())
    }

    /// The plan in a TOML text. `folder` is that of its file.
    pub(super) fn parse(text: &str, folder: Option<&Path>) -> Result<Self, String> {
        read::<File>(Value::Object(from_toml(text)?))?.plan(folder)
    }

    /// All runs: for each seed all arms, so that every arm has its first seed before any has its
    /// second.
    pub fn runs(&self) -> impl Iterator<Item = PlanRun<'_>> {
        let all = self.seeds.iter().flat_map(|&seed| self.arms.iter().map(move |arm| (arm, seed)));
        all.enumerate().map(|(index, (arm, seed))| PlanRun { index, arm, seed })
    }
}

impl File {
    fn plan(self, folder: Option<&Path>) -> Result<Plan, String> {
        if self.plan != FORMAT {
            return Err(format!(
                "plan: got {}, wanted {FORMAT}, the version of the format",
                self.plan
            ));
        }
        if self.seeds.is_empty() {
            return Err("seeds: got none, wanted at least one".to_string());
        }
        if let Some(twice) = repeated(&self.seeds) {
            return Err(format!("seeds: got {twice} twice, wanted each once"));
        }
        let mut arms = Vec::new();
        for arm in &self.arms {
            arms.extend(arm.all()?);
        }
        let names: Vec<&str> = arms.iter().map(|arm: &PlanArm| arm.name.as_str()).collect();
        if let Some(twice) = repeated(&names) {
            return Err(format!("arm: got {twice} twice, wanted a name for each"));
        }
        let folders: Vec<String> = names.iter().map(|name| folder_name(name)).collect();
        if let Some(twice) = repeated(&folders) {
            return Err(format!("arm: got two names for the folder {twice}, wanted one for each"));
        }
        let Some(first) = names.first() else {
            return Err("arm: got none, wanted at least one run".to_string());
        };
        if arms.len().saturating_mul(self.seeds.len()) > MOST {
            let runs = arms.len().saturating_mul(self.seeds.len());
            return Err(format!("arm: got {runs} runs, wanted at most {MOST}"));
        }
        let baseline = self.baseline.unwrap_or_else(|| first.to_string());
        if !names.contains(&baseline.as_str()) {
            let hint = nearest_name(&baseline, names.iter().copied());
            let hint = hint.map_or(String::new(), |name| format!("; the nearest is {name}"));
            let names = names.join(", ");
            return Err(format!("baseline: got {baseline}, wanted one of {names}{hint}"));
        }
        let clash = |arm: &&PlanArm| arm.set.keys().any(|path| self.set.contains_key(path));
        if let Some(arm) = arms.iter().find(clash) {
            let path = arm.set.keys().find(|path| self.set.contains_key(*path));
            let path = path.map_or("", String::as_str);
            return Err(format!(
                "arm {}: got {path}, wanted it either there or in the plan's set",
                arm.name
            ));
        }
        Ok(Plan {
            recipe: beside(&self.recipe, folder),
            train: flags("train", &self.train)?,
            evaluate: flags("evaluate", &self.evaluate)?,
            name: self.name,
            baseline,
            arms,
            seeds: self.seeds,
            set: self.set,
        })
    }
}

impl ArmOfFile {
    /// The arms that this one stands for.
    fn all(&self) -> Result<Vec<PlanArm>, String> {
        let mut all = vec![PlanArm { name: self.name.clone(), set: self.set.clone() }];
        for (path, values) in &self.grid {
            if self.set.contains_key(path) {
                let name = &self.name;
                return Err(format!("arm {name}: got {path} in set and grid, wanted it in one"));
            }
            let Some(values) = values.as_array().filter(|values| !values.is_empty()) else {
                let name = &self.name;
                return Err(format!(
                    "arm {name}: grid: {path}: got {values}, wanted a list of values"
                ));
            };
            let with = |arm: PlanArm| {
                let set = move |value: &Value| {
                    let last = path.rsplit('.').next().unwrap_or(path);
                    let name = format!("{} {last}={}", arm.name, text(value));
                    let mut set = arm.set.clone();
                    set.insert(path.clone(), value.clone());
                    PlanArm { name, set }
                };
                values.iter().map(set).collect::<Vec<_>>()
            };
            all = all.into_iter().flat_map(with).collect();
        }
        Ok(all)
    }
}

/// A recipe's file is named from the folder of the plan.
fn beside(recipe: &str, folder: Option<&Path>) -> String {
    let path = Path::new(recipe);
    match folder {
        Some(folder) if is_file(path) && path.is_relative() => {
            folder.join(path).display().to_string()
        }
        _ => recipe.to_string(),
    }
}

/// The flags of a command from a table of them.
fn flags(command: &str, table: &Map<String, Value>) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for (flag, value) in table {
        if OWN.contains(&flag.as_str()) {
            return Err(format!("{command}: got {flag}, which is the plan's, wanted it left out"));
        }
        let name = format!("--{}", flag.replace('_', "-"));
        match value {
            Value::Bool(true) => all.push(name),
            Value::Bool(false) => {}
            Value::Array(values) => {
                all.extend([name, values.iter().map(text).collect::<Vec<_>>().join(",")]);
            }
            value => all.extend([name, text(value)]),
        }
    }
    Ok(all)
}

/// A value as a flag has it.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn repeated<T: PartialEq>(values: &[T]) -> Option<&T> {
    values.iter().enumerate().find(|(i, value)| values[..*i].contains(value)).map(|(_, v)| v)
}

#[cfg(test)]
mod tests {
    use super::super::folder_of;
    use super::*;

    const PLAN: &str = r#"
        plan = 1
        name = "noise"
        recipe = "fast-noise"
        seeds = [1, 2]
        [set]
        epochs = 2
        [train]
        dataset = "digits"
        [evaluate]
        examples = 20
        noise_off = true
        [[arm]]
        name = "plain"
        set = { "model.noise" = "none" }
        [[arm]]
        name = "cni"
        grid = { "model.rank" = [1, 5], "model.scale" = ["reference", "relative"] }
    "#;

    fn plan(text: &str) -> Result<Plan, String> {
        Plan::parse(text, Some(Path::new("plans")))
    }

    #[test]
    fn a_grid_is_all_its_combinations_and_every_arm_has_its_first_seed_first() {
        let plan = plan(PLAN).unwrap();
        let names: Vec<&str> = plan.arms.iter().map(|arm| arm.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "plain",
                "cni rank=1 scale=reference",
                "cni rank=1 scale=relative",
                "cni rank=5 scale=reference",
                "cni rank=5 scale=relative",
            ]
        );
        assert_eq!(plan.arms[4].set["model.rank"], 5);
        let runs: Vec<(&str, u64)> =
            plan.runs().map(|run| (run.arm.name.as_str(), run.seed)).collect();
        assert_eq!((runs.len(), runs[0], runs[5]), (10, ("plain", 1), ("plain", 2)));
        assert_eq!(plan.baseline, "plain");
        assert_eq!(plan.train, ["--dataset", "digits"]);
        assert_eq!(plan.evaluate, ["--examples", "20", "--noise-off"]);
        let run = plan.runs().nth(1).unwrap();
        let folder = folder_of(Path::new("out"), &run);
        assert_eq!(folder, Path::new("out/runs/cni-rank=1-scale=reference/seed-1"));
    }

    #[test]
    fn a_plan_without_sense_is_refused_by_field() {
        let with = |from: &str, to: &str| plan(&PLAN.replace(from, to)).unwrap_err();
        for (from, to, said) in [
            ("seeds = [1, 2]", "seeds = []", "seeds: got none"),
            ("seeds = [1, 2]", "seeds = [1, 1]", "seeds: got 1 twice"),
            ("plan = 1", "plan = 2", "plan: got 2, wanted 1"),
            ("seeds =", "seed =", "the nearest is seeds"),
            ("[1, 2]", "\"x\"", "seeds: got \"x\", wanted a list"),
            ("[1, 2]", "[1, -2]", "seeds.1: got -2, wanted a whole number of at least 0"),
            ("\"plain\"", "3", "arm.0.name: got 3, wanted a text"),
            ("seeds = [1, 2]", "seeds = [1", "TOML parse error"),
            ("[1, 5]", "[]", "model.rank: got [], wanted a list of values"),
            ("[1, 5]", "5", "model.rank: got 5, wanted a list of values"),
            ("epochs = 2", "\"model.noise\" = \"pni\"", "arm plain: got model.noise"),
            ("examples = 20", "seed = 20", "evaluate: got seed, which is the plan's"),
            ("examples = 20", "shard = \"1/2\"", "evaluate: got shard, which is the plan's"),
            ("examples = 20", "pretrained = \"x\"", "got pretrained, which is the plan's"),
            ("seeds = [1, 2]", "seeds = [1]\nbaseline = \"plane\"", "the nearest is plain"),
        ] {
            let error = with(from, to);
            assert!(error.contains(said), "{error}\nlacks {said}");
        }
        let twice = format!("{PLAN}\n[[arm]]\nname = \"plain\"\n");
        assert!(plan(&twice).unwrap_err().contains("arm: got plain twice"));
        let none = PLAN.split("[[arm]]").next().unwrap();
        assert!(plan(&format!("arm = []\n{none}")).unwrap_err().contains("arm: got none"));
    }

    #[test]
    fn a_recipe_in_a_file_is_named_from_the_plans_folder() {
        assert_eq!(beside("fast.toml", Some(Path::new("plans"))), "plans/fast.toml");
        assert_eq!(beside("fast-noise", Some(Path::new("plans"))), "fast-noise");
    }
}
