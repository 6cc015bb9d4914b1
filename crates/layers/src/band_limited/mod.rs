//! Band-limited convolutions (Dziedzic, Paparrizos, Krishnan, Elmore and Franklin, ICML 2019,
//! arXiv 1911.09287): those that leave the high frequencies of their inputs out.
//!
//! ```text
//! Band           which frequencies of an axis are kept, fixed or drawn
//! basis          the projection on them, and their transform, as matrices
//! BandLimit2d    an activation without the others
//! BandLimitedInput   the same of the padded input of a convolution
//! BandLimitedConv2d ─┬─ that input, then an ordinary convolution
//!                    └─ product of the kept parts of both spectra
//! spectral_energy    where in the spectrum a tensor's energy lies
//! ```
//!
//! The published layer multiplies the kept parts of two spectra. Multiplication leaves frequencies
//! apart, so that the product is the same whether one of the two or both are cut: the layer is a
//! projection of its padded input on the kept frequencies, followed by an ordinary convolution.
//!
//! A band-limited model is no defence because of its bands. The layers are linear and have exact
//! gradients, so that an attack that is given the model knows them; the study of attacks in the
//! authors' repository gave it another.

mod band;
mod basis;
mod conv2d;
mod input;
mod limit;
mod module;
mod spectra;

pub use band::Band;
pub use cni_ops::{SpectralEnergy, SpectrumError, spectral_energy};
pub use conv2d::{BandLimitedConv2d, BandLimitedConv2dConfig, Method};
pub use input::{BandLimitedInput, BandLimitedInputConfig};
pub use limit::{BandLimit2d, BandLimit2dConfig};
