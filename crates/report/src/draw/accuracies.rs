//! Accuracies with their intervals, a line for each category.

use super::canvas::{Canvas, LINE, WIDTH, fitting, width};
use super::curves::Frame;
use super::legend;
use super::theme::{self, GRID, INK};
use crate::chart::Series;
use crate::words;
use cni_evaluation::Point;
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::HPos;

/// Height of one series within a category, and the gap between categories.
const BAR: i32 = 34;
const GAP: i32 = 20;

pub(super) fn height(categories: &[String], series: &[Series]) -> i32 {
    legend::height(series) + categories.len() as i32 * row(series) + 2 * LINE + 30
}

pub(super) fn draw<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    categories: &[String],
    series: &[Series],
) {
    legend::draw(canvas, series);
    let top = legend::height(series) + 10;
    let labels: Vec<String> = categories.iter().map(|name| fitting(name, WIDTH / 3)).collect();
    let widest = labels.iter().map(|label| width(label)).max().unwrap_or(0);
    let frame = Frame {
        left: widest + 24,
        right: WIDTH - 96,
        top,
        bottom: top + categories.len() as i32 * row(series),
    };
    let ticks: Vec<(f64, String)> =
        (0..=4).map(|i| f64::from(i) / 4.0).map(|v| (v, format!("{:.0} %", 100.0 * v))).collect();
    for (place, _) in &ticks {
        canvas.line(vec![frame.at(*place, 0.0), frame.at(*place, 1.0)], GRID, 2);
    }
    frame.x_axis(canvas, &ticks, "accuracy");
    for (index, label) in labels.iter().enumerate() {
        let middle = frame.top + index as i32 * row(series) + row(series) / 2;
        canvas.text(label, (frame.left - 14, middle), HPos::Right, INK);
    }
    for (index, curve) in series.iter().enumerate() {
        let color = theme::series(curve.look);
        for Point { x, y, low, high } in &curve.points {
            let line = frame.top + *x as i32 * row(series) + GAP / 2 + index as i32 * BAR + BAR / 2;
            let across = |value: f64| frame.at(value, 0.0).0;
            canvas.bar((frame.left, line - 11), (across(*y), line + 11), color, 0.28);
            if let (Some(low), Some(high)) = (low, high) {
                let (low, high) = (across(*low), across(*high));
                canvas.line(vec![(low, line), (high, line)], color, 3);
                for end in [low, high] {
                    canvas.line(vec![(end, line - 7), (end, line + 7)], color, 3);
                }
            }
            canvas.mark((across(*y), line), curve.look);
            canvas.text(&words::percent(*y), (WIDTH - 6, line), HPos::Right, INK);
        }
    }
}

fn row(series: &[Series]) -> i32 {
    BAR * series.len().max(1) as i32 + GAP
}
