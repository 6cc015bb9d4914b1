//! Checks of gradients: whether they exist, and whether they exceed the noise.

use super::judgement::Judgement;
use super::labelled::median;
use super::result::{CheckResult, percent};
use super::sample::Sample;
use super::setup::{Setup, Size};
use crate::Verdict;
use cni_attacks::rows::{bools, read};
use cni_attacks::{Attack, AttackError, Eot, Loss, Norm, Objective, Passes};

/// The largest cross-entropy of a softmax that single precision rounds to one.
const SATURATED: f64 = 1.2e-7;
/// The share of images without a gradient at which the check fails.
const MANY: f64 = 0.05;

pub(super) fn health_cost(setup: &Setup, size: Size) -> Passes {
    Eot::ONE.gradient_cost() * (setup.losses().len() * size.examples) as u64
}

/// The health of the gradients of one loss.
#[derive(Default)]
struct Health {
    zero: usize,
    broken: usize,
    saturated: usize,
    lengths: Vec<f64>,
}

pub(super) fn health(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let examples = sample.batch.len();
    let (mut zero, mut broken, mut saturated) = (0, 0, 0);
    let (mut values, mut lengths) = (Vec::new(), Vec::new());
    for loss in sample.setup().losses() {
        let of = match of_loss(sample, &loss) {
            Err(AttackError::NoGradient) => {
                let measured = "the logits do not depend on the images: there is no gradient";
                return Ok(CheckResult::new(Verdict::Fail, measured));
            }
            of => of?,
        };
        let name = serde_json::json!(loss).as_str().unwrap_or_default().to_string();
        let length = median(of.lengths);
        lengths.push(format!("{} {length:.1e}", name.replace('_', "-")));
        values.extend([
            (format!("{name}_zero"), of.zero as f64),
            (format!("{name}_not_finite"), of.broken as f64),
            (format!("{name}_length"), length),
        ]);
        (zero, broken, saturated) =
            (zero.max(of.zero), broken.max(of.broken), saturated.max(of.saturated));
    }
    let many = |zero: usize, images: usize| zero >= 2 && zero as f64 > MANY * images as f64;
    let judgement = Judgement::of_count(zero, examples, MANY, |zero, _| zero >= 1, many);
    let verdict = match (broken, saturated) {
        (1.., _) => Verdict::Fail,
        (_, saturated) if saturated as f64 > 0.2 * examples as f64 => Verdict::Warn,
        _ => Verdict::Skipped,
    };
    let measured = format!(
        "of {examples} images at most {zero} that are not yet misclassified have a gradient of \
         zero, {broken} have one that is NaN or infinite; {saturated} have logits so far apart \
         that the softmax rounds to one; median lengths: {}",
        lengths.join(", ")
    );
    let result = CheckResult::judged(&judgement.at_least(verdict), measured);
    let result = result.value("saturated", saturated as f64);
    Ok(values.into_iter().fold(result, |result, (name, value)| result.value(name, value)))
}

fn of_loss(sample: &Sample<'_>, loss: &Loss) -> Result<Health, AttackError> {
    let (context, key) = (sample.context, sample.key("gradient-health"));
    let mut health = Health::default();
    for part in context.chunks(&sample.batch) {
        let objective = Objective::new(loss.clone(), &part.goal);
        let found = context.ask(context.model, |access| {
            access.gradient(&part.images, &objective, &part.examples, Eot::ONE, key)
        });
        let found = match found {
            Err(AttackError::NonFinite { field: "gradient", got, .. }) => {
                // The passes were made, although their result was refused.
                context.spend(Eot::ONE.gradient_cost() * part.len() as u64);
                health.broken += got;
                continue;
            }
            found => found?,
        };
        // A number below the smallest normal one has lost its digits, so it counts as zero.
        let largest = read(&Norm::Linf.length(found.gradient.clone()));
        // Some losses are flat at misclassified images by design.
        let wrong = bools(&part.goal.reached(&found.logits));
        let lost = |(size, wrong): (&f64, &bool)| *size < f64::from(f32::MIN_POSITIVE) && !wrong;
        health.zero += largest.iter().zip(&wrong).filter(|pair| lost(*pair)).count();
        if *loss == Loss::CrossEntropy {
            let scores = read(&found.score);
            health.saturated += scores.iter().filter(|score| **score < SATURATED).count();
        }
        health.lengths.extend(read(&Norm::L2.length(found.gradient)));
    }
    Ok(health)
}

/// The reason why the noise of gradients does not matter to the audited attack, if it does not.
pub(super) fn without_gradients(setup: &Setup) -> Option<String> {
    let reason = || format!("{} takes no gradient of the model", setup.attack.name());
    setup.attack.gradient_draws().is_none().then(reason)
}

pub(super) fn noise_cost(setup: &Setup, size: Size) -> Passes {
    Eot::ONE.gradient_cost() * ((setup.sizes.reference + setup.eot().draws) * size.examples) as u64
}

pub(super) fn noise(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (context, key) = (sample.context, sample.key("gradient-noise"));
    let (draws, reference) = (sample.setup().eot().draws, sample.setup().sizes.reference);
    let (mut ratios, mut agreements) = (Vec::new(), Vec::new());
    for part in context.chunks(&sample.batch) {
        let objective = Objective::new(sample.setup().loss(), &part.goal);
        let gradient = |eot: Eot, key| {
            let found = context.ask(context.model, |access| {
                access.gradient(&part.images, &objective, &part.examples, eot, key)
            });
            Ok::<_, AttackError>(found?.gradient)
        };
        let used = gradient(Eot { draws, ..Eot::ONE }, key.named("used"))?;
        let mut sum = used.zeros_like();
        let mut squares = vec![0.0; part.len()];
        for draw in 0..reference as u64 {
            let one = gradient(Eot::ONE, key.named("reference").child(draw))?;
            let lengths = read(&Norm::L2.length(one.clone()));
            squares.iter_mut().zip(lengths).for_each(|(sum, length)| *sum += length * length);
            sum = sum + one;
        }
        let count = reference as f64;
        let mean = sum.div_scalar(count);
        // ‖E g‖² is the squared length of the mean minus the part of the noise, tr Σ / R.
        for (length, squares) in read(&Norm::L2.length(mean.clone())).into_iter().zip(squares) {
            let spread = (squares - count * length * length).max(0.0) / (count - 1.0);
            let signal = (length * length - spread / count).max(0.0);
            if spread > 0.0 {
                ratios.push((signal * draws as f64 / spread).sqrt());
            }
        }
        let [batch, ..] = mean.dims();
        let agree = mean.sign().equal(used.sign()).float().reshape([batch as i32, -1]).mean_dim(1);
        agreements.extend(read(&agree));
    }
    let (ratio, agreement) = (median(ratios.clone()), median(agreements));
    if ratios.is_empty() {
        return Ok(CheckResult::new(Verdict::Pass, "the gradients of all draws are equal"));
    }
    let verdict = if ratio < 1.0 { Verdict::Warn } else { Verdict::Pass };
    let measured = format!(
        "over {draws} draws the mean gradient is {ratio:.2} times as long as its error, and {} of \
         its signs are those of the mean over {reference} others (medians)",
        percent(agreement)
    );
    Ok(CheckResult::new(verdict, measured)
        .value("signal_to_noise", ratio)
        .value("signal_to_noise_of_one_draw", ratio / (draws as f64).sqrt())
        .value("sign_agreement", agreement))
}
