//! The surface of the loss around images, along the gradient and along a random direction.

use super::context::host;
use super::result::CheckResult;
use super::sample::Sample;
use super::setup::{Setup, Size, forwards};
use crate::{Axis, Figure, Verdict};
use burn::tensor::{FloatDType, Tensor};
use cni_attacks::rows::read;
use cni_attacks::{AttackBatch, AttackError, Eot, Objective, Passes};
use cni_noise::Key;

/// The reach of the surface, in ε.
const REACH: f64 = 2.0;

pub(super) fn cost(setup: &Setup, size: Size) -> Passes {
    let (places, draws) = (setup.sizes.grid.pow(2), setup.score_draws());
    let single = if setup.stochastic { places } else { 0 };
    let values = forwards(places * draws + single);
    (Eot { draws, ..Eot::ONE }.gradient_cost() + values) * size.examples as u64
}

/// A surface: sums of the loss over images, with a row for each place along the second direction.
struct Surface {
    mean: Vec<Vec<f64>>,
    /// The sums in one draw for each place, as a single pass shows them.
    single: Vec<Vec<f64>>,
    /// The rise of the loss along the gradient and along a random direction, for the first image
    /// that is classified correctly.
    first: Option<[f64; 2]>,
}

pub(super) fn run(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (grid, epsilon) = (sample.setup().sizes.grid, sample.setup().threat().epsilon());
    let half = (grid / 2) as f64;
    let places: Vec<f64> = (0..grid).map(|at| REACH * (at as f64 - half) / half).collect();
    let empty = || vec![vec![0.0; grid]; grid];
    let mut surface = Surface { mean: empty(), single: empty(), first: None };
    for part in sample.context.chunks(&sample.batch) {
        add(sample, &part, &places, &mut surface)?;
    }
    let count = sample.batch.len() as f64;
    for value in surface.mean.iter_mut().chain(&mut surface.single).flatten() {
        *value /= count;
    }
    let roughness = [&surface.mean, &surface.single].map(|surface| roughness(surface));
    let rises = rises(&surface.mean);
    let verdict = if rises[0] <= rises[1].max(0.0) { Verdict::Warn } else { Verdict::Pass };
    let [first, chance] = rises;
    let mut measured = format!(
        "within ε the mean loss rises by {first:.3} along the gradient and by {chance:.3} along a \
         random direction"
    );
    if sample.setup().stochastic {
        let ratio = roughness[1] / roughness[0];
        measured += &format!("; in single draws it is {ratio:.1} times as rough as in their mean");
    }
    let axis = |label: &str| Axis { label: label.to_string(), logarithmic: false };
    let mut result = CheckResult::new(verdict, measured)
        .value("rise_along_gradient", rises[0])
        .value("rise_along_random", rises[1])
        .value("roughness", roughness[0])
        .value("epsilon", epsilon);
    if sample.setup().stochastic {
        result = result.value("roughness_of_one_draw", roughness[1]);
    }
    if let Some([along, random]) = surface.first {
        result = result
            .value("first_image_rise_along_gradient", along)
            .value("first_image_rise_along_random", random);
    }
    Ok(result.figure(Figure::Surface {
        x: axis("along the gradient, in ε"),
        y: axis("along a random direction, in ε"),
        z: axis("mean loss"),
        xs: places.clone(),
        ys: places,
        values: surface.mean,
    }))
}

/// Adds the losses of some images.
fn add(
    sample: &Sample<'_>,
    part: &AttackBatch,
    places: &[f64],
    surface: &mut Surface,
) -> Result<(), AttackError> {
    let (context, setup, key) = (sample.context, sample.setup(), sample.key("loss-surface"));
    let (norm, epsilon) = (setup.threat().norm(), setup.threat().epsilon());
    let objective = Objective::new(setup.loss(), &part.goal);
    let (images, examples) = (&part.images, &part.examples);
    let eot = Eot { draws: setup.score_draws(), ..Eot::ONE };
    let noise = key.named("noise");
    let found = context
        .ask(context.model, |access| access.gradient(images, &objective, examples, eot, noise))?;
    let along = norm.steepest_step(found.gradient, epsilon);
    let chance = cni_noise::normal_rows(key.named("direction"), examples, images);
    let chance = norm.steepest_step(chance, epsilon);
    let labels = host(part.goal.labels());
    let predicted = read(&found.logits.argmax(1).cast(FloatDType::F32));
    let right = predicted.iter().zip(&labels).position(|(class, label)| *class as i64 == *label);
    let mut of_first = vec![vec![0.0; places.len()]; places.len()];
    let losses = |moved: &Tensor<4>, eot: Eot, key: Key| {
        let scores = context
            .ask(context.model, |access| access.score(moved, &objective, examples, eot, key))?;
        Ok::<_, AttackError>(read(&scores.score))
    };
    for (row, y) in places.iter().enumerate() {
        for (column, x) in places.iter().enumerate() {
            let moved =
                images.clone() + along.clone().mul_scalar(*x) + chance.clone().mul_scalar(*y);
            let moved = moved.clamp(0.0, 1.0);
            let all = losses(&moved, eot, noise)?;
            surface.mean[row][column] += all.iter().sum::<f64>();
            of_first[row][column] = right.map_or(0.0, |right| all[right]);
            if setup.stochastic {
                let place = (row * places.len() + column) as u64;
                let one = losses(&moved, Eot::ONE, key.named("single").child(place))?;
                surface.single[row][column] += one.iter().sum::<f64>();
            }
        }
    }
    if right.is_some() && surface.first.is_none() {
        surface.first = Some(rises(&of_first));
    }
    Ok(())
}

/// The rise of a surface within ε of its middle, along the first and along the second direction, on
/// the side where it rises more.
fn rises(surface: &[Vec<f64>]) -> [f64; 2] {
    let middle = surface.len() / 2;
    let within = (surface.len() as f64 / (2.0 * REACH)) as usize;
    let origin = surface[middle][middle];
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    [
        most(&mut (1..=within).map(|at| surface[middle][middle + at] - origin)),
        most(&mut (middle - within..=middle + within).map(|at| surface[at][middle] - origin)),
    ]
}

/// The roughness: the mean second difference along both axes, relative to the range of the surface;
/// zero if the surface is flat.
fn roughness(surface: &[Vec<f64>]) -> f64 {
    let at = |row: usize, column: usize| surface[row][column];
    let (mut sum, mut count) = (0.0, 0);
    for row in 0..surface.len() {
        for column in 1..surface.len() - 1 {
            let bend = |a: f64, b: f64, c: f64| (a - 2.0 * b + c).abs();
            sum += bend(at(row, column - 1), at(row, column), at(row, column + 1));
            sum += bend(at(column - 1, row), at(column, row), at(column + 1, row));
            count += 2;
        }
    }
    let all = surface.iter().flatten();
    let (low, high) =
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    if high > low { sum / f64::from(count) / (high - low) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_smooth_and_rises_along_its_slope() {
        let plane: Vec<Vec<f64>> = (0..9)
            .map(|y| (0..9).map(|x| 3.0 * f64::from(x - 4) - f64::from(y - 4)).collect())
            .collect();
        assert_eq!(roughness(&plane), 0.0);
        assert_eq!(rises(&plane), [6.0, 2.0]);
        let mut bumpy = plane.clone();
        bumpy[4][5] += 10.0;
        assert!(roughness(&bumpy) > 0.01);
    }
}
