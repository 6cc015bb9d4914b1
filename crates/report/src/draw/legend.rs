//! The legend: the names of several series, from the top.

use super::font::{fitting, width};
use super::picture::{Anchor, At, Color, LINE, Picture, WIDTH};
use crate::chart::Series;

pub(super) fn draw(picture: &mut Picture, series: &[Series]) {
    for (curve, (name, at)) in series.iter().zip(places(series)) {
        picture.curve(vec![at, (at.0 + 56, at.1)], curve.style);
        picture.mark((at.0 + 28, at.1), curve.style);
        picture.text(&name, (at.0 + 70, at.1), Anchor::Left, Color::Ink);
    }
}

pub(super) fn height(series: &[Series]) -> i32 {
    places(series).last().map_or(0, |(_, (_, y))| y + LINE / 2 + 4)
}

/// The names with their places; none for a single series, which the title names.
fn places(series: &[Series]) -> Vec<(String, At)> {
    if series.len() < 2 {
        return Vec::new();
    }
    let (mut x, mut y) = (10, LINE / 2 + 4);
    let place = |curve: &Series| {
        let name = fitting(&curve.name, WIDTH - 100);
        let width = 70 + width(&name) + 36;
        if x > 10 && x + width > WIDTH {
            (x, y) = (10, y + LINE);
        }
        let at = (x, y);
        x += width;
        (name, at)
    };
    series.iter().map(place).collect()
}
