//! EAD against foolbox's, and the choices of its rules.

use super::exact::rows;
use super::foolbox::{Setting, read};
use super::reference::{list, tensor};
use super::{FAR, middling, misclassify, threat};
use crate::support::{Toy, fraction};
use burn::tensor::{DType, Tensor};
use cni_attacks::{Attack, Ead, Goal, Norm, Threat};
use cni_noise::Key;

const BETA: f64 = 0.01;

fn small(attack: Ead) -> Ead {
    let attack = attack.with_steps(100).unwrap().with_search_steps(6).unwrap();
    attack.with_initial_constant(0.1).unwrap()
}

/// Both rules in the same threat.
fn both(threat: Threat) -> [Ead; 2] {
    [Ead::elastic_net(threat).unwrap(), Ead::l1(threat).unwrap()].map(small)
}

/// The distances in L1 and of the elastic net.
fn distances(found: &Tensor<4>, clean: &Tensor<4>) -> [Vec<f64>; 2] {
    let [l2, l1] = [Norm::L2, Norm::L1].map(|norm| rows(&norm.distance(found, clean)));
    let net = l2.iter().zip(&l1).map(|(l2, l1)| l2 * l2 + BETA * l1).collect();
    [l1, net]
}

/// `tests/reference/ead.py` made the numbers. Rounding of 1e-16 in double precision grows in 100
/// iterations, but not to 1e-9; and both leave the same pixels unchanged.
#[test]
fn results_are_those_of_foolbox_to_rounding() {
    let data = read("ead");
    let cases = data["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 12);
    let count = |name: &str| data[name].as_u64().unwrap() as usize;
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    for case in cases {
        let threat = threat(Norm::L1, FAR);
        let attack = match case["rule"].as_str().unwrap() {
            "EN" => Ead::elastic_net(threat),
            _ => Ead::l1(threat),
        };
        let attack = attack
            .and_then(|attack| attack.with_steps(count("steps")))
            .and_then(|attack| attack.with_search_steps(count("search_steps")))
            .and_then(|attack| attack.with_initial_constant(number(&data["constant"])))
            .and_then(|attack| attack.with_beta(number(&data["beta"])))
            .and_then(|attack| attack.with_confidence(number(&case["confidence"])))
            .unwrap();
        let name = format!("{} {}", attack.name(), case["targeted"]);
        let setting = Setting::of(&data, case);
        let (clean, goal) = (setting.images.clone(), &setting.goal);
        let model = |x| setting.logits(x);
        let found =
            attack.on(&model).with_key(Key::new(1)).perturb(clean.clone(), goal).unwrap().images;
        let change = found.clone() - tensor(&case["result"], found.dims());
        let gap = change.abs().max().into_scalar::<f64>();
        assert!(gap < 1e-9, "{name}: {gap}");
        let unchanged = (found - clean).equal_elem(0.0).int().flatten::<2>(1, 3).sum_dim(1);
        let unchanged: Vec<usize> =
            unchanged.try_to_vec_as::<i64>().unwrap().into_iter().map(|n| n as usize).collect();
        assert_eq!(unchanged, list::<usize>(&case["unchanged"]), "{name}");
    }
}

fn strictly_less(a: &[f64], b: &[f64]) -> usize {
    assert!(a.iter().zip(b).all(|(a, b)| *a <= b + 1e-12), "{a:?} {b:?}");
    a.iter().zip(b).filter(|(a, b)| **a < **b - 1e-6).count()
}

/// The runs of both rules are the same; only the images that they keep differ.
#[test]
fn each_rule_keeps_the_least_of_its_own_distance() {
    let toy = Toy::new(3, DType::F64);
    let clean = middling(&toy, 24);
    let goal = misclassify(&toy, &clean);
    let found = both(threat(Norm::L1, FAR)).map(|attack| {
        let found =
            attack.on(&toy.classifier()).with_key(Key::new(1)).perturb(clean.clone(), &goal);
        let found = found.unwrap().images;
        assert_eq!(fraction(goal.reached(&toy.logits(found.clone()))), 1.0, "{}", attack.name());
        distances(&found, &clean)
    });
    let [[l1_of_net, net_of_net], [l1_of_l1, net_of_l1]] = found;
    let nearer = [strictly_less(&l1_of_l1, &l1_of_net), strictly_less(&net_of_net, &net_of_l1)];
    assert!(nearer.into_iter().all(|count| count >= 3), "{nearer:?}");
}

/// Otherwise an image would count as robust although the attack met an adversarial image within the
/// threat.
#[test]
fn the_elastic_net_rule_chooses_among_the_images_within_the_threat() {
    let toy = Toy::new(3, DType::F64);
    let clean = middling(&toy, 24);
    let labels = toy.predictions(&clean);
    let mut narrowed = 0;
    for row in 0..24 {
        let clean = clean.clone().slice(row..row + 1);
        let goal = Goal::Misclassify(labels.clone().slice(row..row + 1));
        let run = |attack: &Ead| {
            attack
                .on(&toy.classifier())
                .with_key(Key::new(1))
                .perturb(clean.clone(), &goal)
                .unwrap()
                .images
        };
        let [net, l1] = both(threat(Norm::L1, FAR)).map(|a| distances(&run(&a), &clean)[0][0]);
        if l1 > 0.999 * net {
            continue;
        }
        narrowed += 1;
        let threat = Threat::l1(0.5 * (l1 + net)).unwrap();
        for attack in both(threat) {
            let found = run(&attack);
            let reached = fraction(goal.reached(&toy.logits(found.clone())));
            assert_eq!(reached, 1.0, "{} of {row}", attack.name());
            assert!(distances(&found, &clean)[0][0] <= threat.epsilon(), "{}", attack.name());
        }
    }
    assert!(narrowed >= 3, "{narrowed}");
}
