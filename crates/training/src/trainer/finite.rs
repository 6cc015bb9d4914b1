//! The check that all numbers of a model are finite.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// The path and the first such value of a parameter that is NaN or infinite somewhere, running
/// statistics included.
///
/// One number is read back from the device, unless there is something to report.
pub(crate) fn not_finite<M: Module>(model: &M) -> Option<(String, f64)> {
    let mut sum = Zeros(None);
    model.visit(&mut sum);
    let zero = sum.0.map_or(0.0, |sum| sum.into_scalar::<f64>());
    if zero == 0.0 {
        return None;
    }
    let mut find = Find::default();
    model.visit(&mut find);
    find.found
}

/// Sums zero times every number: zero, or NaN.
struct Zeros(Option<Tensor<1>>);

impl ModuleVisitor for Zeros {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let zero = param.base().mul_scalar(0.0).sum();
        self.0 = Some(match self.0.take() {
            Some(sum) => sum + zero,
            None => zero,
        });
    }
}

#[derive(Default)]
struct Find {
    path: Vec<String>,
    found: Option<(String, f64)>,
}

impl ModuleVisitor for Find {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.found.is_some() {
            return;
        }
        let data = param.base().into_data().convert::<f64>();
        let value = data.iter::<f64>().find(|value| !value.is_finite());
        self.found = value.map(|value| (self.path.join("."), value));
    }
}
