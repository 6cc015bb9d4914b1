use super::Neighborhood;
use super::loss::WeightLoss;
use super::watch::Watch;
use crate::EvaluationError;
use crate::record::flatness::PerturbedLosses;
use burn::module::Module;
use cni_attacks::at_least_one;
use cni_attacks::weights::{WeightRegion, WeightThreat};

/// Average flatness: the mean robust loss at random perturbations of the weights, above that of the
/// weights themselves (Stutz et al., ICCV 2021, equation 5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AverageFlatness {
    pub(super) threat: WeightThreat,
    pub(super) attempts: usize,
    pub(super) restarts: usize,
}

impl AverageFlatness {
    /// The published radius, ξ = 0.5.
    pub const RADIUS: f64 = 0.5;

    /// The published setting: 10 random perturbations on the sphere of radius 0.5, as in the
    /// authors' code, each with one run of the attack. The paper's text has the ball.
    pub fn published() -> Self {
        let threat = WeightThreat::new(Self::RADIUS, WeightRegion::Sphere);
        Self::new(threat.expect("the radius is above 0"))
    }

    /// 10 random perturbations within a threat, each with one run of the attack.
    pub fn new(threat: WeightThreat) -> Self {
        Self { threat, attempts: 10, restarts: 1 }
    }

    /// The number of random perturbations; an error if it is zero.
    pub fn with_attempts(self, attempts: usize) -> Result<Self, EvaluationError> {
        Ok(Self { attempts: at_least_one("attempts", attempts)?, ..self })
    }

    /// The runs of the attack for each perturbation, of which the worst image of an example counts;
    /// an error if they are zero.
    pub fn with_restarts(self, restarts: usize) -> Result<Self, EvaluationError> {
        Ok(Self { restarts: at_least_one("restarts", restarts)?, ..self })
    }
}

pub(super) fn average<M: Module, L: WeightLoss<M>>(
    around: &Neighborhood<'_, M, L>,
    settings: &AverageFlatness,
    watch: &mut Watch<'_>,
) -> Result<PerturbedLosses, EvaluationError> {
    let AverageFlatness { threat, attempts, restarts } = *settings;
    let mut losses = Vec::with_capacity(attempts);
    for attempt in 0..attempts {
        let key = around.key.child(attempt as u64);
        let change = threat.random(key.named("weights"), around.layers);
        let perturbed = around.moved(&change);
        losses.push(around.loss.loss(&perturbed, key.named("attack"), restarts)?);
        watch.step("average", attempt + 1, attempts);
    }
    let mean = losses.iter().sum::<f64>() / attempts as f64;
    Ok(PerturbedLosses::new(threat, restarts, losses, mean - around.reference))
}
