//! Figures: as SVG in the colors of the page or their own, and as PNG.

mod accuracies;
mod canvas;
mod curves;
mod legend;
mod scale;
mod surface;
mod theme;

use self::canvas::{Canvas, WIDTH};
use crate::chart::{Chart, Plot, Surface};
use crate::png;
use image::{DynamicImage, RgbImage};
use plotters::prelude::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::{FontStyle, register_font};
use std::sync::Once;

/// A figure as a file of its own.
pub(crate) fn svg(chart: &Chart) -> String {
    let mut text = String::new();
    let size = size(chart);
    draw(chart, SVGBackend::with_string(&mut text, size));
    let mut text = text.replace(" opacity=\"1\"", "").replace("\n</text>", "</text>");
    if let Some(surface) = surface(chart) {
        let end = text.rfind("</svg>").expect("an SVG ends");
        text.truncate(end);
        for (image, (x, y), (width, height)) in surface.images() {
            let source = png::data_uri(&png::encode(&DynamicImage::ImageRgb8(image)));
            text += &format!(
                "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
                 preserveAspectRatio=\"none\" \
                 style=\"image-rendering:pixelated\" href=\"{source}\"/>\n"
            );
        }
        text += "</svg>\n";
    }
    text
}

/// A figure as part of a page, which names the colors. What it shows is said by what is around it.
pub(crate) fn inline_svg(chart: &Chart) -> String {
    theme::themed(&svg(chart)).replace(" font-family=\"sans-serif\"", "")
}

/// A figure as PNG.
pub(crate) fn png(chart: &Chart) -> Vec<u8> {
    let (width, height) = size(chart);
    let mut pixels = vec![0; 3 * width as usize * height as usize];
    draw(chart, BitMapBackend::with_buffer(&mut pixels, (width, height)));
    let mut image = RgbImage::from_raw(width, height, pixels).expect("three bytes to the pixel");
    for (part, (left, top), (w, h)) in surface(chart).into_iter().flat_map(Surface::images) {
        // By hand: the filters of `image` take half of the time of a report.
        for (x, y) in (0..h as u32).flat_map(|y| (0..w as u32).map(move |x| (x, y))) {
            let from = (x * part.width() / w as u32, y * part.height() / h as u32);
            image.put_pixel(left as u32 + x, top as u32 + y, *part.get_pixel(from.0, from.1));
        }
    }
    png::encode(&DynamicImage::ImageRgb8(image))
}

fn draw<DB: DrawingBackend>(chart: &Chart, backend: DB) {
    let canvas = Canvas::new(backend);
    match &chart.plot {
        Plot::Accuracies { categories, series } => accuracies::draw(&canvas, categories, series),
        Plot::Curves { x, y, series } => curves::draw(&canvas, x, y, series),
        Plot::Surface(surface) => surface.draw(&canvas),
    }
    canvas.finish();
}

/// Width and height in pixels.
fn size(chart: &Chart) -> (u32, u32) {
    static FONT: Once = Once::new();
    FONT.call_once(|| {
        let font = epaint_default_fonts::UBUNTU_LIGHT;
        register_font("sans-serif", FontStyle::Normal, font).ok().expect("a font");
    });
    let height = match &chart.plot {
        Plot::Accuracies { categories, series } => accuracies::height(categories, series),
        Plot::Curves { series, .. } => curves::height(series),
        Plot::Surface(surface) => surface.height(),
    };
    (WIDTH as u32, height as u32)
}

fn surface(chart: &Chart) -> Option<&Surface> {
    match &chart.plot {
        Plot::Surface(surface) => Some(surface),
        _ => None,
    }
}
