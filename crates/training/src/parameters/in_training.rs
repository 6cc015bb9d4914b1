//! Layers that behave otherwise in training than in inference.

use burn::module::{Flag, Module, ModuleVisitor, Param};

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
