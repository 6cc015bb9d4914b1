//! Functions of each parameter at its place.

use super::Place;
#[cfg(feature = "binary")]
use burn::module::ModuleVisitor;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

/// Something to do with each floating-point parameter at its path.
#[cfg(feature = "binary")]
pub(crate) trait VisitParameter {
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>);
}

/// Visits each floating-point parameter of a module.
#[cfg(feature = "binary")]
pub(crate) fn visit_parameters<M: Module>(model: &M, visit: &mut impl VisitParameter) {
    struct Visitor<'a, V>(Place, &'a mut V);
    impl<V: VisitParameter> ModuleVisitor for Visitor<'_, V> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.exit();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.visit(&self.0.path(), param);
        }
    }
    model.visit(&mut Visitor(Place::default(), visit));
}

/// A function of each floating-point parameter and its place.
pub(crate) trait AtPlace {
    fn map<const D: usize>(&mut self, place: &Place, param: Param<Tensor<D>>) -> Param<Tensor<D>>;
}

/// The module with each floating-point parameter mapped.
pub(crate) fn map_parameters<M: Module>(model: M, map: impl AtPlace) -> M {
    struct Mapper<F>(Place, F);
    impl<F: AtPlace> ModuleMapper for Mapper<F> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.exit();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.1.map(&self.0, param)
        }
    }
    model.map(&mut Mapper(Place::default(), map))
}
