//! The place of an audited attack in a suite.

use crate::EvaluationError;
use crate::audit::Audit;
use crate::files::{canonical, hash_of};
use crate::record::spec::without_draws;
use crate::run::identity::Entry;
use cni_attacks::{Attack, Budget};
use serde_json::Value;

/// The place of an audited attack in a suite.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub attack: String,
    pub within: Option<String>,
    pub spec: Value,
    pub hash: String,
}

impl Place {
    /// Finds an attack in a suite, or among the members of a suite within it.
    ///
    /// Draws have no meaning for a model without noise: an attack that differs only in them counts
    /// as the same.
    pub fn find(
        suite: &[Entry],
        audited: &dyn Attack,
        stochastic: bool,
    ) -> Result<Self, EvaluationError> {
        let wanted = audited.spec();
        let same: fn(&Value, &Value) -> bool = |a, b| a == b;
        let alike: fn(&Value, &Value) -> bool = |a, b| without_draws(a) == without_draws(b);
        let rules = if stochastic { vec![same] } else { vec![same, alike] };
        let top = |rule: fn(&Value, &Value) -> bool| {
            let entry = suite.iter().find(|entry| rule(&entry.spec, &wanted))?;
            let Entry { label, spec, hash, .. } = entry;
            let (attack, spec, hash) = (label.clone(), spec.clone(), hash.clone());
            Some(Self { attack, within: None, spec, hash })
        };
        let member = |rule: fn(&Value, &Value) -> bool| {
            let found = |entry: &Entry| {
                let spec = members(&entry.spec).into_iter().find(|spec| rule(spec, &wanted))?;
                let (attack, within) = (audited.name(), Some(entry.label.clone()));
                Some(Self { attack, within, hash: hash_of(spec), spec: spec.clone() })
            };
            suite.iter().find_map(found)
        };
        let found = rules.into_iter().find_map(|rule| top(rule).or_else(|| member(rule)));
        found.ok_or_else(|| EvaluationError::Audit {
            attack: audited.name(),
            suite: suite.iter().map(|entry| entry.label.clone()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// The settings of the attacks of a suite, and of the members within them.
fn members(spec: &Value) -> Vec<&Value> {
    let direct = spec["attacks"].as_array().into_iter().flatten();
    direct.flat_map(|member| std::iter::once(member).chain(members(member))).collect()
}

/// Refuses an audit that could not run, before anything is attacked.
pub(crate) fn check(suite: &[Entry], audit: &Audit) -> Result<(), EvaluationError> {
    Place::find(suite, audit.attack().as_ref(), false)?;
    Ok(audit.check_radius()?)
}

/// Refuses a budget beside an audit. The checks run the audited attack and its variants to their
/// end, so that they would say nothing of an attack that a budget ends earlier.
pub(crate) fn refuse_budget(budget: Budget) -> Result<(), EvaluationError> {
    if budget == Budget::default() {
        return Ok(());
    }
    Err(EvaluationError::Field {
        field: "budget".to_string(),
        got: canonical(&serde_json::to_value(budget).expect("settings are plain data")),
        wanted: "none beside an audit, whose checks run the attack to its end".to_string(),
    })
}
