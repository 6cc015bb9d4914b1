//! Attacks that continue from their earlier result.

use super::context::Context;
use burn::tensor::Tensor;
use cni_attacks::{Attack, AttackBatch, AttackError, Knob, Rows};

impl Context<'_> {
    /// Continues an attack from `found`, the images of its audited run, with more steps or
    /// restarts, and returns the images. The knob must be one by which the attack can be continued.
    pub fn continued(
        &self,
        attack: &dyn Attack,
        batch: &AttackBatch,
        found: &Tensor<4>,
        more: Knob,
    ) -> Result<Tensor<4>, AttackError> {
        let (key, mut images, mut first) = (self.attack_key(), Vec::new(), 0);
        for part in self.chunks(batch) {
            let rows = Rows::new((first..first + part.len()).collect(), &part.images);
            first += part.len();
            images.push(self.ask(self.model, |access| {
                if !self.model.stochastic {
                    access.assume_noise_free();
                }
                attack.continued(access, &part, key, rows.of(found), more.clone())
            })?);
        }
        Ok(if images.len() == 1 { images.remove(0) } else { Tensor::cat(images, 0) })
    }
}
