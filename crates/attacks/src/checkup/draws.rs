//! Whether the attack takes its means over enough draws.

use super::compare::{Difference, Fared};
use super::finding::{Finding, accuracies, curve, percent};
use super::setup::{Setup, forwards};
use super::subject::Case;
use super::sweeps::{Sweep, Variants, fare};
use crate::evaluation::Figure;
use crate::{AttackError, Eot, Iterate, Passes, Pgd};
use burn::tensor::Tensor;
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

/// The keys of the draws that decided an attack's result: those that chose it, or of the last gradients.
fn own_keys(attack: &Pgd, key: Key) -> Vec<Key> {
    if attack.iterate == Iterate::Best || attack.restarts > 1 {
        return vec![key.named("score")];
    }
    let steps = attack.steps as u64;
    (steps.saturating_sub(4)..steps).map(|step| key.child(0).child(step)).collect()
}

pub(super) fn transfer_cost(setup: &Setup) -> Passes {
    let keys = own_keys(&setup.attack, Key::new(0)).len();
    setup.attack.cost() + forwards(4 * keys * setup.attack.eot.draws)
}

/// Two runs of the attack, each judged by its own draws and by those of the other: how friendly draws are, and how hard
/// images, is the same on both sides.
pub(super) fn transfer(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (subject, attack) = (case.subject, &case.setup().attack);
    let keys = [subject.attack_key(), case.key("draw-transfer")];
    let again = subject.attack(subject.target, attack, &case.problem, keys[1])?;
    let runs = [case.audited()?.images, again];
    let fare = |images: &Tensor<4>, key: Key| -> Result<Fared, AttackError> {
        let mut all: Option<Fared> = None;
        for key in own_keys(attack, key) {
            let draws = attack.eot.draws;
            let fared = subject.judge(subject.target, &case.problem, images, key, draws)?;
            match &mut all {
                None => all = Some(fared),
                Some(all) => all.add_draws(fared),
            }
        }
        Ok(all.expect("an attack has draws"))
    };
    let mut own = fare(&runs[0], keys[0])?;
    own.add_draws(fare(&runs[1], keys[1])?);
    let mut other = fare(&runs[1], keys[0])?;
    other.add_draws(fare(&runs[0], keys[1])?);
    let gap = Difference::paired(&other, &own);
    let measured = format!(
        "{} are right in the draws of another run, {} in those that the attack has seen",
        percent(other.accuracy()),
        percent(own.accuracy())
    );
    Ok(Finding::new(gap.verdict(0.02, 0.1, 1), measured)
        .value("other_draws", other.accuracy())
        .value("own_draws", own.accuracy())
        .value("gap", gap.mean)
        .value("gap_error", gap.error))
}
