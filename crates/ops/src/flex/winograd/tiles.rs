//! The places of an image's tiles, in the image and in vectors.

use crate::flex::geometry::Geometry;
use crate::flex::lanes::{deinterleave, interleave, load, swap_middle};
use pulp::Simd;

/// The tiles of an image with a margin of one zero around it, in row-major order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tiles {
    rows: usize,
    pub columns: usize,
}

impl Tiles {
    /// The tiles of a convolution's output, or of its input's gradient, which has the same. `None`
    /// if the convolution is of another kind or if its tiles do not fill vectors of `lanes`.
    pub fn of(geometry: Geometry, lanes: usize) -> Option<Self> {
        let Geometry { kernel, stride, padding, dilation, input, output, .. } = geometry;
        let same =
            kernel == [3, 3] && [stride, padding, dilation] == [[1, 1]; 3] && input == output;
        let [height, width] = output;
        let tiles = Self { rows: height / 2, columns: width / 2 };
        // Whole vectors in a row, or two rows of the image in one.
        let whole = width % lanes == 0 || 2 * width == lanes;
        let even = height % 2 == 0 && width % 2 == 0;
        let filled = (tiles.rows * tiles.columns).is_multiple_of(lanes);
        (same && even && whole && filled).then_some(tiles)
    }

    /// Values of an image's channel.
    pub fn image_len(self) -> usize {
        4 * self.rows * self.columns
    }

    pub fn vectors(self, lanes: usize) -> usize {
        self.rows * self.columns / lanes
    }

    /// Values of every other column of every other row, and of one row of zeros.
    pub fn plane_len(self) -> usize {
        (self.rows + 1) * self.columns
    }

    /// The place of a vector of tiles in an image's channel.
    pub fn place(self, lanes: usize, vector: usize) -> Place {
        let width = 2 * self.columns;
        let half = |half: usize| {
            let column = (2 * vector + half) * lanes;
            let start = column / width * 2 * width + column % width;
            if width < lanes { [2 * column, 2 * column + lanes] } else { [start, start + width] }
        };
        Place { starts: [half(0), half(1)], grouped: width < lanes }
    }

    /// For each tile which bits count of the column left of it and of the column right of it: none
    /// at the image's borders.
    pub fn masks(self) -> [Vec<u32>; 2] {
        let mask = |border: usize| {
            let tiles = 0..self.rows * self.columns;
            tiles.map(|tile| if tile % self.columns == border { 0 } else { u32::MAX }).collect()
        };
        [mask(0), mask(self.columns - 1)]
    }
}

/// The starts of the left and the right half of a vector of tiles, each with its top and its bottom
/// row. If a vector is wider than the image, a half is contiguous instead, its rows in turns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub starts: [[usize; 2]; 2],
    grouped: bool,
}

impl Place {
    /// The image's values by row and column of the tiles.
    #[inline(always)]
    pub fn read<S: Simd>(&self, simd: S, image: &[f32]) -> [[S::f32s; 2]; 2] {
        let load = |at: usize| load(simd, &image[at..][..S::F32_LANES]);
        let [[a, b], [c, d]] = self.starts;
        let [top_left, bottom_left] = swap_middle(simd, self.grouped, [load(a), load(b)]);
        let [top_right, bottom_right] = swap_middle(simd, self.grouped, [load(c), load(d)]);
        [deinterleave(simd, [top_left, top_right]), deinterleave(simd, [bottom_left, bottom_right])]
    }

    /// The inverse of [`Self::read`]: what belongs to each of the starts.
    #[inline(always)]
    pub fn arrange<S: Simd>(&self, simd: S, tiles: [[S::f32s; 2]; 2]) -> [[S::f32s; 2]; 2] {
        let [top, bottom] = [interleave(simd, tiles[0]), interleave(simd, tiles[1])];
        [
            swap_middle(simd, self.grouped, [top[0], bottom[0]]),
            swap_middle(simd, self.grouped, [top[1], bottom[1]]),
        ]
    }
}
