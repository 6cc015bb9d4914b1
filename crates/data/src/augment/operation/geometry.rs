//! Movements of an image: each pixel of the result is the nearest one at its place of origin.

use super::Image;

/// `[a, b, c, d, e, f]`: the pixel at column `x`, row `y` is the one that was at column
/// `a·x + b·y + c`, row `d·x + e·y + f`, in coordinates of pixels' corners; black outside.
pub fn affine(image: &mut Image, [a, b, c, d, e, f]: [f64; 6]) {
    let [channels, height, width] = image.shape;
    let source = image.bytes.clone();
    // As Pillow, in steps of 2⁻¹⁶ pixels.
    let fixed = |value: f64| (value * 65_536.0 + 0.5).floor() as i64;
    let origin = [fixed(c + (a + b) * 0.5), fixed(f + (d + e) * 0.5)];
    let (along, down) = ([fixed(a), fixed(d)], [fixed(b), fixed(e)]);
    let inside = |position: i64, size: usize| {
        usize::try_from(position >> 16).ok().filter(|&index| index < size)
    };
    for y in 0..height {
        for x in 0..width {
            let at = |axis: usize| origin[axis] + along[axis] * x as i64 + down[axis] * y as i64;
            let from = inside(at(0), width).zip(inside(at(1), height));
            for channel in 0..channels {
                let plane = channel * height * width;
                image.bytes[plane + y * width + x] = match from {
                    Some((column, row)) => source[plane + row * width + column],
                    None => 0,
                };
            }
        }
    }
}

/// A turn about the centre, against the clock.
pub fn rotate(image: &mut Image, degrees: f64) {
    let [_, height, width] = image.shape.map(|size| size as f64);
    let (sin, cos) = (-degrees.to_radians()).sin_cos();
    // As Pillow, to 15 digits: so that a turn by 90 degrees is one.
    let [sin, cos] = [sin, cos].map(|value| (value * 1e15).round() / 1e15);
    let (x, y) = (width / 2.0, height / 2.0);
    let c = cos * -x + sin * -y + x;
    let f = -sin * -x + cos * -y + y;
    affine(image, [cos, sin, c, -sin, cos, f]);
}
