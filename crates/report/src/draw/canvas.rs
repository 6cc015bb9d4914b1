//! Lines, marks and words, in pixels.

use super::theme::{self, PAPER};
use crate::chart::Look;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width of every figure. Twice what a page shows, so that whole pixels are fine enough.
pub(super) const WIDTH: i32 = 880;
/// Height of a line of words.
pub(super) const LINE: i32 = 38;
/// Size of the letters, in the unit of `plotters`: 26 pixels to the em.
const LETTERS: f64 = 32.0;

/// Most letters of a name.
const MOST: usize = 120;

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
    pub(super) fn curve(&self, points: Vec<At>, look: Look) {
        let color = theme::series(look);
        let (dash, gap) = match look.shape % 4 {
            0 => return self.line(points, color, 4),
            1 => (18, 8),
            2 => (5, 7),
            _ => (30, 8),
        };
        let element = DashedPathElement::new(points, dash, gap, color.stroke_width(4));
        self.0.draw(&element).expect(DRAWN);
    }

    /// The mark of a series: circle, square, triangle or diamond, filled or hollow.
    pub(super) fn mark(&self, at: At, look: Look) {
        self.shape(at, look.shape, theme::series(look), 1.0);
        if !look.filled {
            self.shape(at, look.shape, PAPER, 0.5);
        }
    }

    fn shape(&self, (x, y): At, shape: usize, color: RGBColor, size: f64) {
        let corners: &[At] = match shape % 4 {
            0 => {
                let radius = (8.0 * size).round() as i32;
                return self.0.draw(&Circle::new((x, y), radius, color.filled())).expect(DRAWN);
            }
            1 => &[(-7, -7), (7, -7), (7, 7), (-7, 7)],
            2 => &[(0, -10), (9, 7), (-9, 7)],
            _ => &[(0, -10), (10, 0), (0, 10), (-10, 0)],
        };
        let place = |by: &i32| (f64::from(*by) * size).round() as i32;
        let corners: Vec<At> =
            corners.iter().map(|(dx, dy)| (x + place(dx), y + place(dy))).collect();
        self.0.draw(&Polygon::new(corners, color.filled())).expect(DRAWN);
    }
}

/// The width of words, with what other fonts may add.
pub(super) fn width(text: &str) -> i32 {
    let size = ("sans-serif", LETTERS).into_font().box_size(text);
    // Glyphs are laid out at the full size and drawn at 26 pixels to the em in a page.
    size.map_or(0, |(width, _)| (f64::from(width) * 0.98) as i32 + 2)
}

/// Words cut to a width: names that share their beginning differ at their end, so both are kept.
pub(super) fn fitting(text: &str, room: i32) -> String {
    if text.chars().count() <= MOST && width(text) <= room {
        return text.to_string();
    }
    let letters: Vec<char> = text.chars().collect();
    let cut = |kept: usize| -> String {
        let (first, last) = letters.split_at(kept.div_ceil(2));
        let last = &last[last.len() - kept / 2..];
        let (first, last): (String, String) = (first.iter().collect(), last.iter().collect());
        format!("{}…{}", first.trim_end(), last.trim_start())
    };
    let most = (letters.len() - 1).min(MOST);
    (0..=most).rev().map(cut).find(|short| width(short) <= room).unwrap_or_default()
}
