//! Sweeps over a setting of the audited attack: a larger value must not win more.

use super::difference::AccuracyDifference;
use super::labelled::LabelledPredictions;
use super::result::{CheckResult, accuracies, curve, percent};
use super::sample::Sample;
use super::setup::{Setup, Size};
use cni_attacks::{Attack, AttackError, Knob, Knobs, Passes};
use std::sync::Arc;

/// A variant of the audited attack, with its place on the sweep's axis.
pub(super) type Variant = (f64, Arc<dyn Attack>);
pub(super) type Variants = Vec<Variant>;

/// A sweep over a count, whose value in the audited attack is `used`.
pub(super) struct Sweep<'a> {
    pub what: &'a str,
    pub used: usize,
    /// The predictions with smaller counts, for the figure.
    pub below: Vec<(f64, LabelledPredictions)>,
    /// The predictions with larger counts, ascending. The last one decides, because the best of all
    /// would also win by chance.
    pub beyond: Vec<(f64, LabelledPredictions)>,
}

impl Sweep<'_> {
    pub fn result(self, sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
        let (audited, used) = (sample.audited()?.predictions, self.used as f64);
        let (place, farthest) = self.beyond.last().expect("a sweep goes beyond what is audited");
        let gain = AccuracyDifference::paired(&audited, farthest);
        let measured = format!(
            "{place:.0} {} in place of {used:.0} take robust accuracy from {} to {}",
            self.what,
            percent(audited.accuracy()),
            percent(farthest.accuracy()),
        );
        let judgement = gain.judge(sample.setup().bound(), 0.05, 1).limited_by(&audited);
        let few = |(place, predictions): &(f64, LabelledPredictions)| {
            (*place, sample.few_of(predictions))
        };
        let audited = (used, sample.few_of(&audited));
        let places: Vec<(f64, LabelledPredictions)> =
            self.below.iter().chain(&self.beyond).map(few).chain([audited]).collect();
        let curve =
            curve(self.what, places.iter().map(|(place, predictions)| (*place, predictions)));
        Ok(CheckResult::judged(&judgement, measured)
            .value("used", used)
            .value("gain", gain.mean)
            .value("gain_error", gain.error())
            .figure(accuracies(self.what, true, vec![curve])))
    }
}

/// The predictions under each variant.
pub(super) fn judge_variants(
    sample: &Sample<'_>,
    variants: &Variants,
) -> Result<Vec<(f64, LabelledPredictions)>, AttackError> {
    let one = |(place, attack): &Variant| Ok((*place, sample.find(attack)?.predictions));
    variants.iter().map(one).collect()
}

/// The audited attack with other counts of a setting.
pub(super) fn variants(
    setup: &Setup,
    counts: &[usize],
    knob: fn(usize) -> Knob,
) -> Result<Variants, AttackError> {
    let variant = |&count: &usize| Ok((count as f64, setup.attack.with_knob(knob(count))?));
    counts.iter().map(variant).collect()
}

/// The cost of running these variants for the figure. Variants that an attack refuses cost nothing,
/// because the check ends with its error.
pub(super) fn picture_cost(
    setup: &Setup,
    variants: Result<Variants, AttackError>,
    attacked: usize,
) -> Passes {
    let variants = variants.unwrap_or_default();
    setup.judged(variants.iter().map(|(_, attack)| attack)) * setup.few(attacked) as u64
}

/// A setting that is a count: its value in the audited attack, and the knob that changes it.
struct Count {
    what: &'static str,
    of: fn(&Knobs) -> Option<usize>,
    knob: fn(usize) -> Knob,
}

const STEPS: Count = Count { what: "steps", of: |knobs| knobs.steps, knob: Knob::Steps };
const RESTARTS: Count =
    Count { what: "restarts", of: |knobs| knobs.restarts, knob: Knob::Restarts };

impl Count {
    fn used(&self, setup: &Setup) -> usize {
        (self.of)(&setup.knobs).unwrap_or(1)
    }

    fn cost(&self, setup: &Setup, size: Size) -> Passes {
        let (below, beyond) = setup.ladder(self.used(setup), 2);
        let mut attack = setup.attack.clone();
        let mut sum = Passes::default();
        for more in beyond.into_iter().map(self.knob) {
            let Ok(next) = attack.with_knob(more.clone()) else { return Passes::default() };
            let run = attack.continued_cost(more.clone()).unwrap_or_else(|| setup.cost(&next));
            sum += run + setup.judge_cost();
            attack = next;
        }
        let fewer = variants(setup, &below, self.knob);
        sum * size.right as u64 + picture_cost(setup, fewer, size.right)
    }

    /// An attack that can be continued goes on from the result of the audited run, so that it
    /// cannot find less by chance. Any other attack runs anew, with the same key.
    fn run(&self, sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
        let (setup, context, used) = (sample.setup(), sample.context, self.used(sample.setup()));
        let (below, beyond) = setup.ladder(used, 2);
        let (mut attack, mut images) = (setup.attack.clone(), sample.audited()?.images);
        let mut results = Vec::new();
        for count in beyond {
            let more = (self.knob)(count);
            let next = attack.with_knob(more.clone())?;
            images = match attack.continued_cost(more.clone()) {
                Some(_) => context.continued(&attack, &sample.batch, &images, more)?,
                None => {
                    let key = context.attack_key();
                    context.attack(context.model, &next, &sample.batch, key)?
                }
            };
            results.push((count as f64, sample.judge(&images)?));
            attack = next;
        }
        let below = judge_variants(&sample.few(), &variants(setup, &below, self.knob)?)?;
        Sweep { what: self.what, used, below, beyond: results }.result(sample)
    }
}

pub(super) fn steps_cost(setup: &Setup, size: Size) -> Passes {
    STEPS.cost(setup, size)
}

pub(super) fn run_steps(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    STEPS.run(sample)
}

pub(super) fn restarts_cost(setup: &Setup, size: Size) -> Passes {
    RESTARTS.cost(setup, size)
}

pub(super) fn run_restarts(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    RESTARTS.run(sample)
}

/// The step sizes: multiples of the audited one. If it is proportional to ε, the usual size for
/// this number of steps is added, 2.5 ε in all (Madry et al., arXiv 1706.06083), unless another one
/// is near. It finds sizes that are wrong by orders of magnitude.
fn step_sizes(setup: &Setup) -> Result<Variants, AttackError> {
    let used = setup.knobs.step_size.unwrap_or_default();
    let mut sizes: Vec<f64> = setup.sizes.step_sizes.iter().map(|times| times * used).collect();
    let epsilon = setup.threat().epsilon();
    let twice = setup.attack.with_knob(Knob::Epsilon(2.0 * epsilon));
    let follows = twice.is_ok_and(|twice| twice.knobs().step_size != setup.knobs.step_size);
    if let (true, Some(steps)) = (follows, setup.knobs.steps) {
        let usual = 2.5 * epsilon / steps as f64;
        if sizes.iter().chain([&used]).all(|size| (size / usual).log2().abs() > 0.5) {
            sizes.push(usual);
            sizes.sort_by(f64::total_cmp);
        }
    }
    let variant = |size: f64| Ok((size, setup.attack.with_knob(Knob::StepSize(size))?));
    sizes.into_iter().map(variant).collect()
}

pub(super) fn step_sizes_cost(setup: &Setup, size: Size) -> Passes {
    let variants = step_sizes(setup).unwrap_or_default();
    let attacks: Vec<_> = variants.into_iter().map(|(_, attack)| attack).collect();
    setup.best_of(&attacks, size.right)
}

pub(super) fn run_step_sizes(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let setup = sample.setup();
    let (sizes, attacks): (Vec<f64>, Vec<_>) = step_sizes(setup)?.into_iter().unzip();
    let best = sample.best_of(&attacks)?;
    let audited = best.sample.audited()?.predictions;
    let gain = AccuracyDifference::paired(&audited, &best.predictions);
    let (size, used) = (sizes[best.place], setup.knobs.step_size.unwrap_or_default());
    let judgement = gain.judge(setup.bound(), 0.05, best.of).limited_by(&audited);
    let at_edge = [0, sizes.len() - 1].contains(&best.place);
    let measured = format!(
        "the best other step size, {:.2} times that used{}, takes robust accuracy from {} to {}",
        size / used,
        if at_edge { " and at the edge of the sweep" } else { "" },
        percent(audited.accuracy()),
        percent(best.predictions.accuracy()),
    );
    let few = sample.few_of(&sample.audited()?.predictions);
    let places = sizes.iter().copied().zip(&best.pilots);
    let curve = curve("robust accuracy", places.chain([(used, &few)]));
    Ok(CheckResult::judged(&judgement, measured)
        .value("used", used)
        .value("best", if gain.mean > 0.0 { size } else { used })
        .value("gain", gain.mean)
        .value("gain_error", gain.error())
        .figure(accuracies("step size, in units of the pixel range", true, vec![curve])))
}
