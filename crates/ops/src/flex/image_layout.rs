//! The layout of an image in memory, so that a convolution reads nothing but whole vectors.
//!
//! A convolution's output is computed as one long row, its positions in row-major order. For every
//! column offset of the kernel the image is copied once with its columns shifted and strided, cut
//! to the output's width; rows of different phase of a vertical stride go to planes of their own.
//! Then the values that a tap of the kernel multiplies lie one after another in the order of the
//! output, borders included as zeros, whatever the width, stride, padding or dilation.

/// One element of the kernel: it multiplies the source value at `stride * position + offset` of its
/// row and column.
#[derive(Clone, Copy, Debug)]
pub struct Tap {
    /// Row offset, may be negative.
    pub row: isize,
    /// Column offset, may be negative.
    pub column: isize,
    /// The element of the kernel, in row-major order.
    pub element: usize,
}

/// A copy of the source for one column offset and one phase of the rows.
#[derive(Debug)]
struct Plane {
    column: isize,
    phase: isize,
    /// The plane's first row is source row `stride * first + phase`.
    first: isize,
    rows: usize,
    /// The start of the plane among a channel's planes.
    start: usize,
}

/// The layout of one channel of a source image for one set of taps.
#[derive(Debug)]
pub struct ImageLayout {
    source: [usize; 2],
    grid: [usize; 2],
    stride: [usize; 2],
    planes: Vec<Plane>,
    /// The start of each tap's values among a channel's planes.
    offsets: Vec<usize>,
    /// For each tap, its element of the kernel.
    elements: Vec<usize>,
    channel_len: usize,
}

impl ImageLayout {
    /// A layout that computes a `grid` of outputs from a `source` image, both `[rows, columns]`.
    pub fn new(source: [usize; 2], grid: [usize; 2], stride: [usize; 2], taps: &[Tap]) -> Self {
        let split = |tap: &Tap| {
            let step = stride[0] as isize;
            (tap.row.rem_euclid(step), tap.row.div_euclid(step))
        };
        let mut planes: Vec<Plane> = Vec::new();
        for tap in taps {
            let (phase, row) = split(tap);
            match planes.iter_mut().find(|p| (p.column, p.phase) == (tap.column, phase)) {
                Some(plane) => {
                    let end = (plane.first + plane.rows as isize).max(row + grid[0] as isize);
                    plane.first = plane.first.min(row);
                    plane.rows = (end - plane.first) as usize;
                }
                None => planes.push(Plane {
                    column: tap.column,
                    phase,
                    first: row,
                    rows: grid[0],
                    start: 0,
                }),
            }
        }
        let mut channel_len = 0;
        for plane in &mut planes {
            plane.start = channel_len;
            channel_len += plane.rows * grid[1];
        }
        let offset = |tap: &Tap| {
            let (phase, row) = split(tap);
            let plane = planes.iter().find(|p| (p.column, p.phase) == (tap.column, phase));
            plane.map_or(0, |plane| plane.start + (row - plane.first) as usize * grid[1])
        };
        let offsets = taps.iter().map(offset).collect();
        let elements = taps.iter().map(|tap| tap.element).collect();
        Self { source, grid, stride, planes, offsets, elements, channel_len }
    }

    /// Values of one channel's planes.
    pub fn channel_len(&self) -> usize {
        self.channel_len
    }

    /// Each tap's element of the kernel.
    pub fn elements(&self) -> &[usize] {
        &self.elements
    }

    /// Rows and columns of one image's outputs.
    pub fn grid(&self) -> [usize; 2] {
        self.grid
    }

    /// Outputs of one image.
    pub fn grid_len(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// The start of each tap's values among a channel's planes.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Writes the planes of one channel; what lies outside the source is zero.
    #[inline(always)]
    pub fn fill(&self, source: &[f32], planes: &mut [f32]) {
        let [height, width] = self.source.map(|size| size as isize);
        let [step, column_step] = self.stride.map(|step| step as isize);
        let columns = self.grid[1];
        for plane in &self.planes {
            let values = &mut planes[plane.start..][..plane.rows * columns];
            // The rows whose source row exists.
            let begin = (-plane.first).clamp(0, plane.rows as isize) as usize;
            let end = (height - 1 - plane.phase).div_euclid(step) + 1;
            let end = (end - plane.first).clamp(begin as isize, plane.rows as isize) as usize;
            values[..begin * columns].fill(0.0);
            values[end * columns..].fill(0.0);
            let source_row =
                |row: usize| (step * (plane.first + row as isize) + plane.phase) * width;
            // The columns whose source column exists.
            let left =
                ((column_step - 1 - plane.column).max(0) / column_step).min(columns as isize);
            let right = ((width - 1 - plane.column).div_euclid(column_step) + 1)
                .clamp(left, columns as isize);
            let (left, right) = (left as usize, right as usize);
            if step == 1 && column_step == 1 && columns as isize == width && begin < end {
                // All rows in one copy, shifted; the columns that wrapped around are zeroed
                // afterwards, and so is what the source has no values for.
                let from = source_row(begin) + plane.column;
                let target = &mut values[begin * columns..end * columns];
                let len = target.len() as isize;
                let skip = (-from).clamp(0, len);
                let until = (source.len() as isize - from).clamp(skip, len);
                // None are left where a column's offset is larger than the image.
                if skip < until {
                    target[skip as usize..until as usize]
                        .copy_from_slice(&source[(from + skip) as usize..(from + until) as usize]);
                }
                // Column by column: a call for each short piece of a row would cost more than the
                // copy.
                for column in (0..left).chain(right..columns) {
                    target[column..].iter_mut().step_by(columns).for_each(|value| *value = 0.0);
                }
                continue;
            }
            for row in begin..end {
                let from = source_row(row) + column_step * left as isize + plane.column;
                let target = &mut values[row * columns..][..columns];
                target[..left].fill(0.0);
                target[right..].fill(0.0);
                let target = &mut target[left..right];
                if target.is_empty() {
                    continue;
                }
                let source = &source[from as usize..];
                match column_step {
                    1 => target.copy_from_slice(&source[..target.len()]),
                    2 => {
                        let (pairs, rest) = source.as_chunks::<2>();
                        for (value, pair) in target.iter_mut().zip(pairs) {
                            *value = pair[0];
                        }
                        if let Some(last) = target.get_mut(pairs.len()) {
                            *last = rest[0];
                        }
                    }
                    step => {
                        for (value, &s) in
                            target.iter_mut().zip(source.iter().step_by(step as usize))
                        {
                            *value = s;
                        }
                    }
                }
            }
        }
    }
}
