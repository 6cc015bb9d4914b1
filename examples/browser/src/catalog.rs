//! The models of the page.

use cni_burn::prelude::Pretrained;
use serde::Serialize;

/// A model in the list of the page.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Entry {
    /// The name of the weights.
    pub name: &'static str,
    /// The model in a word or two.
    pub title: &'static str,
    /// The model and its training, as a sentence.
    pub about: &'static str,
    /// The radius in L∞ that its record judges it at, in units of pixels in [0, 1].
    pub epsilon: f64,
    #[serde(skip)]
    pub(crate) weights: Pretrained,
    #[serde(skip)]
    pub(crate) data: Data,
}

/// The images that a model was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// The embedded digits.
    Digits,
    /// CIFAR-10, of which the page has no images.
    Cifar10,
}

/// The models, that which the page begins with first.
pub const CATALOG: &[Entry] = &[
    Entry {
        name: "digits-cni-w",
        title: "digits: colored noise (CNI-W)",
        about: "A ResNet-8 for digits, trained against attacks, with colored noise on its weights.",
        epsilon: 0.1,
        weights: Pretrained::DigitsCniW,
        data: Data::Digits,
    },
    Entry {
        name: "digits-pni-w",
        title: "digits: white noise (PNI-W)",
        about: "A ResNet-8 for digits, trained against attacks, with white noise on its weights.",
        epsilon: 0.1,
        weights: Pretrained::DigitsPniW,
        data: Data::Digits,
    },
    Entry {
        name: "digits-adversarial",
        title: "digits: adversarial, no noise",
        about: "A ResNet-8 for digits, trained against attacks, without noise.",
        epsilon: 0.1,
        weights: Pretrained::DigitsAdversarial,
        data: Data::Digits,
    },
    Entry {
        name: "digits-clean",
        title: "digits: clean, no noise",
        about: "A ResNet-8 for digits, trained without attacks and without noise.",
        epsilon: 0.1,
        weights: Pretrained::DigitsClean,
        data: Data::Digits,
    },
    Entry {
        name: "cifar10-cni-w",
        title: "CIFAR-10: colored noise (CNI-W)",
        about: "A ResNet-20 for CIFAR-10, trained against attacks, with colored noise on its weights.",
        epsilon: 8.0 / 255.0,
        weights: Pretrained::Cifar10CniW,
        data: Data::Cifar10,
    },
    Entry {
        name: "cifar10-pni-w",
        title: "CIFAR-10: white noise (PNI-W)",
        about: "A ResNet-20 for CIFAR-10, trained against attacks, with white noise on its weights.",
        epsilon: 8.0 / 255.0,
        weights: Pretrained::Cifar10PniW,
        data: Data::Cifar10,
    },
    Entry {
        name: "cifar10-adversarial",
        title: "CIFAR-10: adversarial, no noise",
        about: "A ResNet-20 for CIFAR-10, trained against attacks, without noise.",
        epsilon: 8.0 / 255.0,
        weights: Pretrained::Cifar10Adversarial,
        data: Data::Cifar10,
    },
    Entry {
        name: "cifar10-half-and-half",
        title: "CIFAR-10: half clean, no noise",
        about: "A ResNet-20 for CIFAR-10, trained on clean images and attacks, half of each, without noise.",
        epsilon: 8.0 / 255.0,
        weights: Pretrained::Cifar10HalfAndHalf,
        data: Data::Cifar10,
    },
];
