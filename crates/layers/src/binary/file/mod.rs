//! Files of models with binary weights.

mod bytes;
mod error;
mod values;

pub use error::PackedError;

use crate::NoiseError;
use burn::module::Module;
use cni_noise::named_values;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use values::Stored;

/// The element type of what is no sign in a [`PackedModel`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Floats {
    /// Single precision, as it is.
    #[default]
    F32,
    /// Half precision, rounded: another model, whose accuracy is to be measured by itself.
    F16,
}

named_values!(Floats, NoiseError, NoiseError::unnamed("floats"), [F32, F16]);

/// A model with a bit for each binary weight, as it lies in a file: its configuration, the signs in
/// words of 64 bits, and all other values in single or half precision, running statistics too.
///
/// Latent weights come back as −1 and +1. Layers read their signs alone, so that a model in single
/// precision has the same logits as before, bit for bit.
///
/// ```
/// # use burn::tensor::Device;
/// use cni_layers::binary::{Floats, PackedModel};
/// use cni_layers::models::DenseNetConfig;
/// # let device = Device::flex();
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.packed");
/// let config = DenseNetConfig::binary_28(10).for_cifar().with_blocks([2], []);
/// PackedModel::of(&config.init(&device), &config, Floats::F32)?.save(&path)?;
///
/// let packed = PackedModel::load(&path)?;
/// let config: DenseNetConfig = packed.config()?;
/// let model = packed.fill(config.try_init(&device)?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PackedModel {
    config: Value,
    floats: Floats,
    values: Vec<Stored>,
}

impl PackedModel {
    /// The values of a model with the configuration that it was made by.
    ///
    /// # Errors
    ///
    /// [`PackedError::Value`] for latent weights that are not finite, which have no sign, for a
    /// finite number that half precision does not hold, and for a parameter in double precision or
    /// of whole numbers or truth values, which a file does not hold; [`PackedError::Config`] for a
    /// configuration that is no JSON.
    pub fn of<M: Module>(
        model: &M,
        config: &impl Serialize,
        floats: Floats,
    ) -> Result<Self, PackedError> {
        let config = serde_json::to_value(config).map_err(PackedError::Config)?;
        Ok(Self { config, floats, values: values::of(model, floats)? })
    }

    /// The configuration.
    ///
    /// # Errors
    ///
    /// [`PackedError::Config`] if it is not of that type.
    pub fn config<C: DeserializeOwned>(&self) -> Result<C, PackedError> {
        C::deserialize(&self.config).map_err(PackedError::Config)
    }

    /// The element type of what is no sign.
    pub fn floats(&self) -> Floats {
        self.floats
    }

    /// Bytes of the signs: an eighth of their number, up to whole words.
    pub fn bytes_of_signs(&self) -> usize {
        self.values.iter().map(Stored::bytes_of_signs).sum()
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> usize {
        bytes::write(self).len()
    }

    /// The values in a model of the same configuration, in place of its own.
    ///
    /// # Errors
    ///
    /// [`PackedError::Value`] with the first parameter that one of the two lacks, or has in another
    /// shape or kind, and with one of the model that no file holds.
    pub fn fill<M: Module>(&self, model: M) -> Result<M, PackedError> {
        values::fill(&self.values, model)
    }

    /// Writes the file: beside its place, then under its name, so that what was there stays whole
    /// until the new one is. A missing folder is made.
    ///
    /// # Errors
    ///
    /// [`PackedError::Io`] if it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PackedError> {
        bytes::save(path.as_ref(), &bytes::write(self))
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`PackedError::Io`] if it cannot be read; [`PackedError::File`] for a file of another kind
    /// or version, one that is cut, and one that has changed since it was written.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PackedError> {
        bytes::load(path.as_ref())
    }
}
