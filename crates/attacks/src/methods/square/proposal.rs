//! The changes of a candidate: the start and the windows of the Square attack, on single images.

use super::pattern::{Patterns, length, patterns, power, root};
use super::window::{Shape, Window, sides};
use crate::Norm;
use crate::threat::l1::project_image;
use std::ops::Range;

/// A change, made in each image with draws of its own.
pub(super) struct Proposal {
    norm: Norm,
    epsilon: f64,
    shape: Shape,
    change: Change,
}

enum Change {
    /// Columns, each at one end of ball and box.
    Stripes,
    /// Windows that cover the plane, each with a pattern.
    Tiles(Vec<Window>, Patterns),
    /// One window of these sides at one end of ball and box.
    Square([usize; 2]),
    /// Two windows of these sides: the first gets a pattern, and the length of the second.
    Exchange([usize; 2], Patterns),
}

impl Proposal {
    /// The start of a run.
    pub fn start(norm: Norm, epsilon: f64, shape: Shape) -> Self {
        let change = match norm {
            Norm::Linf => Change::Stripes,
            Norm::L2 | Norm::L1 => {
                let side = (shape.height.min(shape.width) / 5).max(1);
                let [rows, columns] = [shape.height / side, shape.width / side];
                let (above, beside) =
                    ((shape.height - rows * side) / 2, (shape.width - columns * side) / 2);
                let tile = |i: usize| Window {
                    top: above + i / columns * side,
                    left: beside + i % columns * side,
                    height: side,
                    width: side,
                };
                let tiles = (0..rows * columns).map(tile).collect();
                Change::Tiles(tiles, patterns(norm, [side, side]))
            }
        };
        Self { norm, epsilon, shape, change }
    }

    /// A step whose window covers about this share of the pixels.
    pub fn step(norm: Norm, epsilon: f64, shape: Shape, share: f64) -> Self {
        let pixels = (shape.height * shape.width) as f64;
        let side = (share * pixels).sqrt().round() as usize;
        let change = match norm {
            Norm::Linf => Change::Square(sides(side.max(1), shape)),
            Norm::L2 | Norm::L1 => {
                let sides = sides(side.max(3) | 1, shape);
                Change::Exchange(sides, patterns(norm, sides))
            }
        };
        Self { norm, epsilon, shape, change }
    }

    /// The number of uniform draws for an image.
    pub fn draws(&self) -> usize {
        let channels = self.shape.channels;
        match &self.change {
            Change::Stripes => channels * self.shape.width,
            Change::Tiles(tiles, _) => tiles.len() * (1 + channels),
            Change::Square(_) => 2 + channels,
            Change::Exchange(..) => 5 + channels,
        }
    }

    /// Changes an image whose original is `origin`, by these uniform draws.
    pub fn apply(&self, image: &mut [f64], origin: &[f64], draws: &[f32]) {
        match &self.change {
            Change::Stripes => {
                let Shape { height, width, .. } = self.shape;
                for (place, pixel) in image.iter_mut().enumerate() {
                    let stripe = place / (height * width) * width + place % width;
                    *pixel = self.end(origin[place], draws[stripe]);
                }
            }
            Change::Square(sides) => {
                let window = Window::drawn(self.shape, *sides, &draws[..2]);
                for (channel, &draw) in draws[2..].iter().enumerate() {
                    for row in window.rows(self.shape, channel) {
                        let ends = origin[row.clone()].iter().map(|&pixel| self.end(pixel, draw));
                        image[row].iter_mut().zip(ends).for_each(|(pixel, end)| *pixel = end);
                    }
                }
            }
            Change::Tiles(tiles, patterns) => self.tile(image, origin, tiles, patterns, draws),
            Change::Exchange(sides, patterns) => {
                self.exchange(image, origin, *sides, patterns, draws);
            }
        }
    }

    /// The upper or the lower end of the ball and the box around a pixel.
    fn end(&self, origin: f64, draw: f32) -> f64 {
        (origin + coin(draw) * self.epsilon).clamp(0.0, 1.0)
    }

    fn tile(
        &self,
        image: &mut [f64],
        origin: &[f64],
        tiles: &[Window],
        patterns: &Patterns,
        draws: &[f32],
    ) {
        let mut change = vec![0.0; image.len()];
        for (tile, draws) in tiles.iter().zip(draws.chunks(1 + self.shape.channels)) {
            let pattern = turned(patterns, draws[0]);
            for (channel, &draw) in draws[1..].iter().enumerate() {
                for (row, cells) in tile.rows(self.shape, channel).zip(pattern.chunks(tile.width)) {
                    change[row].iter_mut().zip(cells).for_each(|(x, cell)| *x = coin(draw) * cell);
                }
            }
        }
        // In L1 the reference projects the tiles as they are.
        if self.norm == Norm::L2 {
            let scale = self.epsilon / length(self.norm, &change);
            change.iter_mut().for_each(|x| *x *= scale);
        }
        self.write(image, origin, &change, 0..image.len());
        if self.norm == Norm::L1 {
            project_image(image, origin, self.epsilon);
        }
    }

    /// Algorithm 3 of the paper: the first window gets the lengths of both, and the part of ε that
    /// the perturbation does not use.
    fn exchange(
        &self,
        image: &mut [f64],
        origin: &[f64],
        sides: [usize; 2],
        patterns: &Patterns,
        draws: &[f32],
    ) {
        const TINY: f64 = 1e-12;
        let (norm, shape, channels) = (self.norm, self.shape, self.shape.channels as f64);
        let [first, second] =
            [0, 2].map(|from| Window::drawn(shape, sides, &draws[from..from + 2]));
        let pattern = turned(patterns, draws[4]);
        let mut change: Vec<f64> = image.iter().zip(origin).map(|(x, o)| x - o).collect();
        let unspent = (power(norm, &[self.epsilon]) - power(norm, &change)).max(0.0) / channels;
        let mut cells = Vec::with_capacity(pattern.len());
        for (channel, &draw) in draws[5..].iter().enumerate() {
            cells.clear();
            for row in first.rows(shape, channel) {
                cells.extend_from_slice(&change[row.clone()]);
                change[row].fill(0.0);
            }
            let own = power(norm, &cells);
            // The first window is empty now, so that cells which both share do not count twice.
            let mut other = 0.0;
            for row in second.rows(shape, channel) {
                other += power(norm, &change[row.clone()]);
                change[row].fill(0.0);
            }
            let (sign, old) = (coin(draw), root(norm, own) + TINY);
            cells
                .iter_mut()
                .zip(pattern)
                .for_each(|(cell, bump)| *cell = sign * bump + *cell / old);
            let wanted = length_of_window(norm, channels, unspent, own + other);
            let scale = wanted / (length(norm, &cells) + TINY);
            for (row, cells) in first.rows(shape, channel).zip(cells.chunks(first.width)) {
                change[row].iter_mut().zip(cells).for_each(|(x, cell)| *x = scale * cell);
            }
            for row in first.rows(shape, channel).chain(second.rows(shape, channel)) {
                self.write(image, origin, &change, row);
            }
        }
        if norm == Norm::L1 {
            project_image(image, origin, self.epsilon);
        }
    }

    /// Sets part of an image to its original plus this change. In L2, whose changes have the length
    /// ε already, pixels are clipped to the box; in L1 a projection follows.
    fn write(&self, image: &mut [f64], origin: &[f64], change: &[f64], part: Range<usize>) {
        let moved = origin[part.clone()].iter().zip(&change[part.clone()]).map(|(o, x)| o + x);
        let pixels = image[part].iter_mut().zip(moved);
        match self.norm {
            Norm::L1 => pixels.for_each(|(pixel, moved)| *pixel = moved),
            _ => pixels.for_each(|(pixel, moved)| *pixel = moved.clamp(0.0, 1.0)),
        }
    }
}

/// The length that the first window gets in a channel, from the channel's share of the unused part
/// of ε, and from what both windows held.
fn length_of_window(norm: Norm, channels: f64, unspent: f64, held: f64) -> f64 {
    match norm {
        // The reference multiplies the length of an L1 window by the number of channels, and then
        // projects.
        Norm::L1 => channels * (unspent + held),
        _ => root(norm, unspent + held),
    }
}

/// A sign, −1 or 1.
fn coin(draw: f32) -> f64 {
    if draw < 0.5 { -1.0 } else { 1.0 }
}

fn turned(patterns: &Patterns, draw: f32) -> &[f64] {
    &patterns[usize::from(draw < 0.5)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference has `(max(ε − ‖δ‖, 0) / c + windows) · c` in L1, and in L2 a square root
    /// without the factor `c`.
    #[test]
    fn a_window_gets_what_was_left_of_epsilon_in_all_channels() {
        let left = 6.0 / 3.0;
        assert_eq!(length_of_window(Norm::L1, 3.0, left, 0.5), 6.0 + 3.0 * 0.5);
        assert_eq!(length_of_window(Norm::L2, 3.0, left, 2.0), 2.0);
    }
}
