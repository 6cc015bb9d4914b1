//! Convolutions of signs.

use super::{PackedSigns, WORD};
use crate::arch::arch;
use crate::shape::conv2d_output_size;
#[cfg(target_arch = "x86_64")]
use pulp::Arch;
use pulp::NullaryFnOnce;
use rayon::prelude::*;

/// Outputs whose counts stay in registers.
const LANES: usize = 32;

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
    /// The sign of these pixels, negative if true; without one they are zeros, which count for
    /// nothing.
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
    let words = x.words.par_chunks_exact((height * width * channels.div_ceil(WORD)).max(1));
    images.zip(words).for_each(|(out, words)| {
        Job { words, size: [height, width], kernel, geometry, output, out }.run();
    });
    out
}

/// The convolution of one image.
pub(super) struct Job<'a> {
    /// Its words, `[height, width, words]`.
    pub words: &'a [u64],
    /// Height and width.
    pub size: [usize; 2],
    pub kernel: &'a PackedKernel,
    pub geometry: SignGeometry,
    /// Height and width of the output.
    pub output: [usize; 2],
    /// The output, `[channels_out, height_out, width_out]`.
    pub out: &'a mut [f32],
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

impl NullaryFnOnce for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.compute();
    }
}

impl Job<'_> {
    /// Computes the output by the widest vectors there are.
    pub fn run(self) {
        #[cfg(target_arch = "x86_64")]
        if let (Arch::V4(_), Some(counting)) = (arch(), Counting::try_new()) {
            return counting.vectorize(self);
        }
        arch().dispatch(self);
    }

    #[inline(always)]
    fn compute(self) {
        let Self { words, size: [height, width], kernel, geometry, output: [rows, columns], out } =
            self;
        let [outputs, channels, kernel_height, kernel_width] = kernel.shape;
        let SignGeometry { stride, dilation, padding, pad } = geometry;
        let per_pixel = channels.div_ceil(WORD);
        let taps = kernel_height * kernel_width;
        // The words around the input, with zeros behind the last channel.
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
