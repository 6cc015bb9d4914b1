//! Sweeps over a setting of the audited attack: more of it must win no more.

use super::case::Case;
use super::difference::Difference;
use super::fared::Fared;
use super::finding::{Finding, accuracies, curve, percent};
use super::setup::{Setup, Size, forwards};
use burn::tensor::Tensor;
use cni_attacks::{AttackError, Passes, Pgd};
use cni_noise::Key;

/// Variants of the audited attack, by the place of each on the sweep's axis.
pub(super) type Variants = Vec<(f64, Pgd)>;

/// A sweep over a count of which the audited attack has `used`.
pub(super) struct Sweep<'a> {
    pub what: &'a str,
    pub used: usize,
    /// Results with less of it, for the picture.
    pub below: Vec<(f64, Fared)>,
    /// Results with more of it, ascending. The last decides: the best of all would win by chance as
    /// well.
    pub beyond: Vec<(f64, Fared)>,
}

impl Sweep<'_> {
    pub fn finding(self, case: &Case<'_>) -> Result<Finding, AttackError> {
        let (audited, used) = (case.audited()?.fared, self.used as f64);
        let (place, farthest) = self.beyond.last().expect("a sweep goes beyond what is audited");
        let gain = Difference::paired(&audited, farthest);
        let measured = format!(
            "{place:.0} {} in place of {used:.0} take robust accuracy from {} to {}",
            self.what,
            percent(audited.accuracy()),
            percent(farthest.accuracy()),
        );
        let judgement = gain.judge(case.setup().bound(), 0.05, 1).where_left(&audited);
        let few = |(place, fared): &(f64, Fared)| (*place, case.few_of(fared));
        let audited = (used, case.few_of(&audited));
        let places: Vec<(f64, Fared)> =
            self.below.iter().chain(&self.beyond).map(few).chain([audited]).collect();
        let curve = curve(self.what, places.iter().map(|(place, fared)| (*place, fared)));
        Ok(Finding::judged(&judgement, measured)
            .value("used", used)
            .value("gain", gain.mean)
            .value("gain_error", gain.error())
            .figure(accuracies(self.what, true, vec![curve])))
    }
}

/// How each variant fares.
pub(super) fn fare(case: &Case<'_>, variants: &Variants) -> Result<Vec<(f64, Fared)>, AttackError> {
    let one = |(place, attack): &(f64, Pgd)| Ok((*place, case.find(attack)?.fared));
    variants.iter().map(one).collect()
}

/// The audited attack with other counts of a setting.
pub(super) fn variants(counts: &[usize], of: impl Fn(usize) -> Pgd) -> Variants {
    counts.iter().map(|&count| (count as f64, of(count))).collect()
}

/// What it costs to run these for a picture.
pub(super) fn picture_cost(setup: &Setup, variants: &Variants, attacked: usize) -> Passes {
    setup.judged(variants.iter().map(|(_, attack)| attack)) * setup.few(attacked) as u64
}

fn fewer_steps(setup: &Setup, counts: &[usize]) -> Variants {
    variants(counts, |steps| Pgd { steps, ..setup.attack.clone() })
}

pub(super) fn steps_cost(setup: &Setup, size: Size) -> Passes {
    let (below, beyond) = setup.ladder(setup.attack.steps, 2);
    let mut done = setup.attack.steps;
    let more = beyond.into_iter().map(|steps| {
        let more = Pgd { steps: steps - done, restarts: 1, ..setup.attack.clone() };
        done = steps;
        more.cost() + setup.judge_cost()
    });
    more.sum::<Passes>() * size.right as u64
        + picture_cost(setup, &fewer_steps(setup, &below), size.right)
}

/// More steps go on from where the audited attack was: so they find no less by chance.
pub(super) fn run_steps(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (setup, mut images) = (case.setup(), case.audited()?.images);
    let (below, beyond) = setup.ladder(setup.attack.steps, 2);
    let mut attack = Pgd { restarts: 1, ..setup.attack.clone() };
    let mut results = Vec::new();
    for steps in beyond {
        let more = steps - attack.steps;
        images = case.subject.continued(&attack, &case.problem, &images, more)?;
        results.push((steps as f64, case.judge(&images)?));
        attack.steps = steps;
    }
    let below = fare(&case.few(), &fewer_steps(setup, &below))?;
    Sweep { what: "steps", used: setup.attack.steps, below, beyond: results }.finding(case)
}

fn fewer_restarts(setup: &Setup, counts: &[usize]) -> Variants {
    variants(counts, |restarts| Pgd { restarts, ..setup.attack.clone() })
}

/// So many further restarts. From one place all runs would be alike.
fn further(setup: &Setup, restarts: usize) -> Pgd {
    Pgd { restarts, random_start: true, ..setup.attack.clone() }
}

pub(super) fn restarts_cost(setup: &Setup, size: Size) -> Passes {
    let (below, beyond) = setup.ladder(setup.attack.restarts, 2);
    let mut done = setup.attack.restarts;
    let choice = forwards(2 * setup.attack.eot.draws);
    let more = beyond.into_iter().map(|restarts| {
        let more = further(setup, restarts - done);
        done = restarts;
        more.cost() + choice + setup.judge_cost()
    });
    more.sum::<Passes>() * size.right as u64
        + picture_cost(setup, &fewer_restarts(setup, &below), size.right)
}

/// The keys of a further run after so many restarts, and of the choice between it and those before:
/// the run has chosen among its own by draws of its key.
fn restart_keys(attack: Key, done: usize) -> [Key; 2] {
    let run = attack.named("restarts").child(done as u64);
    [run, run.named("choice")]
}

/// Further restarts are added to those of the audited attack.
pub(super) fn run_restarts(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (setup, subject) = (case.setup(), case.subject);
    let mut images = case.audited()?.images;
    let (below, beyond) = setup.ladder(setup.attack.restarts, 2);
    let (mut done, mut results) = (setup.attack.restarts, Vec::new());
    for restarts in beyond {
        let [run, choice] = restart_keys(subject.attack_key(), done);
        let attack = further(setup, restarts - done);
        let more: Tensor<4> = subject.attack(subject.target, &attack, &case.problem, run)?;
        images = subject.better(&setup.attack, &case.problem, [&images, &more], choice)?;
        results.push((restarts as f64, case.judge(&images)?));
        done = restarts;
    }
    let below = fare(&case.few(), &fewer_restarts(setup, &below))?;
    Sweep { what: "restarts", used: setup.attack.restarts, below, beyond: results }.finding(case)
}

/// Multiples of the audited step size, and what is usual for so many steps, 2.5 ε in all (Madry et
/// al., arXiv 1706.06083), where none of the others is near: it finds sizes that are wrong by
/// orders of magnitude.
fn step_sizes(setup: &Setup) -> Vec<Pgd> {
    let Pgd { threat, steps, step_size: used, .. } = setup.attack;
    let mut sizes: Vec<f64> = setup.sizes.step_sizes.iter().map(|times| times * used).collect();
    let usual = 2.5 * threat.epsilon() / steps as f64;
    if sizes.iter().chain([&used]).all(|size| (size / usual).log2().abs() > 0.5) {
        sizes.push(usual);
        sizes.sort_by(f64::total_cmp);
    }
    sizes.into_iter().map(|step_size| Pgd { step_size, ..setup.attack.clone() }).collect()
}

pub(super) fn step_sizes_cost(setup: &Setup, size: Size) -> Passes {
    setup.best_of(&step_sizes(setup), size.right)
}

pub(super) fn run_step_sizes(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (setup, sizes) = (case.setup(), step_sizes(case.setup()));
    let best = case.best_of(&sizes)?;
    let audited = best.case.audited()?.fared;
    let gain = Difference::paired(&audited, &best.fared);
    let (size, used) = (sizes[best.place].step_size, setup.attack.step_size);
    let judgement = gain.judge(setup.bound(), 0.05, best.of).where_left(&audited);
    let at_edge = [0, sizes.len() - 1].contains(&best.place);
    let measured = format!(
        "the best other step size, {:.2} times that used{}, takes robust accuracy from {} to {}",
        size / used,
        if at_edge { " and at the edge of the sweep" } else { "" },
        percent(audited.accuracy()),
        percent(best.fared.accuracy()),
    );
    let few = case.few_of(&case.audited()?.fared);
    let places = sizes.iter().map(|attack| attack.step_size).zip(&best.pilots);
    let curve = curve("robust accuracy", places.chain([(used, &few)]));
    Ok(Finding::judged(&judgement, measured)
        .value("used", used)
        .value("best", if gain.mean > 0.0 { size } else { used })
        .value("gain", gain.mean)
        .value("gain_error", gain.error())
        .figure(accuracies("step size, in units of the pixel range", true, vec![curve])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both choose by draws of the name `score`.
    #[test]
    fn a_further_restart_is_chosen_by_draws_that_it_has_not_seen() {
        let [run, choice] = restart_keys(Key::new(3), 2);
        assert_ne!(run.named("score"), choice.named("score"));
        assert_ne!(run, restart_keys(Key::new(3), 4)[0]);
    }
}
