//! A function of two variables as a map of colors.

use super::canvas::{At, Canvas, LINE, WIDTH, fitting, width};
use super::curves::Frame;
use super::theme::{MUTED, shade};
use crate::chart::Surface;
use crate::words;
use image::RgbImage;
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::HPos;

/// Most pixels of the map along an axis; of more values the nearest ones are shown.
const FINEST: usize = 64;
/// The strip that says which color is which value.
const STRIP: i32 = 34;

impl Surface {
    pub(super) fn height(&self) -> i32 {
        let frame = self.frame();
        frame.bottom + 2 * LINE + 20
    }

    /// Draws all but the colors, which [`images`](Self::images) gives.
    pub(super) fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) {
        let frame = self.frame();
        let above = frame.top - LINE / 2 - 18;
        let z = fitting(&self.z.label, WIDTH / 2 - 20);
        let y = fitting(&self.y.label, WIDTH - 40 - width(&z));
        canvas.text(&y, (10, above), HPos::Left, MUTED);
        canvas.text(&z, (WIDTH - 6, above), HPos::Right, MUTED);
        for (place, text) in ticks(&self.ys) {
            let (_, y) = frame.at(0.0, place);
            canvas.line(vec![(frame.left - 8, y), (frame.left, y)], MUTED, 2);
            canvas.text(&text, (frame.left - 14, y), HPos::Right, MUTED);
        }
        frame.x_axis(canvas, &ticks(&self.xs), &self.x.label);
        let [low, high] = self.range();
        let strip = frame.right + 24 + STRIP;
        for (value, place) in [(low, 0.0), ((low + high) / 2.0, 0.5), (high, 1.0)] {
            let (_, y) = frame.at(0.0, place);
            canvas.text(&words::significant(value, 2), (strip + 10, y), HPos::Left, MUTED);
        }
    }

    /// The map and the strip, each with its upper left and its size in pixels of the figure.
    pub(super) fn images(&self) -> [(RgbImage, At, At); 2] {
        let (frame, range) = (self.frame(), self.range());
        let (columns, rows) = (self.xs.len().min(FINEST), self.ys.len().min(FINEST));
        let map = RgbImage::from_fn(columns as u32, rows as u32, |x, y| {
            let column = x as usize * self.xs.len() / columns;
            let row = (rows - 1 - y as usize) * self.ys.len() / rows;
            image::Rgb(shade(self.values[row][column], range))
        });
        let strip = RgbImage::from_fn(1, 64, |_, y| {
            image::Rgb(shade(range[0] + (range[1] - range[0]) * (1.0 - f64::from(y) / 63.0), range))
        });
        let height = frame.bottom - frame.top;
        [
            (map, (frame.left, frame.top), (frame.right - frame.left, height)),
            (strip, (frame.right + 24, frame.top), (STRIP, height)),
        ]
    }

    /// The lowest and the highest value; as far from zero where there are both signs.
    fn range(&self) -> [f64; 2] {
        let all = || self.values.iter().flatten().copied();
        let [low, high] = [all().fold(f64::MAX, f64::min), all().fold(f64::MIN, f64::max)];
        let most = high.max(-low);
        if low < 0.0 && high > 0.0 { [-most, most] } else { [low, high] }
    }

    fn frame(&self) -> Frame {
        let widest = ticks(&self.ys).iter().map(|(_, text)| width(text)).max().unwrap_or(0);
        let (left, right, top) = (widest + 24, WIDTH - 190, LINE + 26);
        let shape = self.ys.len() as f64 / self.xs.len() as f64;
        let height = (f64::from(right - left) * shape).clamp(120.0, 640.0) as i32;
        Frame { left, right, top, bottom: top + height }
    }
}

/// Up to five of the places of an axis, each in the middle of its cell.
fn ticks(places: &[f64]) -> Vec<(f64, String)> {
    let n = places.len();
    let some = n.min(5);
    let index = |i: usize| if some > 1 { i * (n - 1) / (some - 1) } else { 0 };
    let tick = |i: usize| ((i as f64 + 0.5) / n as f64, words::significant(places[i], 2));
    (0..some).map(index).map(tick).collect()
}
