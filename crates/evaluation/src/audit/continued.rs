//! Attacks that go on from what they have found.

use super::context::Context;
use burn::tensor::Tensor;
use cni_attacks::{Attack, AttackBatch, AttackError, Knob, Rows};

impl Context<'_> {
    /// The images to which an attack continues from `found`, those of its audited run, for more
    /// steps or restarts. It can be continued by this knob.
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
