//! Drawing of accuracies with their intervals, with a line for each category.

use super::curves::Frame;
use super::font::{EM, lines, width};
use super::legend;
use super::picture::{Anchor, Color, LINE, Picture, WIDTH};
use crate::chart::Series;
use crate::format;
use cni_evaluation::Point;

/// The height of one series within a category, and the gap between categories, in pixels.
const BAR: i32 = 34;
const GAP: i32 = 20;
/// The distance of two lines of one label, for which every row has room.
const SPACING: i32 = EM + 1;
const _: () = assert!(BAR + GAP >= 2 * SPACING);

pub(super) fn draw(categories: &[String], series: &[Series]) -> Picture {
    let rows = categories.len() as i32 * row(series);
    let mut picture = Picture::new(legend::height(series) + rows + 2 * LINE + 30);
    legend::draw(&mut picture, series);
    let top = legend::height(series) + 10;
    let labels = categories.iter().map(|name| lines(name, WIDTH / 3));
    let labels: Vec<Vec<String>> = labels.collect();
    let widest = labels.iter().flatten().map(|line| width(line)).max().unwrap_or(0);
    let frame = Frame { left: widest + 24, right: WIDTH - 96, top, bottom: top + rows };
    let ticks: Vec<(f64, String)> =
        (0..=4).map(|i| f64::from(i) / 4.0).map(|v| (v, format!("{:.0} %", 100.0 * v))).collect();
    for (place, _) in &ticks {
        picture.line(vec![frame.at(*place, 0.0), frame.at(*place, 1.0)], Color::Grid, 2);
    }
    frame.x_axis(&mut picture, &ticks, "accuracy");
    for (index, label) in labels.iter().enumerate() {
        let middle = frame.top + index as i32 * row(series) + row(series) / 2;
        let first = middle - SPACING * (label.len() as i32 - 1) / 2;
        for (line, text) in (0..).zip(label) {
            let at = (frame.left - 14, first + SPACING * line);
            picture.text(text, at, Anchor::Right, Color::Ink);
        }
    }
    for (index, curve) in series.iter().enumerate() {
        let color = Color::Series(curve.style.color);
        for Point { x, y, low, high } in &curve.points {
            let line = frame.top + *x as i32 * row(series) + GAP / 2 + index as i32 * BAR + BAR / 2;
            let across = |value: f64| frame.at(value, 0.0).0;
            picture.bar((frame.left, line - 11), (across(*y), line + 11), color);
            if let (Some(low), Some(high)) = (low, high) {
                let (low, high) = (across(*low), across(*high));
                picture.line(vec![(low, line), (high, line)], color, 3);
                for end in [low, high] {
                    picture.line(vec![(end, line - 7), (end, line + 7)], color, 3);
                }
            }
            picture.mark((across(*y), line), curve.style);
            picture.text(&format::percent(*y), (WIDTH - 6, line), Anchor::Right, Color::Ink);
        }
    }
    picture
}

fn row(series: &[Series]) -> i32 {
    BAR * series.len().max(1) as i32 + GAP
}
