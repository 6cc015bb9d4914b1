//! DI-FGSM and TI-FGSM: PGD whose gradients are taken at resized images, or averaged over shifts.
//! One file: both are tested on the same pair of models.

use crate::support::{Toy, gap, images};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use cni_attacks::{
    Attack, Classifier, Goal, GradientKernel, InputDiversity, Iterate, Loss, Passes, Pgd, Threat,
};
use cni_noise::{Key, normal};
use serde_json::{Value, json};
use std::cell::RefCell;

const DATA: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/di_ti_fgsm.json");

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

fn tensor<const D: usize>(values: &Value, shape: [usize; D]) -> Tensor<D> {
    let data = TensorData::new(list::<f64>(values), shape);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

fn linf(epsilon: f64) -> Threat {
    Threat::linf(epsilon).unwrap()
}

/// The reference is the package's code, with the keyed draws of this library.
#[test]
fn points_are_those_of_torchattacks() {
    let data: Value = serde_json::from_str(&std::fs::read_to_string(DATA).unwrap()).unwrap();
    let of = |name: &str| &data["values"][name]["data"];
    let shape = [4, 3, 7, 7];
    let [w1, w2] = [tensor(of("w1"), [6, 147]), tensor(of("w2"), [4, 6])];
    let [b1, b2] = [tensor(of("b1"), [1, 6]), tensor(of("b2"), [1, 4])];
    let network = |x: Tensor<4>| {
        let hidden = x.flatten::<2>(1, 3).matmul(w1.clone().transpose()) + b1.clone();
        hidden.tanh().matmul(w2.clone().transpose()) + b2.clone()
    };
    let classes = |name: &str| -> Tensor<1, Int> {
        Tensor::from_data(list::<i64>(&data[name]).as_slice(), &Device::flex())
    };
    let number = |name: &str| data[name].as_u64().unwrap();
    let cases = data["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 7);
    let mut found = Vec::new();
    for case in cases {
        let value = |name: &str| case[name].as_f64().unwrap();
        let mut attack = Pgd::bim(linf(data["epsilon"].as_f64().unwrap()))
            .with_steps(number("steps") as usize)
            .and_then(|attack| attack.with_step_size(data["step"].as_f64().unwrap()))
            .and_then(|attack| attack.with_momentum(value("momentum")))
            .unwrap();
        if value("probability") > 0.0 {
            let diversity = InputDiversity::new(value("probability"), value("resize_rate"));
            attack = attack.with_input_diversity(diversity.unwrap());
        }
        let length = case["length"].as_u64().unwrap() as usize;
        attack = match case["kernel"].as_str() {
            None => attack,
            Some("gaussian") => attack.with_kernel(GradientKernel::gaussian(length, 3.0).unwrap()),
            Some("linear") => attack.with_kernel(GradientKernel::linear(length).unwrap()),
            _ => attack.with_kernel(GradientKernel::uniform(length).unwrap()),
        };
        let goal = match case["targeted"].as_bool().unwrap() {
            false => Goal::Misclassify(classes("labels")),
            true => Goal::Target(classes("targets")),
        };
        let (key, first) = (Key::new(number("key")), number("first_example"));
        let points = attack
            .on(&network)
            .with_key(key)
            .with_examples(first)
            .run(tensor(of("x"), shape), &goal)
            .unwrap()
            .images;
        let gap = gap(&points, &tensor(&case["adversarial"], shape));
        assert!(gap < 1e-9, "{}: {gap}", case["name"]);
        found.push(points);
    }
    // No two cases are alike.
    for (index, one) in found.iter().enumerate() {
        assert!(found[..index].iter().all(|other| gap(one, other) > 1e-2), "{index}");
    }
}

/// The images that the model was shown: white ones of 20 × 20 pixels, or smaller ones on black.
fn shown(diversity: InputDiversity, images: usize, key: Key) -> Vec<Vec<f64>> {
    let seen = RefCell::new(Vec::new());
    let model = |x: Tensor<4>| {
        let pixels: Vec<f64> = x.clone().inner().try_to_vec_as().unwrap();
        seen.borrow_mut().extend(pixels.chunks(400).map(<[f64]>::to_vec));
        let mean = x.flatten::<2>(1, 3).mean_dim(1);
        Tensor::cat(vec![mean.clone(), mean.neg()], 1)
    };
    let clean = Tensor::<4>::ones([images, 1, 20, 20], &Device::flex());
    let goal = Goal::Misclassify(Tensor::zeros([images], &Device::flex()));
    let attack = Pgd::fgsm(linf(0.1)).with_input_diversity(diversity);
    attack.on(&model).with_key(key).perturb(clean, &goal).unwrap();
    seen.into_inner()
}

/// Of 4000 images the share that is resized has the standard error √(p(1 − p)/4000), and so have
/// the shares of each size and of each place.
#[test]
fn images_are_resized_as_often_and_as_far_as_the_settings_say() {
    let count = 4000;
    let diversity = InputDiversity::new(0.7, 0.9).unwrap();
    let shown = shown(diversity, count, Key::new(2));
    assert_eq!(shown.len(), count);
    let white = |pixels: &[f64]| -> (usize, usize, usize) {
        let rows: Vec<usize> = (0..20).filter(|row| pixels[20 * row + 10] > 0.5).collect();
        let columns: Vec<usize> = (0..20).filter(|column| pixels[200 + column] > 0.5).collect();
        assert_eq!(rows.len(), columns.len());
        assert!(pixels.iter().all(|pixel| *pixel == 0.0 || (pixel - 1.0).abs() < 1e-6));
        (rows.len(), rows[0], columns[0])
    };
    let places: Vec<_> = shown.iter().map(|pixels| white(pixels)).collect();
    let near = |what: &str, wanted: f64, holds: &dyn Fn(&(usize, usize, usize)) -> bool| {
        let share = places.iter().filter(|place| holds(place)).count() as f64 / count as f64;
        let error = (wanted * (1.0 - wanted) / count as f64).sqrt();
        assert!((share - wanted).abs() < 5.0 * error, "{what}: {share}, wanted {wanted}");
    };
    near("whole", 0.3, &|(size, ..)| *size == 20);
    // Sizes 18 and 19 leave 2 and 1 pixels, and at most one less of them come first.
    near("size 18", 0.35, &|(size, ..)| *size == 18);
    near("size 19", 0.35, &|place| *place == (19, 0, 0));
    near("top", 0.175, &|(size, top, _)| (*size, *top) == (18, 1));
    near("corner", 0.0875, &|place| *place == (18, 1, 1));
}

#[test]
fn the_draws_of_one_gradient_see_one_picture_and_each_step_another() {
    let pictures = RefCell::new(Vec::new());
    let toy = Toy { noise: 0.1, ..Toy::new(3, DType::F32) };
    let model = |x: Tensor<4>| {
        let seen: Vec<f32> = x.clone().inner().try_to_vec_as().unwrap();
        pictures.borrow_mut().push(seen);
        toy.logits(x)
    };
    let clean = images(6, DType::F32).reshape([6, 1, 3, 4]);
    let model = |x: Tensor<4>| model(x.reshape([-1, 3, 2, 2]));
    let goal = Goal::Misclassify(Tensor::zeros([6], &Device::flex()));
    let attack = Pgd::di_fgsm(linf(1e-6)).with_steps(2).unwrap().with_draws(3).unwrap();
    attack.on(&model).with_key(Key::new(4)).perturb(clean, &goal).unwrap();
    let pictures = pictures.into_inner();
    assert_eq!(pictures.len(), 6);
    let far = |a: usize, b: usize| {
        let apart = pictures[a].iter().zip(&pictures[b]).map(|(a, b)| (a - b).abs());
        apart.fold(0.0, f32::max)
    };
    assert!(far(0, 1) == 0.0 && far(0, 2) == 0.0 && far(3, 4) == 0.0 && far(3, 5) == 0.0);
    assert!(far(0, 3) > 0.01);
}

/// A model that puts every resized image into another class: its predictions for those are no
/// success.
#[test]
fn an_example_leaves_early_by_what_the_model_says_of_the_image_itself() {
    let model = |x: Tensor<4>| {
        let margin = x.flatten::<2>(1, 3).mean_dim(1).sub_scalar(0.9);
        Tensor::cat(vec![margin.clone(), margin.neg()], 1)
    };
    let clean = Tensor::<4>::full([3, 1, 10, 10], 0.99, &Device::flex());
    let goal = Goal::Misclassify(Tensor::zeros([3], &Device::flex()));
    let run = |epsilon: f64, rate: f64| {
        let attack = Pgd::bim(linf(epsilon))
            .with_steps(4)
            .unwrap()
            .with_input_diversity(InputDiversity::new(1.0, rate).unwrap());
        attack
            .on(&model)
            .with_early_stop(true)
            .with_key(Key::new(1))
            .run(clean.clone(), &goal)
            .unwrap()
    };
    // At nine tenths of its side or less a white image is dark enough for the other class.
    let stuck = run(0.05, 0.5);
    assert_eq!(stuck.passes.backwards, 4 * 3);
    // Steps of ε/4: after two of them the image itself is dark enough.
    let stopped = run(0.2, 0.5);
    assert_eq!(stopped.passes.backwards, 3 * 3);
    assert!(gap(&stopped.images, &clean.sub_scalar(0.1)) < 1e-6);
    // The gradients, as many passes of the images themselves, and the passes that look for noise.
    let (gradients, probe) = (9, 8 * 3);
    assert_eq!(stopped.passes, Passes { forwards: 2 * gradients + probe, backwards: gradients });
}

/// Pairs of models that agree on coarse structure and not on pixels, as models of one data set do:
/// slopes that are a smooth pattern, and noise of each model's own. Both methods find more of the
/// pattern: over twenty pairs the mean gain on the other model has a standard error below a tenth.
#[test]
fn what_fits_one_model_less_closely_misleads_another_more() {
    let device = Device::flex();
    let (side, count) = (16, 2);
    let axis = Tensor::<1, Int>::arange(0..side as i64, &device).float().mul_scalar(0.2);
    let wave = axis.clone().sin().reshape([1, 1, side, 1]) * axis.cos().reshape([1, 1, 1, side]);
    let model = |seed: u64| {
        let own = normal::<4>(Key::new(seed), [1, 1, side, side], &device);
        let slopes = (wave.clone() + own).reshape([side * side, 1]);
        move |x: Tensor<4>| {
            let score = x.sub_scalar(0.5).flatten::<2>(1, 3).matmul(slopes.clone());
            Tensor::cat(vec![score.clone().neg(), score], 1)
        }
    };
    let clean = Tensor::<4>::full([count, 1, side, side], 0.5, &device);
    let goal = Goal::Misclassify(Tensor::zeros([count], &device));
    let gains = |attack: &Pgd| {
        let of_pair = |pair: u64| {
            let [surrogate, frozen] = [2 * pair, 2 * pair + 1].map(model);
            let moved =
                attack.on(&surrogate).with_key(Key::new(3)).run(clean.clone(), &goal).unwrap();
            [&surrogate, &frozen].map(|model| {
                let logits = model.logits(moved.images.clone());
                Loss::Margin.per_example(logits, goal.labels()).mean().into_scalar::<f64>()
            })
        };
        (0..20).map(of_pair).fold([0.0; 2], |sum, pair| [0, 1].map(|i| sum[i] + pair[i]))
    };
    let plain = gains(&Pgd::bim(linf(0.1)));
    let mild = InputDiversity::new(1.0, 0.8).unwrap();
    let resized = Pgd::mi_fgsm(linf(0.1)).with_input_diversity(mild);
    let blurred = Pgd::ti_fgsm(linf(0.1)).with_kernel(GradientKernel::uniform(5).unwrap());
    for attack in [blurred, resized] {
        let [own, other] = gains(&attack);
        assert!(own < 0.9 * plain[0], "{}: {own} of {}", attack.name(), plain[0]);
        assert!(other > 1.2 * plain[1], "{}: {other} of {}", attack.name(), plain[1]);
    }
}

#[test]
fn settings_are_in_the_spec_only_where_they_are_set() {
    let plain = Pgd::bim(linf(0.5));
    assert!(plain.spec().get("input_diversity").is_none() && plain.spec().get("kernel").is_none());
    let diverse = Pgd::di_fgsm(linf(0.5)).spec();
    assert_eq!(diverse["input_diversity"], json!({"probability": 0.5, "resize_rate": 0.9}));
    let kernel = |attack: Pgd| attack.spec()["kernel"].clone();
    let gaussian = json!({"shape": "gaussian", "radius": 3.0, "length": 15});
    assert_eq!(kernel(Pgd::ti_fgsm(linf(0.5))), gaussian);
    let linear = plain.clone().with_kernel(GradientKernel::linear(5).unwrap());
    assert_eq!(kernel(linear), json!({"shape": "linear", "length": 5}));
    let uniform = plain.with_kernel(GradientKernel::uniform(3).unwrap());
    assert_eq!(kernel(uniform), json!({"shape": "uniform", "length": 3}));
}

#[test]
fn names_tell_the_methods_apart() {
    let threat = linf(0.1);
    let both = Pgd::mi_fgsm(threat)
        .with_input_diversity(InputDiversity::default())
        .with_kernel(GradientKernel::default());
    let one = Pgd::fgsm(threat).with_kernel(GradientKernel::default());
    let random = Pgd::new(threat).with_input_diversity(InputDiversity::default());
    for (attack, name) in [
        (Pgd::di_fgsm(threat), "DI-FGSM-10"),
        (Pgd::di_fgsm(threat).with_momentum(1.0).unwrap(), "DI-MI-FGSM-10"),
        (Pgd::ti_fgsm(threat).with_iterate(Iterate::Best), "TI-FGSM-10-best"),
        (Pgd::ti_fgsm(threat).with_draws(4).unwrap(), "EOT-TI-FGSM-10x4"),
        (both, "TI-DI-MI-FGSM-10"),
        (one, "TI-FGSM"),
        (random, "DI-PGD-10"),
    ] {
        assert_eq!(attack.name(), name);
    }
}
