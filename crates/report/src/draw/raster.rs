//! A picture as pixels.

use super::font;
use super::picture::{Anchor, At, Color, Picture, Shape, WIDTH};
use super::theme::rgb;
use image::{Rgb, RgbImage};
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
        // Paper covers all, so that no pixel is transparent.
        RgbImage::from_fn(width, height, |x, y| {
            let pixel = canvas.pixel(x, y).expect("a pixel within");
            Rgb([pixel.red(), pixel.green(), pixel.blue()])
        })
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

/// The outlines of a text; `None` of one without ink.
fn letters(text: &str, (x, y): At, anchor: Anchor) -> Option<Path> {
    let before = match anchor {
        Anchor::Left => 0.0,
        Anchor::Center => 0.5 * font::exact_width(text),
        Anchor::Right => font::exact_width(text),
    };
    font::outline(text, (x as f32 - before, y as f32))
}

/// Puts an image into a rectangle, each of its pixels as it is.
fn copy(canvas: &mut Pixmap, image: &RgbImage, (left, top): At, (width, height): At) {
    let (across, down) = (canvas.width() as usize, canvas.height() as usize);
    let pixels = canvas.pixels_mut();
    for (x, y) in (0..height as u32).flat_map(|y| (0..width as u32).map(move |x| (x, y))) {
        let from = (x * image.width() / width as u32, y * image.height() / height as u32);
        let Rgb([r, g, b]) = *image.get_pixel(from.0, from.1);
        let (x, y) = (left as usize + x as usize, top as usize + y as usize);
        if x < across && y < down {
            let opaque = PremultipliedColorU8::from_rgba(r, g, b, 255);
            pixels[y * across + x] = opaque.expect("no color is brighter than all light");
        }
    }
}
