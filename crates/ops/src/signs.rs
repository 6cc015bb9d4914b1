//! Products of signs, 64 at a time.
//!
//! A bit says that a value is negative. The product of two rows of signs is then their number less
//! twice that of the bits in which they differ: an exclusive or and a count of bits.

use crate::arch::arch;
use crate::shape::conv2d_output_size;
use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

/// Signs of a word.
const WORD: usize = 64;

/// Outputs whose counts stay in registers.
const LANES: usize = 32;

/// The signs of an activation or a weight `[outer, channels, height, width]`, 64 channels a word: the
/// words of a pixel lie side by side, `[outer, height, width, words]`. Bits behind the last channel
/// are zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedSigns {
    words: Vec<u64>,
    shape: [usize; 4],
}

impl PackedSigns {
    /// The signs of values in row-major order: negative below zero, positive from zero on, as that of
    /// NaN.
    ///
    /// # Panics
    ///
    /// If there are not as many values as the shape has.
    pub fn pack(values: &[f32], shape: [usize; 4]) -> Self {
        let [outer, channels, height, width] = shape;
        let pixels = height * width;
        assert_eq!(values.len(), outer * channels * pixels, "values of {shape:?}");
        let per_pixel = channels.div_ceil(WORD);
        let mut words = vec![0; outer * pixels * per_pixel];
        let values = values.par_chunks_exact((channels * pixels).max(1));
        let images = words.par_chunks_exact_mut((pixels * per_pixel).max(1));
        images.zip(values).for_each(|(words, values)| {
            for (channel, plane) in values.chunks_exact(pixels.max(1)).enumerate() {
                let (word, bit) = (channel / WORD, channel % WORD);
                for (pixel, &value) in plane.iter().enumerate() {
                    words[pixel * per_pixel + word] |= u64::from(value < 0.0) << bit;
                }
            }
        });
        Self { words, shape }
    }

    /// Signs from words, such as those of a file: `None` if there are not as many as the shape has,
    /// or if a bit behind the last channel is set.
    pub fn from_words(words: Vec<u64>, shape: [usize; 4]) -> Option<Self> {
        let [outer, channels, height, width] = shape;
        let per_pixel = channels.div_ceil(WORD);
        let unused = match channels % WORD {
            0 => 0,
            used => u64::MAX << used,
        };
        let fits = words.len() == outer * height * width * per_pixel;
        let last = words.iter().skip(per_pixel.saturating_sub(1)).step_by(per_pixel.max(1));
        (fits && last.into_iter().all(|word| word & unused == 0)).then_some(Self { words, shape })
    }

    /// The words, `[outer, height, width, words]`.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// `[outer, channels, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// The values, −1 and +1, in row-major order.
    pub fn values(&self) -> Vec<f32> {
        let [outer, channels, height, width] = self.shape;
        let per_pixel = channels.div_ceil(WORD);
        let mut values = Vec::with_capacity(outer * channels * height * width);
        for image in self.words.chunks_exact((height * width * per_pixel).max(1)) {
            for channel in 0..channels {
                let (word, bit) = (channel / WORD, channel % WORD);
                let pixels = image.chunks_exact(per_pixel.max(1));
                values.extend(pixels.map(|words| match words[word] >> bit & 1 {
                    0 => 1.0,
                    _ => -1.0,
                }));
            }
        }
        values
    }
}

/// Weights of signs, in the order in which they are read: for 32 outputs at a time the words of a
/// patch, each of all of them.
#[derive(Clone, Debug)]
pub struct PackedKernel {
    tiles: Vec<u64>,
    shape: [usize; 4],
}

impl PackedKernel {
    /// The kernel of a weight `[channels_out, channels_in, height, width]`.
    pub fn new(weight: &PackedSigns) -> Self {
        let shape @ [outputs, channels, height, width] = weight.shape;
        let patch = height * width * channels.div_ceil(WORD);
        let mut tiles = vec![0; outputs.div_ceil(LANES) * patch * LANES];
        for (output, words) in weight.words.chunks_exact(patch.max(1)).enumerate() {
            let tile = &mut tiles[output / LANES * patch * LANES..][..patch * LANES];
            for (n, &word) in words.iter().enumerate() {
                tile[n * LANES + output % LANES] = word;
            }
        }
        Self { tiles, shape }
    }

    /// `[channels_out, channels_in, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }
}

/// The geometry of a convolution of signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignGeometry {
    /// Steps of rows and columns.
    pub stride: [usize; 2],
    /// Distances of the kernel's elements.
    pub dilation: [usize; 2],
    /// Pixels before and behind the input's rows and columns.
    pub padding: [(usize, usize); 2],
    /// The sign of these pixels, negative if true; without one they are zeros, and count for nothing.
    pub pad: Option<bool>,
}

impl SignGeometry {
    /// Rows and columns of the output; `None` if the kernel is larger than the padded input.
    pub fn output(&self, input: [usize; 2], kernel: [usize; 2]) -> Option<[usize; 2]> {
        conv2d_output_size(input, kernel, self.stride, self.dilation, self.padding)
    }
}

/// A convolution of signs with signs, `[batch, channels_out, height_out, width_out]` in row-major
/// order: whole numbers, exactly those of the convolution of −1 and +1.
///
/// # Panics
///
/// If the channels differ, or the kernel is larger than the padded input.
pub fn sign_conv2d(x: &PackedSigns, kernel: &PackedKernel, geometry: SignGeometry) -> Vec<f32> {
    let [batch, channels, height, width] = x.shape;
    let [outputs, inputs, kernel_height, kernel_width] = kernel.shape;
    assert_eq!(channels, inputs, "channels of the input and of the kernel");
    let output = geometry.output([height, width], [kernel_height, kernel_width]);
    let output @ [rows, columns] = output.expect("a kernel no larger than the padded input");
    let mut out = vec![0.0; batch * outputs * rows * columns];
    let images = out.par_chunks_exact_mut((outputs * rows * columns).max(1));
    images.enumerate().for_each(|(image, out)| {
        run(Job { x, kernel, geometry, image, output, out });
    });
    out
}

struct Job<'a> {
    x: &'a PackedSigns,
    kernel: &'a PackedKernel,
    geometry: SignGeometry,
    image: usize,
    output: [usize; 2],
    out: &'a mut [f32],
}

#[cfg(target_arch = "x86_64")]
pulp::simd_type! {
    /// The instructions of AVX-512 that count the bits of a vector's words.
    struct Counting {
        sse: "sse",
        sse2: "sse2",
        avx: "avx",
        avx2: "avx2",
        fma: "fma",
        popcnt: "popcnt",
        avx512f: "avx512f",
        avx512bw: "avx512bw",
        avx512cd: "avx512cd",
        avx512dq: "avx512dq",
        avx512vl: "avx512vl",
        avx512vpopcntdq: "avx512vpopcntdq",
    }
}

/// Runs a job by the widest vectors there are.
fn run(job: Job<'_>) {
    #[cfg(target_arch = "x86_64")]
    if let (Arch::V4(_), Some(counting)) = (arch(), Counting::try_new()) {
        return counting.vectorize(job);
    }
    arch().dispatch(job);
}

impl NullaryFnOnce for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.compute();
    }
}

impl Job<'_> {
    #[inline(always)]
    fn compute(self) {
        let Self { x, kernel, geometry, image, output: [rows, columns], out } = self;
        let [_, channels, height, width] = x.shape;
        let [outputs, _, kernel_height, kernel_width] = kernel.shape;
        let SignGeometry { stride, dilation, padding, pad } = geometry;
        let per_pixel = channels.div_ceil(WORD);
        let taps = kernel_height * kernel_width;
        let words = &x.words[image * height * width * per_pixel..][..height * width * per_pixel];
        // What stands around the input, with zeros behind the last channel.
        let around: Vec<u64> = (0..per_pixel)
            .map(|word| match pad {
                Some(true) => match channels - word * WORD {
                    rest if rest < WORD => !(u64::MAX << rest),
                    _ => u64::MAX,
                },
                _ => 0,
            })
            .collect();
        let mut patch = vec![0; taps * per_pixel];
        let mut mask = vec![0; taps * per_pixel];
        // The products of a row, `[columns, outputs]`: a pixel's outputs lie far apart in `out`.
        let mut line = vec![0.0; columns * outputs];
        for row in 0..rows {
            for column in 0..columns {
                let mut inside = 0;
                for tap in 0..taps {
                    let at = [tap / kernel_width, tap % kernel_width];
                    let place = [row, column];
                    let [y, x] = [0, 1].map(|axis| {
                        (place[axis] * stride[axis] + at[axis] * dilation[axis])
                            .wrapping_sub(padding[axis].0)
                    });
                    let within = y < height && x < width;
                    let from = match within {
                        true => &words[(y * width + x) * per_pixel..][..per_pixel],
                        false => &around,
                    };
                    patch[tap * per_pixel..][..per_pixel].copy_from_slice(from);
                    let counts = within || pad.is_some();
                    mask[tap * per_pixel..][..per_pixel].fill(if counts { u64::MAX } else { 0 });
                    inside += usize::from(counts);
                }
                let all = (inside * channels) as i64;
                let tiles = kernel.tiles.chunks_exact((patch.len() * LANES).max(1));
                for (tile, first) in tiles.zip((0..outputs).step_by(LANES)) {
                    let counts = match inside == taps {
                        true => differences::<false>(&patch, &mask, tile),
                        false => differences::<true>(&patch, &mask, tile),
                    };
                    let line = &mut line[column * outputs..][first..outputs];
                    for (out, count) in line.iter_mut().zip(counts) {
                        *out = (all - 2 * count as i64) as f32;
                    }
                }
            }
            for (output, plane) in out.chunks_exact_mut(rows * columns).enumerate() {
                let from = line[output..].iter().step_by(outputs);
                plane[row * columns..].iter_mut().zip(from).for_each(|(to, &from)| *to = from);
            }
        }
    }
}

/// In how many bits a patch differs from each of the kernels of a tile; `MASKED` leaves some words
/// out.
#[inline(always)]
fn differences<const MASKED: bool>(patch: &[u64], mask: &[u64], tile: &[u64]) -> [u64; LANES] {
    let mut counts = [0; LANES];
    let (rows, _) = tile.as_chunks::<LANES>();
    for ((&word, &mask), row) in patch.iter().zip(mask).zip(rows) {
        for (count, &other) in counts.iter_mut().zip(row) {
            let differing = word ^ other;
            let differing = if MASKED { differing & mask } else { differing };
            *count += u64::from(differing.count_ones());
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{numbers, values};

    fn sign(value: f32) -> f32 {
        if value < 0.0 { -1.0 } else { 1.0 }
    }

    #[test]
    fn signs_come_back_and_foreign_words_are_refused() {
        for shape in [[2, 3, 4, 5], [1, 64, 2, 2], [3, 65, 1, 1], [1, 200, 3, 1]] {
            let values = values(shape.iter().product(), 1);
            let packed = PackedSigns::pack(&values, shape);
            let signs: Vec<f32> = values.iter().map(|&value| sign(value)).collect();
            assert_eq!(packed.values(), signs);
            let words = packed.words().to_vec();
            assert_eq!(PackedSigns::from_words(words.clone(), shape), Some(packed));
            assert_eq!(PackedSigns::from_words(words[1..].to_vec(), shape), None);
            if shape[1] % WORD > 0 {
                let mut other = words;
                *other.last_mut().unwrap() |= 1 << 63;
                assert_eq!(PackedSigns::from_words(other, shape), None);
            }
        }
        assert_eq!(PackedSigns::pack(&[-0.0, 0.0], [1, 2, 1, 1]).words(), [0]);
    }

    #[test]
    fn products_are_those_of_the_definition_exactly() {
        let mut from = numbers(5);
        for case in 0..60 {
            let channels = [from(1, 140), from(1, 70)];
            let kernel = [from(1, 4), from(1, 4)];
            let (stride, dilation) = ([from(1, 3), from(1, 2)], [from(1, 2), from(1, 3)]);
            let padding = [0, 1].map(|_| (from(0, 2), from(0, 2)));
            let input = [0, 1].map(|axis| from(1, 5) + dilation[axis] * (kernel[axis] - 1));
            let pad = [None, Some(false), Some(true)][case % 3];
            let geometry = SignGeometry { stride, dilation, padding, pad };
            let x = values(2 * channels[0] * input[0] * input[1], case as u32);
            let weight = values(channels[0] * channels[1] * kernel[0] * kernel[1], 99);
            let packed = PackedSigns::pack(&x, [2, channels[0], input[0], input[1]]);
            let of_weight =
                PackedSigns::pack(&weight, [channels[1], channels[0], kernel[0], kernel[1]]);
            let got = sign_conv2d(&packed, &PackedKernel::new(&of_weight), geometry);
            let [rows, columns] = geometry.output(input, kernel).unwrap();
            let around = pad.map_or(0.0, |negative| if negative { -1.0 } else { 1.0 });
            for (at, got) in got.into_iter().enumerate() {
                let (row, column) = (at / columns % rows, at % columns);
                let (o, n) =
                    (at / (rows * columns) % channels[1], at / (rows * columns * channels[1]));
                let mut wanted = 0.0;
                for c in 0..channels[0] {
                    for i in 0..kernel[0] {
                        for j in 0..kernel[1] {
                            let y = (row * stride[0] + i * dilation[0]).wrapping_sub(padding[0].0);
                            let z =
                                (column * stride[1] + j * dilation[1]).wrapping_sub(padding[1].0);
                            let value = match y < input[0] && z < input[1] {
                                true => {
                                    sign(x[((n * channels[0] + c) * input[0] + y) * input[1] + z])
                                }
                                false => around,
                            };
                            let w = weight[((o * channels[0] + c) * kernel[0] + i) * kernel[1] + j];
                            wanted += value * sign(w);
                        }
                    }
                }
                assert_eq!(got, wanted, "case {case}, {at}: {geometry:?}");
            }
        }
    }
}
