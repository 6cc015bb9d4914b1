//! What casts doubt on a suite's result.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A sign that the result of a suite is not what it seems. All but the last two are AutoAttack's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "flag", rename_all = "snake_case")]
pub enum Flag {
    /// The model is stochastic, and no attack of the suite averages its gradients over several
    /// draws (EOT).
    Randomized,
    /// The outputs look like probabilities: within [0, 1], and each row's sum within 1e-5 of one.
    Probabilities,
    /// Examples met a gradient that is zero throughout.
    ZeroGradients {
        /// The attack.
        attack: String,
        /// The examples' numbers.
        examples: Vec<u64>,
    },
    /// An attack without gradients broke more than 0.2 % of the examples that attacks with gradients had left.
    BlackBoxHelps {
        /// The attack.
        attack: String,
        /// The examples' numbers.
        examples: Vec<u64>,
    },
    /// Draws of the model differ by no more than rounding, and one stands for all.
    Rounding {
        /// The largest difference as a share of an image's span of logits.
        share: f64,
    },
    /// A budget ended the attack.
    Exhausted {
        /// The attack.
        attack: String,
    },
}

/// The share of examples above which [`Flag::BlackBoxHelps`] is raised.
pub(super) const HELP: f64 = 0.002;

impl fmt::Display for Flag {
    /// What was seen, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Randomized => write!(
                f,
                "the model is stochastic, and none of these attacks averages its gradients over draws \
                 (EOT): use `rand` or `rand_plus`"
            ),
            Self::Probabilities => write!(
                f,
                "outputs look like probabilities, which flattens gradients: give the attacks logits, without a softmax"
            ),
            Self::ZeroGradients { attack, examples } => write!(
                f,
                "{attack} met a gradient of zero on {} examples: gradients may be masked; attack without them, or through a \
                 surrogate (BPDA)",
                examples.len()
            ),
            Self::BlackBoxHelps { attack, examples } => write!(
                f,
                "{attack} broke {} examples that attacks with gradients had left: gradients mislead; adapt the attack to the \
                 model",
                examples.len()
            ),
            Self::Rounding { share } => write!(
                f,
                "two draws of the model differ by {share:.1e} of the logits' span, which counts as \
                 rounding: the model was judged as one without noise"
            ),
            Self::Exhausted { attack } => {
                write!(f, "a budget ended {attack}: robust accuracy is overestimated")
            }
        }
    }
}
