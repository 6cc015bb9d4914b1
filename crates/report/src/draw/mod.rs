//! Figures: as SVG, with the colors of the page or with their own, and as PNG.
//!
//! A chart becomes a [`Picture`], which consists of a few kinds of shapes. The picture is written
//! as SVG or painted.

mod accuracies;
mod curves;
mod font;
mod heat_map;
mod legend;
mod picture;
mod raster;
mod scale;
mod svg;
mod theme;

use self::picture::Picture;
use self::svg::Place;
use crate::chart::{Chart, Plot};
use crate::png;

/// A figure as an SVG file.
pub(crate) fn svg(chart: &Chart) -> String {
    picture(chart).svg(&Place::File)
}

/// A figure as SVG within a page, which defines the colors. `title` is the text for screen readers,
/// and `id` is the id of that title.
pub(crate) fn inline_svg(chart: &Chart, id: &str, title: &str) -> String {
    picture(chart).svg(&Place::Page { id, title })
}

/// A figure as PNG.
pub(crate) fn png(chart: &Chart) -> Vec<u8> {
    png::encode(&picture(chart).pixels())
}

fn picture(chart: &Chart) -> Picture {
    match &chart.plot {
        Plot::Accuracies { categories, series } => accuracies::draw(categories, series),
        Plot::Curves { x, y, series } => curves::draw(x, y, series, chart.mark.as_ref()),
        Plot::HeatMap(map) => map.draw(),
    }
}
