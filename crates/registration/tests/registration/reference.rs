//! PyTorch's `grid_sample`: `tests/reference/registration.py`.

use crate::support::{farthest, numbers, tensor};
use burn::tensor::Tensor;
use cni_registration::fields::{Sampling, warp};
use serde_json::{Value, json};

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn check<const R: usize>(case: &Value) {
    let dims: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
    let dims: [usize; R] = dims.try_into().unwrap();
    let mut of_field = dims;
    of_field[1] = R - 2;
    let weights: Tensor<R> = tensor(list(&case["weights"]), dims);
    for wanted in case["warped"].as_array().unwrap() {
        let image = tensor(list(&case["image"]), dims).autodiff().require_grad();
        let field = tensor(list(&case["field"]), of_field).autodiff().require_grad();
        let by = |name: &str| wanted[name].clone();
        let sampling = json!({ "interpolation": by("interpolation"), "outside": by("outside") });
        let sampling: Sampling = serde_json::from_value(sampling).unwrap();
        let warped = warp(image.clone(), field.clone(), sampling).unwrap();
        let near = |found: &Tensor<R>, name: &str| {
            let distance = farthest(&numbers(found), &list(&wanted[name]));
            assert!(distance < 1e-12, "{sampling:?}, {name}: {distance}");
        };
        near(&warped, "values");
        let gradients = (warped * weights.clone()).sum().backward();
        near(&image.grad(&gradients).unwrap(), "of_image");
        // The place of the nearest voxel has no gradient, and its field none at all.
        if let Some(found) = field.grad(&gradients) {
            near(&found, "of_field");
        } else {
            assert!(list(&wanted["of_field"]).iter().all(|slope| *slope == 0.0));
        }
    }
}

#[test]
fn warped_images_and_their_gradients_are_pytorchs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/registration.json");
    let data: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    check::<4>(&data["cases"][0]);
    check::<5>(&data["cases"][1]);
}
