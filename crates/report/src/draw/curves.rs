//! Drawing of curves over an axis, with bands for their intervals.

use super::font::{fitting, width};
use super::legend;
use super::picture::{Anchor, At, Color, LINE, Picture, WIDTH};
use super::scale::Scale;
use crate::chart::Series;
use cni_evaluation::{Axis, Point};

/// The height of the plot itself in pixels.
const PLOT: i32 = 420;
/// The largest number of points of a curve that has marks.
const MARKED: usize = 24;

/// The distance in pixels below which two marks would hide each other.
const NEAR: i32 = 12;

/// The curves, with a line at a place on the lower axis that is marked by a name.
pub(super) fn draw(x: &Axis, y: &Axis, curves: &[Series], mark: Option<&(f64, String)>) -> Picture {
    let top = legend::height(curves) + LINE + 26;
    let mut picture = Picture::new(top + PLOT + 2 * LINE + 20);
    legend::draw(&mut picture, curves);
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let xs: Vec<f64> = points().map(|p| p.x).collect();
    let ys: Vec<f64> = points().flat_map(|p| [Some(p.y), p.low, p.high]).flatten().collect();
    let (across, up) = (Scale::new(x, &xs, 0.03), Scale::new(y, &ys, 0.05));
    let widest = up.ticks.iter().map(|(_, text)| width(text)).max().unwrap_or(0);
    let frame = Frame { left: widest + 22, right: WIDTH - 26, top, bottom: top + PLOT };

    picture.text(
        &fitting(&y.label, WIDTH - 20),
        (10, top - LINE / 2 - 18),
        Anchor::Left,
        Color::Muted,
    );
    for (place, text) in &up.ticks {
        let (from, to) = (frame.at(0.0, *place), frame.at(1.0, *place));
        picture.line(vec![from, to], Color::Grid, 2);
        picture.text(text, (frame.left - 12, from.1), Anchor::Right, Color::Muted);
    }
    frame.x_axis(&mut picture, &across.ticks, &x.label);
    if let Some((place, name)) = mark {
        let (low, high) = (frame.at(across.at(*place), 0.0), frame.at(across.at(*place), 1.0));
        picture.line(vec![low, high], Color::Muted, 3);
        // On the side that has more room.
        let right = 2 * low.0 < frame.left + frame.right;
        let (aside, anchor) = if right { (10, Anchor::Left) } else { (-10, Anchor::Right) };
        picture.text(name, (high.0 + aside, high.1 + LINE / 2 + 2), anchor, Color::Muted);
    }

    let at = |p: &Point, value: f64| frame.at(across.at(p.x), up.at(value));
    for curve in curves {
        let ends: Vec<_> = curve.points.iter().filter_map(|p| Some((p, p.low?, p.high?))).collect();
        let low = ends.iter().map(|(p, low, _)| at(p, *low));
        let high = ends.iter().rev().map(|(p, _, high)| at(p, *high));
        match ends.len() {
            0 => {}
            1 => picture.line(low.chain(high).collect(), Color::Series(curve.style.color), 3),
            _ => picture.band(low.chain(high).collect(), Color::Series(curve.style.color)),
        }
    }
    let places = |curve: &Series| -> Vec<At> { curve.points.iter().map(|p| at(p, p.y)).collect() };
    // Curves may coincide. Solid curves are drawn first, so that they show in the gaps of the
    // dashed ones.
    let mut lowest_first: Vec<&Series> = curves.iter().collect();
    lowest_first.sort_by_key(|curve| (curve.style.shape / 4, curve.style.shape % 4 != 0));
    for curve in lowest_first.iter().filter(|curve| curve.points.len() > 1) {
        picture.curve(places(curve), curve.style);
    }
    let mut taken: Vec<At> = Vec::new();
    for curve in curves.iter().filter(|curve| curve.points.len() <= MARKED) {
        let places = places(curve);
        for &(x, y) in &places {
            // Marks of several curves that coincide stand side by side, towards the middle.
            let near = |(a, b): &&At| (a - x).abs() < NEAR && (b - y).abs() < NEAR;
            let before = taken.iter().filter(near).count() as i32;
            let aside = if 2 * x > frame.left + frame.right { -16 } else { 16 };
            picture.mark((x + aside * before, y), curve.style);
        }
        taken.extend(places);
    }
    picture
}

/// The edges of a plot.
pub(super) struct Frame {
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    pub(super) bottom: i32,
}

impl Frame {
    /// The pixel of a place; both are shares from the lower left.
    pub(super) fn at(&self, across: f64, up: f64) -> At {
        let x = self.left + (across * f64::from(self.right - self.left)).round() as i32;
        (x, self.bottom - (up * f64::from(self.bottom - self.top)).round() as i32)
    }

    /// Draws the lower edge with its label, and with as many of its numbers as have room.
    pub(super) fn x_axis(&self, picture: &mut Picture, ticks: &[(f64, String)], label: &str) {
        picture.line(vec![(self.left, self.bottom), (self.right, self.bottom)], Color::Muted, 2);
        let mut free = i32::MIN;
        for (place, text) in ticks {
            let (x, y) = self.at(*place, 0.0);
            let half = width(text) / 2;
            let center = x.clamp(half, WIDTH - half);
            picture.line(vec![(x, y), (x, y + 8)], Color::Muted, 2);
            if center - half > free {
                picture.text(text, (center, y + LINE / 2 + 12), Anchor::Center, Color::Muted);
                free = center + half + 14;
            }
        }
        let center = (self.left + self.right) / 2;
        let label = fitting(label, WIDTH - 20);
        let half = width(&label) / 2;
        let at = (center.clamp(half, (WIDTH - half).max(half)), self.bottom + LINE + LINE / 2 + 12);
        picture.text(&label, at, Anchor::Center, Color::Ink);
    }
}
