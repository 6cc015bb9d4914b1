//! Whether the attack takes its means over enough draws.

use super::compare::Difference;
use super::finding::{Finding, accuracies, curve, percent};
use super::setup::{Setup, forwards};
use super::subject::{Case, own_keys};
use super::sweeps::{Sweep, Variants, fare};
use crate::evaluation::Figure;
use crate::{AttackError, Eot, Passes, Pgd};
use cni_noise::Key;

/// More and fewer draws at the audited number of steps.
fn equal_steps(setup: &Setup) -> Sweep {
    let (below, beyond) = setup.ladder(setup.attack.eot.draws, 8);
    let of = |draws: usize| (draws as f64, with_draws(setup, draws));
    Sweep {
        below: below.into_iter().map(of).collect(),
        beyond: beyond.into_iter().map(of).collect(),
    }
}

/// As many steps as the audited attack's cost allows with these draws.
fn equal_cost(setup: &Setup) -> Variants {
    let used = setup.attack.eot.draws;
    let (below, beyond) = setup.ladder(used, 2);
    let of = |draws: usize| {
        let steps = (setup.attack.steps * used / draws).max(1);
        (draws as f64, Pgd { steps, ..with_draws(setup, draws) })
    };
    below.into_iter().chain(beyond).map(of).collect()
}

fn with_draws(setup: &Setup, draws: usize) -> Pgd {
    Pgd { eot: Eot { draws, ..setup.attack.eot }, ..setup.attack.clone() }
}

pub(super) fn sweep_cost(setup: &Setup) -> Passes {
    let even = equal_cost(setup);
    equal_steps(setup).cost(setup) + setup.judged(even.iter().map(|(_, attack)| attack))
}

pub(super) fn sweep(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (setup, audited) = (case.setup(), case.audited()?.fared);
    let used = setup.attack.eot.draws as f64;
    let finding = equal_steps(setup).run(case, "draws", used, [0.01, 0.05])?;
    let even = fare(case, &equal_cost(setup))?;
    let places = even.iter().map(|(place, fared)| (*place, fared)).chain([(used, &audited)]);
    let mut curves = match finding.figure {
        Some(Figure::Curves { ref curves, .. }) => curves.clone(),
        _ => Vec::new(),
    };
    curves.iter_mut().for_each(|curve| curve.name = "at equal steps".to_string());
    curves.push(curve("at equal cost", places));
    Ok(finding.figure(accuracies("draws behind each gradient", true, curves)))
}

pub(super) fn transfer_cost(setup: &Setup) -> Passes {
    let keys = own_keys(&setup.attack, Key::new(0)).len();
    forwards(keys * setup.attack.eot.draws)
}

pub(super) fn transfer(case: &Case<'_>) -> Result<Finding, AttackError> {
    let found = case.audited()?;
    let own = case.own_draws(&case.setup().attack, &found.images)?;
    let gap = Difference::apart(&found.fared, &own);
    let measured = format!(
        "{} are right in fresh draws, {} in those that the attack has seen",
        percent(found.fared.accuracy()),
        percent(own.accuracy())
    );
    Ok(Finding::new(gap.verdict(0.02, 0.1, 1), measured)
        .value("fresh", found.fared.accuracy())
        .value("own", own.accuracy())
        .value("gap", gap.mean)
        .value("gap_error", gap.error))
}
