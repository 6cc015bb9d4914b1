//! Walks over the float parameters of a module that know the path of each.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// A visitor of float parameters, running statistics included.
pub(crate) trait VisitFloat {
    /// Called for each parameter with its path.
    fn visit<const D: usize>(&mut self, path: &str, parameter: &Param<Tensor<D>>);
}

/// Shows every float parameter of a module to a visitor.
pub(crate) fn visit_floats<M: Module>(module: &M, visitor: &mut impl VisitFloat) {
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
pub(crate) trait MapFloat {
    /// Called for each parameter with its path.
    fn map<const D: usize>(&mut self, path: &str, parameter: Param<Tensor<D>>) -> Param<Tensor<D>>;
}

/// Replaces every float parameter of a module by a function of it.
pub(crate) fn map_floats<M: Module>(module: M, function: &mut impl MapFloat) -> M {
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
