//! The windows in which candidates change.

use std::ops::Range;

/// The shape of an image, whose pixels lie in this order.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

/// A rectangle of pixels, the same in every channel.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

impl Window {
    /// A window of these sides, anywhere in the image.
    pub fn drawn(shape: Shape, [height, width]: [usize; 2], draws: &[f32]) -> Self {
        let place = |draw: f32, choices: usize| (f64::from(draw) * choices as f64) as usize;
        let top = place(draws[0], shape.height - height + 1);
        let left = place(draws[1], shape.width - width + 1);
        Self { top, left, height, width }
    }

    /// The places of its pixels in a channel of an image, a range for each of its rows.
    pub fn rows(self, shape: Shape, channel: usize) -> impl Iterator<Item = Range<usize>> {
        (self.top..self.top + self.height).map(move |row| {
            let first = (channel * shape.height + row) * shape.width + self.left;
            first..first + self.width
        })
    }
}

/// The sides of a window with the area of a square of this side. If the image is too short for the
/// square in one direction, the window is longer in the other.
pub(super) fn sides(side: usize, Shape { height, width, .. }: Shape) -> [usize; 2] {
    let short = height.min(width);
    if side <= short {
        return [side, side];
    }
    let longer = (side * side).div_ceil(short);
    [longer.min(height), longer.min(width)]
}
