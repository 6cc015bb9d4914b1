//! Curves over an axis, with bands for their intervals.

use super::canvas::{At, Canvas, LINE, WIDTH, fitting, width};
use super::legend;
use super::scale::Scale;
use super::theme::{self, GRID, INK, MUTED};
use crate::chart::Series;
use cni_evaluation::{Axis, Point};
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::HPos;

/// Height of the plot itself.
const PLOT: i32 = 420;
/// Points beyond which a curve has no marks.
const MARKED: usize = 24;

pub(super) fn height(curves: &[Series]) -> i32 {
    legend::height(curves) + LINE + 26 + PLOT + 2 * LINE + 20
}

pub(super) fn draw<DB: DrawingBackend>(canvas: &Canvas<DB>, x: &Axis, y: &Axis, curves: &[Series]) {
    legend::draw(canvas, curves);
    let top = legend::height(curves) + LINE + 26;
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let xs: Vec<f64> = points().map(|p| p.x).collect();
    let ys: Vec<f64> = points().flat_map(|p| [Some(p.y), p.low, p.high]).flatten().collect();
    let (across, up) = (Scale::new(x, &xs, 0.03), Scale::new(y, &ys, 0.05));
    let widest = up.ticks.iter().map(|(_, text)| width(text)).max().unwrap_or(0);
    let frame = Frame { left: widest + 22, right: WIDTH - 26, top, bottom: top + PLOT };

    canvas.text(&fitting(&y.label, WIDTH - 20), (10, top - LINE / 2 - 18), HPos::Left, MUTED);
    for (place, text) in &up.ticks {
        let (from, to) = (frame.at(0.0, *place), frame.at(1.0, *place));
        canvas.line(vec![from, to], GRID, 2);
        canvas.text(text, (frame.left - 12, from.1), HPos::Right, MUTED);
    }
    frame.x_axis(canvas, &across.ticks, &x.label);

    let at = |p: &Point, value: f64| frame.at(across.at(p.x), up.at(value));
    for curve in curves {
        let ends: Vec<_> = curve.points.iter().filter_map(|p| Some((p, p.low?, p.high?))).collect();
        let low = ends.iter().map(|(p, low, _)| at(p, *low));
        let high = ends.iter().rev().map(|(p, _, high)| at(p, *high));
        match ends.len() {
            0 => {}
            1 => canvas.line(low.chain(high).collect(), theme::series(curve.look), 3),
            _ => canvas.area(low.chain(high).collect(), theme::series(curve.look)),
        }
    }
    for curve in curves {
        let places: Vec<At> = curve.points.iter().map(|p| at(p, p.y)).collect();
        if places.len() <= MARKED {
            places.iter().for_each(|place| canvas.mark(*place, curve.look));
        }
        if places.len() > 1 {
            canvas.curve(places, curve.look);
        }
    }
}

/// The edges of a plot.
pub(super) struct Frame {
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    pub(super) bottom: i32,
}

impl Frame {
    /// The pixel of a place, both shares from the lower left.
    pub(super) fn at(&self, across: f64, up: f64) -> At {
        let x = self.left + (across * f64::from(self.right - self.left)).round() as i32;
        (x, self.bottom - (up * f64::from(self.bottom - self.top)).round() as i32)
    }

    /// The lower edge with its numbers, as many as have room, and its name.
    pub(super) fn x_axis<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<DB>,
        ticks: &[(f64, String)],
        label: &str,
    ) {
        canvas.line(vec![(self.left, self.bottom), (self.right, self.bottom)], MUTED, 2);
        let mut free = i32::MIN;
        for (place, text) in ticks {
            let (x, y) = self.at(*place, 0.0);
            let half = width(text) / 2;
            let center = x.clamp(half, WIDTH - half);
            canvas.line(vec![(x, y), (x, y + 8)], MUTED, 2);
            if center - half > free {
                canvas.text(text, (center, y + LINE / 2 + 12), HPos::Center, MUTED);
                free = center + half + 14;
            }
        }
        let center = (self.left + self.right) / 2;
        let label = fitting(label, WIDTH - 20);
        let half = width(&label) / 2;
        let at = (center.clamp(half, (WIDTH - half).max(half)), self.bottom + LINE + LINE / 2 + 12);
        canvas.text(&label, at, HPos::Center, INK);
    }
}
