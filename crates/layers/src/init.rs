//! Initial weights as a function of a key.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use cni_noise::{Key, normal_at};

/// The module with every weight drawn anew from `key`.
///
/// Burn draws initial weights from the device's generator, at first use, so that they depend on everything that drew
/// before. Here each weight is a function of the key and of its path.
///
/// Parameters named `weight` of rank 2 or more get He et al.'s normal law for rectifiers (ICCV 2015, eq. 10), variance
/// `2 / fan_in`; those named `bias` become zero. Others, the parameters of noise included, keep their values.
pub fn keyed_init<M: Module>(model: M, key: Key) -> M {
    model.map(&mut KeyedInit { key, path: Vec::new() })
}

struct KeyedInit {
    key: Key,
    path: Vec<String>,
}

impl ModuleMapper for KeyedInit {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (name, path) = (self.path.last().map(String::as_str), self.path.join("."));
        let new = |old: &Tensor<D>| {
            let shape = old.dims();
            match name {
                Some("weight") if D >= 2 => {
                    // Linear weights are [in, out], convolutions [out, in, kernel..].
                    let fan_in: usize = if D == 2 { shape[0] } else { shape[1..].iter().product() };
                    let std = (2.0 / fan_in as f64).sqrt();
                    Some(normal_at(self.key.named(&path), 0, shape, old).mul_scalar(std))
                }
                Some("bias") => Some(old.clone().inner().zeros_like()),
                _ => None,
            }
        };
        let tracked = param.is_require_grad();
        param.map(|old| match new(&old) {
            Some(new) if old.is_autodiff() => new.autodiff().set_require_grad(tracked),
            Some(new) => new,
            None => old,
        })
    }
}
