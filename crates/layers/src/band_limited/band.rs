//! The frequencies that a band keeps.

use crate::NoiseError;
use cni_ops::SpectralEnergy;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A band of low frequencies of images: a square around the mean, the same share of both axes.
///
/// An axis of `n` pixels has the frequencies 0 to n / 2, in periods over the axis. A band keeps the
/// first `q` of them, with both signs.
///
/// Its text is the rate, the two numbers of frequencies with an `x` between them, or the two ends
/// of a drawn rate with two dots:
///
/// ```
/// use cni_layers::band_limited::Band;
/// assert_eq!("0.5".parse(), Ok(Band::Rate(0.5)));
/// assert_eq!("12x9".parse(), Ok(Band::Frequencies([12, 9])));
/// assert_eq!("0.3..0.7".parse(), Ok(Band::Random { from: 0.3, to: 0.7 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// The compression rate in [0, 1): about the share of the coefficients of a real transform that
    /// is left out. It keeps `q = ⌊(⌊n / 2⌋ + 1) · √(1 − rate)⌋` frequencies of an axis, at least
    /// one, as the published code does.
    Rate(f64),
    /// The number `q` of kept frequencies of rows and of columns, in periods over the grid of the
    /// layer that reads them: the activation itself in a [`BandLimit2d`](super::BandLimit2d), about
    /// twice its size in a [convolution](super::BandLimitedInput), where the same number is half as
    /// many periods over the activation. 1 keeps the mean alone, n / 2 + 1 and more keep everything
    /// of a grid of n. A network's smaller activations then keep all of theirs.
    Frequencies([usize; 2]),
    /// A rate drawn uniformly between two, anew at every use: a stochastic defence. The draws are
    /// keyed by the [noise scope](cni_noise::scope); with the noise off the rate is the mean.
    Random {
        /// The least rate, in [0, 1).
        from: f64,
        /// The largest, above it and below 1.
        to: f64,
    },
}

impl Band {
    /// The band that keeps everything.
    pub const ALL: Self = Self::Rate(0.0);

    /// The narrowest band that keeps at least a share, in (0, 1], of an energy, as many frequencies
    /// of each axis: `preserve_energy` of the published code.
    ///
    /// That code measures each batch anew, so that an image's prediction depends on the others.
    /// Here the band is found once, from activations that stand for the data.
    ///
    /// Its numbers are of the grid that the energy is of, which must be that of the layer that
    /// reads them: [`spectral_energy`](super::spectral_energy) of an activation for a
    /// [`BandLimit2d`](super::BandLimit2d), and [`BandLimitedInput::energy`] for a convolution.
    ///
    /// [`BandLimitedInput::energy`]: super::BandLimitedInput::energy
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] for a share out of its range.
    pub fn preserving(share: f64, energy: &SpectralEnergy) -> Result<Self, NoiseError> {
        if !(share > 0.0 && share <= 1.0) {
            let wanted = "a share above 0 and at most 1";
            return Err(NoiseError::Model { field: "share", got: share.to_string(), wanted });
        }
        let sizes = energy.size().map(frequencies_of);
        let most = sizes[0].max(sizes[1]);
        let kept = |q: usize| sizes.map(|size| q.min(size));
        let enough = (1..most).find(|&q| energy.share_within(kept(q)) >= share);
        Ok(Self::Frequencies(kept(enough.unwrap_or(most))))
    }

    /// Refuses settings out of their range.
    pub(super) fn check(&self) -> Result<(), NoiseError> {
        let wrong = |field, got, wanted| Err(NoiseError::Model { field, got, wanted });
        let rate = |rate: f64| (0.0..1.0).contains(&rate);
        match *self {
            Self::Rate(got) if !rate(got) => {
                wrong("band.rate", got.to_string(), "a rate of at least 0 and below 1")
            }
            Self::Frequencies(got) if got.contains(&0) => {
                wrong("band.frequencies", format!("{got:?}"), "one frequency or more of each axis")
            }
            Self::Random { from, to } if !(rate(from) && rate(to) && from < to) => {
                let wanted = "two rates of at least 0 and below 1, the second above the first";
                wrong("band.random", format!("{from} to {to}"), wanted)
            }
            _ => Ok(()),
        }
    }

    /// The kept frequencies of rows and columns of this size; `drawn`, in [0, 1), settles a random
    /// band.
    pub(super) fn kept(&self, size: [usize; 2], drawn: Option<f64>) -> [usize; 2] {
        match *self {
            Self::Rate(rate) => size.map(|n| kept(n, rate)),
            Self::Random { from, to } => {
                let rate = from + (to - from) * drawn.unwrap_or(0.5);
                size.map(|n| kept(n, rate))
            }
            Self::Frequencies([rows, columns]) => {
                let [height, width] = size.map(frequencies_of);
                [rows.min(height), columns.min(width)]
            }
        }
    }

    /// Refuses as many frequencies as the largest grid of a network has, of which none would be
    /// left out anywhere.
    pub(crate) fn check_within(&self, size: [usize; 2]) -> Result<(), NoiseError> {
        let most = size.map(frequencies_of);
        match *self {
            Self::Frequencies([rows, columns]) if rows >= most[0] && columns >= most[1] => {
                Err(NoiseError::Model {
                    field: "band",
                    got: self.to_string(),
                    wanted: "fewer frequencies than the largest grid of a convolution has",
                })
            }
            _ => Ok(()),
        }
    }

    /// True if the band is drawn.
    pub fn is_random(&self) -> bool {
        matches!(self, Self::Random { .. })
    }
}

/// Frequencies of an axis of `n` pixels, those of one sign and zero.
pub(super) fn frequencies_of(n: usize) -> usize {
    n / 2 + 1
}

/// The kept frequencies of an axis of `n` pixels at a rate.
fn kept(n: usize, rate: f64) -> usize {
    ((frequencies_of(n) as f64 * (1.0 - rate).sqrt()) as usize).max(1)
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(f, "{rate}"),
            Self::Frequencies([rows, columns]) => write!(f, "{rows}x{columns}"),
            Self::Random { from, to } => write!(f, "{from}..{to}"),
        }
    }
}

impl FromStr for Band {
    type Err = NoiseError;

    fn from_str(text: &str) -> Result<Self, NoiseError> {
        let pair = |between| text.split_once(between);
        let band = if let Some((rows, columns)) = pair("x") {
            rows.parse().ok().zip(columns.parse().ok()).map(|(r, c)| Self::Frequencies([r, c]))
        } else if let Some((from, to)) = pair("..") {
            from.parse().ok().zip(to.parse().ok()).map(|(from, to)| Self::Random { from, to })
        } else {
            text.parse().ok().map(Self::Rate)
        };
        let unknown = NoiseError::Model {
            field: "band",
            got: format!("{text:?}"),
            wanted: "a rate such as 0.5, frequencies such as 12x12, or rates such as 0.3..0.7 \
                     between which it is drawn",
        };
        let band = band.ok_or(unknown)?;
        band.check()?;
        Ok(band)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares of the published code, of the coefficients of a one-sided transform of images.
    #[test]
    fn rates_keep_the_published_shares() {
        for (n, rate, share) in [(64, 0.5, 0.490), (64, 0.75, 0.235), (32, 0.48, 0.507)] {
            let [q, _] = Band::Rate(rate).kept([n, n], None);
            let kept = (2 * q - 1) as f64 * q as f64 / (n * (n / 2 + 1)) as f64;
            assert!((kept - share).abs() < 5e-4, "{n} {rate}: {kept}");
        }
        assert_eq!(Band::ALL.kept([31, 32], None), [16, 17]);
        assert_eq!(Band::Rate(0.9999).kept([31, 32], None), [1, 1]);
    }

    #[test]
    fn a_drawn_rate_lies_between_its_ends() {
        let band = Band::Random { from: 0.0, to: 0.75 };
        assert_eq!(band.kept([64, 64], Some(0.0)), [33, 33]);
        assert_eq!(band.kept([64, 64], Some(0.999_999_9)), Band::Rate(0.75).kept([64, 64], None));
        assert_eq!(band.kept([64, 64], None), Band::Rate(0.375).kept([64, 64], None));
    }

    #[test]
    fn a_band_is_its_text() {
        for band in [
            Band::ALL,
            Band::Rate(0.125),
            Band::Frequencies([3, 17]),
            Band::Random { from: 0.25, to: 0.75 },
        ] {
            assert_eq!(band.to_string().parse(), Ok(band));
        }
        for text in ["", "half", "x", "3x", "1x2x3", "..", "0.1..", "0.5-0.7"] {
            let error = text.parse::<Band>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("band: got {text:?}, wanted a rate")), "{error}");
        }
        let error = "0.5..0.2".parse::<Band>().unwrap_err().to_string();
        assert!(error.starts_with("band.random: got 0.5 to 0.2"), "{error}");
    }

    #[test]
    fn bad_bands_are_refused_by_name() {
        let refused = |band: Band| band.check().unwrap_err().to_string();
        for (rate, got) in [(-0.1, "-0.1"), (1.0, "1"), (f64::NAN, "NaN")] {
            let error = refused(Band::Rate(rate));
            assert_eq!(
                error,
                format!("band.rate: got {got}, wanted a rate of at least 0 and below 1")
            );
        }
        assert!(refused(Band::Frequencies([0, 3])).starts_with("band.frequencies: got [0, 3]"));
        assert!(refused(Band::Random { from: 0.5, to: 0.5 }).starts_with("band.random: got 0.5"));
        assert!(refused(Band::Random { from: 0.5, to: 1.0 }).starts_with("band.random: got 0.5"));
        assert!(Band::Random { from: 0.0, to: 0.9 }.check().is_ok());
    }
}
