//! Lines, marks and words, in pixels.

use super::theme::{self, INK, PAPER};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width of every figure. Twice what a page shows, so that whole pixels are fine enough.
pub(super) const WIDTH: i32 = 880;
/// Height of a line of words.
pub(super) const LINE: i32 = 38;
/// Size of the letters, in the unit of `plotters`: 26 pixels to the em.
const LETTERS: f64 = 32.0;

/// A place: from the left and from the top.
pub(super) type At = (i32, i32);

/// What a figure is drawn on.
pub(super) struct Canvas<DB: DrawingBackend>(DrawingArea<DB, plotters::coord::Shift>);

/// A drawing in memory fails only where there is no font, and there is.
const DRAWN: &str = "a drawing in memory";

impl<DB: DrawingBackend> Canvas<DB> {
    pub(super) fn new(backend: DB) -> Self {
        let area = backend.into_drawing_area();
        area.fill(&PAPER).expect(DRAWN);
        Self(area)
    }

    pub(super) fn finish(&self) {
        self.0.present().expect(DRAWN);
    }

    pub(super) fn text(&self, text: &str, at: At, anchor: HPos, color: RGBColor) {
        let style = ("sans-serif", LETTERS).into_text_style(&self.0).color(&color);
        let style = style.pos(Pos::new(anchor, VPos::Center));
        self.0.draw(&Text::new(text.to_string(), at, style)).expect(DRAWN);
    }

    pub(super) fn line(&self, points: Vec<At>, color: RGBColor, width: u32) {
        let style = color.stroke_width(width);
        self.0.draw(&PathElement::new(points, style)).expect(DRAWN);
    }

    pub(super) fn bar(&self, from: At, to: At, color: RGBColor, opacity: f64) {
        let style = color.mix(opacity).filled();
        self.0.draw(&Rectangle::new([from, to], style)).expect(DRAWN);
    }

    pub(super) fn area(&self, outline: Vec<At>, color: RGBColor) {
        self.0.draw(&Polygon::new(outline, color.mix(0.14))).expect(DRAWN);
    }

    /// The line of a series: drawn through, dashed or dotted.
    pub(super) fn curve(&self, points: Vec<At>, series: usize) {
        let (color, style) = (theme::series(series), theme::series(series).stroke_width(4));
        let (dash, gap) = match series % 4 {
            0 => return self.line(points, color, 4),
            1 => (18, 8),
            2 => (5, 7),
            _ => (30, 8),
        };
        let element = DashedPathElement::new(points, dash, gap, style);
        self.0.draw(&element).expect(DRAWN);
    }

    /// The mark of a series: circle, square, triangle or diamond.
    pub(super) fn mark(&self, (x, y): At, series: usize) {
        let color = theme::series(series);
        let corners: &[At] = match series % 4 {
            0 => {
                return self.0.draw(&Circle::new((x, y), 8, color.filled())).expect(DRAWN);
            }
            1 => &[(-7, -7), (7, -7), (7, 7), (-7, 7)],
            2 => &[(0, -10), (9, 7), (-9, 7)],
            _ => &[(0, -10), (10, 0), (0, 10), (-10, 0)],
        };
        let corners: Vec<At> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        self.0.draw(&Polygon::new(corners, color.filled())).expect(DRAWN);
    }

    /// The names of several series, from the top; gives the height that they take.
    pub(super) fn legend(&self, names: &[&str]) {
        for (index, (name, at)) in legend(names).into_iter().enumerate() {
            self.curve(vec![at, (at.0 + 56, at.1)], index);
            self.mark((at.0 + 28, at.1), index);
            self.text(&name, (at.0 + 70, at.1), HPos::Left, INK);
        }
    }
}

/// The names of a legend and where they stand; none for a single one, which the title names.
fn legend(names: &[&str]) -> Vec<(String, At)> {
    if names.len() < 2 {
        return Vec::new();
    }
    let (mut x, mut y) = (10, LINE / 2 + 4);
    let place = |name: &&str| {
        let name = fitting(name, WIDTH - 100);
        let width = 70 + width(&name) + 36;
        if x > 10 && x + width > WIDTH {
            (x, y) = (10, y + LINE);
        }
        let at = (x, y);
        x += width;
        (name, at)
    };
    names.iter().map(place).collect()
}

/// The height of a legend.
pub(super) fn legend_height(names: &[&str]) -> i32 {
    legend(names).last().map_or(0, |(_, (_, y))| y + LINE / 2 + 4)
}

/// The width of words, with what other fonts may add.
pub(super) fn width(text: &str) -> i32 {
    let size = ("sans-serif", LETTERS).into_font().box_size(text);
    // Glyphs are laid out at the full size and drawn at 26 pixels to the em in a page.
    size.map_or(0, |(width, _)| (f64::from(width) * 0.98) as i32 + 2)
}

/// Words cut to a width.
pub(super) fn fitting(text: &str, room: i32) -> String {
    let mut short: String = text.chars().take(120).collect();
    let cut = short.len() < text.len();
    if !cut && width(&short) <= room {
        return short;
    }
    while !short.is_empty() && width(&format!("{short}…")) > room {
        short.pop();
    }
    format!("{}…", short.trim_end())
}
