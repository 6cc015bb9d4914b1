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
    /// What it is and how it was trained, as a sentence.
    pub about: &'static str,
    /// The radius in L∞ that its record judges it at, in units of pixels in [0, 1].
    pub epsilon: f64,
    #[serde(skip)]
    pub(crate) weights: Pretrained,
}

/// The models, that which the page begins with first.
pub const CATALOG: &[Entry] = &[
    Entry {
        name: "digits-cni-w",
        title: "colored noise (CNI-W)",
        about: "A ResNet-8 for digits, trained against attacks, with colored noise on its weights.",
        epsilon: 0.1,
        weights: Pretrained::DigitsCniW,
    },
    Entry {
        name: "digits-pni-w",
        title: "white noise (PNI-W)",
        about: "A ResNet-8 for digits, trained against attacks, with white noise on its weights.",
        epsilon: 0.1,
        weights: Pretrained::DigitsPniW,
    },
    Entry {
        name: "digits-adversarial",
        title: "adversarial, no noise",
        about: "A ResNet-8 for digits, trained against attacks, without noise.",
        epsilon: 0.1,
        weights: Pretrained::DigitsAdversarial,
    },
    Entry {
        name: "digits-clean",
        title: "clean, no noise",
        about: "A ResNet-8 for digits, trained without attacks and without noise.",
        epsilon: 0.1,
        weights: Pretrained::DigitsClean,
    },
];
