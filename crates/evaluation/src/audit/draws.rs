//! Whether the attack takes its means over enough draws.

use super::case::Case;
use super::difference::Difference;
use super::fared::Fared;
use super::finding::{Finding, accuracies, curve, percent};
use super::setup::{Setup, Size, forwards};
use super::sweeps::{Sweep, Variants, fare, picture_cost, variants};
use crate::Figure;
use burn::tensor::Tensor;
use cni_attacks::{AttackError, Eot, Iterate, Passes, Pgd};
use cni_noise::Key;

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

pub(super) fn sweep_cost(setup: &Setup, size: Size) -> Passes {
    let (mut few, mut beyond) = counts(setup);
    let most = beyond.pop().map(|draws| with_draws(setup, draws));
    few.extend(beyond);
    let few = variants(&few, |draws| with_draws(setup, draws));
    let pictures = [few, equal_cost(setup)].map(|some| picture_cost(setup, &some, size.right));
    setup.judged(most.iter()) * size.right as u64 + pictures.into_iter().sum()
}

/// Fewer draws at the audited number of steps, and more.
fn counts(setup: &Setup) -> (Vec<usize>, Vec<usize>) {
    setup.ladder(setup.attack.eot.draws, 8)
}

pub(super) fn sweep(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (setup, used, few) = (case.setup(), case.setup().attack.eot.draws, case.few());
    let of = |counts: &[usize]| variants(counts, |draws| with_draws(setup, draws));
    let (below, mut beyond) = counts(setup);
    let most = beyond.pop().expect("there are more draws than any number");
    let mut results = fare(&few, &of(&beyond))?;
    results.extend(fare(case, &of(&[most]))?);
    let below = fare(&few, &of(&below))?;
    let sweep = Sweep { what: "draws", used, below, beyond: results };
    let finding = sweep.finding(case)?;
    let (even, audited) = (fare(&few, &equal_cost(setup))?, few.audited()?.fared);
    let places = even.iter().map(|(place, fared)| (*place, fared));
    let mut curves = match finding.figure {
        Some(Figure::Curves { ref curves, .. }) => curves.clone(),
        _ => Vec::new(),
    };
    curves.iter_mut().for_each(|curve| curve.name = "at equal steps".to_string());
    curves.push(curve("at equal cost", places.chain([(used as f64, &audited)])));
    Ok(finding.figure(accuracies("draws behind each gradient", true, curves)))
}

/// The keys of the draws that decided an attack's result: those that chose it, or of the last
/// gradients.
fn own_keys(attack: &Pgd, key: Key) -> Vec<Key> {
    if attack.iterate == Iterate::Best || attack.restarts > 1 {
        return vec![key.named("score")];
    }
    let steps = attack.steps as u64;
    (steps.saturating_sub(4)..steps).map(|step| key.child(0).child(step)).collect()
}

pub(super) fn transfer_cost(setup: &Setup, size: Size) -> Passes {
    let keys = own_keys(&setup.attack, Key::new(0)).len();
    (setup.attack.cost() + forwards(4 * keys * setup.attack.eot.draws)) * size.right as u64
}

/// Two runs of the attack, each judged by its own draws and by those of the other: how friendly
/// draws are, and how hard images, is the same on both sides.
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
        let all = all.expect("an attack has draws");
        Ok(Fared { wrong: case.clean.wrong, ..all })
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
    Ok(Finding::judged(&gap.judge(case.setup().bound(), 0.1, 1), measured)
        .value("other_draws", other.accuracy())
        .value("own_draws", own.accuracy())
        .value("gap", gap.mean)
        .value("gap_error", gap.error()))
}
