//! The patterns that fill windows in L2 and L1.

use crate::Norm;

/// The two forms of a pattern: upright, and turned on its side.
pub(super) type Patterns = [Vec<f64>; 2];

/// The sum behind a length: of squares in L2, of absolute values in L1.
pub(super) fn power(norm: Norm, values: &[f64]) -> f64 {
    // Several sums side by side, since a processor can add them at once.
    let mut lanes = [0.0; 8];
    for values in values.chunks(lanes.len()) {
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane += if norm == Norm::L1 { value.abs() } else { value * value };
        }
    }
    lanes.iter().sum()
}

/// The length with this [`power`].
pub(super) fn root(norm: Norm, power: f64) -> f64 {
    if norm == Norm::L1 { power } else { power.sqrt() }
}

/// The length in L2 or L1.
pub(super) fn length(norm: Norm, values: &[f64]) -> f64 {
    root(norm, power(norm, values))
}

/// A bump above a dip, of length one, in a window of these sides: the pattern η of algorithm 3.
pub(super) fn patterns(norm: Norm, [height, width]: [usize; 2]) -> Patterns {
    let upright = halves(norm, height, width);
    let across = halves(norm, width, height);
    let turned = (0..height * width).map(|i| across[i % width * height + i / width]).collect();
    [upright, turned]
}

fn halves(norm: Norm, height: usize, width: usize) -> Vec<f64> {
    let above = height / 2;
    let mut pattern = bump(norm, above, width);
    pattern.extend(bump(norm, height - above, width).iter().map(|cell| -cell));
    let length = length(norm, &pattern);
    pattern.iter().map(|cell| cell / length).collect()
}

/// A pyramid of length one: the sum of nested squares around the middle; the larger a square, the
/// lower it is.
fn bump(norm: Norm, height: usize, width: usize) -> Vec<f64> {
    let exponent = if norm == Norm::L1 { -4 } else { -2 };
    let (middle, center) = (height / 2, width / 2);
    let levels = middle.max(center) + 1;
    // The sum of all levels that reach at least this far from the middle.
    let mut sums = vec![0.0; levels + 1];
    for level in (0..levels).rev() {
        sums[level] = sums[level + 1] + (level as f64 + 1.0).powi(exponent);
    }
    let cells: Vec<f64> = (0..height * width)
        .map(|i| sums[(i / width).abs_diff(middle).max((i % width).abs_diff(center))])
        .collect();
    let length = length(norm, &cells);
    cells.iter().map(|cell| cell / length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of pyautoattack 0.2.0: `SquareAttack.eta(3)` before it is turned, with norm L2
    /// and L1.
    #[test]
    fn patterns_are_those_of_the_reference() {
        let near = |norm, wanted: [f64; 9]| {
            let [upright, turned] = patterns(norm, [3, 3]);
            for i in 0..9 {
                assert!((upright[i] - wanted[i]).abs() < 1e-6, "{norm:?} {upright:?}");
                assert_eq!(turned[i], upright[i % 3 * 3 + i / 3]);
            }
        };
        near(
            Norm::L2,
            [
                0.1360828, 0.6804138, 0.1360828, -0.1290994, -0.1290994, -0.1290994, -0.1290994,
                -0.6454972, -0.1290994,
            ],
        );
        near(
            Norm::L1,
            [
                0.0263158, 0.4473685, 0.0263158, -0.0227273, -0.0227273, -0.0227273, -0.0227273,
                -0.3863637, -0.0227273,
            ],
        );
    }
}
