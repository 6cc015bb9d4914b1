//! FMN against an implementation in PyTorch and against foolbox's, and on examples for which the
//! published algorithm finds nothing.

use super::exact::{exact_distances, exact_distances_in_box, rows};
use super::foolbox::{Setting, read};
use super::reference::{list, tensor};
use super::{FAR, NORMS, misclassify, threat};
use crate::support::{Toy, images};
use burn::tensor::{DType, Device, Int, Tensor};
use cni_attacks::{Attack, Fmn, Goal, Norm};
use cni_noise::Key;
use serde_json::Value;

/// How far results in double precision may be apart: rounding of 1e-16 grows in 100 iterations to
/// 1e-13 at most.
const ROUNDING: f64 = 1e-9;

/// `tests/reference/fmn.py` made the numbers, and says for which of them rounding decides.
#[test]
fn results_are_those_of_pytorch_to_rounding() {
    let data = read("fmn");
    let cases = data["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 36);
    let mut compared = [0; 2];
    for case in cases {
        let (setting, norm) = (Setting::of(&data, case), norm(case));
        let (steps, overshoot) = (case["steps"].as_u64().unwrap(), case["overshoot"].as_f64());
        let attack = Fmn::new(threat(norm, FAR)).with_steps(steps as usize).unwrap();
        let attack = attack.with_overshoot(overshoot.unwrap()).unwrap();
        let name = format!("{} {norm:?} {overshoot:?} {:?}", attack.name(), setting.goal);
        let (found, distances) = run(&attack, &setting);
        let result = tensor(&case["result"], found.dims());
        let gaps = rows(&(found - result).abs().flatten::<2>(1, 3).max_dim(1));
        let flags = |name: &str| list::<bool>(&case[name]);
        let wanted = list::<Option<f64>>(&case["distances"]);
        let rows = flags("decided").into_iter().zip(flags("alone")).enumerate();
        for (row, (_, alone)) in rows.filter(|(_, (decided, _))| *decided) {
            let (got, wanted) = (distances[row], wanted[row]);
            let near = (got.unwrap_or(0.0) - wanted.unwrap_or(0.0)).abs() < ROUNDING;
            assert!(got.is_some() == wanted.is_some() && near, "{name} {row}: {got:?} {wanted:?}");
            assert!(!alone || gaps[row] < ROUNDING, "{name} {row}: {} apart", gaps[row]);
            compared[0] += 1;
            compared[1] += usize::from(alone);
        }
        let decided = flags("decided").into_iter().filter(|decided| *decided).count();
        assert!(decided >= if overshoot == Some(0.0) { 9 } else { 16 }, "{name}: {decided}");
    }
    // Of 576 results.
    assert!(compared[0] >= 520 && compared[1] >= 350, "{compared:?}");
}

/// The package finds no adversarial image for many examples for which overshoot and projection find
/// one. Its other results are no nearer, except for a few examples that end at other boundaries.
#[test]
fn images_are_found_that_foolbox_misses_and_the_others_are_as_near() {
    let data = read("fmn");
    let mut missed = 0;
    for case in data["cases"].as_array().unwrap().iter().filter(|case| case["overshoot"] == 0.001) {
        let (setting, norm) = (Setting::of(&data, case), norm(case));
        let attack = Fmn::new(threat(norm, FAR));
        let attack = attack.with_steps(case["steps"].as_u64().unwrap() as usize).unwrap();
        let name = format!("{} {norm:?} {:?}", attack.name(), setting.goal);
        let ours = run(&attack, &setting).1;
        assert!(ours.iter().all(Option::is_some), "{name}");
        let package = list::<Option<f64>>(&case["package"]);
        missed += package.iter().filter(|distance| distance.is_none()).count();
        let both = ours.into_iter().zip(package).filter_map(|(ours, package)| ours.zip(package));
        let ratios: Vec<f64> = both.map(|(ours, package)| ours / package).collect();
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        assert!(mean < 1.01 && ratios.iter().all(|ratio| *ratio < 1.1), "{name}: {ratios:?}");
    }
    assert!(missed >= 80, "{missed} of 288");
}

fn norm(case: &Value) -> Norm {
    serde_json::from_value(case["norm"].clone()).unwrap()
}

/// The images, and the distances of those that reach the goal.
fn run(attack: &Fmn, setting: &Setting) -> (Tensor<4>, Vec<Option<f64>>) {
    let (clean, goal) = (setting.images.clone(), &setting.goal);
    let model = |x| setting.logits(x);
    let found =
        attack.on(&model).with_key(Key::new(1)).perturb(clean.clone(), goal).unwrap().images;
    let reached = goal.reached(&setting.logits(found.clone())).try_to_vec_as::<bool>().unwrap();
    let distances = rows(&attack.threat().norm().distance(&found, &clean)).into_iter();
    let distances = distances.zip(reached).map(|(distance, reached)| reached.then_some(distance));
    (found, distances.collect())
}

/// The margin `u |u|`, with `u` the mean pixel less 0.45: the way to the boundary of the linear
/// model is half of the true way, so that the published radius never gets there.
#[test]
fn a_concave_margin_does_not_keep_fmn_in_front_of_the_boundary() {
    let model = |x: Tensor<4>| {
        let over = x.flatten::<2>(1, 3).mean_dim(1).sub_scalar(0.45);
        let margin = over.clone() * over.abs();
        Tensor::cat(vec![margin.zeros_like(), margin.mul_scalar(10.0)], 1)
    };
    let clean = Tensor::<4>::full([1, 3, 2, 2], 0.3, (&Device::flex(), DType::F64));
    let goal = Goal::Misclassify(Tensor::<1, Int>::zeros([1], &Device::flex()));
    for (norm, wanted) in [(Norm::Linf, 0.15), (Norm::L2, 0.15 * 12f64.sqrt()), (Norm::L1, 1.8)] {
        let attack = Fmn::new(threat(norm, FAR)).with_steps(30).unwrap();
        let distance = |attack: &Fmn| {
            let found =
                attack.on(&model).with_key(Key::new(1)).perturb(clean.clone(), &goal).unwrap();
            rows(&norm.distance(&found.images, &clean))[0]
        };
        assert_eq!(distance(&attack.clone().with_overshoot(0.0).unwrap()), 0.0, "{norm:?}");
        let found = distance(&attack);
        assert!(found > wanted && found < 1.003 * wanted, "{norm:?}: {found}, wanted {wanted}");
    }
}

#[test]
fn fmn_finds_the_nearest_point_of_the_box() {
    let toy = Toy::new(2, DType::F64);
    // Stretched, so that many pixels lie at the faces of the box.
    let clean =
        images(40, DType::F64).sub_scalar(0.5).mul_scalar(2.0).add_scalar(0.5).clamp(0.0, 1.0);
    let goal = misclassify(&toy, &clean);
    for norm in NORMS {
        let wanted = exact_distances_in_box(&toy, &clean, norm);
        let free = exact_distances(&toy, &clean, norm);
        let active = wanted.iter().zip(&free).filter(|(boxed, free)| **boxed > **free * 1.01);
        assert!(active.count() >= 10, "{norm:?}: the box is out of the way");
        let (attack, frozen) = (Fmn::new(threat(norm, FAR)), toy.classifier());
        let found = attack.on(&frozen).with_key(Key::new(1)).perturb(clean.clone(), &goal);
        let got = rows(&norm.distance(&found.unwrap().images, &clean));
        for (row, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            let wanted = if wanted.is_finite() { *wanted } else { 0.0 };
            let near = got - wanted > -1e-9 && got - wanted < 3e-3 * wanted;
            assert!(near, "{norm:?} row {row}: {got}, wanted {wanted}");
        }
    }
}
