//! The folder of the adversarial images of an evaluation.

use crate::files::write_whole;
use crate::run::candidate::Candidate;
use crate::run::identity::Entry;
use crate::{AdversarialImages, EvaluationError};
use burn::tensor::{DType, Tensor};
use cni_attacks::AttackBatch;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The folder of the images.
pub(crate) struct ImageFolder {
    folder: PathBuf,
    /// The files that this evaluation has written or read, by their names, with their hashes.
    written: RefCell<BTreeMap<String, String>>,
}

impl ImageFolder {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, written: RefCell::default() }
    }

    /// Writes the images after attack number `index`, and returns the hash of the file.
    pub fn save(
        &self,
        batch: &AttackBatch,
        (index, entry): (usize, &Entry),
        candidate: &Candidate,
        images: &Tensor<4>,
    ) -> Result<String, EvaluationError> {
        let read = "the device can be read";
        let rows = 0..batch.len();
        let adversarial = AdversarialImages {
            attack: entry.label.clone(),
            hash: entry.hash.clone(),
            shape: images.dims(),
            pixels: images.clone().cast(DType::F32).try_to_vec_as().expect(read),
            labels: batch.goal.labels().try_to_vec_as().expect(read),
            examples: rows.clone().map(|row| batch.examples.id(row)).collect(),
            success: rows.map(|row| candidate.is_broken(row)).collect(),
        };
        let (name, hash) = (name(batch, index, entry), adversarial.sha256());
        write_whole(&self.folder.join(&name), &adversarial.to_file())?;
        self.written.borrow_mut().insert(name, hash.clone());
        Ok(hash)
    }

    /// The images that were written for a candidate; none if the file is missing or has changed.
    pub fn load(
        &self,
        batch: &AttackBatch,
        (index, entry): (usize, &Entry),
        candidate: &Candidate,
    ) -> Option<Tensor<4>> {
        let name = name(batch, index, entry);
        let found = AdversarialImages::read(self.folder.join(&name)).ok()?;
        let hash = found.sha256();
        if Some(&hash) != candidate.images.as_ref() || found.shape != batch.images.dims() {
            return None;
        }
        self.written.borrow_mut().insert(name, hash);
        let images = found.images(&batch.images.device());
        Some(images.cast(batch.images.dtype()))
    }

    /// Removes the files of earlier evaluations, and returns the hash of each file by its name.
    pub fn finish(self) -> Result<BTreeMap<String, String>, EvaluationError> {
        let written = self.written.into_inner();
        // A shard without examples has no folder.
        if self.folder.exists() {
            let paths: Vec<PathBuf> = written.keys().map(|name| self.folder.join(name)).collect();
            AdversarialImages::remove_others(&self.folder, &paths)?;
        }
        Ok(written)
    }
}

/// The name of a file within the folder.
fn name(batch: &AttackBatch, index: usize, entry: &Entry) -> String {
    AdversarialImages::name(index, &entry.label, batch.examples.id(0) as usize)
}
