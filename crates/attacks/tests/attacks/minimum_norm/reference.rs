//! Carlini and Wagner's attack in Linf against an implementation in PyTorch, in double precision.
//! `tests/reference/carlini_wagner_linf.py` made the numbers.

use super::exact::rows;
use crate::support::gap;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use cni_attacks::{Attack, CarliniWagnerLinf, Goal, Norm, Threat};
use cni_noise::Key;
use serde::de::DeserializeOwned;
use serde_json::Value;

const DATA: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/carlini_wagner_linf.json");

pub fn list<T: DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

pub fn tensor<const D: usize>(values: &Value, shape: [usize; D]) -> Tensor<D> {
    let data = TensorData::new(list::<f64>(values), shape);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

#[test]
fn the_bounds_of_linf_are_lowered_as_in_pytorch() {
    let data: Value = serde_json::from_str(&std::fs::read_to_string(DATA).unwrap()).unwrap();
    let of = |name: &str| &data["values"][name]["data"];
    let [w1, w2] = [tensor(of("w1"), [16, 27]), tensor(of("w2"), [5, 16])];
    let [b1, b2] = [tensor(of("b1"), [1, 16]), tensor(of("b2"), [1, 5])];
    let network = |x: Tensor<4>| {
        let hidden = x.flatten::<2>(1, 3).matmul(w1.clone().transpose()) + b1.clone();
        hidden.tanh().matmul(w2.clone().transpose()) + b2.clone()
    };
    let shape = [6, 3, 3, 3];
    let images = tensor::<4>(of("x"), shape);
    let classes = |name: &str| -> Tensor<1, Int> {
        Tensor::from_data(list::<i64>(&data[name]).as_slice(), &Device::flex())
    };
    let cases = data["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let number = |name: &str| case[name].as_f64().unwrap();
        let goal = match case["targeted"].as_bool().unwrap() {
            true => Goal::Target(classes("targets")),
            false => Goal::Misclassify(classes("labels")),
        };
        let attack = CarliniWagnerLinf::new(Threat::unbounded(Norm::Linf))
            .and_then(|attack| attack.with_steps(number("steps") as usize))
            .and_then(|attack| attack.with_step_size(number("step")))
            .and_then(|attack| attack.with_constants(number("first"), number("last")))
            .and_then(|attack| attack.with_tau_factor(number("factor")))
            .and_then(|attack| attack.with_least_tau(number("least")))
            .and_then(|attack| attack.with_confidence(number("confidence")))
            .unwrap();
        let found =
            attack.on(&network).with_key(Key::new(1)).run(images.clone(), &goal).unwrap().images;
        let gap = gap(&found, &tensor(&case["result"], shape));
        assert!(gap < 1e-9, "{} {goal:?}: {gap}", attack.name());
        // By the authors' own rules for a met bound, results are as near on the whole: a bound
        // falls by at most a tenth.
        if let Some(theirs) = case.get("authors").map(list::<f64>) {
            let distances = rows(&Norm::Linf.distance(&found, &images));
            let excess = distances.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs - 1.0);
            let excess: Vec<f64> = excess.collect();
            let mean = excess.iter().sum::<f64>() / 6.0;
            assert!(excess.iter().all(|e| *e > -0.15 && *e < 0.05) && mean < 0.0, "{excess:?}");
        }
    }
}
