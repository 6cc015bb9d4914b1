//! An attack that a kill interrupts, and one whose radius can be set.

use burn::tensor::Tensor;
use cni_attacks::{Access, Attack, AttackBatch, AttackError, ModelAccess, Pgd, Threat};
use cni_noise::Key;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A PGD that fails at its call number `fails_at`, and never if that is 0.
pub struct Interrupted {
    pub attack: Pgd,
    pub calls: Arc<AtomicUsize>,
    pub fails_at: usize,
}

impl Attack for Interrupted {
    fn name(&self) -> String {
        self.attack.name()
    }
    fn threat(&self) -> Threat {
        self.attack.threat()
    }
    fn access(&self) -> Access {
        self.attack.access()
    }
    fn spec(&self) -> serde_json::Value {
        self.attack.spec()
    }
    fn gradient_draws(&self) -> Option<usize> {
        self.attack.gradient_draws()
    }
    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.fails_at {
            return Err(AttackError::NoGradient);
        }
        access.run(&self.attack, batch, key)
    }
}
