//! Pictures: lines, bars, areas, marks, text and images, in whole pixels.

use super::font;
use crate::chart::Style;
use image::RgbImage;

/// The width of every figure in pixels. It is twice the width in a page, so that whole pixels are
/// fine enough.
pub(super) const WIDTH: i32 = 880;
/// The height of a line of text in pixels.
pub(super) const LINE: i32 = 38;

/// A point: pixels from the left and from the top.
pub(super) type At = (i32, i32);

/// A color, named by its use, because each format of a figure has colors of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Color {
    Ink,
    Muted,
    Grid,
    Paper,
    /// A color of the series, by its number.
    Series(usize),
}

/// The point of a text that lies at its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Anchor {
    Left,
    Center,
    Right,
}

/// The lengths of dashes and gaps; empty for a solid line.
pub(super) type Dashes = &'static [i32];

#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// Straight lines from point to point.
    Line {
        points: Vec<At>,
        color: Color,
        width: i32,
        dashes: Dashes,
    },
    /// The area between corners.
    Area {
        corners: Vec<At>,
        color: Color,
        opacity: f32,
    },
    Circle {
        center: At,
        radius: i32,
        color: Color,
    },
    /// A line of text; its place is on the baseline.
    Text {
        text: String,
        at: At,
        anchor: Anchor,
        color: Color,
    },
    /// An image; each of its pixels becomes a rectangle.
    Image {
        image: RgbImage,
        at: At,
        size: At,
    },
}

/// A figure on paper of [`WIDTH`] and a height, with its shapes from the lowest to the topmost.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) height: i32,
    pub(super) shapes: Vec<Shape>,
}

impl Picture {
    pub(super) fn new(height: i32) -> Self {
        Self { height, shapes: Vec::new() }
    }

    /// Adds a text whose line is centred at this height.
    pub(super) fn text(&mut self, text: &str, (x, y): At, anchor: Anchor, color: Color) {
        if !text.is_empty() {
            let at = (x, y + font::HALF);
            self.shapes.push(Shape::Text { text: text.to_string(), at, anchor, color });
        }
    }

    /// Adds a solid line.
    pub(super) fn line(&mut self, points: Vec<At>, color: Color, width: i32) {
        self.shapes.push(Shape::Line { points, color, width, dashes: &[] });
    }

    pub(super) fn bar(&mut self, (left, top): At, (right, bottom): At, color: Color) {
        let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
        self.shapes.push(Shape::Area { corners, color, opacity: 0.28 });
    }

    /// Adds the area between the ends of intervals.
    pub(super) fn band(&mut self, corners: Vec<At>, color: Color) {
        self.shapes.push(Shape::Area { corners, color, opacity: 0.14 });
    }

    pub(super) fn image(&mut self, image: RgbImage, at: At, size: At) {
        self.shapes.push(Shape::Image { image, at, size });
    }

    /// Adds the line of a series: solid, dashed or dotted, and thinner if its pattern repeats.
    pub(super) fn curve(&mut self, points: Vec<At>, style: Style) {
        let dashes: Dashes = match style.shape % 4 {
            0 => &[],
            1 => &[18, 8],
            2 => &[5, 7],
            _ => &[30, 8],
        };
        let width = if style.shape < 4 { 4 } else { 2 };
        let color = Color::Series(style.color);
        self.shapes.push(Shape::Line { points, color, width, dashes });
    }

    /// Adds the mark of a series: a circle, square, triangle or diamond, filled or hollow.
    pub(super) fn mark(&mut self, at: At, style: Style) {
        self.symbol(at, style.shape, Color::Series(style.color), 1.0);
        if !style.filled {
            self.symbol(at, style.shape, Color::Paper, 0.5);
        }
    }

    fn symbol(&mut self, (x, y): At, shape: usize, color: Color, size: f64) {
        let scaled = |length: i32| (f64::from(length) * size).round() as i32;
        let corners: &[At] = match shape % 4 {
            0 => {
                let shape = Shape::Circle { center: (x, y), radius: scaled(8), color };
                return self.shapes.push(shape);
            }
            1 => &[(-7, -7), (7, -7), (7, 7), (-7, 7)],
            2 => &[(0, -10), (9, 7), (-9, 7)],
            _ => &[(0, -10), (10, 0), (0, 10), (-10, 0)],
        };
        let corners = corners.iter().map(|(dx, dy)| (x + scaled(*dx), y + scaled(*dy))).collect();
        self.shapes.push(Shape::Area { corners, color, opacity: 1.0 });
    }
}
