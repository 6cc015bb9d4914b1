//! Drawing of a function of two variables as a heat map with a color bar.

use super::curves::Frame;
use super::font::{fitting, width};
use super::picture::{Anchor, At, Color, LINE, Picture, WIDTH};
use super::theme::shade;
use crate::chart::HeatMap;
use crate::format;
use image::RgbImage;

/// The largest number of pixels of the map along an axis. If there are more values, the nearest
/// ones are shown.
const FINEST: usize = 64;
/// The width of the color bar in pixels.
const BAR: i32 = 34;

impl HeatMap {
    pub(super) fn draw(&self) -> Picture {
        let frame = self.frame();
        let mut picture = Picture::new(frame.bottom + 2 * LINE + 20);
        for (image, at, size) in self.images() {
            picture.image(image, at, size);
        }
        let above = frame.top - LINE / 2 - 18;
        let z = fitting(&self.z.label, WIDTH / 2 - 20);
        let y = fitting(&self.y.label, WIDTH - 40 - width(&z));
        picture.text(&y, (10, above), Anchor::Left, Color::Muted);
        picture.text(&z, (WIDTH - 6, above), Anchor::Right, Color::Muted);
        for (place, text) in ticks(&self.ys) {
            let (_, y) = frame.at(0.0, place);
            picture.line(vec![(frame.left - 8, y), (frame.left, y)], Color::Muted, 2);
            picture.text(&text, (frame.left - 14, y), Anchor::Right, Color::Muted);
        }
        frame.x_axis(&mut picture, &ticks(&self.xs), &self.x.label);
        let [low, high] = self.range();
        let bar = frame.right + 24 + BAR;
        for (value, place) in [(low, 0.0), ((low + high) / 2.0, 0.5), (high, 1.0)] {
            let (_, y) = frame.at(0.0, place);
            picture.text(&format::significant(value, 2), (bar + 10, y), Anchor::Left, Color::Muted);
        }
        picture
    }

    /// The map and the color bar, each with its upper left corner and its size in pixels of the
    /// figure.
    fn images(&self) -> [(RgbImage, At, At); 2] {
        let (frame, range) = (self.frame(), self.range());
        let (columns, rows) = (self.xs.len().min(FINEST), self.ys.len().min(FINEST));
        let map = RgbImage::from_fn(columns as u32, rows as u32, |x, y| {
            let column = x as usize * self.xs.len() / columns;
            let row = (rows - 1 - y as usize) * self.ys.len() / rows;
            image::Rgb(shade(self.values[row][column], range))
        });
        let bar = RgbImage::from_fn(1, 64, |_, y| {
            image::Rgb(shade(range[0] + (range[1] - range[0]) * (1.0 - f64::from(y) / 63.0), range))
        });
        let height = frame.bottom - frame.top;
        [
            (map, (frame.left, frame.top), (frame.right - frame.left, height)),
            (bar, (frame.right + 24, frame.top), (BAR, height)),
        ]
    }

    /// The lowest and the highest value; both equally far from zero if there are values of both
    /// signs.
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

/// Up to five places of an axis, each in the middle of its cell.
fn ticks(places: &[f64]) -> Vec<(f64, String)> {
    let n = places.len();
    let some = n.min(5);
    let index = |i: usize| if some > 1 { i * (n - 1) / (some - 1) } else { 0 };
    let tick = |i: usize| ((i as f64 + 0.5) / n as f64, format::significant(places[i], 2));
    (0..some).map(index).map(tick).collect()
}
