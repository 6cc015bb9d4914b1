//! Walks over the parameters of a module that know the path of each.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// A visitor of float parameters, running statistics included.
pub trait VisitFloat {
    /// Called for each parameter with its path, such as `layer1.0.conv1.weight`.
    fn visit<const D: usize>(&mut self, path: &str, parameter: &Param<Tensor<D>>);
}

/// Shows every float parameter of a module to a visitor, in the order of the fields.
pub fn visit_floats<M: Module>(module: &M, visitor: &mut impl VisitFloat) {
    struct Walk<'a, V> {
        path: Vec<String>,
        visitor: &'a mut V,
    }
    impl<V: VisitFloat> ModuleVisitor for Walk<'_, V> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.visitor.visit(&self.path.join("."), param);
        }
    }
    module.visit(&mut Walk { path: Vec::new(), visitor });
}

/// A function of each float parameter, running statistics included.
pub trait MapFloat {
    /// Called for each parameter with its path.
    fn map<const D: usize>(&mut self, path: &str, parameter: Param<Tensor<D>>) -> Param<Tensor<D>>;
}

/// Replaces every float parameter of a module by a function of it.
pub fn map_floats<M: Module>(module: M, function: &mut impl MapFloat) -> M {
    struct Walk<'a, F> {
        path: Vec<String>,
        function: &'a mut F,
    }
    impl<F: MapFloat> ModuleMapper for Walk<'_, F> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.function.map(&self.path.join("."), param)
        }
    }
    module.map(&mut Walk { path: Vec::new(), function })
}

/// The module with other weights, before any noise: `weight` gives the value of the parameter at a
/// path as a flat tensor `[n]` without a graph, or none for one that stays as it is.
///
/// A weight on the autodiff device is a leaf there again, and requires a gradient if it did.
pub fn with_weights<M: Module>(module: M, weight: impl FnMut(&str) -> Option<Tensor<1>>) -> M {
    struct Write<W>(W);
    impl<W: FnMut(&str) -> Option<Tensor<1>>> MapFloat for Write<W> {
        fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Some(value) = (self.0)(path) else { return param };
            param.map(|old| {
                let new = value.reshape(old.dims());
                match old.is_autodiff() {
                    true => Tensor::from_inner(new).set_require_grad(old.is_require_grad()),
                    false => new,
                }
            })
        }
    }
    map_floats(module, &mut Write(weight))
}

/// A tensor of any rank as `[n]`.
pub fn flat<const D: usize>(value: Tensor<D>) -> Tensor<1> {
    let count = value.dims().iter().product::<usize>();
    value.reshape([count])
}
