/// Implements Burn's `Module`, by hand, for a type without parameters that visitors hear of: as a
/// module within, of a name and a container that a function of the type gives, or none.
macro_rules! announced {
    ($module:ty, $announce:expr) => {
        impl burn::module::Module for $module {
            fn visit<V: burn::module::ModuleVisitor>(&self, visitor: &mut V) {
                let announce: fn(&Self) -> Option<(String, &'static str)> = $announce;
                if let Some((name, container)) = announce(self) {
                    visitor.enter_module(&name, container);
                    visitor.exit_module(&name, container);
                }
            }

            fn map<M: burn::module::ModuleMapper>(self, _: &mut M) -> Self {
                self
            }

            fn to_device(self, _: &burn::tensor::Device) -> Self {
                self
            }

            fn fork(self, _: &burn::tensor::Device) -> Self {
                self
            }

            fn collect_devices(&self, devices: burn::module::Devices) -> burn::module::Devices {
                devices
            }

            fn materialize(self) -> Self {
                self
            }

            fn valid(&self) -> Self {
                self.clone()
            }

            fn train(self) -> Self {
                self
            }
        }
    };
}
pub(crate) use announced;
