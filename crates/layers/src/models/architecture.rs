//! Architectures of a [`ResNet`](super::ResNet): its family, and how its blocks connect.

use crate::NoiseError;
use cni_noise::named_values;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The shortcut of a block whose shape changes (He et al., CVPR 2016, section 3.3).
///
/// The two kinds of option A have no parameters and add the same number of channels, so the names
/// and shapes of a checkpoint cannot tell which of them it was trained with. The code that made it
/// can; with the wrong one a checkpoint loads, and its logits are off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortcut {
    /// Option A: every other pixel, and channels of zeros behind the others. PNI's models.
    PadEnd,
    /// Option A: every other pixel, and channels of zeros on both sides of the others; an odd one
    /// goes behind. Most published CIFAR ResNets (akamaster's code).
    PadBoth,
    /// Option B: a 1x1 convolution and batch norm. CNI's models.
    Projection,
}

named_values!(Shortcut, NoiseError, NoiseError::unnamed("shortcut"), [PadEnd, PadBoth, Projection]);

/// The family of a [`ResNet`](super::ResNet).
///
/// Its text is the name of the family; a CIFAR network adds its depth and its shortcut, which are
/// 20 and `projection` if the text leaves them out.
///
/// ```
/// use cni_layers::models::{Architecture, Shortcut};
/// let pni = Architecture::Cifar { depth: 32, shortcut: Shortcut::PadEnd };
/// assert_eq!(pni.to_string(), "cifar-32-pad-end");
/// assert_eq!("cifar-32-pad-end".parse(), Ok(pni));
/// let cni = Architecture::Cifar { depth: 20, shortcut: Shortcut::Projection };
/// assert_eq!("cifar".parse(), Ok(cni));
/// assert_eq!("preact18".parse(), Ok(Architecture::PreActResNet18));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Architecture {
    /// The CIFAR networks: depth 6n + 2 (20, 32, 44, 56, 110), three stages of 16, 32 and 64
    /// channels.
    #[serde(rename = "cifar")]
    Cifar {
        /// Depth, 6n + 2.
        depth: usize,
        /// The kind of shortcut.
        shortcut: Shortcut,
    },
    /// ResNet-18 with a 3x3 stem for 32x32 images: four stages of 64 to 512 channels, shortcut B.
    #[serde(rename = "resnet18")]
    ResNet18,
    /// ResNet-18 of pre-activation blocks.
    #[serde(rename = "preact18")]
    PreActResNet18,
}

impl Architecture {
    /// The names of the families, as [`family`](Self::family) gives them and `FromStr` takes them.
    pub const FAMILIES: &'static [&'static str] = &["cifar", "resnet18", "preact18"];

    /// The CIFAR network of the depth 6n + 2, with shortcut B as in CNI's code.
    pub const fn cifar(depth: usize) -> Self {
        Self::Cifar { depth, shortcut: Shortcut::Projection }
    }

    /// The name of the family.
    pub const fn family(&self) -> &'static str {
        match self {
            Self::Cifar { .. } => "cifar",
            Self::ResNet18 => "resnet18",
            Self::PreActResNet18 => "preact18",
        }
    }

    /// The shortcut.
    pub(super) const fn shortcut(&self) -> Shortcut {
        match self {
            Self::Cifar { shortcut, .. } => *shortcut,
            Self::ResNet18 | Self::PreActResNet18 => Shortcut::Projection,
        }
    }

    /// Blocks of each stage and channels of the first; each stage doubles them.
    pub(super) fn stages(&self) -> (Vec<usize>, usize) {
        match self {
            Self::Cifar { depth, .. } => (vec![depth.saturating_sub(2) / 6; 3], 16),
            Self::ResNet18 | Self::PreActResNet18 => (vec![2; 4], 64),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cifar { depth, shortcut } => write!(f, "cifar-{depth}-{shortcut}"),
            Self::ResNet18 | Self::PreActResNet18 => f.write_str(self.family()),
        }
    }
}

impl FromStr for Architecture {
    type Err = NoiseError;

    fn from_str(text: &str) -> Result<Self, NoiseError> {
        let unknown = || NoiseError::Name {
            field: "architecture",
            got: text.to_string(),
            wanted: "cifar, cifar-DEPTH, cifar-DEPTH-SHORTCUT, resnet18, preact18".to_string(),
        };
        match text {
            "cifar" => return Ok(Self::cifar(20)),
            "resnet18" => return Ok(Self::ResNet18),
            "preact18" => return Ok(Self::PreActResNet18),
            _ => {}
        }
        let cifar = text.strip_prefix("cifar-").ok_or_else(unknown)?;
        let (depth, shortcut) = match cifar.split_once('-') {
            Some((depth, shortcut)) => (depth, shortcut.parse()?),
            None => (cifar, Shortcut::Projection),
        };
        let depth = depth.parse().map_err(|_| unknown())?;
        Ok(Self::Cifar { depth, shortcut })
    }
}
