//! The plan of an audit: how many examples each check takes, and what it costs.

use super::difference::needed_for;
use super::settings::Audit;
use super::setup::{Setup, Size, forwards, weight};
use super::table::{CHECKS, Entry, Needs, Takes};
use cni_attacks::{Attack, Passes};
use serde::{Deserialize, Serialize};

/// The plan of an audit: its largest cost, in passes of single images.
///
/// Each check takes the examples that it needs to see the difference that its rule names. Then the
/// checks take more, the cheapest first, until the budget of the effort is spent. No check takes
/// fewer than the effort's smallest number.
///
/// A plan that is made before the model is known assumes that the model classifies every image
/// correctly. If it does not, the audit attacks fewer images, takes more examples instead, and
/// costs no more. The audit can cost less than planned for three reasons: examples leave an attack
/// early, `active-test` leaves out images at which no point can be planted, and the best of several
/// attacks is not the most expensive one. If an attack [cannot tell its
/// cost](cni_attacks::Attack::cost), the plan is no upper bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The cost of the results that several checks share: the predictions of clean images, the
    /// audited attack, and the stronger attacks.
    pub shared: Passes,
    /// The checks, in the order in which they run.
    pub checks: Vec<PlannedCheck>,
}

/// One check of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedCheck {
    /// The name of the check.
    pub name: String,
    /// The number of examples that it will take; zero if it is skipped.
    pub examples: usize,
    /// Its largest cost, without the results that it shares.
    pub passes: Passes,
}

/// The available images.
#[derive(Clone, Copy)]
pub(super) struct Images<'a> {
    pub available: usize,
    /// The images that the model classifies correctly in some draw, if they are known.
    pub right: Option<&'a [usize]>,
}

impl Images<'_> {
    /// The size of a check on the first of the images.
    pub fn size(&self, examples: usize) -> Size {
        let within = |right: &[usize]| right.partition_point(|&image| image < examples);
        Size { examples, right: self.right.map_or(examples, within) }
    }
}

/// The number of correctly classified images that the shared results must cover.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shared {
    pub audit: usize,
    pub strong: usize,
}

/// The number of the available images that the checks need.
pub(super) fn examples_needed(setup: &Setup, entries: &[&Entry], available: usize) -> usize {
    let applying = entries.iter().filter(|entry| entry.applies(setup));
    applying.map(|entry| entry.most(setup)).max().unwrap_or(1).clamp(1, available.max(1))
}

impl Plan {
    /// The plan that costs at most `budget`, unless the smallest numbers of examples cost more.
    pub(super) fn new(setup: &Setup, entries: &[&Entry], images: Images<'_>, budget: u64) -> Self {
        let most = |entry: &Entry| match entry.applies(setup) {
            true => entry.most(setup).min(images.available),
            false => 0,
        };
        let fewest = |entry: &&Entry| match entry.takes {
            Takes::Most => most(entry).min(setup.sizes.fewest),
            Takes::Some | Takes::Few => most(entry),
        };
        let mut examples: Vec<usize> = entries.iter().map(fewest).collect();
        let cost =
            |examples: &[usize]| weight(&Self::of(setup, entries, examples, images).passes());
        // Checks that need the same expensive attack grow together.
        let mut groups: Vec<Vec<usize>> = (0..entries.len()).map(|at| vec![at]).collect();
        groups.retain(|group| entries[group[0]].needs < Needs::Strong);
        let strong = |at: &usize| entries[*at].needs == Needs::Strong;
        groups.push((0..entries.len()).filter(strong).collect());
        for aim in [needed_for(setup.bound()) * 13 / 10, setup.sizes.examples] {
            groups.sort_by_cached_key(|group| {
                let own = group.iter().map(|&at| (entries[at].cost)(setup, images.size(aim)));
                let shared = group.iter().any(strong).then(|| setup.strong_cost() * aim as u64);
                weight(&(own.sum::<Passes>() + shared.unwrap_or_default()))
            });
            for group in &groups {
                let with = |aim: usize| {
                    let mut more = examples.clone();
                    for &at in group {
                        more[at] = more[at].max(aim.min(most(entries[at])));
                    }
                    more
                };
                let (mut low, mut high) = (0, aim + 1);
                // The largest number of examples that the budget allows.
                while high - low > 1 {
                    let middle = if high > aim { aim } else { low + (high - low) / 2 };
                    match cost(&with(middle)) <= budget {
                        true => low = middle,
                        false => high = middle,
                    }
                }
                examples = with(low);
            }
        }
        Self::of(setup, entries, &examples, images)
    }

    /// The plan of checks that take these numbers of examples.
    fn of(setup: &Setup, entries: &[&Entry], examples: &[usize], images: Images<'_>) -> Self {
        let planned = |(entry, &examples): (&&Entry, &usize)| {
            let passes = match examples {
                0 => Passes::default(),
                examples => (entry.cost)(setup, images.size(examples)),
            };
            PlannedCheck { name: entry.name.to_string(), examples, passes }
        };
        let checks = entries.iter().zip(examples).map(planned).collect();
        let mut plan = Self { shared: Passes::default(), checks };
        let most = plan.covers(entries, images, |_| true);
        // Four draws at the images and four beside them tell whether there is noise. One image
        // tells the number of classes.
        plan.shared = forwards(8 * images.available.min(8) + 1)
            + setup.judge_cost() * examples_needed(setup, entries, images.available) as u64
            + (setup.cost(&setup.attack) + setup.judge_cost()) * most.audit as u64
            + setup.strong_cost() * most.strong as u64;
        plan
    }

    /// The number of images that the shared results must cover for the checks, by position, for
    /// which `open` is true.
    pub(super) fn covers(
        &self,
        entries: &[&Entry],
        images: Images<'_>,
        open: impl Fn(usize) -> bool,
    ) -> Shared {
        let checks = entries.iter().zip(&self.checks).enumerate().filter(|(at, _)| open(*at));
        checks.fold(Shared::default(), |most, (_, (entry, check))| {
            let right = images.size(check.examples).right;
            let at_least = |needs| if entry.needs >= needs { right } else { 0 };
            Shared {
                audit: most.audit.max(at_least(Needs::Audit)),
                strong: most.strong.max(at_least(Needs::Strong)),
            }
        })
    }

    /// The cost of the whole plan.
    pub fn passes(&self) -> Passes {
        self.shared + self.checks.iter().map(|check| check.passes).sum()
    }
}

impl Audit {
    /// The plan of this audit for a model with this number of classes, with noise or without, if
    /// there are enough examples.
    pub fn plan(&self, classes: usize, stochastic: bool) -> Plan {
        self.plan_for(classes, stochastic, usize::MAX)
    }

    /// The plan of this audit with this number of examples.
    pub fn plan_for(&self, classes: usize, stochastic: bool, examples: usize) -> Plan {
        let setup = self.setup(classes, stochastic);
        let images = Images { available: examples, right: None };
        Plan::new(&setup, &self.entries(), images, setup.budget())
    }

    /// The name of the surrogate, if there is one.
    pub(crate) fn surrogate_name(&self) -> Option<&str> {
        self.surrogate.as_ref().map(|surrogate| surrogate.name.as_str())
    }

    pub(super) fn setup(&self, classes: usize, stochastic: bool) -> Setup {
        Setup {
            attack: self.attack.clone(),
            knobs: self.attack.knobs(),
            sizes: self.effort.sizes(),
            judging_draws: self.judging_draws,
            draws: if stochastic { self.judging_draws } else { 1 },
            classes,
            stochastic,
            surrogate: self.surrogate.is_some() || stochastic,
        }
    }

    /// The checks of this audit.
    pub(super) fn entries(&self) -> Vec<&'static Entry> {
        let asked = |entry: &&Entry| {
            self.only.as_ref().is_none_or(|only| only.iter().any(|name| name == entry.name))
        };
        CHECKS.iter().filter(asked).collect()
    }
}
