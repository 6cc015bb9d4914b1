//! The network and the numbers of the reference values by foolbox.

use crate::reference::{list, tensor};
use burn::tensor::{Device, Int, Tensor};
use cni_attacks::{Goal, Norm};
use serde_json::Value;

/// A file of `tests/reference/data`.
pub fn read(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data");
    serde_json::from_str(&std::fs::read_to_string(format!("{folder}/{name}")).unwrap()).unwrap()
}

/// The network of `tests/reference/attacks.py`.
pub fn network() -> impl Fn(Tensor<4>) -> Tensor<2> {
    let values = &read("attacks.json")["values"];
    let [w1, w2] = [("w1", [16, 12]), ("w2", [4, 16])]
        .map(|(name, shape)| tensor(&values[name]["data"], shape).transpose());
    let [b1, b2] = [("b1", 16), ("b2", 4)].map(|(name, n)| tensor(&values[name]["data"], [1, n]));
    move |x| {
        let hidden = (x.flatten::<2>(1, 3).matmul(w1.clone()) + b1.clone()).tanh();
        hidden.matmul(w2.clone()) + b2.clone()
    }
}

/// The goal of a case of `data`: away from its labels or towards its targets.
pub fn goal(data: &Value, case: &Value) -> Goal {
    let classes = |name: &str| -> Tensor<1, Int> {
        Tensor::from_data(list::<i64>(&data[name]).as_slice(), &Device::flex())
    };
    match case["targeted"].as_bool().unwrap() {
        false => Goal::Misclassify(classes("labels")),
        true => Goal::Target(classes("targets")),
    }
}

pub fn norm(case: &Value) -> Norm {
    serde_json::from_value(case["norm"].clone()).unwrap()
}
