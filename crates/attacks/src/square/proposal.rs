//! What a candidate changes: the start and the windows of the Square attack, on single images.

use super::pattern::{Patterns, length, patterns, power, root};
use crate::Norm;
use crate::norm::l1::project_image;

/// The shape of an image, whose pixels lie in this order.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Shape {
    pub fn values(self) -> usize {
        self.channels * self.height * self.width
    }
}

/// Part of a plane.
#[derive(Clone, Copy)]
struct Window {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Window {
    fn contains(self, row: usize, column: usize) -> bool {
        (self.top..self.top + self.height).contains(&row)
            && (self.left..self.left + self.width).contains(&column)
    }

    /// The places of its pixels in a channel of an image, row by row.
    fn places(self, shape: Shape, channel: usize) -> impl Iterator<Item = usize> + Clone {
        (self.top..self.top + self.height).flat_map(move |row| {
            let first = (channel * shape.height + row) * shape.width + self.left;
            first..first + self.width
        })
    }
}

/// One kind of change, made with other draws in each image.
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
    /// One window of these sides that gets a pattern, and the length of another.
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

    /// How many uniform draws it takes for an image.
    pub fn draws(&self) -> usize {
        let channels = self.shape.channels;
        match &self.change {
            Change::Stripes => channels * self.shape.width,
            Change::Tiles(tiles, _) => tiles.len() * (1 + channels),
            Change::Square(_) => 2 + channels,
            Change::Exchange(..) => 5 + channels,
        }
    }

    /// Changes an image.
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
                let window = self.window(*sides, &draws[..2]);
                for (channel, &draw) in draws[2..].iter().enumerate() {
                    for place in window.places(self.shape, channel) {
                        image[place] = self.end(origin[place], draw);
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

    /// A window of these sides, anywhere in the image.
    fn window(&self, [height, width]: [usize; 2], draws: &[f32]) -> Window {
        let place = |draw: f32, choices: usize| (f64::from(draw) * choices as f64) as usize;
        let top = place(draws[0], self.shape.height - height + 1);
        let left = place(draws[1], self.shape.width - width + 1);
        Window { top, left, height, width }
    }

    fn tile(
        &self,
        image: &mut [f64],
        origin: &[f64],
        tiles: &[Window],
        patterns: &Patterns,
        draws: &[f32],
    ) {
        image.fill(0.0);
        for (tile, draws) in tiles.iter().zip(draws.chunks(1 + self.shape.channels)) {
            let pattern = turned(patterns, draws[0]);
            for (channel, &draw) in draws[1..].iter().enumerate() {
                for (place, cell) in tile.places(self.shape, channel).zip(pattern) {
                    image[place] = coin(draw) * cell;
                }
            }
        }
        // In L1 the reference projects the tiles as they are.
        let scale = match self.norm {
            Norm::L1 => 1.0,
            _ => self.epsilon / length(self.norm, image.iter().copied()),
        };
        image.iter_mut().zip(origin).for_each(|(pixel, origin)| *pixel = origin + scale * *pixel);
        self.project(image, origin);
    }

    /// Algorithm 3 of the paper: what the windows held, and what was left of ε, goes to the first of them.
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
        let (first, second) = (self.window(sides, &draws[..2]), self.window(sides, &draws[2..4]));
        let pattern = turned(patterns, draws[4]);
        let spent = power(norm, image.iter().zip(origin).map(|(pixel, origin)| pixel - origin));
        let unspent = (power(norm, [self.epsilon].into_iter()) - spent).max(0.0) / channels;
        for (channel, &draw) in draws[5..].iter().enumerate() {
            let of_first = || first.places(shape, channel);
            let change = |place: usize| image[place] - origin[place];
            let own = power(norm, of_first().map(change));
            let beside = second.places(shape, channel).filter(|place| {
                let place = place % (shape.height * shape.width);
                !first.contains(place / shape.width, place % shape.width)
            });
            let other = power(norm, beside.map(change));
            let old = root(norm, own) + TINY;
            let mixed: Vec<f64> = (of_first().zip(pattern))
                .map(|(place, cell)| coin(draw) * cell + change(place) / old)
                .collect();
            let wanted = match norm {
                // The reference gives an L1 window as many times its length as there are channels, and projects.
                Norm::L1 => unspent + channels * (own + other),
                _ => root(norm, unspent + own + other),
            };
            let scale = wanted / (length(norm, mixed.iter().copied()) + TINY);
            for place in second.places(shape, channel) {
                image[place] = origin[place];
            }
            for (place, cell) in of_first().zip(&mixed) {
                image[place] = origin[place] + scale * cell;
            }
        }
        self.project(image, origin);
    }

    /// Back to the box, and in L1 to the ball; in L2 the change has at most the length ε as it is made.
    fn project(&self, image: &mut [f64], origin: &[f64]) {
        match self.norm {
            Norm::L1 => project_image(image, origin, self.epsilon),
            _ => image.iter_mut().for_each(|pixel| *pixel = pixel.clamp(0.0, 1.0)),
        }
    }
}

/// The sides of a square of this side. What the image cuts off one side makes the other longer.
fn sides(side: usize, Shape { height, width, .. }: Shape) -> [usize; 2] {
    let longer = |short: usize| (side * side).div_ceil(short);
    if side > height.min(width) {
        let short = height.min(width);
        return [longer(short).min(height), longer(short).min(width)];
    }
    [side, side]
}

/// −1 or 1.
fn coin(draw: f32) -> f64 {
    if draw < 0.5 { -1.0 } else { 1.0 }
}

fn turned(patterns: &Patterns, draw: f32) -> &[f64] {
    &patterns[usize::from(draw < 0.5)]
}
