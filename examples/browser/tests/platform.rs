//! The library where there are no threads, files and clocks: in WebAssembly, and natively by the
//! same numbers. `tests/browser.sh` runs this there, under Node.

use burn::tensor::{Device, Tensor};
use cni_browser::{AttackSettings, CATALOG, Method, Session, Summary};
use cni_burn::data::{Split, digits};
use cni_burn::noise::normal;
use cni_burn::prelude::*;
use std::time::Duration;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

/// The files of the model, in the program: a browser's test has no others.
macro_rules! weights {
    ($name:literal) => {
        [
            &include_bytes!(concat!("../../../weights/", $name, "/state.json"))[..],
            &include_bytes!(concat!("../../../weights/", $name, "/model.bpk"))[..],
        ]
    };
}

fn loaded() -> ResNet {
    let [state, model] = weights!("digits-cni-w");
    Pretrained::DigitsCniW.read(state, model.to_vec(), &Device::flex()).unwrap().model
}

fn near(got: f64, wanted: f64, tolerance: f64) {
    assert!((got - wanted).abs() <= tolerance, "{got}, wanted {wanted}");
}

/// Values that this test has natively, too.
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn keyed_draws_are_the_same_everywhere() {
    let drawn: Tensor<1> = normal(Key::new(1).named("platform"), [4], &Device::flex());
    let drawn: Vec<f64> = drawn.try_to_vec_as().unwrap();
    for (got, wanted) in drawn.into_iter().zip(DRAWN) {
        near(got, wanted, 1e-6);
    }
}

const DRAWN: [f64; 4] = [-0.188_330_292_7, 0.097_513_414_9, -0.258_787_423_4, 0.258_611_172_4];

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn an_evaluation_gives_the_same_record_everywhere() {
    let (model, device) = (loaded(), Device::flex());
    let attack = Pgd::new(Threat::linf(0.2).unwrap()).with_steps(6).unwrap();
    let attack = attack.with_draws(2).unwrap();
    let batch = digits(Split::Test).batch(0..20, &device).unwrap();
    let record = Evaluation::new(vec![Box::new(attack)])
        .unwrap()
        .with_draws(6)
        .unwrap()
        .with_key(Key::new(2))
        .run(&FrozenModel::new(&model, ResNet::forward), [batch])
        .unwrap()
        .record;
    // Of 120 predictions three may turn by rounding, which turns signs of gradients near zero.
    near(record.clean.one_shot.accuracy, CLEAN, 3.0 / 120.0);
    near(record.attacks[0].robust.one_shot.accuracy, ROBUST, 3.0 / 120.0);
}

const CLEAN: f64 = 1.0;
const ROBUST: f64 = 0.575;

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn a_session_attacks_and_judges() {
    let [state, model] = weights!("digits-pni-w");
    let session = Session::new(CATALOG[1].name, state, model.to_vec()).unwrap();
    let settings =
        AttackSettings { method: Method::Square, epsilon: 0.1, steps: 20, draws: 2, key: 3 };
    let (pixels, label) = (session.image(2).unwrap(), session.describe().images[2].label);
    let mut steps = 0;
    let found = session.attack(&settings, &pixels, label, &mut |_| steps += 1).unwrap();
    assert_eq!(steps, 2);
    let classes = session.classes(&found, 3, 0, 20).unwrap();
    assert_eq!(Summary::of(&classes, label, 5).unwrap().draws, 20);
}

/// There is a clock, by which a budget ends an attack.
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn time_runs_out() {
    let (model, device) = (loaded(), Device::flex());
    let model = FrozenModel::new(&model, ResNet::forward);
    let (images, labels) = digits(Split::Test).batch([0], &device).unwrap();
    let budget = Budget { time: Some(Duration::ZERO), ..Budget::default() };
    let attack = Pgd::new(Threat::linf(0.1).unwrap());
    assert!(attack.on(&model).with_budget(budget).run(images, labels).unwrap().exhausted);
}

/// What needs files or threads says so, by an error.
#[cfg(target_arch = "wasm32")]
#[wasm_bindgen_test]
fn files_and_threads_are_errors() {
    let (model, device) = (loaded(), Device::flex());
    let model = FrozenModel::new(&model, ResNet::forward);
    let test = digits(Split::Test);
    let evaluation =
        || Evaluation::new(vec![Box::new(Pgd::fgsm(Threat::linf(0.1).unwrap()))]).unwrap();
    let batch = || [test.batch([0], &device).unwrap()];
    let result = evaluation().run(&model, batch()).unwrap();
    let error = result.save("results").unwrap_err().to_string();
    assert!(error.contains("results"), "{error}");
    let error = evaluation().run(&model, test.take(4).batches(2, &device)).unwrap_err();
    assert!(error.to_string().contains("thread"), "{error}");
    assert!(Record::read("record.json").is_err());
}
