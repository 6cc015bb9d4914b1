//! SGD, schedules and clipping against PyTorch; `tests/reference/optim.py` of the repository made
//! the values.

use crate::support::{list, reference};
use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use cni_training::{Schedule, Sgd};

#[derive(Module, Debug)]
struct Point {
    p: Param<Tensor<1>>,
}

fn vector(values: &[f64]) -> Tensor<1> {
    Tensor::from_data(TensorData::from(values), &Device::flex())
}

/// Nesterov, classical and dampened momentum, and none.
#[test]
fn sgd_moves_as_pytorchs() {
    for reference in reference("optim.json")["sgd"].as_array().unwrap() {
        let settings: Sgd = serde_json::from_value(reference["settings"].clone()).unwrap();
        let (square, cube) =
            (vector(&list(&reference["square"])), vector(&list(&reference["cube"])));
        let start = vector(&list(&reference["start"])).autodiff();
        let mut point = Point { p: Param::from_tensor(start) };
        let mut optimizer = settings.build(&point);
        for step in reference["steps"].as_array().unwrap() {
            let p = point.p.val();
            let squares = p.clone() * p.clone();
            let loss = (squares.clone() * square.clone()).div_scalar(2.0).sum()
                + (squares * p * cube.clone()).div_scalar(3.0).sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &point);
            point = optimizer.step(step["lr"].as_f64().unwrap(), point, gradients);
            let after: Vec<f64> = point.p.val().try_to_vec_as().unwrap();
            for (got, wanted) in after.iter().zip(list(&step["after"])) {
                let off = (got - wanted).abs() / wanted.abs().max(1.0);
                assert!(off < 2e-6, "{settings:?}: {got} ≠ {wanted}");
            }
        }
    }
}

/// Stepped once an epoch, and once a batch.
#[test]
fn schedules_give_pytorchs_rates() {
    let values = reference("optim.json");
    let cases = [
        ("rates", "multi_step", Schedule::multi_step(0.1, &[2, 4]), 6),
        ("rates", "cosine", Schedule::cosine(0.1), 6),
        ("rates", "one_cycle", Schedule::one_cycle(0.2), 10),
        ("rates_by_step", "multi_step", Schedule::multi_step(0.1, &[5, 16]), 21),
        ("rates_by_step", "cosine", Schedule::cosine(0.1), 21),
        ("rates_by_step", "one_cycle", Schedule::one_cycle(0.2), 21),
    ];
    for (group, name, schedule, count) in cases {
        for (at, wanted) in list(&values[group][name]).into_iter().enumerate() {
            let got = schedule.rate(at, count);
            assert!((got - wanted).abs() < 1e-12, "{group}/{name}, {at}: {got} ≠ {wanted}");
        }
    }
}
