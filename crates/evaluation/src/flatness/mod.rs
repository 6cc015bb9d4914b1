//! Flatness of the robust loss in weight space, which predicts whether robustness carries over to
//! new data (Stutz, Hein and Schiele, ICCV 2021, arXiv 2104.04448).
//!
//! Every layer, a weight or a bias by itself, is perturbed by a share ξ of its norm, so that the
//! measure does not change if the layers of a ReLU network are rescaled against each other.
//! Parameters of norms and of noise stay as they are. The larger a flatness is, the sharper is the
//! loss around the weights.
//!
//! | part | measures |
//! | --- | --- |
//! | [`RobustLoss`] | the mean cross-entropy under PGD, or another [`WeightLoss`] |
//! | [`AverageFlatness`] | its mean at random weights around a model's, above the model's own |
//! | [`WorstFlatness`] | its largest value there, by ascent in weights and images together |
//! | [`Landscape`] | its course along random and adversarial directions |
//! | [`Flatness`] | all of them, in a [`FlatnessRecord`] |
//!
//! [`Neighborhood`] measures one of them alone, of any loss.
//!
//! Two findings of the paper are worth keeping in mind. Early stopping gives flatter minima. And a
//! flat loss can be a high one: a model that is poorly robust on its training data, too, is flat.

mod average;
mod compared;
mod landscape;
mod loss;
mod neighborhood;
mod robust;
mod run;
mod watch;
mod worst;

pub use self::average::AverageFlatness;
pub use self::landscape::Landscape;
pub use self::loss::WeightLoss;
pub use self::neighborhood::Neighborhood;
pub use self::robust::RobustLoss;
pub use self::run::Flatness;
pub use self::watch::FlatnessStep;
pub use self::worst::WorstFlatness;
pub use crate::record::flatness::{
    FLATNESS_SCHEMA, FlatnessRecord, FlatnessRecords, LandscapeCurve, PerturbedLosses,
    flatness_table,
};
pub use crate::record::flatness_settings::flatness_kinds;
