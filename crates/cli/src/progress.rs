//! Progress of evaluations and of measurements of flatness, for people.

use cni_burn::attacks::Passes;
use cni_burn::evaluation::Step;
use cni_burn::evaluation::audit::AuditProgress;
use cni_burn::evaluation::flatness::FlatnessStep;
use cni_burn::training::Bar;

/// The name of the second part of an evaluation.
const CHECKS: &str = "checks";

/// The bar of an evaluation: first its attacks by example, then its checks by pass.
pub struct EvaluationBar(Bar);

impl EvaluationBar {
    /// A bar for the attacks on so many examples.
    pub fn new(quiet: bool, examples: usize) -> Self {
        let mut bar = Bar::new(quiet);
        bar.start("attacks", examples as u64);
        Self(bar)
    }

    /// Shows an iteration of an attack, or a check.
    pub fn show(&mut self, step: &Step) {
        match step {
            Step::Attack { examples, noise, label, attack } => {
                let (iteration, active) = (attack.iteration, attack.active);
                let message =
                    format!("{label}, iteration {iteration} on {active} images, noise {noise}");
                self.0.show(*examples as u64, &message);
            }
            Step::Certificates { examples, passes } => {
                let message = format!("certificates, {} passes", passes.forwards);
                self.0.show(*examples as u64, &message);
            }
            Step::Check(progress) => self.check(progress),
        }
    }

    /// Shows the beginning or the end of a check.
    fn check(&mut self, progress: &AuditProgress) {
        // A backward pass takes about as long as two forward passes.
        let weight = |passes: Passes| passes.forwards + 2 * passes.backwards;
        let planned = weight(progress.planned);
        match self.0.name() == CHECKS {
            true => self.0.set_length(planned),
            false => self.0.start(CHECKS, planned),
        }
        let message = format!("{} ({} of {})", progress.check, progress.position, progress.of);
        self.0.show(weight(progress.passes), &message);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.0.finish();
    }
}

/// The bars of a measurement of flatness, one for each part of it.
pub struct FlatnessBar(Bar);

impl FlatnessBar {
    /// The bars of one model.
    pub fn new(quiet: bool) -> Self {
        Self(Bar::new(quiet))
    }

    /// Shows what is done of a part.
    pub fn show(&mut self, step: &FlatnessStep, model: &str) {
        if self.0.name() != step.part {
            self.0.start(step.part, step.of as u64);
        }
        self.0.show(step.done as u64, model);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.0.finish();
    }
}
