//! The data sets that have a name.

use super::{About, shape};
use clap::{Args, ValueEnum};
use cni_burn::data::{DataError, ImageData, Split, cifar10, cifar100, digits};
use cni_burn::layers::models::NetworkConfig;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::PathBuf;

/// The data sets that have a name.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dataset {
    Cifar10,
    Cifar100,
    /// The embedded 8x8 digits.
    Digits,
}

impl Dataset {
    /// The images and classes of the set.
    pub fn about(self) -> About {
        let (shape, classes, normalization) = match self {
            Self::Cifar10 => ([3, 32, 32], 10, "cni"),
            Self::Cifar100 => ([3, 32, 32], 100, "cni"),
            Self::Digits => ([1, 8, 8], 10, "centered"),
        };
        About { shape, classes, normalization }
    }

    /// The set that has images and classes as a model takes them.
    pub fn of(model: &NetworkConfig) -> Option<Self> {
        let wanted = (shape(model), model.classes());
        Self::value_variants().iter().copied().find(|set| {
            let About { shape, classes, .. } = set.about();
            (shape, classes) == wanted
        })
    }

    pub(super) fn load(self, source: &Source, split: Split) -> Result<ImageData, Box<dyn Error>> {
        if source.download {
            download(self, source)?;
        }
        let found = match self {
            Self::Cifar10 => cifar10(&source.data, split),
            Self::Cifar100 => cifar100(&source.data, split),
            Self::Digits => Ok(digits(split)),
        };
        found.map_err(with_ways)
    }
}

/// The error with the ways to get the files, if they are what is missing.
fn with_ways(error: DataError) -> Box<dyn Error> {
    let fetch = match cfg!(feature = "download") {
        true => "--download fetches them",
        false => "--download fetches them in a build with `--features download`",
    };
    match error {
        DataError::Missing { .. } => {
            format!("{error}; --data names their folder, {fetch}, --dataset digits needs none")
                .into()
        }
        other => other.into(),
    }
}

/// The flags of the source of a named data set.
#[derive(Args)]
pub struct Source {
    /// Folder with the binary CIFAR files, or to download them to.
    #[arg(long, default_value = "data")]
    pub data: PathBuf,
    /// Download the data if --data lacks them; needs the feature `download`.
    #[arg(long)]
    download: bool,
}

#[cfg(feature = "download")]
fn download(dataset: Dataset, source: &Source) -> Result<(), DataError> {
    use cni_burn::data::{download_cifar10, download_cifar100};
    match dataset {
        Dataset::Cifar10 => download_cifar10(&source.data).map(drop),
        Dataset::Cifar100 => download_cifar100(&source.data).map(drop),
        Dataset::Digits => Ok(()),
    }
}

/// The flag is refused before.
#[cfg(not(feature = "download"))]
fn download(_dataset: Dataset, _source: &Source) -> Result<(), DataError> {
    Ok(())
}
