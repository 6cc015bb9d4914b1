use super::Neighborhood;
use super::loss::WeightLoss;
use super::watch::Watch;
use crate::record::flatness::LandscapeCurve;
use crate::{EvaluationError, Point};
use burn::module::Module;
use cni_attacks::weights::{LayerValues, WeightRegion, WeightThreat, relative_step};
use cni_attacks::{at_least_one, within};

/// A landscape: the robust loss along straight lines through the weights, at equal distances from
/// −1 to 1 times a direction that has a share of each layer's norm (Stutz et al., ICCV 2021,
/// section 3.3).
///
/// At every point the images are perturbed anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Landscape {
    pub(super) points: usize,
    pub(super) directions: usize,
    pub(super) random: f64,
    pub(super) adversarial: f64,
}

impl Landscape {
    /// The published setting: 51 points along 10 random directions of length 0.5, and along the
    /// perturbation of the worst case at length 0.025.
    pub fn published() -> Self {
        Self { points: 51, directions: 10, random: 0.5, adversarial: 0.025 }
    }

    /// The number of points along a direction, from −1 to 1; an error below 3, or if it is even, so
    /// that the weights themselves would be no point.
    pub fn with_points(self, points: usize) -> Result<Self, EvaluationError> {
        let odd = |points: f64| points >= 3.0 && points % 2.0 == 1.0;
        within("points", points as f64, odd, "an odd number of at least 3")?;
        Ok(Self { points, ..self })
    }

    /// The number of random directions; an error if it is zero.
    pub fn with_directions(self, directions: usize) -> Result<Self, EvaluationError> {
        Ok(Self { directions: at_least_one("directions", directions)?, ..self })
    }

    /// The lengths of the random directions and of the adversarial one, shares of each layer's
    /// norm; an error unless finite and above 0.
    pub fn with_lengths(self, random: f64, adversarial: f64) -> Result<Self, EvaluationError> {
        let length = |length| within("length", length, |length| length > 0.0, "above 0");
        Ok(Self { random: length(random)?, adversarial: length(adversarial)?, ..self })
    }

    /// Measurements along all directions, with an adversarial one or without.
    fn work(&self, adversarial: bool) -> usize {
        self.points * (self.directions + usize::from(adversarial))
    }
}

/// The curves along all directions. The adversarial one is that of the worst case, if there is one.
pub(super) fn landscape<M: Module, L: WeightLoss<M>>(
    around: &Neighborhood<'_, M, L>,
    worst: Option<&LayerValues>,
    settings: &Landscape,
    watch: &mut Watch<'_>,
) -> Result<Vec<LandscapeCurve>, EvaluationError> {
    let Landscape { points, directions, random, adversarial } = *settings;
    let (layers, key) = (around.layers, around.key);
    let threat = WeightThreat::new(random, WeightRegion::Sphere)?;
    let mut lines = Vec::new();
    for direction in 0..directions as u64 {
        lines.push((false, random, threat.random(key.child(direction), layers)));
    }
    if let Some(worst) = worst {
        lines.push((true, adversarial, relative_step(worst.clone(), layers, adversarial)));
    }
    let (mut done, work) = (0, settings.work(worst.is_some()));
    let mut curves = Vec::new();
    for (adversarial, length, line) in lines {
        let mut curve = LandscapeCurve { adversarial, length, points: Vec::new() };
        let middle = (points / 2) as f64;
        for point in 0..points {
            let x = (point as f64 - middle) / middle;
            let at = around.moved(&line.clone().times(x));
            // One key for all points, so that a line shows the weights and not the attack's luck.
            let y = around.loss.loss(&at, key.named("attack"), 1)?;
            curve.points.push(Point { x, y, low: None, high: None });
            done += 1;
            watch.step("landscape", done, work);
        }
        curves.push(curve);
    }
    Ok(curves)
}
