//! Initial weights as a function of a key.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use cni_noise::{Key, normal_at};

/// The module with every weight drawn anew from `key`.
///
/// Burn draws initial weights from the device's generator, at first use, so that they depend on
/// everything that drew before. Here each weight is a function of the key and of its path.
///
/// Parameters named `weight` of rank 2 or more get He et al.'s normal law for rectifiers (ICCV
/// 2015, eq. 10), variance `2 / fan_in`; the weight of an `Embedding`, which multiplies nothing,
/// gets the standard normal law, as by Burn and PyTorch. Parameters named `bias` become zero.
/// Others, the parameters of noise included, keep their values.
///
/// Burn's own initial weights are drawn before they are replaced, so that the device's generator
/// moves on.
pub fn keyed_init<M: Module>(model: M, key: Key) -> M {
    model.map(&mut KeyedInit { key, path: Vec::new(), embedding: false })
}

struct KeyedInit {
    key: Key,
    path: Vec<String>,
    /// Whether the parameter at hand is one of an embedding.
    embedding: bool,
}

impl ModuleMapper for KeyedInit {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(name.to_string());
        self.embedding = container == "Struct:Embedding";
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (name, path) = (self.path.last().map(String::as_str), self.path.join("."));
        let embedding = self.embedding;
        let new = |old: &Tensor<D>| {
            let shape = old.dims();
            match name {
                Some("weight") if D >= 2 => {
                    // Linear weights are [in, out], convolutions [out, in, kernel..].
                    let fan_in: usize = if D == 2 { shape[0] } else { shape[1..].iter().product() };
                    let std = if embedding { 1.0 } else { (2.0 / fan_in as f64).sqrt() };
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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    struct Words {
        embedding: Embedding,
        linear: Linear,
    }

    /// 20,000 draws: the standard deviation of their standard deviation is 0.5 %.
    #[test]
    fn an_embedding_is_drawn_with_standard_deviation_one_and_a_linear_layer_by_its_inputs() {
        let device = Device::flex();
        let embedding = EmbeddingConfig::new(1_000, 20).init(&device);
        let linear = LinearConfig::new(1_000, 20).init(&device);
        let words = keyed_init(Words { embedding, linear }, Key::new(1));
        let std =
            |weight: Tensor<2>| cni_noise::laws::standard_deviation(weight).into_scalar::<f64>();
        assert!((std(words.embedding.weight.val()) - 1.0).abs() < 0.02);
        assert!((std(words.linear.weight.val()) / (2.0f64 / 1_000.0).sqrt() - 1.0).abs() < 0.02);
    }
}
