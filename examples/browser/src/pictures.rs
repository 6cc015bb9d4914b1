//! Pictures for the models of CIFAR-10, drawn here: its photographs are not ours to ship.

use cni_burn::data::ImageData;

/// Rows and columns of a picture.
const SIDE: usize = 32;
/// Points along a side of a pixel whose colours it is the mean of.
const POINTS: usize = 4;

/// The classes of CIFAR-10, in its order.
const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Red, green and blue in [0, 1].
type Color = [f64; 3];

/// A part of a picture: the points within it, in a square of side 1 whose origin is its upper left
/// corner, and its colour there.
struct Part(Box<dyn Fn(f64, f64) -> Option<Color>>);

/// The pictures with their classes.
pub fn drawn() -> ImageData {
    let scenes: [(&str, Vec<Part>); 4] = [
        ("airplane", airplane()),
        ("automobile", automobile()),
        ("ship", ship()),
        ("truck", truck()),
    ];
    let label = |name: &str| {
        CLASSES.iter().position(|class| *class == name).expect("the class is one of CIFAR-10's")
    };
    let labels: Vec<u16> = scenes.iter().map(|(name, _)| label(name) as u16).collect();
    let pixels: Vec<u8> = scenes.iter().flat_map(|(_, parts)| paint(parts)).collect();
    let classes = CLASSES.map(String::from).into();
    ImageData::new("drawn pictures", [3, SIDE, SIDE], pixels, labels, classes)
        .expect("each picture has its pixels and a class")
}

/// The pixels of a picture, channel by channel. Later parts lie on those before.
fn paint(parts: &[Part]) -> Vec<u8> {
    let color = |x, y| parts.iter().rev().find_map(|Part(at)| at(x, y)).unwrap_or([0.0; 3]);
    let mut pixels = vec![0; 3 * SIDE * SIDE];
    for row in 0..SIDE {
        for column in 0..SIDE {
            let mut sum = [0.0; 3];
            for point in 0..POINTS * POINTS {
                let within = |pixel: usize, step: usize| {
                    (pixel as f64 + (step as f64 + 0.5) / POINTS as f64) / SIDE as f64
                };
                let seen = color(within(column, point % POINTS), within(row, point / POINTS));
                sum.iter_mut().zip(seen).for_each(|(sum, seen)| *sum += seen);
            }
            for (channel, sum) in sum.into_iter().enumerate() {
                let mean = sum / (POINTS * POINTS) as f64;
                pixels[(channel * SIDE + row) * SIDE + column] = (255.0 * mean).round() as u8;
            }
        }
    }
    pixels
}

/// A background that goes from one colour at the top to another at the bottom.
fn ground(top: Color, bottom: Color) -> Part {
    let mix = move |y: f64| [0, 1, 2].map(|i| top[i] + y * (bottom[i] - top[i]));
    Part(Box::new(move |_, y| Some(mix(y))))
}

/// An ellipse by its centre and half its width and height.
fn ellipse(color: Color, [x, y]: [f64; 2], [width, height]: [f64; 2]) -> Part {
    let inside =
        move |px: f64, py: f64| ((px - x) / width).powi(2) + ((py - y) / height).powi(2) <= 1.0;
    Part(Box::new(move |px, py| inside(px, py).then_some(color)))
}

/// A polygon by its corners, by the even-odd rule.
fn polygon<const N: usize>(color: Color, corners: [[f64; 2]; N]) -> Part {
    let inside = move |px: f64, py: f64| {
        let crosses = |i: usize| {
            let ([ax, ay], [bx, by]) = (corners[i], corners[(i + 1) % N]);
            (ay > py) != (by > py) && px < ax + (py - ay) / (by - ay) * (bx - ax)
        };
        (0..N).filter(|&i| crosses(i)).count() % 2 == 1
    };
    Part(Box::new(move |px, py| inside(px, py).then_some(color)))
}

/// A rectangle by its upper left and lower right corners.
fn rectangle(color: Color, [left, top]: [f64; 2], [right, bottom]: [f64; 2]) -> Part {
    polygon(color, [[left, top], [right, top], [right, bottom], [left, bottom]])
}

const SKY: Color = [0.55, 0.75, 0.95];
const PALE: Color = [0.86, 0.92, 0.97];
const WHITE: Color = [0.95, 0.95, 0.95];
const GREY: Color = [0.55, 0.57, 0.6];
const DARK: Color = [0.12, 0.12, 0.14];
const GLASS: Color = [0.3, 0.4, 0.5];

fn airplane() -> Vec<Part> {
    vec![
        ground(SKY, PALE),
        polygon(GREY, [[0.42, 0.5], [0.62, 0.5], [0.42, 0.8], [0.33, 0.8]]),
        polygon(GREY, [[0.45, 0.44], [0.6, 0.44], [0.52, 0.24], [0.45, 0.24]]),
        ellipse(WHITE, [0.5, 0.48], [0.4, 0.075]),
        polygon(GREY, [[0.1, 0.46], [0.2, 0.46], [0.13, 0.27], [0.06, 0.27]]),
        ellipse(GLASS, [0.84, 0.46], [0.03, 0.02]),
    ]
}

fn automobile() -> Vec<Part> {
    let red = [0.78, 0.1, 0.1];
    vec![
        ground([0.75, 0.78, 0.8], [0.6, 0.6, 0.6]),
        rectangle([0.4, 0.4, 0.42], [0.0, 0.66], [1.0, 1.0]),
        polygon(red, [[0.22, 0.5], [0.34, 0.32], [0.66, 0.32], [0.8, 0.5]]),
        polygon(GLASS, [[0.29, 0.49], [0.37, 0.36], [0.63, 0.36], [0.72, 0.49]]),
        rectangle(red, [0.48, 0.34], [0.51, 0.5]),
        polygon(red, [[0.06, 0.52], [0.9, 0.48], [0.95, 0.55], [0.95, 0.7], [0.05, 0.7]]),
        ellipse(DARK, [0.25, 0.71], [0.1, 0.1]),
        ellipse(DARK, [0.75, 0.71], [0.1, 0.1]),
        ellipse(GREY, [0.25, 0.71], [0.05, 0.05]),
        ellipse(GREY, [0.75, 0.71], [0.05, 0.05]),
    ]
}

fn ship() -> Vec<Part> {
    vec![
        ground([0.6, 0.78, 0.95], PALE),
        rectangle([0.12, 0.3, 0.5], [0.0, 0.66], [1.0, 1.0]),
        rectangle(WHITE, [0.3, 0.4], [0.72, 0.56]),
        rectangle(WHITE, [0.38, 0.3], [0.62, 0.42]),
        rectangle([0.8, 0.2, 0.15], [0.5, 0.16], [0.58, 0.31]),
        rectangle(GLASS, [0.33, 0.45], [0.68, 0.49]),
        polygon([0.15, 0.16, 0.22], [[0.06, 0.54], [0.95, 0.54], [0.84, 0.72], [0.16, 0.72]]),
        polygon([0.6, 0.12, 0.1], [[0.13, 0.67], [0.87, 0.67], [0.84, 0.72], [0.16, 0.72]]),
    ]
}

fn truck() -> Vec<Part> {
    let blue = [0.15, 0.3, 0.65];
    vec![
        ground([0.72, 0.82, 0.92], PALE),
        rectangle([0.45, 0.43, 0.4], [0.0, 0.74], [1.0, 1.0]),
        rectangle(WHITE, [0.05, 0.2], [0.64, 0.68]),
        rectangle(GREY, [0.05, 0.66], [0.95, 0.74]),
        polygon(blue, [[0.67, 0.36], [0.85, 0.36], [0.95, 0.52], [0.95, 0.72], [0.67, 0.72]]),
        polygon(GLASS, [[0.72, 0.4], [0.84, 0.4], [0.9, 0.51], [0.72, 0.51]]),
        ellipse(DARK, [0.2, 0.78], [0.085, 0.085]),
        ellipse(DARK, [0.42, 0.78], [0.085, 0.085]),
        ellipse(DARK, [0.82, 0.78], [0.085, 0.085]),
    ]
}
