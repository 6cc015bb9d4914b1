//! The folder of the adversarial images of an evaluation.

use crate::files::write_whole;
use crate::run::candidate::Candidate;
use crate::run::identity::Entry;
use crate::{AdversarialImages, EvaluationError};
use burn::tensor::{DType, Tensor};
use cni_attacks::AttackBatch;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The folder of the images.
pub(crate) struct ImageFolder {
    folder: PathBuf,
    /// The files that this evaluation has written or read.
    written: RefCell<BTreeSet<PathBuf>>,
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
        let path = self.path(batch, index, entry);
        write_whole(&path, &adversarial.to_file())?;
        self.written.borrow_mut().insert(path);
        Ok(adversarial.sha256())
    }

    /// The images that were written for a candidate; none if the file is missing or has changed.
    pub fn load(
        &self,
        batch: &AttackBatch,
        (index, entry): (usize, &Entry),
        candidate: &Candidate,
    ) -> Option<Tensor<4>> {
        let path = self.path(batch, index, entry);
        let found = AdversarialImages::read(&path).ok()?;
        if Some(found.sha256()) != candidate.images || found.shape != batch.images.dims() {
            return None;
        }
        self.written.borrow_mut().insert(path);
        let images = found.images(&batch.images.device());
        Some(images.cast(batch.images.dtype()))
    }

    /// Removes the files of earlier evaluations.
    pub fn finish(&self) -> Result<(), EvaluationError> {
        let written = self.written.borrow();
        for path in AdversarialImages::files(&self.folder)? {
            if !written.contains(&path) {
                let failed = |source| EvaluationError::Io { path: path.clone(), source };
                std::fs::remove_file(&path).map_err(failed)?;
                // The call fails for a folder that is not empty, which therefore stays.
                let _ = path.parent().map(std::fs::remove_dir);
            }
        }
        Ok(())
    }

    fn path(&self, batch: &AttackBatch, index: usize, entry: &Entry) -> PathBuf {
        let first = batch.examples.id(0) as usize;
        self.folder.join(AdversarialImages::name(index, &entry.label, first))
    }
}
