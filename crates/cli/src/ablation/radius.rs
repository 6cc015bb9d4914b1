//! The radius within which the arms of a plan are judged.

use super::Plan;
use super::plan::PlanArm;
use super::run::toml_of;
use crate::recipe::named;
use crate::suites::AttackFile;
use crate::threat::{epsilon_for, trained_against};
use crate::values::epsilon;
use cni_burn::prelude::Threat;
use serde_json::json;
use std::error::Error;
use std::path::Path;

impl Plan {
    /// Refuses arms that would be judged within different radii. Without a radius in the plan each
    /// run is judged within that of its own training, and accuracies within different ones cannot
    /// be compared. The record of the ablation would refuse them after all of the work.
    ///
    /// # Errors
    ///
    /// A sentence that names two such arms and their radii, or a file of attacks that cannot be
    /// read.
    pub(super) fn check_radii(&self) -> Result<(), Box<dyn Error>> {
        if self.says_radius()? {
            return Ok(());
        }
        let known = self.arms.iter().filter_map(|arm| Some((arm, self.judged_within(arm)?)));
        let known: Vec<(&PlanArm, Threat)> = known.collect();
        let Some((first, wanted)) = known.first() else { return Ok(()) };
        let Some((other, got)) = known.iter().find(|(_, got)| got != wanted) else {
            return Ok(());
        };
        let (first, other) = (&first.name, &other.name);
        Err(format!(
            "evaluate.epsilon: got none, so that {other} would be judged within its own radius of \
             {got} and {first} within {wanted}, wanted one for all arms"
        )
        .into())
    }

    /// True if the plan itself says within which radius all arms are judged.
    fn says_radius(&self) -> Result<bool, Box<dyn Error>> {
        if flag(&self.evaluate, "--epsilon").is_some() {
            return Ok(true);
        }
        match flag(&self.evaluate, "--attacks") {
            Some(path) => Ok(AttackFile::open(Path::new(path))?.has_threats()),
            None => Ok(false),
        }
    }

    /// The threat within which the runs of an arm are judged unless told otherwise: that of its
    /// training, whose radius the plan can set, or 8/255 for a training without an attack. `None`
    /// for settings that the training itself will refuse.
    fn judged_within(&self, arm: &PlanArm) -> Option<Threat> {
        let mut recipe = named(Path::new(&self.recipe)).ok()?;
        for (path, value) in self.set.iter().chain(&arm.set) {
            recipe = recipe.with(path, &toml_of(value).ok()?).ok()?;
        }
        let training = serde_json::to_value(recipe.training().ok()?).ok()?;
        let trained = trained_against(&json!({ "config": training }));
        let asked = flag(&self.train, "--epsilon").and_then(|text| epsilon(text).ok());
        Threat::linf(epsilon_for(asked.filter(|_| trained.is_some()), trained)).ok()
    }
}

/// The value of a flag among those of a command.
fn flag<'a>(flags: &'a [String], name: &str) -> Option<&'a str> {
    let at = flags.iter().position(|flag| flag == name)?;
    flags.get(at + 1).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"
        plan = 1
        name = "radii"
        recipe = "fast-noise"
        seeds = [1]
        [evaluate]
        examples = 20
        [[arm]]
        name = "usual"
        [[arm]]
        name = "small"
        set = { "validation_attack.threat.epsilon" = "4/255" }
    "#;

    fn said(plan: &str) -> Option<String> {
        let plan = Plan::parse(plan, None).unwrap();
        plan.check_radii().err().map(|error| error.to_string())
    }

    #[test]
    fn arms_that_would_be_judged_within_their_own_radii_are_refused() {
        assert_eq!(
            said(PLAN).unwrap(),
            "evaluate.epsilon: got none, so that small would be judged within its own radius of \
             Linf 4/255 and usual within Linf 8/255, wanted one for all arms"
        );
        assert_eq!(said(&PLAN.replace("examples = 20", "epsilon = \"8/255\"")), None);
        assert_eq!(said(&PLAN.replace("\"4/255\"", "\"8/255\"")), None);
        let trained = PLAN.replace("[evaluate]", "[train]\nepsilon = 0.1\n[evaluate]");
        assert_eq!(said(&trained), None);
        // A training without an attack has no radius that the flag could set.
        let clean = r#"objective = "clean""#;
        let clean = trained.replace(r#""validation_attack.threat.epsilon" = "4/255""#, clean);
        let error = said(&clean).unwrap();
        assert!(error.contains("Linf 8/255 and usual within Linf 0.1"), "{error}");
    }

    /// A file of attacks tells the radius if each of its attacks has one.
    #[test]
    fn a_file_of_attacks_with_threats_tells_the_radius() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let plan = format!("attacks = {:?}", file.path().display().to_string());
        let plan = PLAN.replace("examples = 20", &plan);
        let attack = "attacks = 1\n[[attack]]\nattack = \"pgd\"\nsteps = 2\n";
        std::fs::write(file.path(), attack).unwrap();
        assert!(said(&plan).is_some());
        let threat = "threat = { norm = \"linf\", epsilon = \"8/255\" }\n";
        std::fs::write(file.path(), format!("{attack}{threat}")).unwrap();
        assert_eq!(said(&plan), None);
    }
}
