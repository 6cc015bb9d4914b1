//! Weights from their folder.

use super::{Pretrained, PretrainedError, STATE};
use crate::run::{ResNetRun, load_run};
use burn::tensor::Device;
use std::path::{Path, PathBuf};

impl Pretrained {
    /// Loads the model, whose noise is on, with the description of its training.
    ///
    /// `weights` is the folder of the weights of this name, or one that has it. The files are
    /// checked before they are used, and the weights are those that were published, bit for bit:
    /// those of the training, rounded to half precision.
    ///
    /// # Errors
    ///
    /// [`PretrainedError`] for a folder without these weights, and for files that are not, byte
    /// for byte, those that this version of the library knows.
    pub fn load(
        self,
        weights: impl AsRef<Path>,
        device: &Device,
    ) -> Result<ResNetRun, PretrainedError> {
        Ok(load_run(self.verified(weights)?, device)?)
    }

    /// The folder of the weights within `weights`, once its `state.json` has been found to be the
    /// one that this version knows. That file has the checksums of the others, which [`load_run`]
    /// compares.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load), but for damaged weights.
    pub fn verified(self, weights: impl AsRef<Path>) -> Result<PathBuf, PretrainedError> {
        let name = self.name();
        let weights = weights.as_ref();
        let folders = [weights.join(name), weights.to_path_buf()];
        let folder = folders.iter().find(|folder| folder.join(STATE).exists());
        let folder = folder.unwrap_or(&folders[0]);
        let path = folder.join(STATE);
        match std::fs::read(&path) {
            Ok(bytes) => self.check(path, &bytes)?,
            Err(reason) => return Err(PretrainedError::Missing { path, name, reason }),
        }
        Ok(folder.clone())
    }
}
