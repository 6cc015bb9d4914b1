//! Walks over the parameters and layers of a module that know the path of each.

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
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

/// The layers of Burn's that mix the examples of a batch in training, all there are.
pub(crate) const MIXING: [&str; 1] = ["BatchNorm"];

/// The first layer of Burn's with one of these names, such as `Dropout`, that is in training and
/// not frozen: its name and its path.
pub(crate) fn layer_in_training<M: Module>(model: &M, names: &[&str]) -> Option<String> {
    struct Walk<'a> {
        names: &'a [&'a str],
        path: Vec<String>,
        found: Option<String>,
    }
    impl ModuleVisitor for Walk<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.push(name.to_string());
            if let Some(layer) = named(self.names, container) {
                self.path.push(layer.to_string());
            }
        }
        fn exit_module(&mut self, _name: &str, container: &str) {
            self.path.pop();
            if named(self.names, container).is_some() {
                self.path.pop();
            }
        }
        fn visit_flag(&mut self, flag: &Param<Flag>) {
            if let [module @ .., _training, layer] = self.path.as_slice()
                && self.names.contains(&layer.as_str())
                && flag.is_enabled()
            {
                self.found.get_or_insert_with(|| format!("{layer} at {:?}", module.join(".")));
            }
        }
    }
    fn named<'a>(names: &[&str], container: &'a str) -> Option<&'a str> {
        container.strip_prefix("Struct:").filter(|layer| names.contains(layer))
    }
    let mut walk = Walk { names, path: Vec::new(), found: None };
    model.visit(&mut walk);
    walk.found
}
