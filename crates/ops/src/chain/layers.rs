//! A chain layer by layer.

use super::steps::{Chain, Step, Value};
use crate::batch_norm::{Epilogue, batch_norm};
use crate::conv::{conv2d, conv2d_batch_norm};
use burn::nn::pool::AvgPool2dConfig;
use burn::tensor::Tensor;

/// Runs the steps one after another, each by an operation of its own.
pub fn run_layers(chain: &Chain, x: Tensor<4>) -> Tensor<4> {
    let mut readers = vec![0; chain.steps.len() + 1];
    for Value(read) in chain.steps.iter().flat_map(Step::reads).flatten() {
        readers[read] += 1;
    }
    readers[chain.steps.len()] += 1;
    let mut values = vec![Some(x)];
    for step in &chain.steps {
        // The last reader takes the value, so that its memory is free as early as can be.
        let mut read = |Value(value): Value| {
            readers[value] -= 1;
            let value =
                if readers[value] == 0 { values[value].take() } else { values[value].clone() };
            value.expect("a value is there until its last reader")
        };
        let result = match step {
            Step::Layer { input, conv, norm, after } => {
                let x = read(*input);
                let after = Epilogue { residual: after.residual.map(read), relu: after.relu };
                match (conv, norm) {
                    (Some(conv), Some(norm)) => conv2d_batch_norm(conv, norm, x, after),
                    (Some(conv), None) => after.apply(conv2d(conv, x)),
                    (None, Some(norm)) => batch_norm(norm, x, after),
                    (None, None) => after.apply(x),
                }
            }
            Step::Subsample { input, stride, channels } => {
                subsample(read(*input), *stride, *channels)
            }
            Step::Noise { input, noise } => noise.add(read(*input)),
            Step::Apply { input, function, .. } => function(read(*input)),
        };
        values.push(Some(result));
    }
    values.pop().flatten().expect("the last value, which the chain itself reads")
}

fn subsample(x: Tensor<4>, stride: usize, [before, behind]: [usize; 2]) -> Tensor<4> {
    let pool = AvgPool2dConfig::new([1, 1]).with_strides([stride, stride]).init();
    let x = pool.forward(x);
    let [batch, _, height, width] = x.dims();
    let options = (&x.device(), x.dtype());
    let zeros = |channels| Tensor::zeros([batch, channels, height, width], options);
    let mut parts = vec![x.clone()];
    if before > 0 {
        parts.insert(0, zeros(before));
    }
    if behind > 0 {
        parts.push(zeros(behind));
    }
    Tensor::cat(parts, 1)
}
