//! A chain as the kernels see it.

use crate::cells::{Layout, Shape};
use crate::noise::StdPower;
use std::ops::Range;

/// A chain: its nodes, each of which makes a value of earlier ones. Value 0 is the input, value
/// `n + 1` the result of node `n`; the last is the output. Parameters lie one after another in one
/// vector, in which nodes have their ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub input: Layout,
    pub nodes: Vec<Node>,
    /// True if the result is the output's mean over positions.
    pub mean: bool,
    /// Values of the statistics: for each norm of the batch its means and variances.
    pub statistics: usize,
}

/// `max(0, norm(x * weight) + residual)`, each part if there is one. Noise stands in the place of
/// the norm.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub input: usize,
    pub conv: Option<Conv>,
    pub norm: Norm,
    pub residual: Option<usize>,
    pub relu: bool,
    /// The layout of the result.
    pub layout: Layout,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    pub shape: Shape,
    pub weight: Range<usize>,
}

/// The norm of a node: what follows its convolution, one value a channel, or noise.
#[derive(Clone, Debug, PartialEq)]
pub enum Norm {
    None,
    /// `x + shift`
    Shift(Range<usize>),
    /// `x · scale + shift`
    Affine {
        scale: Range<usize>,
        shift: Range<usize>,
    },
    /// The batch's statistics, which go to their place among those of all norms.
    Batch {
        gamma: Range<usize>,
        beta: Range<usize>,
        epsilon: f64,
        statistics: usize,
    },
    /// Noise on a value, without a convolution.
    Noise(Noise),
}

/// `x + Σₜ sᵖ⁽ᵗ⁾ tableₜ`, with `s` the unbiased standard deviation of all of `x`, and tables
/// `[channels, height, width]` that all images share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noise {
    pub terms: Vec<(StdPower, Range<usize>)>,
    /// True if the gradient passes through the standard deviation.
    pub through_std: bool,
}

impl Node {
    /// The node that gives its input as it is.
    pub fn identity(input: usize, layout: Layout) -> Self {
        Self { input, conv: None, norm: Norm::None, residual: None, relu: false, layout }
    }

    pub fn is_identity(&self) -> bool {
        *self == Self::identity(self.input, self.layout)
    }
}

impl Noise {
    pub fn reads_std(&self) -> bool {
        self.terms.iter().any(|&(power, _)| power != StdPower::Zero)
    }
}

impl Plan {
    /// The layout of a value.
    pub fn layout(&self, value: usize) -> Layout {
        match value {
            0 => self.input,
            _ => self.nodes[value - 1].layout,
        }
    }

    pub fn output(&self) -> Layout {
        self.layout(self.nodes.len())
    }

    /// `[batch, channels, height, width]` of the result.
    pub fn output_dims(&self) -> [usize; 4] {
        let Layout { batch, channels, size: [height, width], .. } = self.output();
        if self.mean { [batch, channels, 1, 1] } else { [batch, channels, height, width] }
    }

    /// True for the result of a batch norm by the batch's statistics without a residual: it follows
    /// from what the norm keeps for its gradient. A noisy value would take two passes, and is kept.
    pub fn can_be_made_again(&self, value: usize) -> bool {
        let node = value.checked_sub(1).map(|index| &self.nodes[index]);
        node.is_some_and(|node| matches!(node.norm, Norm::Batch { .. }) && node.residual.is_none())
    }

    /// True if a node takes its statistics from the sums of this value, which are known where it is
    /// made.
    pub fn is_summed(&self, value: usize) -> bool {
        self.nodes.iter().filter(|node| node.input == value).any(|node| match &node.norm {
            Norm::Batch { .. } => node.conv.is_none(),
            Norm::Noise(noise) => noise.reads_std(),
            _ => false,
        })
    }

    /// For each value how often nodes read it, and the output.
    pub fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.nodes.len() + 1];
        for node in &self.nodes {
            readers[node.input] += 1;
            if let Some(residual) = node.residual {
                readers[residual] += 1;
            }
        }
        readers[self.nodes.len()] += 1;
        readers
    }
}
