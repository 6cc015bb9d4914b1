//! A sweep over the radius: robust accuracy must not rise with it, and must end at chance level.

use super::difference::AccuracyDifference;
use super::labelled::LabelledPredictions;
use super::result::{CheckResult, accuracies, curve, percent, points};
use super::sample::Sample;
use super::setup::{Setup, Size};
use crate::Verdict;
use cni_attacks::{Attack, AttackError, Knob, Norm, Passes};

/// The radii other than the audited one, up to the diameter of the box. At that radius the attacker
/// may replace the whole image.
fn radii(setup: &Setup, values: usize) -> Vec<f64> {
    let (sizes, used) = (&setup.sizes, setup.threat().epsilon());
    let norm = setup.threat().norm();
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

/// The cost of the sweep over radii. In a norm of large radii fewer of them may be useful.
pub(super) fn cost(setup: &Setup, size: Size) -> Passes {
    // The cost of an attack does not depend on its radius. The size of the images is not known
    // here; the largest images have the most radii.
    let all = radii(setup, usize::MAX >> 1).len();
    let (few, one) = (setup.few(size.right), setup.judged([&setup.attack]));
    // The largest radius, and two neighbours between which accuracy may rise.
    one * (all * few + all.min(3) * (size.right - few)) as u64
}

pub(super) fn run(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (setup, used) = (sample.setup(), sample.setup().threat().epsilon());
    let values = sample.batch.images.dims()[1..].iter().product();
    let radii = radii(setup, values);
    let at = |sample: &Sample<'_>, radius: f64| -> Result<LabelledPredictions, AttackError> {
        match radius {
            // A ball of radius zero contains only the image.
            0.0 => Ok(sample.clean.clone()),
            radius if radius == used => Ok(sample.audited()?.predictions),
            radius => {
                let attack = setup.attack.with_knob(Knob::Epsilon(radius))?;
                Ok(sample.find(&attack)?.predictions)
            }
        }
    };
    let few = sample.few();
    let mut places: Vec<f64> = radii.into_iter().chain([0.0, used]).collect();
    places.sort_by(f64::total_cmp);
    let all: Vec<LabelledPredictions> =
        places.iter().map(|radius| at(&few, *radius)).collect::<Result<_, AttackError>>()?;
    let rise = |low: &LabelledPredictions, high: &LabelledPredictions| {
        AccuracyDifference::paired(high, low)
    };
    let rises: Vec<f64> = all.windows(2).map(|pair| rise(&pair[0], &pair[1]).mean).collect();
    let first = (0..rises.len()).max_by(|a, b| rises[*a].total_cmp(&rises[*b]));
    let first = first.expect("there are two radii");
    let (largest, last) = (places[places.len() - 1], all.len() - 1);
    let (mut left, rise) = match sample.rest() {
        None => (all[last].clone(), rise(&all[first], &all[first + 1])),
        // The few images only decide which two radii are compared on the others.
        Some(rest) => {
            let end = at(&rest, largest)?;
            let ends = [first, first + 1].map(|place| match place == last {
                true => Ok(end.clone()),
                false => at(&rest, places[place]),
            });
            let [low, high] = ends;
            let mut left = all[last].clone();
            left.extend(end);
            (left, rise(&low?, &high?))
        }
    };
    left.wrong = sample.clean.wrong;
    let of = if sample.rest().is_some() { 1 } else { rises.len() };
    let (left, guessing) = (left.estimate(), 1.0 / setup.classes as f64);
    let judgement = rise.judge(setup.bound(), 0.05, of);
    let mut measured = format!(
        "at the largest radius, {largest:.3}, robust accuracy is {}, and guessing gives {}",
        percent(left.accuracy),
        percent(guessing)
    );
    if judgement.verdict > Verdict::Inconclusive {
        let radius = places[first + 1];
        measured += &format!("; accuracy rises by {} to radius {radius:.3}", points(rise.mean));
    }
    let curve = curve("robust accuracy", places.iter().copied().zip(&all));
    let verdict = if left.low > guessing { Verdict::Fail } else { Verdict::Skipped };
    Ok(CheckResult::judged(&judgement.at_least(verdict), measured)
        .value("largest_radius", largest)
        .value("left", left.accuracy)
        .value("chance", guessing)
        .value("largest_rise", rise.mean)
        .value("rise_error", rise.error())
        .figure(accuracies("radius, in units of the pixel range", true, vec![curve])))
}
