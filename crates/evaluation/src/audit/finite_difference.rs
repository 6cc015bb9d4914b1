//! A comparison of gradients with differences of the loss, which shows wrong gradients.

use super::context::host;
use super::labelled::median;
use super::result::CheckResult;
use super::sample::Sample;
use super::setup::{Setup, Size, forwards};
use crate::Verdict;
use burn::tensor::{DType, Tensor};
use cni_attacks::rows::read;
use cni_attacks::{AttackBatch, AttackError, Eot, Loss, Norm, Objective, Passes};
use cni_noise::{Key, normal_rows};

/// The distances that the images move along a direction whose largest entry is one, in units of the
/// pixel range. The best of them counts: a long way crosses the kinks of a piecewise linear model,
/// and on a short one rounding hides the difference.
const WAYS: [f64; 3] = [4e-3, 1e-3, 2.5e-4];

fn draws(setup: &Setup) -> usize {
    setup.score_draws()
}

pub(super) fn cost(setup: &Setup, size: Size) -> Passes {
    let (draws, directions) = (draws(setup), setup.sizes.directions + 1);
    let values = forwards(directions * WAYS.len() * 2 * draws);
    (Eot { draws, ..Eot::ONE }.gradient_cost() + values) * size.examples as u64
}

pub(super) fn run(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let mut errors = Vec::new();
    for part in sample.context.chunks(&sample.batch) {
        errors.extend(of_chunk(sample, &part)?.into_iter().flatten());
    }
    if errors.is_empty() {
        let reason = "no image has a gradient or a difference that could be compared";
        return Ok(CheckResult::new(Verdict::Fail, reason));
    }
    let (count, error) = (errors.len(), median(errors));
    let verdict = match error {
        0.0..=1e-2 => Verdict::Pass,
        0.0..=1e-1 => Verdict::Warn,
        _ => Verdict::Fail,
    };
    let measured = format!(
        "gradients differ from central differences by {error:.1e} of their size (median of {count} \
         images of {})",
        sample.batch.len()
    );
    Ok(CheckResult::new(verdict, measured)
        .value("relative_error", error)
        .value("compared", count as f64))
}

/// The largest relative error of each image over the directions, if its loss has a slope at all.
fn of_chunk(sample: &Sample<'_>, part: &AttackBatch) -> Result<Vec<Option<f64>>, AttackError> {
    let (context, setup, key) = (sample.context, sample.setup(), sample.key("finite-difference"));
    let eot = Eot { draws: draws(setup), ..Eot::ONE };
    // Images are moved away from the faces of the box, at which models that clip their input have a
    // kink.
    let images = part.images.clone().sub_scalar(0.5).mul_scalar(0.96).add_scalar(0.5);
    let objective = Objective::new(setup.loss(), &part.goal);
    let noise = key.named("noise");
    let gradient = context
        .ask(context.model, |access| {
            access.gradient(&images, &objective, &part.examples, eot, noise)
        })?
        .gradient;
    let length = read(&Norm::L2.length(gradient.clone()));
    let mut errors: Vec<Option<f64>> = vec![None; part.len()];
    for direction in 0..=setup.sizes.directions as u64 {
        let direction = match direction {
            0 => gradient.clone().sign(),
            n => normal_rows(key.child(n), &part.examples, &images).sign(),
        };
        let slope = inner(&gradient, &direction);
        let mut best = vec![f64::INFINITY; part.len()];
        let mut steepest = vec![0.0f64; part.len()];
        for way in WAYS {
            let losses = [way, -way].map(|way| {
                let moved = images.clone() + direction.clone().mul_scalar(way);
                mean_loss(sample, part, &moved, noise, eot.draws)
            });
            let [ahead, behind] = losses;
            for (row, (ahead, behind)) in ahead?.into_iter().zip(behind?).enumerate() {
                let difference = (ahead - behind) / (2.0 * way);
                let scale = slope[row].abs().max(difference.abs()).max(length[row]);
                steepest[row] = steepest[row].max(scale);
                best[row] = best[row].min((difference - slope[row]).abs() / scale);
            }
        }
        for (row, error) in best.into_iter().enumerate().filter(|(row, _)| steepest[*row] > 1e-12) {
            errors[row] = Some(errors[row].unwrap_or(0.0).max(error));
        }
    }
    Ok(errors)
}

fn inner(a: &Tensor<4>, b: &Tensor<4>) -> Vec<f64> {
    let [batch, ..] = a.dims();
    read(&(a.clone() * b.clone()).reshape([batch as i32, -1]).sum_dim(1))
}

/// The mean loss of each image over the draws of a key, in double precision from the logits on.
fn mean_loss(
    sample: &Sample<'_>,
    part: &AttackBatch,
    images: &Tensor<4>,
    key: Key,
    draws: usize,
) -> Result<Vec<f64>, AttackError> {
    let (context, loss) = (sample.context, sample.setup().loss());
    let labels = host(part.goal.labels());
    let mut sums = vec![0.0; part.len()];
    for draw in 0..draws as u64 {
        let logits = context.ask(context.model, |access| {
            access.logits(images, &part.goal, &part.examples, key, draw)
        })?;
        let losses: Vec<f64> = match &loss {
            // The function is unknown, except that it is a function of the logits.
            Loss::Custom(_) => read(&loss.per_example(logits.cast(DType::F64), part.goal.labels())),
            loss => {
                let [_, classes] = logits.dims();
                let logits = read(&logits);
                let rows = logits.chunks(classes).zip(&labels);
                rows.map(|(logits, label)| exact(loss, logits, *label as usize)).collect()
            }
        };
        sums.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += loss / draws as f64);
    }
    Ok(sums)
}

/// The loss of one image in double precision, without the cancellation that would hide small
/// differences.
fn exact(loss: &Loss, logits: &[f64], label: usize) -> f64 {
    let own = logits[label];
    let others = logits.iter().enumerate().filter(|(class, _)| *class != label).map(|(_, z)| *z);
    let margin = others.clone().fold(f64::NEG_INFINITY, f64::max) - own;
    match &loss {
        Loss::CrossEntropy => {
            // ln Σ exp(z − z_y): the label's own term is one.
            let peak = margin.max(0.0);
            let rest: f64 = others.map(|z| (z - own - peak).exp()).sum();
            match peak > 0.0 {
                true => peak + (rest + (-peak).exp()).ln(),
                false => rest.ln_1p(),
            }
        }
        Loss::Margin => margin,
        Loss::Dlr => {
            let mut sorted = logits.to_vec();
            sorted.sort_by(|a, b| b.total_cmp(a));
            margin / (sorted[0] - sorted[2] + 1e-12)
        }
        Loss::Custom(function) => unreachable!("{} is a function of tensors", function.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn exact_losses_are_those_of_the_attacks() {
        let rows = [[1.0, 2.0, 4.0], [0.5, -3.0, 0.0], [40.0, 0.0, -3.0]];
        let device = Device::flex();
        let logits = Tensor::<2>::from_data(rows, (&device, DType::F64));
        let labels = Tensor::from_ints([1, 0, 0], &device);
        for loss in [Loss::CrossEntropy, Loss::Margin, Loss::Dlr] {
            let wanted = read(&loss.per_example(logits.clone(), &labels));
            for ((row, label), wanted) in rows.iter().zip([1, 0, 0]).zip(wanted) {
                assert!((exact(&loss, row, label) - wanted).abs() < 1e-10, "{loss:?} {wanted}");
            }
        }
        // Here the loss of the rounded softmax is zero.
        let tiny = (-40.0f64).exp() + (-43.0f64).exp();
        assert!((exact(&Loss::CrossEntropy, &rows[2], 0) / tiny - 1.0).abs() < 1e-10);
    }
}
