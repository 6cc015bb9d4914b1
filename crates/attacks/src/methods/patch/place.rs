//! Where patches lie, and how they are put there.

use crate::Rows;
use burn::tensor::{Int, Tensor, TensorData};
use cni_noise::{ExampleIds, Key, uniform_rows};

/// By how much a move changes the first row and the first column of a patch, in strides.
pub(super) type Direction = [isize; 2];

/// The directions of a move: left, right, up, down. Of equal ones the first counts.
const DIRECTIONS: [Direction; 4] = [[0, -1], [0, 1], [-1, 0], [1, 0]];

/// The square of each image of a batch, `[batch, channels, height, width]`, that is its patch.
#[derive(Clone)]
pub(super) struct Places {
    side: usize,
    /// Of the images.
    height: usize,
    width: usize,
    /// Row and column of the first pixel.
    corners: Vec<[usize; 2]>,
}

impl Places {
    /// Places uniform among those within the image. Each is a function of the key and the example's
    /// number.
    pub fn drawn(side: usize, images: &Tensor<4>, examples: &ExampleIds, key: Key) -> Self {
        let [batch, _, height, width] = images.dims();
        let draws = uniform_rows(key, examples, batch, 2);
        let below = |draw: f32, count: usize| (f64::from(draw) * count as f64) as usize;
        let corner =
            |draw: &[f32]| [below(draw[0], height - side + 1), below(draw[1], width - side + 1)];
        Self { side, height, width, corners: draws.chunks(2).map(corner).collect() }
    }

    /// The directions in which images of this shape leave room for a move.
    pub fn directions(&self) -> Vec<Direction> {
        let room = [self.height - self.side, self.width - self.side];
        let has_room =
            |[down, across]: &Direction| room[usize::from(*down == 0 && *across != 0)] > 0;
        DIRECTIONS.into_iter().filter(has_room).collect()
    }

    /// The places `stride` pixels farther, a direction for each; at most at the border.
    pub fn moved(&self, directions: &[Direction], stride: usize) -> Self {
        let along = |at: usize, by: isize, most: usize| match by.signum() {
            -1 => at.saturating_sub(stride),
            0 => at,
            _ => at.saturating_add(stride).min(most),
        };
        let (down, right) = (self.height - self.side, self.width - self.side);
        let corners = self.corners.iter().zip(directions);
        let corners = corners
            .map(|(&[row, column], by)| [along(row, by[0], down), along(column, by[1], right)]);
        Self { corners: corners.collect(), ..*self }
    }

    /// These of the places.
    pub fn select(&self, rows: &Rows) -> Self {
        Self { corners: rows.of_list(&self.corners), ..*self }
    }

    /// The other's places where `take` holds, its own elsewhere.
    pub fn where_rows(mut self, take: &[bool], other: &Self) -> Self {
        let rows = self.corners.iter_mut().zip(&other.corners).zip(take);
        rows.filter(|(_, take)| **take).for_each(|((own, other), _)| *own = *other);
        self
    }

    /// What the images show there, `[batch, channels, side, side]`.
    pub fn crop(&self, images: &Tensor<4>) -> Tensor<4> {
        let side = self.side;
        let of_corner = |[row, column]: [usize; 2]| {
            (0..side * side).map(move |i| (row + i / side) * self.width + column + i % side)
        };
        let [batch, channels, ..] = images.dims();
        let index = self.corners.iter().flat_map(|&corner| of_corner(corner));
        let pixels = picked(images.clone().flatten::<3>(2, 3), index, side * side);
        pixels.reshape([batch, channels, side, side])
    }

    /// The images with this content there, `[batch, channels, side, side]`; every other pixel is
    /// that of the images to the bit.
    pub fn paste(&self, images: &Tensor<4>, content: &Tensor<4>) -> Tensor<4> {
        let Self { side, height, width, .. } = *self;
        let pixels = height * width;
        let of_corner = |[top, left]: [usize; 2]| {
            (0..pixels).map(move |pixel| {
                let (row, column) = (pixel / width, pixel % width);
                // One outside wraps to a number far beyond the side.
                let (row, column) = (row.wrapping_sub(top), column.wrapping_sub(left));
                // The content lies behind the images' own pixels.
                if row < side && column < side { pixels + row * side + column } else { pixel }
            })
        };
        let both = [images, content].map(|part| part.clone().flatten::<3>(2, 3));
        let index = self.corners.iter().flat_map(|&corner| of_corner(corner));
        picked(Tensor::cat(both.to_vec(), 2), index, pixels).reshape(images.dims())
    }
}

/// So many of the values in the last dimension, the same in every channel, `[batch, channels, n]`.
fn picked(values: Tensor<3>, index: impl Iterator<Item = usize>, n: usize) -> Tensor<3> {
    let [batch, channels, _] = values.dims();
    let index: Vec<i32> = index.map(|index| index as i32).collect();
    let index = TensorData::new(index, [batch, 1, n]);
    let index = Tensor::<3, Int>::from_data(index, &values.device());
    values.gather(2, index.repeat_dim(1, channels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn places(height: usize, width: usize, corners: &[[usize; 2]]) -> Places {
        Places { side: 2, height, width, corners: corners.to_vec() }
    }

    #[test]
    fn what_is_pasted_is_cropped_and_the_rest_stays() {
        let device = Device::flex();
        let count = Tensor::<1, Int>::arange(0..2 * 3 * 3 * 4, &device).float();
        let images = count.reshape([2, 3, 3, 4]);
        let places = places(3, 4, &[[0, 2], [1, 0]]);
        let content = images.clone().slice([0..2, 0..3, 0..2, 0..2]).add_scalar(100.0);
        let pasted = places.paste(&images, &content);
        assert_eq!(places.crop(&pasted).into_data(), content.into_data());
        assert_eq!(places.paste(&images, &places.crop(&images)).into_data(), images.to_data());
        let changed = pasted.not_equal(images).int().sum_dim(1).slice([0..2, 0..1]);
        let wanted = [0, 0, 3, 3, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 3, 3, 0, 0];
        assert_eq!(changed.try_to_vec_as::<i32>().unwrap(), wanted);
    }

    #[test]
    fn moves_end_at_the_border() {
        let at = places(5, 7, &[[1, 2], [3, 5], [0, 0]]);
        let all = |direction| at.moved(&[direction; 3], 2).corners;
        assert_eq!(all([0, -1]), [[1, 0], [3, 3], [0, 0]]);
        assert_eq!(all([0, 1]), [[1, 4], [3, 5], [0, 2]]);
        assert_eq!(all([-1, 0]), [[0, 2], [1, 5], [0, 0]]);
        assert_eq!(all([1, 0]), [[3, 2], [3, 5], [2, 0]]);
        assert_eq!(at.moved(&[[1, 0]; 3], usize::MAX).corners[0], [3, 2]);
        let other = places(5, 7, &[[0, 0]; 3]);
        let mixed = at.where_rows(&[false, true, false], &other);
        assert_eq!(mixed.corners, [[1, 2], [0, 0], [0, 0]]);
    }

    #[test]
    fn only_directions_with_room_count() {
        assert_eq!(places(5, 7, &[]).directions(), DIRECTIONS);
        assert_eq!(places(2, 7, &[]).directions(), DIRECTIONS[..2]);
        assert_eq!(places(5, 2, &[]).directions(), DIRECTIONS[2..]);
        assert!(places(2, 2, &[]).directions().is_empty());
    }

    #[test]
    fn every_place_is_drawn_and_none_beyond_the_border() {
        let images = Tensor::<4>::zeros([2000, 1, 4, 5], &Device::flex());
        let drawn = Places::drawn(2, &images, &ExampleIds::from(0), Key::new(1));
        let mut counts = [[0; 4]; 3];
        drawn.corners.iter().for_each(|[row, column]| counts[*row][*column] += 1);
        // Five standard errors of a binomial count, of 2000 with the probability 1/12.
        let (mean, error) = (2000.0 / 12.0, (2000.0 * 11.0 / 144.0_f64).sqrt());
        let near = |count: &i32| (f64::from(*count) - mean).abs() < 5.0 * error;
        assert!(counts.iter().flatten().all(near), "{counts:?}");
    }
}
