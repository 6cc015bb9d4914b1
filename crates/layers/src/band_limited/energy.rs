//! The spectral energy of images: how much of it lies at which frequency.

use super::band::frequencies_of;
use super::basis::{both_signs, waves};
use crate::NoiseError;
use burn::tensor::Tensor;

/// The energy of images by frequency, summed over images and channels. Made by
/// [`spectral_energy`].
#[derive(Clone, Debug, PartialEq)]
pub struct SpectralEnergy {
    size: [usize; 2],
    /// `[height, width / 2 + 1]`: rows of all frequencies, those of a negative sign as remainders
    /// of the height; columns from zero on, each with the energy of both signs.
    energy: Vec<f64>,
}

/// The energy of images or perturbations by frequency: `|x̂|² / (height · width)`, so that its sum
/// is that of the squared values (Parseval). In double precision on the host.
///
/// # Shapes
///
/// - images: `[batch, channels, height, width]`
///
/// # Errors
///
/// [`NoiseError::Model`] for images without a pixel, and for values that cannot be read or are not
/// finite.
pub fn spectral_energy(images: Tensor<4>) -> Result<SpectralEnergy, NoiseError> {
    let wrong = |got: String, wanted| Err(NoiseError::Model { field: "images", got, wanted });
    let dims @ [batch, channels, height, width] = images.dims();
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
    let columns = frequencies_of(width);
    let rows = both_signs(height, frequencies_of(height));
    let [row_cos, row_sin] = waves(height, &rows, &(0..height).collect::<Vec<_>>());
    let kept: Vec<usize> = (0..columns).collect();
    let [column_cos, column_sin] = waves(width, &kept, &(0..width).collect::<Vec<_>>());
    let mut energy = vec![0.0; height * columns];
    let scale = 1.0 / (height * width) as f64;
    for image in values.chunks_exact(height * width).take(batch * channels) {
        // Along the rows first: [height, columns], real and imaginary.
        let mut half = vec![[0.0; 2]; height * columns];
        for (y, line) in image.chunks_exact(width).enumerate() {
            for f in 0..columns {
                let of = |wave: &[f64]| -> f64 {
                    line.iter().zip(&wave[f * width..]).map(|(&v, w)| f64::from(v) * w).sum()
                };
                half[y * columns + f] = [of(&column_cos.values), -of(&column_sin.values)];
            }
        }
        for (r, &row) in rows.iter().enumerate() {
            for f in 0..columns {
                let mut sum = [0.0; 2];
                for y in 0..height {
                    let [re, im] = half[y * columns + f];
                    let at = r * height + y;
                    let (cos, sin) = (row_cos.values[at], row_sin.values[at]);
                    sum[0] += re * cos + im * sin;
                    sum[1] += im * cos - re * sin;
                }
                // The other sign of a column has as much energy.
                let signs = if f == 0 || 2 * f == width { 1.0 } else { 2.0 };
                energy[row * columns + f] += signs * scale * (sum[0] * sum[0] + sum[1] * sum[1]);
            }
        }
    }
    Ok(SpectralEnergy { size: [height, width], energy })
}

impl SpectralEnergy {
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
        let kept = both_signs(self.size[0], rows);
        let all = frequencies_of(self.size[1]);
        let line =
            |row: usize| -> f64 { self.energy[row * all..][..columns.min(all)].iter().sum() };
        let total = self.total();
        if total > 0.0 { kept.into_iter().map(line).sum::<f64>() / total } else { 1.0 }
    }

    /// The share of the energy by radius: `bins` rings of equal width from the mean to the corner,
    /// whose frequency is half of both axes. They add up to 1; all are 0 for images that are zero.
    pub fn by_radius(&self, bins: usize) -> Vec<f64> {
        let [height, width] = self.size;
        let columns = frequencies_of(width);
        let total = self.total();
        let mut shares = vec![0.0; bins];
        if bins == 0 || total == 0.0 {
            return shares;
        }
        let relative = |f: usize, n: usize| 2.0 * f.min(n - f) as f64 / n as f64;
        for (index, energy) in self.energy.iter().enumerate() {
            let (row, column) = (index / columns, index % columns);
            let radius = relative(row, height).hypot(relative(column, width)) / 2f64.sqrt();
            let bin = ((radius * bins as f64) as usize).min(bins - 1);
            shares[bin] += energy / total;
        }
        shares
    }
}
