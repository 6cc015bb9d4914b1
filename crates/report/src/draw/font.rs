//! The font of figures: the widths of texts and their outlines.

use std::sync::LazyLock;
use tiny_skia::{Path, PathBuilder};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// The size of the letters, in pixels per em.
pub(super) const EM: i32 = 26;
/// The distance of the baseline below the middle of a line, in pixels.
pub(super) const HALF: i32 = 9;

/// The largest number of letters of a name.
const MOST: usize = 120;

/// The glyph for letters that the font lacks.
const MISSING: GlyphId = GlyphId(0);

static FACE: LazyLock<Face<'static>> = LazyLock::new(|| {
    Face::parse(epaint_default_fonts::UBUNTU_LIGHT, 0).expect("the font within this library")
});

fn scale() -> f32 {
    EM as f32 / f32::from(FACE.units_per_em())
}

/// The width of a letter in pixels. Letters that the font lacks are assumed to be one em wide.
fn advance(letter: char) -> f32 {
    match FACE.glyph_index(letter) {
        Some(glyph) => scale() * f32::from(FACE.glyph_hor_advance(glyph).unwrap_or(0)),
        None => EM as f32,
    }
}

/// The width of a text in pixels, with a margin for other fonts.
pub(super) fn width(text: &str) -> i32 {
    let width: f32 = text.chars().map(advance).sum();
    (1.08 * width).ceil() as i32
}

/// The width of a text in this font alone, in pixels.
pub(super) fn exact_width(text: &str) -> f32 {
    text.chars().map(advance).sum()
}

/// The outlines of a text whose baseline begins at `(x, y)` in pixels; `None` if the text has no
/// visible letter.
pub(super) fn outline(text: &str, (mut x, y): (f32, f32)) -> Option<Path> {
    let mut path = PathBuilder::new();
    for letter in text.chars() {
        let glyph = FACE.glyph_index(letter).unwrap_or(MISSING);
        FACE.outline_glyph(glyph, &mut Pen { path: &mut path, x, y, scale: scale() });
        x += advance(letter);
    }
    path.finish()
}

/// A pen that adds the outline of a glyph to a path. In the units of the font, y grows upwards.
struct Pen<'a> {
    path: &'a mut PathBuilder,
    x: f32,
    y: f32,
    scale: f32,
}

impl Pen<'_> {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + self.scale * x, self.y - self.scale * y)
    }
}

impl OutlineBuilder for Pen<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

/// Cuts a text to a width. It keeps the beginning and the end, because names with an equal
/// beginning differ at their end.
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
    let most = letters.len().saturating_sub(1).min(MOST);
    (0..=most).rev().map(cut).find(|short| width(short) <= room).unwrap_or_default()
}

/// A text in one line, or in two if it is too wide for one, each cut to a width. The break is at
/// the hyphen or the blank that leaves the narrowest lines, which is the one nearest the middle.
pub(super) fn lines(text: &str, room: i32) -> Vec<String> {
    let whole = fitting(text, room);
    // Texts without an end are cut alone: to measure each of their breaks takes too long.
    if whole == text || text.chars().count() > 2 * MOST {
        return vec![whole];
    }
    let broken = |at: usize| {
        let (first, last) = text.split_at(at);
        [first.trim_end(), last.trim_start()]
    };
    let ends = text.char_indices().filter(|(_, letter)| matches!(letter, '-' | ' '));
    // A hyphen stays on the first line.
    let breaks = ends.map(|(at, letter)| at + letter.len_utf8()).map(broken);
    let breaks = breaks.filter(|parts| parts.iter().all(|part| !part.is_empty()));
    match breaks.min_by_key(|[first, last]| width(first).max(width(last))) {
        Some(parts) => parts.map(|part| fitting(part, room)).to_vec(),
        None => vec![whole],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_before_it_is_cut() {
        assert_eq!(lines("PGD-20", 400), ["PGD-20"]);
        // Its halves fit in a third of a figure, and it alone does not.
        let name = "PGD-100-from-79e9fa96";
        let room = super::super::picture::WIDTH / 3;
        assert!(width(name) > room);
        let broken = lines(name, room);
        assert_eq!((broken.len(), broken.concat()), (2, name.to_string()));
        assert!(broken[0].ends_with('-') && broken.iter().all(|line| width(line) <= room));
        // A blank is at no end of a line.
        assert_eq!(lines("worst of all the cases", width("worst of the cases")).len(), 2);
        assert_eq!(lines("first second", width("second")), ["first", "second"]);
        // What does not fit on two lines is cut, and so is what has no break.
        for name in ["a name that is far too long for its place", "-endlessly-", "long"] {
            let cut = lines(name, 40);
            assert!(cut.concat().contains('…') && cut.iter().all(|line| width(line) <= 40));
        }
        assert_eq!(lines(&"a-".repeat(5_000), 400).len(), 1);
    }

    #[test]
    fn a_text_is_cut_in_its_middle() {
        assert_eq!(fitting("short", 400), "short");
        let cut = fitting("a name of a model that is far too long for its place", 200);
        assert!(cut.starts_with("a name") && cut.ends_with("place") && cut.contains('…'), "{cut}");
        assert!(width(&cut) <= 200 && fitting("wide", 3).is_empty());
    }
}
