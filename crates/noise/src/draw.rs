//! Draws: pure functions of a key and an index.

use crate::{ExampleIds, Key};
use burn::tensor::{Device, Shape, Tensor, TensorData};
use cni_ops::{Distribution, Stream, draw_on_host};
use std::ops::Range;

/// Standard normal values.
///
/// The value at a position is a function of `key` and of the position's index in row-major order:
/// the same on every backend, for any number of threads, and for any shape with as many elements.
/// Computed in single precision, and rounded to the element type of `device` if that is another.
/// GPUs draw their values themselves, equal to the host's up to 2·10⁻⁶; the other draws are equal
/// to the bit.
///
/// ```
/// # use burn::tensor::Device;
/// use cni_noise::{Key, normal};
/// # let device = Device::flex();
/// let a = normal::<2>(Key::new(1), [4, 6], &device);
/// let b = normal::<1>(Key::new(1), [24], &device);
/// assert_eq!(a.reshape([24]).to_data(), b.to_data());
/// ```
pub fn normal<const D: usize>(key: Key, shape: impl Into<Shape>, device: &Device) -> Tensor<D> {
    tensor(Distribution::Normal, key, shape.into(), device)
}

/// Uniform values in [0, 1), multiples of 2⁻²⁴; in half precision rounded, at most to the largest
/// value below 1. Otherwise as [`normal`].
pub fn uniform<const D: usize>(key: Key, shape: impl Into<Shape>, device: &Device) -> Tensor<D> {
    tensor(Distribution::Uniform, key, shape.into(), device)
}

/// −1 or +1 with equal probability. Otherwise as [`normal`].
pub fn sign<const D: usize>(key: Key, shape: impl Into<Shape>, device: &Device) -> Tensor<D> {
    tensor(Distribution::Sign, key, shape.into(), device)
}

fn tensor<const D: usize>(
    distribution: Distribution,
    key: Key,
    shape: Shape,
    device: &Device,
) -> Tensor<D> {
    cni_ops::draw(distribution, Stream { key: key.words(), first: 0 }, shape, device)
}

/// Standard normal values with the element type and device of `like`, those of indices `first..` of
/// the stream. After the last index, 2⁶⁴ − 1, the stream begins anew.
///
/// A constant: it carries no gradient whatever `like` does.
pub fn normal_at<const D: usize, const L: usize>(
    key: Key,
    first: u64,
    shape: [usize; D],
    like: &Tensor<L>,
) -> Tensor<D> {
    let stream = Stream { key: key.words(), first };
    cni_ops::draw(Distribution::Normal, stream, shape, (&like.device().inner(), like.dtype()))
}

/// [`normal_at`] with the shape of `like` too.
pub fn normal_like<const D: usize>(key: Key, like: &Tensor<D>, first: u64) -> Tensor<D> {
    normal_at(key, first, like.dims(), like)
}

/// Standard normal values with the shape, element type and device of `like`, `[batch, ..]`: each
/// row those of its example, whatever batch it is in.
pub fn normal_rows<const D: usize>(key: Key, examples: &ExampleIds, like: &Tensor<D>) -> Tensor<D> {
    let [rows, values] = rows_of(like);
    match examples {
        ExampleIds::From(first) => normal_like(key, like, first.wrapping_mul(values as u64)),
        ExampleIds::Each(_) => {
            let draw = |first, n| host(Distribution::Normal, key, first, n);
            let all = examples.gather(rows, values, draw);
            let options = (&like.device().inner(), like.dtype());
            Tensor::from_data(TensorData::new(all, like.shape()), options)
        }
    }
}

/// Uniform values in [0, 1) on the host, `values` for each of the first `rows` examples, one
/// example after the other.
pub fn uniform_rows(key: Key, examples: &ExampleIds, rows: usize, values: usize) -> Vec<f32> {
    examples.gather(rows, values, |first, n| host(Distribution::Uniform, key, first, n))
}

fn rows_of<const D: usize>(tensor: &Tensor<D>) -> [usize; 2] {
    let dims = tensor.dims();
    [dims[0], dims[1..].iter().product()]
}

/// Standard normal values on the host: those of the indices in `range`, none if it is empty.
pub fn host_normal(key: Key, range: Range<u64>) -> Vec<f32> {
    host_range(Distribution::Normal, key, range)
}

/// Uniform values in [0, 1) on the host: those of the indices in `range`, none if it is empty.
pub fn host_uniform(key: Key, range: Range<u64>) -> Vec<f32> {
    host_range(Distribution::Uniform, key, range)
}

/// A permutation of `0..n`, every one equally likely up to the generator's 2⁻²⁴ steps.
///
/// Sorting by drawn values makes it a function of the key alone; equal values are settled by their
/// index.
pub fn permutation(key: Key, n: usize) -> Vec<usize> {
    // Two values an index make a 48-bit sort key, so that ties do not bias the order.
    let draws = host_uniform(key, 0..2 * n as u64);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_unstable_by_key(|&i| [draws[2 * i].to_bits(), draws[2 * i + 1].to_bits(), i as u32]);
    order
}

fn host_range(distribution: Distribution, key: Key, range: Range<u64>) -> Vec<f32> {
    let len = range.end.saturating_sub(range.start);
    host(distribution, key, range.start, len as usize)
}

fn host(distribution: Distribution, key: Key, first: u64, len: usize) -> Vec<f32> {
    draw_on_host(distribution, Stream { key: key.words(), first }, len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_part_of_a_stream_can_be_drawn_alone(start in 0u64..5_000, len in 0u64..3_000, cut in 0u64..3_000) {
            let key = Key::new(start ^ len);
            let cut = cut.min(len);
            let whole = host_normal(key, start..start + len);
            let mut parts = host_normal(key, start..start + cut);
            parts.extend(host_normal(key, start + cut..start + len));
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn a_permutation_holds_every_index_once(n in 0usize..500, seed: u64) {
            let mut order = permutation(Key::new(seed), n);
            order.sort_unstable();
            prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_example_draws_the_same_in_any_company() {
        let like = Tensor::<3>::zeros([5, 2, 7], &Device::flex());
        let whole = normal_rows(Key::new(4), &ExampleIds::from(30), &like);
        let rows = [3, 4, 0];
        let index = Tensor::from_ints(rows, &Device::flex());
        let some = ExampleIds::from(30).select(&rows.map(|row| row as usize));
        let part = normal_rows(Key::new(4), &some, &like.select(0, index.clone()));
        assert_eq!(part.into_data(), whole.select(0, index).into_data());
        let (all, part) = (ExampleIds::from(30), some);
        let whole = uniform_rows(Key::new(4), &all, 5, 2);
        let wanted: Vec<f32> =
            rows.iter().flat_map(|&r| whole[2 * r as usize..][..2].to_vec()).collect();
        assert_eq!(uniform_rows(Key::new(4), &part, 3, 2), wanted);
    }

    #[test]
    fn values_do_not_depend_on_the_number_of_threads() {
        let draw = || host_normal(Key::new(3), 17..600_000);
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(draw);
        let five = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap().install(draw);
        assert_eq!(one, five);
    }

    #[test]
    fn an_empty_or_reversed_range_holds_no_values() {
        for (start, end) in [(5, 5), (70, 3), (u64::MAX, 0), (u64::MAX, u64::MAX)] {
            assert_eq!(host_normal(Key::new(1), start..end), Vec::<f32>::new());
        }
    }

    /// The last example numbers that there are: their indices overflow 64 bits many times over.
    #[test]
    fn examples_of_the_largest_numbers_draw_the_same_in_any_company() {
        let like = Tensor::<2>::zeros([4, 48], &Device::flex());
        let first = u64::MAX - 2;
        let numbers: Vec<u64> = (0..4).map(|row| first.wrapping_add(row)).collect();
        let whole = normal_rows(Key::new(4), &ExampleIds::from(first), &like);
        let each = normal_rows(Key::new(4), &ExampleIds::Each(numbers.clone().into()), &like);
        assert_eq!(whole.to_data(), each.into_data());
        let alone = numbers.iter().map(|&number| {
            normal_rows(Key::new(4), &ExampleIds::from(number), &like.clone().slice(0..1))
        });
        assert_eq!(Tensor::cat(alone.collect(), 0).into_data(), whole.into_data());
        let rows = uniform_rows(Key::new(4), &ExampleIds::from(first), 4, 3);
        let single = |number| uniform_rows(Key::new(4), &ExampleIds::from(number), 1, 3);
        assert_eq!(rows, numbers.into_iter().flat_map(single).collect::<Vec<_>>());
    }

    #[test]
    fn indices_beyond_32_bits_are_other_values() {
        let key = Key::new(1);
        assert_ne!(host_normal(key, 0..8), host_normal(key, 1 << 38..(1 << 38) + 8));
    }

    #[test]
    fn draws_follow_the_element_type_and_shape_asked_for() {
        let device = Device::flex();
        let like = Tensor::<3>::zeros([2, 3, 5], (&device.clone().autodiff(), DType::F64));
        let draw = normal_like(Key::new(2), &like, 0);
        assert_eq!((draw.dims(), draw.dtype()), ([2, 3, 5], DType::F64));
        assert!(!draw.is_autodiff());
        let single = normal::<3>(Key::new(2), [2, 3, 5], &device);
        let (a, b): (Vec<f64>, Vec<f64>) =
            (draw.try_to_vec_as().unwrap(), single.try_to_vec_as().unwrap());
        assert_eq!(a, b);
        assert_eq!(normal::<2>(Key::new(2), [0, 3], &device).dims(), [0, 3]);
    }
}
