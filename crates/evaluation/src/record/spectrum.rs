//! The spectrum of an attack's perturbations.

use burn::tensor::Tensor;
use cni_ops::{SpectralEnergy, SpectrumError, spectral_energies};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The rings of a spectrum.
const RINGS: usize = 8;

/// The unit of a tally's shares: sums of whole numbers do not depend on their order, so that shards
/// merge to the same record.
const UNIT: f64 = (1u64 << 32) as f64;

/// The spectrum of the perturbations that an attack found: at which frequencies of the images they
/// have their energy, as means over the images that it changed.
///
/// The plane of frequencies is cut into eight rings of equal width, from zero to its corner, which
/// is half a period a pixel on both axes. The mean of an image is in the first ring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spectrum {
    /// The number of images that the attack changed.
    pub changed: usize,
    /// The share of the energy in each ring, from low to high frequencies; they add up to 1.
    pub shares: Vec<f64>,
    /// The shares of white noise, which are the shares of the frequencies.
    pub white: Vec<f64>,
}

/// A tally of perturbations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SpectrumTally {
    changed: usize,
    shares: [u64; RINGS],
    white: [u64; RINGS],
}

impl SpectrumTally {
    /// The tally of a batch of perturbations.
    pub fn of(perturbations: Tensor<4>) -> Result<Self, SpectrumError> {
        let mut tally = Self::default();
        let energies = spectral_energies(perturbations)?;
        for energy in energies.iter().filter(|energy| energy.total() > 0.0) {
            tally.changed += 1;
            let white = SpectralEnergy::white(energy.size());
            for (sums, energy) in [(&mut tally.shares, energy), (&mut tally.white, &white)] {
                let shares = energy.by_radius(RINGS);
                sums.iter_mut().zip(shares).for_each(|(sum, s)| *sum += (s * UNIT).round() as u64);
            }
        }
        Ok(tally)
    }

    /// Adds the tally of other images.
    pub fn append(&mut self, next: &Self) {
        self.changed += next.changed;
        for (sums, next) in [(&mut self.shares, next.shares), (&mut self.white, next.white)] {
            sums.iter_mut().zip(next).for_each(|(sum, next)| *sum += next);
        }
    }

    /// The means; `None` if no image was changed.
    pub fn spectrum(&self) -> Option<Spectrum> {
        let means = |sums: &[u64; RINGS]| {
            let sum: u64 = sums.iter().sum();
            sums.iter().map(|&ring| ring as f64 / sum as f64).collect()
        };
        let (shares, white) = (means(&self.shares), means(&self.white));
        (self.changed > 0).then_some(Spectrum { changed: self.changed, shares, white })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn images_count_alike_and_those_without_change_do_not() {
        let device = Device::flex();
        let flat = Tensor::<4>::full([1, 1, 4, 4], 9.0, &device);
        let point = Tensor::<4>::from_floats([[[[0.1, 0.0], [0.0, 0.0]]]], &device);
        let mut tally = SpectrumTally::of(Tensor::cat(vec![flat.clone(), flat * 0.0], 0)).unwrap();
        assert_eq!(tally.spectrum().unwrap().shares, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        // The energy of a single pixel is the same at every frequency, as that of white noise.
        let white = SpectrumTally::of(point).unwrap();
        let spectrum = white.spectrum().unwrap();
        assert_eq!((spectrum.changed, &spectrum.shares), (1, &spectrum.white));
        assert_eq!(spectrum.white, SpectralEnergy::white([2, 2]).by_radius(RINGS));
        // However much more of it the first image has.
        tally.append(&white);
        let mean = tally.spectrum().unwrap();
        assert_eq!((mean.changed, mean.shares[0], mean.shares[7]), (2, 0.625, 0.125));
        assert_eq!(SpectrumTally::default().spectrum(), None);
    }
}
