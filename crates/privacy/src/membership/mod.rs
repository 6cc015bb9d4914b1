//! Membership inference: is an example one of those that a model was trained on?
//!
//! An attack gives every example a score, larger for a member. [`MembershipScores::report`] judges
//! the scores, beside what a privacy of epsilon and delta allows.
//!
//! | module | holds |
//! | --- | --- |
//! | `confidence` | the confidence of a model in its labels |
//! | `likelihood_ratio` | the attack by shadow models |
//! | `scores` | the scores of members and others, and what is measured on them |
//! | `report` | the measurements, as a value that saves |
//! | `guesses` | what the surest of an attack's guesses say of epsilon |
//! | `bounds` | what epsilon and delta allow, and what an attack says of epsilon |

mod bounds;
mod confidence;
mod guesses;
mod likelihood_ratio;
mod report;
mod scores;

pub use self::bounds::{
    epsilon_from_guesses, epsilon_from_rates, max_advantage, max_true_positive_rate,
};
pub use self::confidence::{confidences, logit_confidence};
pub use self::likelihood_ratio::{LikelihoodRatio, ShadowModel, fair_members};
pub use self::report::{Measured, MembershipReport, OperatingPoint, PrivacyBound, Verdict};
pub use self::scores::MembershipScores;
