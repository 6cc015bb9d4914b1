use super::image_layout::{ImageLayout, Tap};

/// The shape of a 2-D convolution without groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub batch: usize,
    /// Channels in and out.
    pub channels: [usize; 2],
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Rows above and columns left of the input.
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
}

impl Geometry {
    pub fn kernel_len(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    pub fn input_len(&self) -> usize {
        self.channels[0] * self.input[0] * self.input[1]
    }

    pub fn output_len(&self) -> usize {
        self.channels[1] * self.output[0] * self.output[1]
    }

    /// `[batch, channels, height, width]` of the output.
    pub fn output_dims(&self) -> [usize; 4] {
        [self.batch, self.channels[1], self.output[0], self.output[1]]
    }

    /// Row and column of a kernel's element, in units of the input.
    pub fn reach(&self, element: usize) -> [usize; 2] {
        let [row, column] = [element / self.kernel[1], element % self.kernel[1]];
        [row * self.dilation[0], column * self.dilation[1]]
    }

    /// The layout that reads the input once for each output.
    pub fn forward(&self) -> ImageLayout {
        let taps: Vec<Tap> = (0..self.kernel_len())
            .map(|element| {
                let reach = self.reach(element);
                let [row, column] =
                    [0, 1].map(|axis| reach[axis] as isize - self.padding[axis] as isize);
                Tap { row, column, element }
            })
            .collect();
        ImageLayout::new(self.input, self.output, self.stride, &taps)
    }

    /// The layout that reads the output's gradient for the inputs at every `stride`-th place, with
    /// the taps of all phases of the stride one after another; and the number of taps of each
    /// phase, row by row.
    pub fn backward(&self) -> (ImageLayout, Vec<usize>) {
        let grid = [0, 1].map(|axis| self.input[axis].div_ceil(self.stride[axis]));
        let phases = (0..self.stride[0])
            .flat_map(|row| (0..self.stride[1]).map(move |column| [row, column]));
        let of_phase = |start: [usize; 2]| {
            (0..self.kernel_len()).filter_map(move |element| {
                let reach = self.reach(element);
                let distance = [0, 1]
                    .map(|axis| (start[axis] + self.padding[axis]) as isize - reach[axis] as isize);
                let step = self.stride.map(|step| step as isize);
                let meets = (0..2).all(|axis| distance[axis].rem_euclid(step[axis]) == 0);
                let [row, column] = [0, 1].map(|axis| distance[axis].div_euclid(step[axis]));
                meets.then_some(Tap { row, column, element })
            })
        };
        let taps: Vec<Vec<Tap>> = phases.map(|start| of_phase(start).collect()).collect();
        let counts = taps.iter().map(Vec::len).collect();
        (ImageLayout::new(self.output, grid, [1, 1], &taps.concat()), counts)
    }
}
