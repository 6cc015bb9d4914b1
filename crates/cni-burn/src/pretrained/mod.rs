//! Weights of the library's own, by name.

mod bytes;
#[cfg(feature = "training")]
mod folder;

pub use bytes::PretrainedModel;

#[cfg(feature = "training")]
use crate::run::RunError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

/// The file of a folder of weights that signs the others.
const STATE: &str = "state.json";
/// The file of the weights themselves.
const MODEL: &str = "model.bpk";

/// Weights of the library's own, in the folder `weights` of its repository.
///
/// Each has a folder of its name there, with a card that says how it was trained and what attacks
/// leave of it. This version of the library knows the checksum of each, and loads no other bytes.
///
/// ```no_run
/// # use burn::tensor::Device;
/// use cni_burn::prelude::*;
/// let run = Pretrained::DigitsCniW.load("weights", &Device::flex())?;
/// println!("{}: epoch {}, {}", Pretrained::DigitsCniW, run.epoch, NoiseSummary::of(&run.model));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pretrained {
    /// A ResNet-8 of half width for the embedded digits, trained without attacks.
    DigitsClean,
    /// The same, trained against N-FGSM at 0.1 in L∞.
    DigitsAdversarial,
    /// The same with white noise on its weights (PNI-W).
    DigitsPniW,
    /// The same with colored noise of rank 5 on its weights (CNI-W), relative to them.
    DigitsCniW,
    /// A ResNet-20 for CIFAR-10, trained for ten epochs against N-FGSM at 8/255 in L∞.
    Cifar10Adversarial,
    /// The same with the mean of the clean and the adversarial loss, half of each.
    Cifar10HalfAndHalf,
    /// [`Cifar10Adversarial`](Self::Cifar10Adversarial) with white noise on its weights (PNI-W).
    Cifar10PniW,
    /// The same with colored noise of rank 5 on its weights (CNI-W), relative to them.
    Cifar10CniW,
}

/// The reason why weights are not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PretrainedError {
    /// A name that no weights have.
    #[error("pretrained weights: got {got:?}, wanted one of {}", names())]
    Name {
        /// The name.
        got: String,
    },
    /// A folder without these weights, or a file that cannot be read.
    #[error(
        "{path}: {reason}; wanted the weights {name} in the folder itself, or in a folder of \
         their name in it, as `weights` of the library's repository has them"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The weights.
        name: &'static str,
        /// The reason.
        reason: io::Error,
    },
    /// Other weights than those that this version knows by the name, or changed ones.
    #[error(
        "{path}: got SHA-256 {got}, wanted {wanted}, which is that of {name} for cni-burn {}",
        env!("CARGO_PKG_VERSION")
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The weights.
        name: &'static str,
        /// The checksum of the file.
        got: String,
        /// The checksum that this version knows.
        wanted: String,
    },
    /// Bytes that are no model of this version, though they have the right checksum.
    #[error("{file} of {name}: {reason}; wanted the weights of this version's ResNets")]
    Damaged {
        /// The weights.
        name: &'static str,
        /// The file.
        file: &'static str,
        /// The reason.
        reason: String,
    },
    /// Weights whose files are damaged.
    #[cfg(feature = "training")]
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Pretrained {
    /// All weights.
    pub const ALL: &[Self] = &[
        Self::DigitsClean,
        Self::DigitsAdversarial,
        Self::DigitsPniW,
        Self::DigitsCniW,
        Self::Cifar10Adversarial,
        Self::Cifar10HalfAndHalf,
        Self::Cifar10PniW,
        Self::Cifar10CniW,
    ];

    /// The name, which is that of the folder, and the SHA-256 of the file `state.json` in it, which
    /// has the checksum of the weights themselves.
    fn known(self) -> (&'static str, &'static str) {
        match self {
            Self::DigitsClean => {
                ("digits-clean", "139b71d7ecd2480c82fa9e8f234d8f06ca41c7d4b0dfbbb3f9a9c6ca1f4034bd")
            }
            Self::DigitsAdversarial => (
                "digits-adversarial",
                "feb8f60d637035e3acdd132a74262253fb105be13e0a6d62b6667fbf62c2a428",
            ),
            Self::DigitsPniW => {
                ("digits-pni-w", "dd649640981a5d30085b40b6706457b15a9bd95ab2e605d3219e8e10260024db")
            }
            Self::DigitsCniW => {
                ("digits-cni-w", "dad4b4b5dc5b2fc83add6d6ee847dfd65791c326f47b995fe3c907b92bcdb831")
            }
            Self::Cifar10Adversarial => (
                "cifar10-adversarial",
                "4109b26a0cb76fa179077be378a9d1ecd8b06210d6192e1e96e9a63744399c17",
            ),
            Self::Cifar10HalfAndHalf => (
                "cifar10-half-and-half",
                "7be0cb6f82cf156d0b663434f17e0a103143127afe8686f9f3cfb52989d5a2c4",
            ),
            Self::Cifar10PniW => (
                "cifar10-pni-w",
                "49106cd9c662cbafbc111bd016ffda12e2d6d18d8bbe2d95ce1f2e242698d679",
            ),
            Self::Cifar10CniW => (
                "cifar10-cni-w",
                "fcbb11e9d091ea72888014e39c0674e2b5b9af89465909e1dcd02a043412e076",
            ),
        }
    }

    /// The name.
    pub fn name(self) -> &'static str {
        self.known().0
    }
}

/// The names of all weights, for a message.
fn names() -> String {
    Pretrained::ALL.iter().map(|weights| weights.name()).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Pretrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Pretrained {
    type Err = PretrainedError;

    fn from_str(name: &str) -> Result<Self, PretrainedError> {
        let found = Self::ALL.iter().copied().find(|weights| weights.name() == name);
        found.ok_or_else(|| PretrainedError::Name { got: name.to_string() })
    }
}
