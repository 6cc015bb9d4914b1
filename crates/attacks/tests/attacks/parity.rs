//! The same attacks as PyTorch's, in double precision, to 1e-9. `tests/reference/attacks.py` made
//! the numbers.

use crate::support::gap;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use cni_attacks::{Attack, Goal, Loss, Pgd, Threat};
use cni_noise::Key;
use serde_json::Value;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/attacks.json");

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn tensor<const D: usize>(values: &Value, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers(values), shape), (&Device::flex(), DType::F64))
}

#[test]
fn attacks_agree_with_pytorch() {
    let data: Value = serde_json::from_str(&std::fs::read_to_string(DATA).unwrap()).unwrap();
    let values = &data["values"];
    let [w1, w2] = [("w1", [16, 12]), ("w2", [4, 16])]
        .map(|(name, shape)| tensor(&values[name]["data"], shape).transpose());
    let [b1, b2] = [("b1", 16), ("b2", 4)].map(|(name, n)| tensor(&values[name]["data"], [1, n]));
    let images = tensor(&values["x"]["data"], [6, 3, 2, 2]);
    let network = |x: Tensor<4>| {
        let hidden = (x.flatten::<2>(1, 3).matmul(w1.clone()) + b1.clone()).tanh();
        hidden.matmul(w2.clone()) + b2.clone()
    };
    assert!(gap(&network(images.clone()), &tensor(&data["logits"], [6, 4])) < 1e-12);

    let classes = |name: &str| -> Tensor<1, Int> {
        let values: Vec<i64> = serde_json::from_value(data[name].clone()).unwrap();
        Tensor::from_data(values.as_slice(), &Device::flex())
    };
    let cases = data["cases"].as_object().unwrap();
    assert_eq!(cases.len(), 6);
    for (name, case) in cases {
        let epsilon = case["eps"].as_f64().unwrap();
        let threat =
            if name == "pgd_l2" { Threat::l2(epsilon) } else { Threat::linf(epsilon) }.unwrap();
        let attack = match case["steps"].as_u64() {
            None => Pgd::fgsm(threat),
            Some(steps) => Pgd::new(threat)
                .with_random_start(false)
                .with_steps(steps as usize)
                .and_then(|attack| attack.with_step_size(case["step"].as_f64().unwrap()))
                .unwrap(),
        };
        let loss: Loss = serde_json::from_value(case["loss_name"].clone()).unwrap();
        let goal = match case["targeted"].as_bool().unwrap() {
            false => Goal::Misclassify(classes("labels")),
            true => Goal::Target(classes("targets")),
        };
        let found = attack
            .with_loss(loss.clone())
            .on(&network)
            .with_key(Key::new(1))
            .run(images.clone(), &goal);
        let moved = found.unwrap().images;
        let losses = |x: &Tensor<4>| loss.per_example(network(x.clone()), goal.labels());
        for (what, gap) in [
            ("loss_before", gap(&losses(&images), &tensor(&case["loss_before"], [6]))),
            ("adversarial", gap(&moved, &tensor(&case["adversarial"], [6, 3, 2, 2]))),
            ("loss_after", gap(&losses(&moved), &tensor(&case["loss_after"], [6]))),
        ] {
            assert!(gap < 1e-9, "{name} {what}: {gap}");
        }
    }
}
