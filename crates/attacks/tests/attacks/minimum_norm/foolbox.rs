//! The networks and images of the reference values that were made beside foolbox.

use super::reference::{list, tensor};
use burn::tensor::{Device, Int, Tensor};
use cni_attacks::Goal;
use serde_json::Value;

/// A file of `tests/reference/data`.
pub fn read(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The images, the goal and the network of a case.
pub struct Setting {
    pub images: Tensor<4>,
    /// Away from the labels or towards the targets.
    pub goal: Goal,
    /// `w1`, `b1`, `w2`, `b2`
    layers: [Tensor<2>; 4],
}

impl Setting {
    /// The network is that of the file after which the case names its model.
    pub fn of(data: &Value, case: &Value) -> Self {
        let name = case["model"].as_str().unwrap();
        let (model, values) = (&data["models"][name], &read(name)["values"]);
        let layers = ["w1", "b1", "w2", "b2"].map(|layer| {
            let (shape, values) = (list(&values[layer]["shape"]), &values[layer]["data"]);
            match shape[..] {
                [outputs, inputs] => tensor(values, [outputs, inputs]),
                _ => tensor(values, [1, shape[0]]),
            }
        });
        let classes = |name: &str| -> Tensor<1, Int> {
            Tensor::from_data(list::<i64>(&model[name]).as_slice(), &Device::flex())
        };
        let goal = match case["targeted"].as_bool().unwrap() {
            false => Goal::Misclassify(classes("labels")),
            true => Goal::Target(classes("targets")),
        };
        let shape = list::<usize>(&model["shape"]).try_into().unwrap();
        Self { images: tensor(&model["images"], shape), goal, layers }
    }

    pub fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let [w1, b1, w2, b2] = self.layers.clone();
        let hidden = images.flatten::<2>(1, 3).matmul(w1.transpose()) + b1;
        hidden.tanh().matmul(w2.transpose()) + b2
    }
}
