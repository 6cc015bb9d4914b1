use super::plan::{Plan, Tap};

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

/// A stride's phase of an input gradient: the positions `stride * grid + start` and what computes them.
pub struct Phase {
    pub plan: Plan,
    /// The kernel's elements that reach the phase, in the plan's order.
    pub elements: Vec<usize>,
    pub start: [usize; 2],
    pub grid: [usize; 2],
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

    /// Row and column of a kernel's element, in units of the input.
    pub fn reach(&self, element: usize) -> [usize; 2] {
        let [row, column] = [element / self.kernel[1], element % self.kernel[1]];
        [row * self.dilation[0], column * self.dilation[1]]
    }

    /// The plan that reads the input once for each output.
    pub fn forward(&self) -> Plan {
        let taps: Vec<Tap> = (0..self.kernel_len())
            .map(|element| {
                let reach = self.reach(element);
                let [row, column] =
                    [0, 1].map(|axis| reach[axis] as isize - self.padding[axis] as isize);
                Tap { row, column, element }
            })
            .collect();
        Plan::new(self.input, self.output, self.stride, &taps)
    }

    /// The plans that read the output's gradient for each input, one for each phase of the stride that any element of
    /// the kernel reaches.
    pub fn backward(&self) -> Vec<Phase> {
        let mut phases = Vec::new();
        for start in
            (0..self.stride[0]).flat_map(|row| (0..self.stride[1]).map(move |column| [row, column]))
        {
            let grid = [0, 1].map(|axis| {
                self.input[axis].saturating_sub(start[axis]).div_ceil(self.stride[axis])
            });
            let taps: Vec<Tap> = (0..self.kernel_len())
                .filter_map(|element| {
                    let reach = self.reach(element);
                    let distance = [0, 1].map(|axis| {
                        (start[axis] + self.padding[axis]) as isize - reach[axis] as isize
                    });
                    let step = self.stride.map(|step| step as isize);
                    let meets = (0..2).all(|axis| distance[axis].rem_euclid(step[axis]) == 0);
                    meets.then(|| Tap {
                        row: distance[0].div_euclid(step[0]),
                        column: distance[1].div_euclid(step[1]),
                        element,
                    })
                })
                .collect();
            if taps.is_empty() || grid.contains(&0) {
                continue;
            }
            phases.push(Phase {
                plan: Plan::new(self.output, grid, [1, 1], &taps),
                elements: taps.iter().map(|tap| tap.element).collect(),
                start,
                grid,
            });
        }
        phases
    }
}
