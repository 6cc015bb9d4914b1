//! What a checkup will cost.

use super::setup::{Setup, forwards};
use super::table::{Entry, Needs};
use crate::Passes;
use serde::{Deserialize, Serialize};

/// What a checkup will cost, in passes of single images through models.
///
/// Of a model without noise examples leave APGD and Square once they are broken, so that `stronger-attack` and
/// `black-box`, and what is shared, may cost less; so may `active-test`, which leaves out images where no point can be
/// planted. All else costs what is planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What several checks share: the images judged as they are, the audited attack, and the stronger ones.
    pub shared: Passes,
    /// The checks, in the order in which they run.
    pub checks: Vec<PlannedCheck>,
}

/// One check of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedCheck {
    /// Its name.
    pub name: String,
    /// The examples it will take; none where it has no meaning for the model.
    pub examples: usize,
    /// What it costs for each example.
    pub each: Passes,
    /// What it costs in all.
    pub passes: Passes,
}

/// How many examples the shared results must cover.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shared {
    pub clean: usize,
    pub audit: usize,
    pub strong: usize,
}

impl Plan {
    pub(super) fn new(setup: &Setup, entries: &[&Entry], available: usize) -> Self {
        let planned = |entry: &&Entry| {
            let (each, examples) = match entry.applies(setup) {
                true => ((entry.cost)(setup), entry.examples(setup, available)),
                false => (Passes::default(), 0),
            };
            let passes = each * examples as u64;
            PlannedCheck { name: entry.name.to_string(), examples, each, passes }
        };
        let checks = entries.iter().map(planned).collect();
        let mut plan = Self { shared: Passes::default(), checks };
        let most = plan.covers(entries, |_| true);
        // Before anything is judged, two draws at the images and two beside them tell whether there
        // is noise, and one image tells the classes.
        plan.shared = forwards(4 * available.min(8) + 1)
            + setup.judge_cost() * most.clean as u64
            + (setup.attack.cost() + setup.judge_cost()) * most.audit as u64
            + setup.strong_cost() * most.strong as u64;
        plan
    }

    /// How many examples the shared results must cover for the checks at those positions for which `open` holds.
    pub(super) fn covers(&self, entries: &[&Entry], open: impl Fn(usize) -> bool) -> Shared {
        let checks = entries.iter().zip(&self.checks).enumerate().filter(|(at, _)| open(*at));
        checks.fold(Shared::default(), |most, (_, (entry, check))| {
            let at_least = |needs| if entry.needs >= needs { check.examples } else { 0 };
            Shared {
                clean: most.clean.max(check.examples),
                audit: most.audit.max(at_least(Needs::Audit)),
                strong: most.strong.max(at_least(Needs::Strong)),
            }
        })
    }

    /// All passes together.
    pub fn passes(&self) -> Passes {
        self.shared + self.checks.iter().map(|check| check.passes).sum()
    }
}
