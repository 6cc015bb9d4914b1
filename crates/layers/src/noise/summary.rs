//! Summary of the noise of a module.

use super::Spec;
use crate::parameters::Found;
use burn::module::Module;
use serde::Serialize;
use std::fmt;

/// One noisy weight or activation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoiseEntry {
    /// The path of the weight, of the activation noise layer, or of the layer whose band is drawn.
    pub path: String,
    /// The law: `white`, `colored` with its rank, or the band.
    pub law: String,
    /// Number of learned noise parameters.
    pub parameters: usize,
}

/// The noise of a module, listed by [`NoiseSummary::of`].
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use cni_layers::{NoiseSummary, WeightNoise};
/// let model = WeightNoise::colored(2).inject(LinearConfig::new(8, 4).init(&Device::flex()));
/// let summary = NoiseSummary::of(&model);
/// assert_eq!(summary.entries()[0].parameters, 32 * (1 + 2));
/// println!("{summary}"); // weight: colored, rank 2, 96 parameters
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NoiseSummary(Vec<NoiseEntry>);

impl NoiseSummary {
    /// Lists the noise of a module, in the order of its parameters.
    pub fn of<M: Module>(model: &M) -> Self {
        let Found { noise, bands, .. } = Found::of(model);
        let entry = |(path, spec, parameters): (String, Spec, usize)| NoiseEntry {
            path,
            law: spec.law.to_string(),
            parameters,
        };
        let drawn = |(path, band): (String, String)| NoiseEntry {
            path,
            law: format!("band of a rate drawn from {band}"),
            parameters: 0,
        };
        Self(noise.into_iter().map(entry).chain(bands.into_iter().map(drawn)).collect())
    }

    /// The noisy weights and activations.
    pub fn entries(&self) -> &[NoiseEntry] {
        &self.0
    }

    /// Number of learned noise parameters in all.
    pub fn parameters(&self) -> usize {
        self.0.iter().map(|entry| entry.parameters).sum()
    }
}

impl fmt::Display for NoiseSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no noise");
        }
        self.0.iter().enumerate().try_for_each(|(i, entry)| {
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{}: {}, {} parameters", entry.path, entry.law, entry.parameters)
        })
    }
}
