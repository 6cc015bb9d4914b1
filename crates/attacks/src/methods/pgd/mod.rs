//! Projected gradient ascent, of which FGSM, BIM, MI-FGSM, DI-FGSM, TI-FGSM and EOT-PGD are settings.

mod ascent;
mod diversity;
mod settings;
mod translation;

pub use self::diversity::InputDiversity;
pub use self::translation::GradientKernel;

use self::ascent::Run;
use crate::attack::spec;
use crate::methods::shared::best::KeepBest;
use crate::{Access, Attack, AttackBatch, AttackError, Eot, Loss, ModelAccess, Threat};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::{Deserialize, Serialize};

/// Which point of a run is its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Iterate {
    /// The last, as in training: no pass is spent on choosing.
    #[default]
    Last,
    /// Of start and iterates the best for each example, chosen as among restarts. It costs as many
    /// more forward passes as the gradients took, and those of the start.
    Best,
}

/// Projected gradient descent (Madry et al., arXiv 1706.06083, section 2.1).
///
/// From a start in the ball, each step moves along the steepest direction of the norm and projects
/// back to ball and box: `x ← Π(x + step_size · steepest(∇score))`. With momentum `μ` the direction
/// is that of `m ← μ m + g / ‖g‖₁` (Dong et al., arXiv 1710.06081). In the L1 norm a step moves the
/// share `sparsity` of the coordinates with the largest slopes by equal amounts (Tramèr and Boneh,
/// arXiv 1904.13000), since the single steepest one meets the box at once. Two settings make
/// examples that mislead other models too: [`InputDiversity`] takes the gradient where the model
/// sees the image resized, and a [`GradientKernel`] averages it over shifts, in this order and
/// before momentum. Images are judged as they are. With `draws` above one
/// each gradient is an expectation over the model's noise (EOT). Of several restarts the result of
/// each example counts that reaches the goal in the most draws, of equals the one with the larger
/// margin. Where the expectation is of logits or of probabilities, it is their mean over the draws
/// that reaches the goal or does not.
///
/// ```
/// use cni_attacks::{Attack, Iterate, Pgd, Threat};
/// let threat = Threat::linf(8.0 / 255.0)?;
/// assert_eq!(Pgd::fgsm(threat).name(), "FGSM");
/// assert_eq!(Pgd::random_fgsm(threat).name(), "RS-FGSM");
/// assert_eq!(Pgd::bim(threat).name(), "BIM-10");
/// assert_eq!(Pgd::mi_fgsm(threat).name(), "MI-FGSM-10");
/// assert_eq!(Pgd::di_fgsm(threat).name(), "DI-FGSM-10");
/// assert_eq!(Pgd::ti_fgsm(threat).with_momentum(1.0)?.name(), "TI-MI-FGSM-10");
/// assert_eq!(Pgd::training(threat).name(), "PGD-7");
/// let strong = Pgd::new(threat).with_steps(20)?.with_draws(20)?.with_iterate(Iterate::Best);
/// assert_eq!(strong.name(), "EOT-PGD-20x20-best");
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "pgd")]
pub struct Pgd {
    /// What it may change.
    pub threat: Threat,
    /// Steps of a run.
    pub steps: usize,
    /// The length of a step in the threat's norm.
    pub step_size: f64,
    /// Whether a run starts at a random point of the ball.
    pub random_start: bool,
    /// Runs.
    pub restarts: usize,
    /// How much of the past gradients each step keeps, from 0 to 1.
    pub momentum: f64,
    // Without them the settings read as they did before there were any, in records as well.
    /// How the model sees the images resized at each gradient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_diversity: Option<InputDiversity>,
    /// What each gradient is convolved with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<GradientKernel>,
    /// The share of the coordinates that a step in the L1 norm moves.
    pub sparsity: f64,
    /// The draws behind each gradient and each score.
    #[serde(flatten)]
    pub eot: Eot,
    /// The loss that is climbed.
    pub loss: Loss,
    /// Which point of a run is its result.
    pub iterate: Iterate,
}

impl Pgd {
    /// Ten steps of ε/4 from a random start, on the cross-entropy, one draw, one run, the last iterate.
    pub fn new(threat: Threat) -> Self {
        Self {
            threat,
            steps: 10,
            step_size: threat.epsilon() / 4.0,
            random_start: true,
            restarts: 1,
            momentum: 0.0,
            input_diversity: None,
            kernel: None,
            sparsity: 0.05,
            eot: Eot::ONE,
            loss: Loss::CrossEntropy,
            iterate: Iterate::Last,
        }
    }

    /// The fast gradient sign method (Goodfellow et al., arXiv 1412.6572): one step of ε from the image itself.
    pub fn fgsm(threat: Threat) -> Self {
        Self { steps: 1, step_size: threat.epsilon(), random_start: false, ..Self::new(threat) }
    }

    /// FGSM from a random start (Wong et al., arXiv 2001.03994): one step of 1.25 ε.
    pub fn random_fgsm(threat: Threat) -> Self {
        Self { steps: 1, step_size: 1.25 * threat.epsilon(), ..Self::new(threat) }
    }

    /// The basic iterative method (Kurakin et al., arXiv 1607.02533): ten steps of ε/4 from the image itself.
    pub fn bim(threat: Threat) -> Self {
        Self { random_start: false, ..Self::new(threat) }
    }

    /// The momentum iterative method (Dong et al., arXiv 1710.06081): ten steps of ε/10 from the image itself, momentum 1.
    pub fn mi_fgsm(threat: Threat) -> Self {
        Self { step_size: threat.epsilon() / 10.0, momentum: 1.0, ..Self::bim(threat) }
    }

    /// DI²-FGSM (Xie et al., arXiv 1803.06978): ten steps of ε/4 from the image itself, with the
    /// [`InputDiversity`] that is usual; with momentum 1 it is their M-DI²-FGSM.
    pub fn di_fgsm(threat: Threat) -> Self {
        Self { input_diversity: Some(InputDiversity::default()), ..Self::bim(threat) }
    }

    /// TI-FGSM (Dong et al., arXiv 1904.02884): ten steps of ε/4 from the image itself, with the
    /// [`GradientKernel`] that is usual. `torchattacks` has input diversity in it; here that is
    /// [`with_input_diversity`](Self::with_input_diversity), and with momentum 1 it is the authors'
    /// TI-DIM.
    pub fn ti_fgsm(threat: Threat) -> Self {
        Self { kernel: Some(GradientKernel::default()), ..Self::bim(threat) }
    }

    /// The attack that PNI (CVPR 2019) and CNI (arXiv 2003.02188) train against: seven steps of ε/4, random start.
    pub fn training(threat: Threat) -> Self {
        Self { steps: 7, ..Self::new(threat) }
    }
}

impl Attack for Pgd {
    /// `FGSM`, `RS-FGSM`, `BIM-{steps}`, `MI-FGSM-{steps}` or `PGD-{steps}`; `DI-…` with input diversity, `TI-…` with a
    /// kernel, `FGSM` standing for BIM then; with several draws `EOT-…x{draws}`; then the expectation, the loss,
    /// `-r{restarts}` and `-best` where they are not the usual.
    fn name(&self) -> String {
        let (epsilon, one) = (self.threat.epsilon(), self.steps == 1);
        let prefix = match (self.kernel.is_some(), self.input_diversity.is_some()) {
            (false, false) => "",
            (false, true) => "DI-",
            (true, false) => "TI-",
            (true, true) => "TI-DI-",
        };
        let mut name = match (self.random_start, self.momentum > 0.0) {
            (false, false) if one && self.step_size == epsilon => "FGSM".to_string(),
            (true, false) if one => "RS-FGSM".to_string(),
            (false, false) if prefix.is_empty() => format!("BIM-{}", self.steps),
            (false, false) => format!("FGSM-{}", self.steps),
            (false, true) => format!("MI-FGSM-{}", self.steps),
            (true, false) => format!("PGD-{}", self.steps),
            (true, true) => format!("MI-PGD-{}", self.steps),
        };
        name = self.eot.name(format!("{prefix}{name}"));
        name += &self.loss.suffix();
        if self.restarts > 1 {
            name += &format!("-r{}", self.restarts);
        }
        if self.iterate == Iterate::Best {
            name += "-best";
        }
        name
    }

    fn threat(&self) -> Threat {
        self.threat
    }

    fn access(&self) -> Access {
        Access::Gradients
    }

    fn spec(&self) -> serde_json::Value {
        spec(self)
    }

    fn gradient_draws(&self) -> Option<usize> {
        Some(self.eot.draws)
    }

    fn min_classes(&self) -> usize {
        self.loss.classes()
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        problem: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let key_of_choice = key.named("score");
        let mut selection =
            KeepBest::climbed(&problem.goal, self.loss.clone(), self.eot, key_of_choice);
        let best = self.iterate == Iterate::Best;
        // What stops early has no part in the choice of the best, whose batch stays whole.
        let stop = !best && access.wants_early_stop() && access.stops_early(false, problem)?;
        let mut last = problem.images.clone();
        for run in 0..self.restarts as u64 {
            let every = best.then_some(&mut selection);
            let key = key.child(run);
            let start = self.start(problem, key.named("start"));
            let run = Run { key, start, steps: 0..self.steps as u64 };
            last = self.ascend(access, problem.clone(), run, every, stop)?;
            if !best && self.restarts > 1 {
                selection.offer(access, &last, &problem.examples)?;
            }
            if !access.has_budget() {
                break;
            }
        }
        Ok(selection.into_images(last))
    }
}
