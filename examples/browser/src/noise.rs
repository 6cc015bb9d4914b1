//! What noise a layer has learned.

use crate::{PageError, Session};
use cni_burn::prelude::{NoiseCovariance, noise_covariances};
use serde::Serialize;

/// The noise of a layer, at the scale that was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct LayerNoise {
    /// The path of the noisy weight.
    pub name: String,
    /// The law.
    pub law: String,
    /// The standard deviation of an element's noise, mean over the elements.
    pub size: f64,
    /// `size` over the standard deviation of the weights; absent if these are all equal.
    pub relative: Option<f64>,
    /// Rows and columns of the covariance.
    pub side: usize,
    /// The covariance between output channels, mean over the positions in a channel, row by row.
    pub covariance: Vec<f64>,
    /// The eigenvalues of the covariance, descending.
    pub spectrum: Vec<f64>,
    /// What a row of the covariance is, in words.
    pub sampled: String,
}

impl Session {
    /// The noise of a layer, by its number in the description.
    ///
    /// # Errors
    ///
    /// [`PageError`] if there is no such layer.
    pub fn noise(&self, layer: usize) -> Result<LayerNoise, PageError> {
        let mut layers = noise_covariances(&self.model)?;
        if layer >= layers.len() {
            return Err(PageError::value("layer", layer, format!("less than {}", layers.len())));
        }
        let (path, noise) = layers.swap_remove(layer);
        let found = NoiseCovariance::new(path, &noise);
        let side = found.covariance.len();
        let sampled = match side == found.channels {
            true => format!("each row is one of {side} output channels"),
            false => format!("each row is a block of the {} output channels", found.channels),
        };
        Ok(LayerNoise {
            name: found.path,
            law: found.law,
            size: found.std_mean,
            relative: found.relative_std,
            side,
            covariance: found.covariance.concat(),
            spectrum: found.eigenvalues,
            sampled,
        })
    }
}
