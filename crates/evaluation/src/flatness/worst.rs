use super::Neighborhood;
use super::loss::WeightLoss;
use super::watch::Watch;
use crate::EvaluationError;
use crate::record::flatness::PerturbedLosses;
use burn::module::Module;
use cni_attacks::weights::{LayerValues, WeightRegion, WeightThreat, relative_step};
use cni_attacks::{at_least_one, within};

/// Worst-case flatness: the largest robust loss at perturbed weights, above that of the weights
/// themselves (Stutz et al., ICCV 2021, equation 6).
///
/// Each attempt begins at random weights and random images, and ascends in both together: every
/// iteration is a pass over all data, after which the weights of each layer move by `step · ‖w_l‖`
/// along its gradient and back into the region, and the images move a step of the attack. The
/// weights at the end are then judged by a new attack, and so are those of the beginning; the
/// larger loss counts. An attempt is thus never below the average's under the same key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorstFlatness {
    pub(super) threat: WeightThreat,
    pub(super) attempts: usize,
    pub(super) restarts: usize,
    pub(super) steps: usize,
    pub(super) step: f64,
}

impl WorstFlatness {
    /// The radius of the paper's text, ξ = 0.00075.
    pub const RADIUS_OF_TEXT: f64 = 0.000_75;

    /// The radius of the paper's supplement and of the authors' example, ξ = 0.003.
    pub const RADIUS_OF_SUPPLEMENT: f64 = 0.003;

    /// The setting of the paper's text: the ball of radius 0.00075.
    pub fn of_text() -> Self {
        Self::of_radius(Self::RADIUS_OF_TEXT)
    }

    /// The setting of the paper's supplement: the ball of radius 0.003.
    pub fn of_supplement() -> Self {
        Self::of_radius(Self::RADIUS_OF_SUPPLEMENT)
    }

    fn of_radius(radius: f64) -> Self {
        let threat = WeightThreat::new(radius, WeightRegion::Ball);
        Self::new(threat.expect("the radius is above 0"))
    }

    /// 10 attempts within a threat, of 20 iterations with steps of 0.01, as in the authors' code.
    /// The supplement's text has steps of 0.001.
    pub fn new(threat: WeightThreat) -> Self {
        Self { threat, attempts: 10, restarts: 1, steps: 20, step: 0.01 }
    }

    /// The number of attempts; an error if it is zero.
    pub fn with_attempts(self, attempts: usize) -> Result<Self, EvaluationError> {
        Ok(Self { attempts: at_least_one("attempts", attempts)?, ..self })
    }

    /// The runs of the attack that judges, of which the worst image of an example counts; an error
    /// if they are zero.
    pub fn with_restarts(self, restarts: usize) -> Result<Self, EvaluationError> {
        Ok(Self { restarts: at_least_one("restarts", restarts)?, ..self })
    }

    /// The number of iterations of an attempt; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, EvaluationError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The length of a step, a share of each layer's norm; an error unless it is finite and above
    /// 0.
    pub fn with_step(self, step: f64) -> Result<Self, EvaluationError> {
        let step = within("step", step, |step| step > 0.0, "a finite number above 0")?;
        Ok(Self { step, ..self })
    }
}

/// The losses of the attempts, and the perturbation of the worst.
pub(super) fn worst<M: Module, L: WeightLoss<M>>(
    around: &Neighborhood<'_, M, L>,
    settings: &WorstFlatness,
    watch: &mut Watch<'_>,
) -> Result<(PerturbedLosses, LayerValues), EvaluationError> {
    let WorstFlatness { threat, attempts, restarts, steps, step } = *settings;
    let (loss, layers) = (around.loss, around.layers);
    let (mut losses, mut found): (Vec<f64>, Option<(f64, LayerValues)>) = (Vec::new(), None);
    for attempt in 0..attempts {
        let key = around.key.child(attempt as u64);
        let start = threat.random(key.named("weights"), layers);
        let (mut change, mut inputs) = (start.clone(), Vec::new());
        for iteration in 0..steps {
            let tracked = layers.tracked(around.moved(&change));
            let key = key.named("ascent");
            let (_, slope) = loss.ascend(&tracked, layers, iteration, &mut inputs, key)?;
            let moved = change.plus(&relative_step(slope, layers, step));
            change = threat.project(moved, layers);
        }
        let judge =
            |change: &LayerValues| loss.loss(&around.moved(change), key.named("attack"), restarts);
        let (first, last) = (judge(&start)?, judge(&change)?);
        let (largest, change) = if first > last { (first, start) } else { (last, change) };
        losses.push(largest);
        if found.as_ref().is_none_or(|(so_far, _)| largest > *so_far) {
            found = Some((largest, change));
        }
        watch.step("worst case", attempt + 1, attempts);
    }
    let (largest, change) = found.ok_or(EvaluationError::NoData)?;
    let mut record = PerturbedLosses::new(threat, restarts, losses, largest - around.reference);
    (record.steps, record.step) = (Some(steps), Some(step));
    Ok((record, change))
}
