//! The spectrum of images: how much of their energy lies at which frequency.

use burn::tensor::Tensor;
use rustfft::{FftPlanner, num_complex::Complex};
use thiserror::Error;

/// The energy of images by frequency, summed over channels. Made by [`spectral_energy`] and
/// [`spectral_energies`].
#[derive(Clone, Debug, PartialEq)]
pub struct SpectralEnergy {
    size: [usize; 2],
    /// `[height, width]`: the frequencies of rows and columns, negative ones as remainders.
    energy: Vec<f64>,
}

/// Images that have no spectrum.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("images: got {got}, wanted {wanted}")]
pub struct SpectrumError {
    got: String,
    wanted: &'static str,
}

/// The energy of images or perturbations by frequency: `|x̂|² / (height · width)` of the discrete
/// Fourier transform, so that its sum is that of the squared values (Parseval). Computed in double
/// precision on the host.
///
/// # Shapes
///
/// - images: `[batch, channels, height, width]`
///
/// # Errors
///
/// For images without a pixel, and for values that cannot be read or are not finite.
pub fn spectral_energy(images: Tensor<4>) -> Result<SpectralEnergy, SpectrumError> {
    let all = spectral_energies(images)?;
    let sum = |mut a: SpectralEnergy, b: SpectralEnergy| {
        a.energy.iter_mut().zip(b.energy).for_each(|(a, b)| *a += b);
        a
    };
    Ok(all.into_iter().reduce(sum).expect("there is an image"))
}

/// The energy of each image of a batch by frequency: [`spectral_energy`] of one at a time.
///
/// # Errors
///
/// Those of [`spectral_energy`].
pub fn spectral_energies(images: Tensor<4>) -> Result<Vec<SpectralEnergy>, SpectrumError> {
    let wrong = |got: String, wanted| Err(SpectrumError { got, wanted });
    let dims @ [_, channels, height, width] = images.dims();
    if dims.contains(&0) {
        return wrong(format!("{dims:?}"), "one pixel or more");
    }
    let values = match images.inner().try_to_vec_as::<f32>() {
        Ok(values) => values,
        Err(error) => return wrong(format!("{error:?}"), "values that can be read"),
    };
    if values.iter().any(|value| !value.is_finite()) {
        return wrong("values that are not finite".into(), "finite values");
    }
    let mut planner = FftPlanner::<f64>::new();
    let (rows, columns) = (planner.plan_fft_forward(width), planner.plan_fft_forward(height));
    let scale = 1.0 / (height * width) as f64;
    let of_image = |image: &[f32]| {
        let mut energy = vec![0.0; height * width];
        for plane in image.chunks_exact(height * width) {
            let mut plane: Vec<_> =
                plane.iter().map(|&value| Complex::from(f64::from(value))).collect();
            rows.process(&mut plane);
            let mut plane = transposed(&plane, [height, width]);
            columns.process(&mut plane);
            let plane = transposed(&plane, [width, height]);
            energy.iter_mut().zip(plane).for_each(|(sum, value)| *sum += scale * value.norm_sqr());
        }
        SpectralEnergy { size: [height, width], energy }
    };
    Ok(values.chunks_exact(channels * height * width).map(of_image).collect())
}

/// The columns of a matrix as rows.
fn transposed(values: &[Complex<f64>], [rows, columns]: [usize; 2]) -> Vec<Complex<f64>> {
    (0..rows * columns).map(|at| values[at % rows * columns + at / rows]).collect()
}

/// The distance of a frequency from zero on an axis of `n` pixels, in periods over the axis.
fn distance(frequency: usize, n: usize) -> usize {
    frequency.min(n - frequency)
}

impl SpectralEnergy {
    /// White noise of this height and width: the same energy at every frequency.
    ///
    /// # Panics
    ///
    /// If an axis has no pixel.
    pub fn white(size: [usize; 2]) -> Self {
        assert!(!size.contains(&0), "size: got {size:?}, wanted one pixel or more");
        Self { size, energy: vec![1.0; size[0] * size[1]] }
    }

    /// Height and width of the images.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The sum, which is that of the squared values.
    pub fn total(&self) -> f64 {
        self.energy.iter().sum()
    }

    /// The share of the energy at the first frequencies of rows and columns, with both signs; 1 for
    /// images that are zero.
    pub fn share_within(&self, [rows, columns]: [usize; 2]) -> f64 {
        let [height, width] = self.size;
        let within = |&(at, _): &(usize, &f64)| {
            distance(at / width, height) < rows && distance(at % width, width) < columns
        };
        let kept: f64 =
            self.energy.iter().enumerate().filter(within).map(|(_, energy)| energy).sum();
        let total = self.total();
        if total > 0.0 { kept / total } else { 1.0 }
    }

    /// The share of the energy by radius: `bins` rings of equal width from the mean to the corner,
    /// whose frequency is half of both axes. They add up to 1; all are 0 for images that are zero.
    pub fn by_radius(&self, bins: usize) -> Vec<f64> {
        let [height, width] = self.size;
        let total = self.total();
        let mut shares = vec![0.0; bins];
        if bins == 0 || total == 0.0 {
            return shares;
        }
        let relative = |frequency, n| 2.0 * distance(frequency, n) as f64 / n as f64;
        for (at, energy) in self.energy.iter().enumerate() {
            let (row, column) = (at / width, at % width);
            let radius = relative(row, height).hypot(relative(column, width)) / 2f64.sqrt();
            let bin = ((radius * bins as f64) as usize).min(bins - 1);
            shares[bin] += energy / total;
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use std::f64::consts::TAU;

    /// Values of a fixed sequence in [-1, 1), of no pattern.
    fn values(count: usize) -> Vec<f32> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    fn tensor(values: &[f32], shape: [usize; 4]) -> Tensor<4> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    /// The definition, at sizes of several factors, of one and of a prime.
    #[test]
    fn energies_are_those_of_the_definition() {
        for [height, width] in [[1, 1], [4, 6], [7, 5], [1, 9], [12, 16]] {
            let image = values(2 * height * width);
            let found = spectral_energy(tensor(&image, [1, 2, height, width])).unwrap();
            for (row, column) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let wanted: f64 = image
                    .chunks_exact(height * width)
                    .map(|plane| {
                        let sum: Complex<f64> = plane
                            .iter()
                            .enumerate()
                            .map(|(at, &value)| {
                                let turns = (row * (at / width)) as f64 / height as f64
                                    + (column * (at % width)) as f64 / width as f64;
                                Complex::from_polar(f64::from(value), -TAU * turns)
                            })
                            .sum();
                        sum.norm_sqr() / (height * width) as f64
                    })
                    .sum();
                let got = found.energy[row * width + column];
                assert!(
                    (got - wanted).abs() < 1e-12 * found.total(),
                    "{row} {column}: {got} {wanted}"
                );
            }
        }
    }

    #[test]
    fn a_batch_is_the_sum_of_its_images_and_white_noise_is_flat() {
        let shape = [3, 2, 6, 5];
        let images = tensor(&values(180), shape);
        let each = spectral_energies(images.clone()).unwrap();
        let all = spectral_energy(images.clone()).unwrap();
        let alone = spectral_energy(images.narrow(0, 1, 1)).unwrap();
        assert_eq!(each[1], alone);
        let sum: f64 = each.iter().map(SpectralEnergy::total).sum();
        assert!((all.total() - sum).abs() < 1e-12 * sum);
        // Of 30 coefficients 3 by 3 have at most one period over each axis.
        let white = SpectralEnergy::white([6, 5]);
        assert!((white.share_within([2, 2]) - 9.0 / 30.0).abs() < 1e-15);
        assert!((white.by_radius(1)[0] - 1.0).abs() < 1e-15);
    }
}
