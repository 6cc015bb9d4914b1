//! Architectures of a [`ResNet`](super::ResNet): its family, and how its blocks connect.

use super::Activation;
use super::block::Form;
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
/// 20 and `projection` if the text leaves them out, a wide one its depth, by default 28.
///
/// ```
/// use cni_layers::models::{Architecture, Shortcut};
/// let pni = Architecture::Cifar { depth: 32, shortcut: Shortcut::PadEnd };
/// assert_eq!(pni.to_string(), "cifar-32-pad-end");
/// assert_eq!("cifar-32-pad-end".parse(), Ok(pni));
/// let cni = Architecture::Cifar { depth: 20, shortcut: Shortcut::Projection };
/// assert_eq!("cifar".parse(), Ok(cni));
/// assert_eq!("preact18".parse(), Ok(Architecture::PreActResNet18));
/// assert_eq!("wrn-34".parse(), Ok(Architecture::WideResNet { depth: 34 }));
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
    /// Wide ResNets (Zagoruyko and Komodakis, BMVC 2016, arXiv 1605.07146): depth 6n + 4, three
    /// stages of n pre-activation blocks with 16, 32 and 64 channels times the
    /// [width](super::ResNetConfig::width), behind a stem of 16; 1x1 projections where the channels
    /// change, no dropout. WRN-28-10 is of depth 28 and width 10.
    #[serde(rename = "wrn")]
    WideResNet {
        /// Depth, 6n + 4.
        depth: usize,
    },
    /// The network of K. Jordan's airbench94 (arXiv 2404.00498, section 3.1) at half its width: a
    /// 2x2 convolution with 8 channels for each of the image's, and three blocks of 32, 128 and 128
    /// channels without shortcuts, of convolution, pooling, batch norm, activation, convolution,
    /// batch norm and activation. The largest value of each channel goes to a classifier without a
    /// bias, whose values count a ninth. At width 2 it has the published channels.
    ///
    /// The first convolution is learned, where the original whitens the images by fixed filters,
    /// and batch norms have the scale, the momentum and the epsilon that they have in the other
    /// families.
    #[serde(rename = "airbench")]
    Airbench,
}

/// The first convolution.
pub(super) struct Stem {
    pub channels: usize,
    pub kernel: usize,
    pub padding: usize,
    pub bias: bool,
}

impl Architecture {
    /// The names of the families, as [`family`](Self::family) gives them and `FromStr` takes them.
    pub const FAMILIES: &'static [&'static str] =
        &["cifar", "resnet18", "preact18", "wrn", "airbench"];

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
            Self::WideResNet { .. } => "wrn",
            Self::Airbench => "airbench",
        }
    }

    /// The depth, of families that have several.
    pub const fn depth(&self) -> Option<usize> {
        match self {
            Self::Cifar { depth, .. } | Self::WideResNet { depth } => Some(*depth),
            Self::ResNet18 | Self::PreActResNet18 | Self::Airbench => None,
        }
    }

    /// The same family in another depth, if it has several.
    pub const fn with_depth(mut self, new: usize) -> Self {
        if let Self::Cifar { depth, .. } | Self::WideResNet { depth } = &mut self {
            *depth = new;
        }
        self
    }

    /// The activation of the published networks: GELU in airbench, the rectifier in all others.
    pub const fn activation(&self) -> Activation {
        match self {
            Self::Airbench => Activation::Gelu,
            _ => Activation::Relu,
        }
    }

    pub(super) const fn form(&self) -> Form {
        match self {
            Self::Cifar { .. } | Self::ResNet18 => Form::PostActivation,
            Self::PreActResNet18 | Self::WideResNet { .. } => Form::PreActivation,
            Self::Airbench => Form::Pooled,
        }
    }

    /// The shortcut.
    pub(super) const fn shortcut(&self) -> Shortcut {
        match self {
            Self::Cifar { shortcut, .. } => *shortcut,
            _ => Shortcut::Projection,
        }
    }

    /// Blocks and channels of each stage, the latter before the width multiplies them.
    pub(super) fn stages(&self) -> Vec<[usize; 2]> {
        let doubling = |stages: u32, blocks: usize, first: usize| {
            (0..stages).map(|stage| [blocks, first << stage]).collect()
        };
        match self {
            Self::Cifar { depth, .. } => doubling(3, depth.saturating_sub(2) / 6, 16),
            Self::ResNet18 | Self::PreActResNet18 => doubling(4, 2, 64),
            Self::WideResNet { depth } => doubling(3, depth.saturating_sub(4) / 6, 16),
            Self::Airbench => vec![[1, 32], [1, 128], [1, 128]],
        }
    }

    /// The stem for images of so many channels, in front of a stage of `first`.
    pub(super) const fn stem(&self, images: usize, first: usize) -> Stem {
        match self {
            Self::Airbench => Stem { channels: 8 * images, kernel: 2, padding: 0, bias: true },
            Self::WideResNet { .. } => Stem { channels: 16, kernel: 3, padding: 1, bias: false },
            _ => Stem { channels: first, kernel: 3, padding: 1, bias: false },
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cifar { depth, shortcut } => write!(f, "cifar-{depth}-{shortcut}"),
            Self::WideResNet { depth } => write!(f, "wrn-{depth}"),
            Self::ResNet18 | Self::PreActResNet18 | Self::Airbench => f.write_str(self.family()),
        }
    }
}

impl FromStr for Architecture {
    type Err = NoiseError;

    fn from_str(text: &str) -> Result<Self, NoiseError> {
        let unknown = || NoiseError::Name {
            field: "architecture",
            got: text.to_string(),
            wanted: "cifar, cifar-DEPTH, cifar-DEPTH-SHORTCUT, resnet18, preact18, wrn, \
                     wrn-DEPTH, airbench"
                .to_string(),
        };
        match text {
            "cifar" => return Ok(Self::cifar(20)),
            "resnet18" => return Ok(Self::ResNet18),
            "preact18" => return Ok(Self::PreActResNet18),
            "wrn" => return Ok(Self::WideResNet { depth: 28 }),
            "airbench" => return Ok(Self::Airbench),
            _ => {}
        }
        if let Some(depth) = text.strip_prefix("wrn-") {
            let depth = depth.parse().map_err(|_| unknown())?;
            return Ok(Self::WideResNet { depth });
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
