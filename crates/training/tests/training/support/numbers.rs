//! Every number of a model.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// Every number of a model, running statistics included, before any noise.
pub fn numbers<M: Module>(model: &M) -> Vec<f32> {
    struct Collect(Vec<f32>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.base().try_to_vec_as::<f32>().unwrap());
        }
    }
    let mut collect = Collect(Vec::new());
    model.visit(&mut collect);
    collect.0
}
