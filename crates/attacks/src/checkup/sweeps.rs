//! Sweeps over a setting of the audited attack: more of it must win no more.

use super::compare::{Difference, Fared};
use super::finding::{Finding, accuracies, curve, percent, points};
use super::setup::Setup;
use super::subject::Case;
use crate::evaluation::Verdict;
use crate::{AttackError, Norm, Passes, Pgd};

/// Variants of the audited attack, by the place of each on the sweep's axis.
pub(super) type Variants = Vec<(f64, Pgd)>;

/// Those that ask less than the audited attack, and those that ask more.
pub(super) struct Sweep {
    pub below: Variants,
    pub beyond: Variants,
}

impl Sweep {
    pub fn cost(&self, setup: &Setup) -> Passes {
        setup.judged(self.below.iter().chain(&self.beyond).map(|(_, attack)| attack))
    }

    /// What more of the setting, of which the audited attack uses `used`, gains. Bounds are fractions.
    pub fn run(
        self,
        case: &Case<'_>,
        what: &str,
        used: f64,
        [warn, fail]: [f64; 2],
    ) -> Result<Finding, AttackError> {
        let audited = case.audited()?.fared;
        let below = fare(case, &self.below)?;
        let beyond = fare(case, &self.beyond)?;
        // The farthest decides: the best of all would win by chance as well.
        let (place, farthest) = beyond.last().expect("every sweep goes beyond the audited attack");
        let (place, gain) = (*place, Difference::paired(&audited, farthest));
        let measured = format!(
            "{} {what} in place of {} take robust accuracy from {} to {}",
            count(place),
            count(used),
            percent(audited.accuracy()),
            percent(audited.accuracy() - gain.mean),
        );
        let places = below.iter().chain(&beyond).map(|(place, fared)| (*place, fared));
        let curve = curve(what, places.chain([(used, &audited)]));
        Ok(Finding::new(gain.verdict(warn, fail, 1), measured)
            .value("used", used)
            .value("gain", gain.mean)
            .value("gain_error", gain.error)
            .figure(accuracies(what, true, vec![curve])))
    }
}

fn count(place: f64) -> String {
    format!("{place:.0}")
}

pub(super) fn fare(case: &Case<'_>, variants: &Variants) -> Result<Vec<(f64, Fared)>, AttackError> {
    let one = |(place, attack): &(f64, Pgd)| Ok((*place, case.find(attack)?.fared));
    variants.iter().map(one).collect()
}

pub(super) fn steps(setup: &Setup) -> Sweep {
    let (below, beyond) = setup.ladder(setup.attack.steps, 2);
    let of = |steps: usize| (steps as f64, Pgd { steps, ..setup.attack.clone() });
    Sweep {
        below: below.into_iter().map(of).collect(),
        beyond: beyond.into_iter().map(of).collect(),
    }
}

pub(super) fn run_steps(case: &Case<'_>) -> Result<Finding, AttackError> {
    steps(case.setup()).run(case, "steps", case.setup().attack.steps as f64, [0.005, 0.05])
}

pub(super) fn restarts(setup: &Setup) -> Sweep {
    let (below, beyond) = setup.ladder(setup.attack.restarts, 2);
    // From one place all runs would be alike.
    let of = |restarts: usize| {
        (restarts as f64, Pgd { restarts, random_start: true, ..setup.attack.clone() })
    };
    Sweep {
        below: below.into_iter().map(of).collect(),
        beyond: beyond.into_iter().map(of).collect(),
    }
}

pub(super) fn run_restarts(case: &Case<'_>) -> Result<Finding, AttackError> {
    restarts(case.setup()).run(case, "restarts", case.setup().attack.restarts as f64, [0.005, 0.05])
}

/// Multiples of the audited step size, and what is usual for so many steps, 2.5 ε in all (Madry et al., arXiv
/// 1706.06083), where none of the others is near: it finds sizes that are wrong by orders of magnitude.
pub(super) fn step_sizes(setup: &Setup) -> Variants {
    let Pgd { threat, steps, step_size: used, .. } = setup.attack;
    let mut sizes: Vec<f64> = setup.sizes.step_sizes.iter().map(|times| times * used).collect();
    let usual = 2.5 * threat.epsilon() / steps as f64;
    if sizes.iter().chain([&used]).all(|size| (size / usual).log2().abs() > 0.5) {
        sizes.push(usual);
        sizes.sort_by(f64::total_cmp);
    }
    let of = |step_size| (step_size, Pgd { step_size, ..setup.attack.clone() });
    sizes.into_iter().map(of).collect()
}

pub(super) fn run_step_sizes(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (setup, audited) = (case.setup(), case.audited()?.fared);
    let others = fare(case, &step_sizes(setup))?;
    let gains = others.iter().map(|(size, fared)| (*size, Difference::paired(&audited, fared)));
    let (size, best) =
        gains.max_by(|a, b| a.1.mean.total_cmp(&b.1.mean)).expect("there are other step sizes");
    let used = setup.attack.step_size;
    let at_edge = [others.first(), others.last()].iter().flatten().any(|(edge, _)| *edge == size);
    let verdict = best.verdict(0.01, 0.05, others.len());
    let measured = format!(
        "the best other step size, {:.2} times that used{}, takes robust accuracy from {} to {}",
        size / used,
        if at_edge { " and at the edge of the sweep" } else { "" },
        percent(audited.accuracy()),
        percent(audited.accuracy() - best.mean),
    );
    let places = others.iter().map(|(size, fared)| (*size, fared)).chain([(used, &audited)]);
    let curve = curve("robust accuracy", places);
    Ok(Finding::new(verdict, measured)
        .value("used", used)
        .value("best", if best.mean > 0.0 { size } else { used })
        .value("gain", best.mean)
        .value("gain_error", best.error)
        .figure(accuracies("step size, in units of the pixel range", true, vec![curve])))
}

/// Radii other than the audited one, ascending; the last one covers all images.
pub(super) fn radii(setup: &Setup, values: usize) -> Vec<f64> {
    let (norm, used) = (setup.attack.threat.norm(), setup.attack.threat.epsilon());
    let sizes = &setup.sizes;
    let mut radii: Vec<f64> = match norm {
        Norm::Linf => sizes.epsilons.iter().map(|radius| radius / 255.0).collect(),
        Norm::L2 | Norm::L1 => sizes.multiples.iter().map(|times| times * used).collect(),
    };
    let diameter = match norm {
        Norm::Linf => 1.0,
        Norm::L2 => (values as f64).sqrt(),
        Norm::L1 => values as f64,
    };
    radii.retain(|radius| *radius < diameter && (radius - used).abs() > 1e-9);
    if used < diameter {
        radii.push(diameter);
    }
    radii
}

/// What the sweep over radii costs; in a norm of large radii fewer may be of use.
pub(super) fn radii_cost(setup: &Setup) -> Passes {
    // Radii do not change what an attack costs, and the diameter of the smallest images is the smallest.
    let radii = radii(setup, usize::MAX >> 1);
    let attacks: Vec<Pgd> = radii.into_iter().map(|radius| setup.at(radius)).collect();
    setup.judged(&attacks)
}

pub(super) fn run_radii(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (setup, audited) = (case.setup(), case.audited()?.fared);
    let values = case.problem.images.dims()[1..].iter().product();
    let variants = radii(setup, values).into_iter().map(|radius| (radius, setup.at(radius)));
    let others = fare(case, &variants.collect())?;
    let used = setup.attack.threat.epsilon();
    let mut all: Vec<(f64, &Fared)> =
        others.iter().map(|(radius, fared)| (*radius, fared)).collect();
    // In a ball of radius zero there is the image alone.
    all.extend([(used, &audited), (0.0, &case.clean)]);
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rises = all.windows(2).map(|pair| (pair[1].0, Difference::paired(pair[1].1, pair[0].1)));
    let (place, rise) =
        rises.max_by(|a, b| a.1.mean.total_cmp(&b.1.mean)).expect("there are two radii");
    let (largest, left) = *all.last().expect("there are radii");
    let (left, chance) = (left.estimate(), 1.0 / setup.classes as f64);
    let mut verdict = rise.verdict(0.01, 0.05, all.len() - 1);
    let mut measured = format!(
        "at the largest radius, {largest:.3}, {} are left, where chance is {}",
        percent(left.accuracy),
        percent(chance)
    );
    if left.low > chance {
        verdict = Verdict::Fail;
    }
    if rise.exceeds(0.01, all.len() - 1) {
        measured += &format!("; accuracy rises by {} to radius {place:.3}", points(rise.mean));
    }
    let curve = curve("robust accuracy", all.iter().copied());
    Ok(Finding::new(verdict, measured)
        .value("largest_radius", largest)
        .value("left", left.accuracy)
        .value("chance", chance)
        .value("largest_rise", rise.mean)
        .figure(accuracies("radius, in units of the pixel range", true, vec![curve])))
}
