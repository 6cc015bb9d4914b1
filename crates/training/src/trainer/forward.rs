use burn::tensor::Tensor;
use cni_ops::{Precision, autocast};
use std::fmt;
use std::sync::Arc;

/// The function of a model from images to logits, in the precision of a run.
pub(crate) struct Forward<N> {
    /// The element type in which training and attacks multiply.
    precision: Precision,
    function: Arc<Function<N>>,
}

type Function<N> = dyn Fn(&N, Tensor<4>) -> Tensor<2> + Send + Sync;

impl<N> Forward<N> {
    pub fn new(
        precision: Precision,
        forward: impl Fn(&N, Tensor<4>) -> Tensor<2> + Send + Sync + 'static,
    ) -> Self {
        Self { precision, function: Arc::new(forward) }
    }

    pub fn call(&self, net: &N, images: Tensor<4>) -> Tensor<2> {
        autocast(self.precision, || (self.function)(net, images))
    }

    /// The same in full precision, for judging.
    pub fn exact(&self) -> Self {
        Self { precision: Precision::Full, ..self.clone() }
    }
}

impl<N> Clone for Forward<N> {
    fn clone(&self) -> Self {
        Self { precision: self.precision, function: self.function.clone() }
    }
}

impl<N> fmt::Debug for Forward<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forward")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use cni_ops::current_precision;

    #[test]
    fn a_model_runs_in_the_precision_of_its_run_and_nothing_else_does() {
        let forward = Forward::new(Precision::Bf16, |_: &(), images: Tensor<4>| {
            assert_eq!(current_precision(), Precision::Bf16);
            images.reshape([1, 1])
        });
        forward.call(&(), Tensor::ones([1, 1, 1, 1], &Device::flex()));
        assert_eq!(current_precision(), Precision::Full);
    }
}
