//! Painting of a picture as pixels.

use super::font;
use super::picture::{Anchor, At, Color, Picture, Shape, WIDTH};
use super::theme::rgb;
use image::RgbImage;
use tiny_skia::{
    FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, PremultipliedColorU8, Stroke, StrokeDash,
    Transform,
};

impl Picture {
    pub(super) fn pixels(&self) -> RgbImage {
        let (width, height) = (WIDTH as u32, self.height as u32);
        let mut canvas = Pixmap::new(width, height).expect("a figure has a size");
        canvas.fill(paint(Color::Paper, 1.0).1);
        self.shapes.iter().for_each(|shape| draw(&mut canvas, shape));
        let mut image = RgbImage::new(width, height);
        // The paper covers everything, so every pixel is opaque.
        for (to, from) in image.chunks_exact_mut(3).zip(canvas.data().chunks_exact(4)) {
            to.copy_from_slice(&from[..3]);
        }
        image
    }
}

fn paint(color: Color, opacity: f32) -> (Paint<'static>, tiny_skia::Color) {
    let [r, g, b] = rgb(color);
    let color = tiny_skia::Color::from_rgba8(r, g, b, (255.0 * opacity).round() as u8);
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(color);
    (paint, color)
}

fn draw(canvas: &mut Pixmap, shape: &Shape) {
    let fill = |canvas: &mut Pixmap, path: Option<Path>, color: Color, opacity: f32| {
        if let Some(path) = path {
            let (paint, unmoved) = (paint(color, opacity).0, Transform::identity());
            canvas.fill_path(&path, &paint, FillRule::Winding, unmoved, None);
        }
    };
    match shape {
        Shape::Line { points, color, width, dashes } => {
            let dashes = dashes.iter().map(|length| *length as f32).collect();
            let stroke = Stroke {
                width: *width as f32,
                line_join: LineJoin::Round,
                dash: StrokeDash::new(dashes, 0.0),
                ..Stroke::default()
            };
            if let Some(path) = path(points, false) {
                let (paint, unmoved) = (paint(*color, 1.0).0, Transform::identity());
                canvas.stroke_path(&path, &paint, &stroke, unmoved, None);
            }
        }
        Shape::Area { corners, color, opacity } => {
            fill(canvas, path(corners, true), *color, *opacity);
        }
        Shape::Circle { center: (x, y), radius, color } => {
            let circle = PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32);
            fill(canvas, circle, *color, 1.0);
        }
        Shape::Text { text, at, anchor, color } => {
            fill(canvas, letters(text, *at, *anchor), *color, 1.0);
        }
        Shape::Image { image, at, size } => copy(canvas, image, *at, *size),
    }
}

fn path(points: &[At], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::with_capacity(points.len() + 1, points.len());
    for (index, (x, y)) in points.iter().enumerate() {
        let (x, y) = (*x as f32, *y as f32);
        if index == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    if closed {
        path.close();
    }
    path.finish()
}

/// The outlines of a text; `None` if the text has no visible letter.
fn letters(text: &str, (x, y): At, anchor: Anchor) -> Option<Path> {
    let before = match anchor {
        Anchor::Left => 0.0,
        Anchor::Center => 0.5 * font::exact_width(text),
        Anchor::Right => font::exact_width(text),
    };
    font::outline(text, (x as f32 - before, y as f32))
}

/// Copies an image into a rectangle that lies within the canvas, each of its pixels unchanged.
fn copy(canvas: &mut Pixmap, image: &RgbImage, (left, top): At, (width, height): At) {
    let across = canvas.width() as usize;
    let [left, top, width, height] = [left, top, width, height].map(|length| length as usize);
    let (columns, rows) = (image.width() as usize, image.height() as usize);
    let color = |pixel: &[u8]| {
        let opaque = PremultipliedColorU8::from_rgba(pixel[0], pixel[1], pixel[2], 255);
        opaque.expect("no color is brighter than all light")
    };
    let colors: Vec<_> = image.chunks_exact(3).map(color).collect();
    let lines = canvas.pixels_mut().chunks_exact_mut(across).skip(top).take(height);
    for (y, line) in lines.enumerate() {
        let from = &colors[y * rows / height * columns..][..columns];
        for (x, pixel) in line.iter_mut().skip(left).take(width).enumerate() {
            *pixel = from[x * columns / width];
        }
    }
}
