//! Export of a model's weights under PyTorch's names.

use crate::Result;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use cni_burn::prelude::*;
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use std::path::Path;

/// Writes the parameters and running statistics of a ResNet as a safetensors file.
pub fn export(model: &ResNet, path: &Path) -> Result<()> {
    let mut collect = Collect::default();
    model.visit(&mut collect);
    let views = collect.tensors.iter().map(|(name, data)| {
        let shape = data.shape().to_vec();
        Ok((name.clone(), TensorView::new(Dtype::F32, shape, data.as_bytes())?))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    Ok(serialize_to_file(views, None, path)?)
}

#[derive(Default)]
struct Collect {
    path: Vec<String>,
    tensors: Vec<(String, TensorData)>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // The peer has a normalization of its own.
        if self.path.first().is_some_and(|name| name == "normalize") {
            return;
        }
        let value = param.val();
        // Burn keeps the weights of linear layers [in, out], PyTorch [out, in].
        let turned = self.path.contains(&"linear".to_string()) && D == 2;
        let value = if turned { value.transpose() } else { value };
        let data = value.into_data();
        self.tensors.push((pytorch_name(&self.path), data));
    }
}

/// The name in PyTorch: `layer2.0.downsample.bn.gamma` is `layer2.0.downsample.1.weight`, and
/// `fc.linear.bias` is `fc.bias`.
fn pytorch_name(path: &[String]) -> String {
    let mut name: Vec<&str> = Vec::new();
    for part in path {
        match (part.as_str(), name.last().copied()) {
            ("conv", Some("downsample")) => name.push("0"),
            ("bn", Some("downsample")) => name.push("1"),
            ("conv" | "linear", _) => {}
            ("gamma", _) => name.push("weight"),
            ("beta", _) => name.push("bias"),
            (other, _) => name.push(other),
        }
    }
    name.join(".")
}
