//! Images to start from, given or random.

use super::{Decisions, Vote};
use crate::{AttackBatch, AttackError, ModelAccess, Norm};
use crate::{
    batch::check_images,
    rows::{ActiveRows, read},
};
use burn::tensor::Tensor;
use cni_noise::{ExampleIds, Key};
use serde::Serialize;

/// Images to start from. Records hold how many there are, and a hash by which they are told from
/// others.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Starts {
    #[serde(skip)]
    images: Tensor<4>,
    count: usize,
    /// The hash of their shape and pixels.
    hash: String,
}

impl Starts {
    pub fn new(images: Tensor<4>) -> Result<Self, AttackError> {
        let images = check_images(images, &ExampleIds::from(0))?;
        let dims = images.dims();
        let hash = fnv1a(dims.map(|n| n as f64).into_iter().chain(read(&images)));
        Ok(Self { images, count: dims[0], hash })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Checks that they have the shape of the attacked images.
    pub fn check(&self, batch: &AttackBatch) -> Result<(), AttackError> {
        let [got, wanted] = [&self.images, &batch.images].map(|images| images.dims()[1..].to_vec());
        if got != wanted {
            return Err(AttackError::InputShape { got, wanted });
        }
        Ok(())
    }
}

/// The 64-bit hash FNV-1a of some numbers: it tells sets of images apart, against nobody who forges
/// them.
fn fnv1a(numbers: impl Iterator<Item = f64>) -> String {
    let bytes = numbers.flat_map(f64::to_le_bytes);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

impl Decisions {
    /// Starting images, given or uniform, that reach the goal, with the originals where none was
    /// found; and for which examples one was found.
    pub(super) fn find(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        vote: Vote,
        key: Key,
    ) -> Result<(Tensor<4>, Vec<bool>), AttackError> {
        let mut active = ActiveRows::new(batch.len());
        let mut left = batch.clone();
        let given = self.starts.as_ref().map_or(0, Starts::count);
        for attempt in 0..given + self.tries {
            let image = match &self.starts {
                Some(starts) if attempt < given => {
                    let start = starts.images.clone().slice(attempt..attempt + 1);
                    let start = start.to_device(&left.images.device()).cast(left.images.dtype());
                    start.expand(left.images.shape())
                }
                _ => {
                    let half = left.images.zeros_like().add_scalar(0.5);
                    let key = key.child((attempt - given) as u64);
                    Norm::Linf.random_start(key, &half, 0.5, &left.examples) + half
                }
            };
            let Some(reached) = vote.decide(access, &left, &image)? else {
                break;
            };
            if let Some(rows) = active.take(&reached, &image) {
                if active.is_complete() {
                    break;
                }
                left = left.select(&rows);
            }
            if !access.has_budget() {
                break;
            }
        }
        let mut found = vec![true; batch.len()];
        active.remaining().iter().for_each(|&row| found[row] = false);
        Ok((active.finish(left.images), found))
    }
}
