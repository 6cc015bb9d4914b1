//! Predictions over several draws of a stochastic classifier.
//!
//! A model with noise gives a different answer at every pass. A [`Prediction`] says how `draws`
//! answers become one, with or without Gaussian noise on the input. A [`Predictor`] is the
//! classifier that predicts in this way; it can be attacked and evaluated like any other.
//! [`Smoothing`] adds a certificate: a radius within which no change of the image changes the
//! prediction.
//!
//! ```
//! # use burn::tensor::{Device, Tensor};
//! use cni_evaluation::{Certificate, Prediction, Smoothing};
//! use cni_noise::Key;
//! # let images = Tensor::<4>::from_data([[[[0.9, 0.2]]], [[[0.1, 0.4]]]], &Device::flex());
//! # let model = |x: Tensor<4>| x.flatten::<2>(1, 3);
//! let vote = Prediction::vote(64)?.with_input_noise(0.1)?;
//! let predicted = vote.predict(&model, images.clone(), Key::new(1), 0)?;
//! assert_eq!(predicted.classes, [0, 1]);
//!
//! let smoothing = Smoothing::new(0.1)?.with_samples(1000)?;
//! let certified = smoothing.certify(&model, images, Key::new(1), 0)?;
//! assert!(matches!(certified.certificates[0], Certificate::Certified { class: 0, .. }));
//! # Ok::<(), cni_evaluation::EvaluationError>(())
//! ```
//!
//! The modes are those of Nemcovsky et al. (arXiv 1911.07198), the smoothing is that of CNI (arXiv
//! 2003.02188).
//!
//! # Deviations
//!
//! - σ is in units of the pixel range [0, 1], as ε is. The authors' code adds its noise after
//!   normalization, so that its σ is relative to the standard deviation of each channel: its 0.2 on
//!   CIFAR-10 is about 0.05 here. Noisy pixels are clipped neither there nor here.
//! - Their third mode, in which a class of rank q among the logits counts 2⁻q votes, is left out.

mod classifier;
pub(crate) mod input_noise;
mod mode;
pub(crate) mod votes;

pub use self::classifier::Predictor;
pub use self::input_noise::InputNoise;
pub use self::mode::{Prediction, Predictions};
