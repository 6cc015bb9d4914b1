//! Frequencies of an axis as matrices, made on the host in double precision.

use super::band::frequencies_of;
use std::f64::consts::TAU;

/// A matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f64>,
}

impl Matrix {
    pub fn new(rows: usize, columns: usize, at: impl Fn(usize, usize) -> f64) -> Self {
        let all = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        Self { rows, columns, values: all.map(|(row, column)| at(row, column)).collect() }
    }
}

/// The cosine and the sine of `2π k / n`, exact in the periods of `k`.
fn turn(k: usize, n: usize) -> [f64; 2] {
    let (sin, cos) = (TAU * (k % n) as f64 / n as f64).sin_cos();
    [cos, sin]
}

/// The projection of an axis of `n` pixels on its first `q` frequencies: symmetric and idempotent,
/// each row that before it, moved by a pixel. Its entry at a distance `d` is
/// `(1 + 2 Σ cos(2π f d / n)) / n` over the frequencies from 1 to `q - 1`, but the last of an even
/// axis, which is its own negative, counts once.
pub fn projection(n: usize, q: usize) -> Vec<f64> {
    if q >= frequencies_of(n) {
        return (0..n).map(|distance| if distance == 0 { 1.0 } else { 0.0 }).collect();
    }
    let entry = |distance: usize| {
        let sum: f64 = (1..q).map(|f| turn(f * distance, n)[0]).sum();
        (1.0 + 2.0 * sum) / n as f64
    };
    (0..n).map(entry).collect()
}

/// The map of `count` pixels of an axis, those from `first` on with zeros elsewhere, to the first
/// `out` pixels of its projection, for row vectors on its left: `[count, out]`.
pub fn limited(n: usize, q: usize, [first, count]: [usize; 2], out: usize) -> Matrix {
    let projection = projection(n, q);
    Matrix::new(count, out, |pixel, to| projection[(first + pixel).abs_diff(to) % n])
}

/// The frequencies of rows in a transform of real images: 0 to `q - 1`, then the negative ones, the
/// last one first, as remainders of `n`.
pub fn both_signs(n: usize, q: usize) -> Vec<usize> {
    let positive = 0..q.min(frequencies_of(n));
    // The last frequency of an even axis is its own negative.
    let negative = (n + 1 - q.min(n)..n).filter(|&f| f > n / 2);
    positive.chain(negative).collect()
}

/// The cosines and the sines `[frequencies, positions]` of `2π f x / n`.
pub fn waves(n: usize, frequencies: &[usize], positions: &[usize]) -> [Matrix; 2] {
    [0, 1].map(|part| {
        Matrix::new(frequencies.len(), positions.len(), |f, x| {
            turn(frequencies[f] * positions[x], n)[part]
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(n: usize, q: usize) -> Matrix {
        limited(n, q, [0, n], n)
    }

    fn product(a: &Matrix, b: &Matrix) -> Matrix {
        Matrix::new(a.rows, b.columns, |row, column| {
            (0..a.columns)
                .map(|k| a.values[row * a.columns + k] * b.values[k * b.columns + column])
                .sum()
        })
    }

    fn distance(a: &Matrix, b: &Matrix) -> f64 {
        a.values.iter().zip(&b.values).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn projections_are_symmetric_and_idempotent_with_as_many_dimensions_as_kept_waves() {
        for n in [1, 2, 3, 7, 8, 16, 33] {
            for q in 1..=frequencies_of(n) {
                let p = matrix(n, q);
                assert!(distance(&product(&p, &p), &p) < 1e-13, "{n} {q}");
                let transposed = Matrix::new(n, n, |row, column| p.values[column * n + row]);
                assert!(distance(&transposed, &p) < 1e-13, "{n} {q}");
                // The trace of a projection is its dimension: the mean, a cosine and a sine for
                // each other frequency, and a cosine alone for the last of an even axis.
                let trace: f64 = (0..n).map(|i| p.values[i * n + i]).sum();
                let all = q == frequencies_of(n);
                let dimension = if all { n } else { 2 * q - 1 };
                assert!((trace - dimension as f64).abs() < 1e-12, "{n} {q}: {trace}");
                assert_eq!(both_signs(n, q).len(), dimension, "{n} {q}");
            }
        }
    }

    #[test]
    fn waves_below_the_end_of_the_band_pass_and_those_above_it_do_not() {
        let (n, q) = (16, 6);
        let p = matrix(n, q);
        for f in 0..=n / 2 {
            for part in 0..2 {
                let wave = Matrix::new(n, 1, |x, _| turn(f * x, n)[part]);
                let zero = Matrix::new(n, 1, |_, _| 0.0);
                let wanted = if f < q { &wave } else { &zero };
                assert!(distance(&product(&p, &wave), wanted) < 1e-13, "{f} {part}");
            }
        }
    }

    #[test]
    fn each_frequency_is_there_once() {
        for n in [1, 2, 5, 6, 32] {
            let mut all = both_signs(n, frequencies_of(n));
            all.sort_unstable();
            assert_eq!(all, (0..n).collect::<Vec<_>>());
        }
        assert_eq!(both_signs(8, 3), [0, 1, 2, 6, 7]);
        assert_eq!(both_signs(8, 4), [0, 1, 2, 3, 5, 6, 7]);
    }
}
