//! The descriptions that a record has of its model and data, from the library's own types.

#[cfg(feature = "training")]
mod epochs;

#[cfg(feature = "training")]
pub use epochs::epochs;

use burn::module::Module;
use cni_data::{DataError, ImageData};
use cni_evaluation::{DataCard, ModelCard, NoiseCovariance};
use cni_layers::{CovarianceError, NoiseSummary, count_parameters, noise_covariances};

/// The description of a model in a record: its name, fingerprint and parameters, its noise in words
/// and the noise that each layer has learned.
///
/// The epochs it was trained for and its threat are fields of the result, for those who know them:
/// see [`epochs`].
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use cni_burn::prelude::*;
/// let model = LinearConfig::new(8, 4).init(&Device::flex());
/// let card = model_card("linear + PNI-W", &WeightNoise::white(Granularity::Layer).inject(model))?;
/// assert_eq!((card.parameters, card.layers.len()), (8 * 4 + 4 + 1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`CovarianceError`] if the covariance of a layer's noise cannot be told.
pub fn model_card<M: Module>(
    name: impl Into<String>,
    model: &M,
) -> Result<ModelCard, CovarianceError> {
    Ok(ModelCard {
        name: name.into(),
        fingerprint: ModelCard::fingerprint_of(model),
        parameters: count_parameters(model),
        noise: NoiseSummary::of(model).to_string(),
        layers: NoiseCovariance::of(noise_covariances(model)?),
        ..ModelCard::default()
    })
}

/// The description of a data set in a record: its name, fingerprint and classes.
///
/// # Errors
///
/// [`DataError`] if an image cannot be read.
pub fn data_card(data: &ImageData) -> Result<DataCard, DataError> {
    Ok(DataCard {
        name: data.name().to_string(),
        fingerprint: data.fingerprint()?,
        classes: data.classes().to_vec(),
    })
}
