//! Writing of a picture as SVG.

use super::font::EM;
use super::picture::{Anchor, At, Color, Picture, Shape, WIDTH};
use super::theme::hex;
use crate::png;
use std::fmt::Write as _;

/// The destination of a figure.
pub(super) enum Place<'a> {
    /// A file of its own, with its own colors and font.
    File,
    /// A page, whose style defines the colors and the font. The title describes the figure to
    /// readers who do not see it, and has the id.
    Page { id: &'a str, title: &'a str },
}

impl Picture {
    pub(super) fn svg(&self, place: &Place) -> String {
        let mut writer = Writer { text: String::new(), place };
        writer.picture(self);
        writer.text
    }
}

/// A writer of elements, one on each line.
struct Writer<'a> {
    text: String,
    place: &'a Place<'a>,
}

impl Writer<'_> {
    fn picture(&mut self, Picture { height, shapes }: &Picture) {
        self.text += "<svg";
        if let Place::Page { id, .. } = self.place {
            self.attributes(&[("role", "img"), ("aria-labelledby", id)]);
        }
        let size = |length: i32| length.to_string();
        let (width, height) = (size(WIDTH), size(*height));
        let view = format!("0 0 {width} {height}");
        self.attributes(&[
            ("width", &width),
            ("height", &height),
            ("viewBox", &view),
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("font-size", &EM.to_string()),
            ("stroke-linejoin", "round"),
        ]);
        match self.place {
            Place::File => self.attributes(&[("font-family", "sans-serif")]),
            Place::Page { .. } => {}
        }
        self.text += ">\n";
        if let Place::Page { id, title } = self.place {
            self.element("title", &[("id", id)], Some(title));
        }
        let paper = self.color(Color::Paper);
        self.element("rect", &[("width", &width), ("height", &height), ("fill", &paper)], None);
        shapes.iter().for_each(|shape| self.shape(shape));
        self.text += "</svg>\n";
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Line { points, color, width, dashes } => {
                let (points, color, width) = (list(points), self.color(*color), width.to_string());
                let dashes = dashes.iter().map(i32::to_string).collect::<Vec<_>>().join(" ");
                let mut attributes = vec![
                    ("points", points.as_str()),
                    ("fill", "none"),
                    ("stroke", &color),
                    ("stroke-width", &width),
                ];
                attributes.extend((!dashes.is_empty()).then_some(("stroke-dasharray", &*dashes)));
                self.element("polyline", &attributes, None);
            }
            Shape::Area { corners, color, opacity } => {
                let (points, color, opacity) = (list(corners), self.color(*color), opacity);
                let opaque = opacity.to_string();
                let mut attributes = vec![("points", points.as_str()), ("fill", &color)];
                attributes.extend((*opacity < 1.0).then_some(("opacity", &*opaque)));
                self.element("polygon", &attributes, None);
            }
            Shape::Circle { center: (x, y), radius, color } => {
                let [x, y, radius] = [x, y, radius].map(i32::to_string);
                let color = self.color(*color);
                let attributes = [("cx", &*x), ("cy", &y), ("r", &radius), ("fill", &color)];
                self.element("circle", &attributes, None);
            }
            Shape::Text { text, at: (x, y), anchor, color } => {
                let ([x, y], color) = ([x, y].map(i32::to_string), self.color(*color));
                let mut attributes = vec![("x", &*x), ("y", &y), ("fill", &color)];
                match anchor {
                    Anchor::Left => {}
                    Anchor::Center => attributes.push(("text-anchor", "middle")),
                    Anchor::Right => attributes.push(("text-anchor", "end")),
                }
                self.element("text", &attributes, Some(text));
            }
            Shape::Image { image, at: (x, y), size: (width, height) } => {
                let [x, y, width, height] = [x, y, width, height].map(i32::to_string);
                let source = png::data_uri(&png::encode(image));
                let attributes = [
                    ("x", &*x),
                    ("y", &y),
                    ("width", &width),
                    ("height", &height),
                    ("preserveAspectRatio", "none"),
                    ("style", "image-rendering:pixelated"),
                    ("href", &source),
                ];
                self.element("image", &attributes, None);
            }
        }
    }

    fn color(&self, color: Color) -> String {
        match (self.place, color) {
            (Place::File, color) => hex(color),
            (Place::Page { .. }, Color::Ink) => "var(--ink)".to_string(),
            (Place::Page { .. }, Color::Muted) => "var(--muted)".to_string(),
            (Place::Page { .. }, Color::Grid) => "var(--grid)".to_string(),
            (Place::Page { .. }, Color::Paper) => "var(--paper)".to_string(),
            (Place::Page { .. }, Color::Series(n)) => {
                format!("var(--s{})", n % super::theme::SERIES.len())
            }
        }
    }

    fn element(&mut self, name: &str, attributes: &[(&str, &str)], text: Option<&str>) {
        let _ = write!(self.text, "<{name}");
        self.attributes(attributes);
        match text {
            Some(text) => {
                self.text.push('>');
                escape(&mut self.text, text);
                let _ = writeln!(self.text, "</{name}>");
            }
            None => self.text += "/>\n",
        }
    }

    fn attributes(&mut self, attributes: &[(&str, &str)]) {
        for (name, value) in attributes {
            let _ = write!(self.text, " {name}=\"");
            escape(&mut self.text, value);
            self.text.push('"');
        }
    }
}

fn list(points: &[At]) -> String {
    points.iter().map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ")
}

/// Escapes text, so that no letter is markup. XML forbids control characters even as entities.
fn escape(to: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => *to += "&amp;",
            '<' => *to += "&lt;",
            '>' => *to += "&gt;",
            '"' => *to += "&quot;",
            control if control.is_control() => to.push('\u{FFFD}'),
            letter => to.push(letter),
        }
    }
}
