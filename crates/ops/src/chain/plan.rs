//! A chain as the kernels see it.

use crate::cells::{Correlation, IMAGES, Layout, Shape, Units, Weights};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

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

/// The convolution of a node, packed; none if it has none.
pub type Packed = Option<(Correlation, Weights)>;

/// `max(0, norm(x * weight) + residual)`, each part if there is one.
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

/// What follows a convolution, one value a channel.
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
    /// from what the norm keeps for its gradient.
    pub fn can_be_made_again(&self, value: usize) -> bool {
        let node = value.checked_sub(1).map(|index| &self.nodes[index]);
        node.is_some_and(|node| matches!(node.norm, Norm::Batch { .. }) && node.residual.is_none())
    }

    /// The plan for each block of images where no image's result depends on another's and no gradient
    /// is summed over them. The activations of a block stay in a core's cache on their way through
    /// the chain.
    pub fn pieces(self: &Arc<Self>, sums: bool) -> Vec<Arc<Self>> {
        let batch = self.input.batch;
        let joint = sums || self.nodes.iter().any(|node| matches!(node.norm, Norm::Batch { .. }));
        // A single node reads the images and writes its result, in whatever order.
        if joint || self.nodes.len() < 2 || batch <= IMAGES {
            return vec![self.clone()];
        }
        let block = Arc::new(self.of_images(IMAGES));
        let mut pieces = vec![block; batch / IMAGES];
        if batch % IMAGES > 0 {
            pieces.push(Arc::new(self.of_images(batch % IMAGES)));
        }
        pieces
    }

    fn of_images(&self, batch: usize) -> Self {
        let mut plan = self.clone();
        plan.input.batch = batch;
        for node in &mut plan.nodes {
            node.layout.batch = batch;
            if let Some(Conv { shape, .. }) = &mut node.conv {
                (shape.input.batch, shape.output.batch) = (batch, batch);
            }
        }
        plan
    }

    /// The convolutions packed for a direction, as far as they are wanted.
    pub fn packed(
        &self,
        units: Units,
        parameters: &[f32],
        direction: fn(Shape) -> Correlation,
        wanted: impl Fn(&Node) -> bool + Sync,
    ) -> Vec<Packed> {
        let pack = |node: &Node| {
            let conv = node.conv.as_ref().filter(|_| wanted(node))?;
            let correlation = direction(conv.shape);
            let weights = Weights::new(units, &correlation, &parameters[conv.weight.clone()]);
            Some((correlation, weights))
        };
        self.nodes.par_iter().map(pack).collect()
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
