//! Attacks that go on from what others have found.

use super::subject::Subject;
use burn::tensor::Tensor;
use cni_attacks::KeepBest;
use cni_attacks::{AttackBatch, AttackError, ModelAccess, Pgd, Rows};
use cni_noise::Key;

impl Subject<'_> {
    /// What an attack finds that goes on for `more` steps from where it was.
    pub fn continued(
        &self,
        attack: &Pgd,
        problem: &AttackBatch,
        from: &Tensor<4>,
        more: usize,
    ) -> Result<Tensor<4>, AttackError> {
        let key = self.attack_key();
        self.in_chunks(problem, [from], |access, part, [from]| {
            attack.continued(access, part, key, from, more)
        })
    }

    /// Of two images for each example the one that misleads more, in draws that neither has seen.
    pub fn better(
        &self,
        attack: &Pgd,
        problem: &AttackBatch,
        candidates: [&Tensor<4>; 2],
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        self.in_chunks(problem, candidates, |access, part, [first, second]| {
            let mut selection = KeepBest::new(&part.goal, attack.eot, key.named("score"));
            selection.offer(access, &first, &part.examples)?;
            selection.offer(access, &second, &part.examples)?;
            Ok(selection.into_images(first))
        })
    }

    /// Images made from others, piece by piece.
    fn in_chunks<const N: usize>(
        &self,
        problem: &AttackBatch,
        from: [&Tensor<4>; N],
        f: impl Fn(&mut ModelAccess<'_>, &AttackBatch, [Tensor<4>; N]) -> Result<Tensor<4>, AttackError>,
    ) -> Result<Tensor<4>, AttackError> {
        let (mut images, mut first) = (Vec::new(), 0);
        for part in self.chunks(problem) {
            let rows = Rows::new((first..first + part.len()).collect(), &part.images);
            first += part.len();
            let from = from.map(|images| rows.of(images));
            images.push(self.ask(self.target, |access| {
                if !self.target.stochastic {
                    access.assume_noise_free();
                }
                f(access, &part, from)
            })?);
        }
        Ok(if images.len() == 1 { images.remove(0) } else { Tensor::cat(images, 0) })
    }
}
