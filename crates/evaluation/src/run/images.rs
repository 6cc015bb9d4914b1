//! The adversarial images of an evaluation, as they come.

use crate::files::write_whole;
use crate::run::candidate::Candidate;
use crate::run::identity::Entry;
use crate::{AdversarialImages, EvaluationError};
use burn::tensor::{DType, Tensor};
use cni_attacks::AttackBatch;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Where the images go.
pub(crate) struct ImageFolder {
    folder: PathBuf,
    /// The files that belong to this evaluation.
    written: RefCell<BTreeSet<PathBuf>>,
}

impl ImageFolder {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, written: RefCell::default() }
    }

    /// Writes the images that stand after attack number `index`; what tells them from others.
    pub fn save(
        &self,
        problem: &AttackBatch,
        (index, entry): (usize, &Entry),
        candidate: &Candidate,
        images: &Tensor<4>,
    ) -> Result<String, EvaluationError> {
        let read = "the device can be read";
        let rows = 0..problem.len();
        let adversarial = AdversarialImages {
            attack: entry.label.clone(),
            hash: entry.hash.clone(),
            shape: images.dims(),
            pixels: images.clone().cast(DType::F32).try_to_vec_as().expect(read),
            labels: problem.goal.labels().try_to_vec_as().expect(read),
            examples: rows.clone().map(|row| problem.examples.id(row)).collect(),
            success: rows.map(|row| candidate.is_broken(row)).collect(),
        };
        let path = self.path(problem, index, entry);
        write_whole(&path, &adversarial.to_file())?;
        self.written.borrow_mut().insert(path);
        Ok(adversarial.sha256())
    }

    /// The images that were written for a candidate; nothing if they have gone or changed since.
    pub fn load(
        &self,
        problem: &AttackBatch,
        (index, entry): (usize, &Entry),
        candidate: &Candidate,
    ) -> Option<Tensor<4>> {
        let path = self.path(problem, index, entry);
        let found = AdversarialImages::read(&path).ok()?;
        if Some(found.sha256()) != candidate.images || found.shape != problem.images.dims() {
            return None;
        }
        self.written.borrow_mut().insert(path);
        let images = found.images(&problem.images.device());
        Some(images.cast(problem.images.dtype()))
    }

    /// Removes the files of evaluations before this one.
    pub fn finish(&self) -> Result<(), EvaluationError> {
        let written = self.written.borrow();
        for path in AdversarialImages::files(&self.folder)? {
            if !written.contains(&path) {
                let failed = |source| EvaluationError::Io { path: path.clone(), source };
                std::fs::remove_file(&path).map_err(failed)?;
                // A folder that is not empty stays.
                let _ = path.parent().map(std::fs::remove_dir);
            }
        }
        Ok(())
    }

    fn path(&self, problem: &AttackBatch, index: usize, entry: &Entry) -> PathBuf {
        let first = problem.examples.id(0) as usize;
        self.folder.join(AdversarialImages::name(index, &entry.label, first))
    }
}
