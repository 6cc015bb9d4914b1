//! Every attack through the same checks.

mod front_door;
mod knobs;
mod own;
mod passes;
mod specs;
mod sweeps;

use crate::support::registry::{Row, registry};
use crate::support::{self, Toy, fraction, gap, images, largest};
use burn::tensor::DType;
use cni_attacks::{Attack, AttackError, Goal, Norm, Passes, Threat};
use cni_noise::Key;

const CLASSES: usize = 4;

/// Each attack in each of its norms, at a radius that moves a pixel, or all of them, by about
/// `size`.
fn attacks(size: f64) -> Vec<(String, Row, Box<dyn Attack>)> {
    let each = |row: fn() -> Vec<Row>| {
        row().into_iter().flat_map(|row| row.norms.iter().map(move |&norm| (row.name, norm)))
    };
    each(registry)
        .map(|(name, norm)| {
            let row = registry().into_iter().find(|row| row.name == name).unwrap();
            let scale = match norm {
                Norm::Linf => 1.0,
                Norm::L2 => (support::VALUES as f64).sqrt(),
                Norm::L1 => support::VALUES as f64,
            };
            let attack = (row.make)(Threat::new(norm, size * scale).unwrap()).unwrap();
            (format!("{name} in {norm:?}"), row, attack)
        })
        .collect()
}

fn next_class(goal: &Goal) -> Goal {
    let labels = goal.labels().clone().add_scalar(1).remainder_scalar(CLASSES as i64);
    Goal::Target(labels)
}

#[test]
fn the_table_of_the_documentation_is_true() {
    let text = include_str!("../../../src/methods/mod.rs");
    let table: Vec<Vec<&str>> = (text.lines())
        .filter_map(|line| line.strip_prefix("//! | [`"))
        .map(|line| line.split(" | ").collect())
        .collect();
    let suites = ["Suite::plus", "Suite::rand", "Suite::rand_plus"];
    let shown: Vec<&str> = table.iter().map(|row| row[0].trim_end_matches("`]")).collect();
    let names: Vec<&str> = registry().iter().map(|row| row.name).collect();
    assert_eq!(
        shown.iter().filter(|name| !suites.contains(name)).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    for (row, of_table) in registry().iter().zip(&table) {
        let norms = row.norms.iter().map(|norm| match norm {
            Norm::Linf => "L∞",
            Norm::L2 => "L2",
            Norm::L1 => "L1",
        });
        assert_eq!(norms.collect::<Vec<_>>().join(" "), of_table[1], "{}", row.name);
        assert_eq!(format!("{:?}", row.access).to_lowercase(), of_table[2], "{}", row.name);
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            let made = (row.make)(Threat::new(norm, 0.1).unwrap());
            match row.norms.contains(&norm) {
                true => assert_eq!(made.unwrap().access(), row.access, "{}", row.name),
                false => {
                    let wanted = AttackError::Norm { got: norm, wanted: row.norms };
                    assert_eq!(made.err(), Some(wanted), "{}", row.name);
                }
            }
        }
    }
}

#[test]
fn results_are_in_ball_and_box_and_reach_their_goal() {
    let toy = Toy::new(CLASSES, DType::F32);
    let clean = images(24, DType::F32);
    let labels = Goal::Misclassify(toy.predictions(&clean));
    for (case, row, attack) in attacks(0.3) {
        for goal in [labels.clone(), next_class(&labels)] {
            let found =
                attack.on(&toy.classifier()).with_key(Key::new(1)).run(clean.clone(), &goal);
            if !row.targeted && matches!(goal, Goal::Target(_)) {
                assert!(matches!(found, Err(AttackError::Untargeted { .. })), "{case}");
                continue;
            }
            let moved = found.unwrap().images;
            let (norm, epsilon) = (attack.threat().norm(), attack.threat().epsilon());
            let distance = largest(norm.distance(&moved, &clean));
            assert!(distance <= epsilon * (1.0 + 1e-5), "{case}: {distance} > {epsilon}");
            assert_eq!(gap(&moved, &moved.clone().clamp(0.0, 1.0)), 0.0, "{case}: box");
            let reached = fraction(goal.reached(&toy.logits(moved)));
            assert!(reached > 0.0, "{case}: never reached {goal:?}");
        }
    }
}

#[test]
fn a_radius_of_zero_gives_the_images_back_without_a_pass() {
    let toy = Toy::new(CLASSES, DType::F32);
    let clean = images(4, DType::F32);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    for (case, _, attack) in attacks(0.0) {
        let found =
            attack.on(&toy.classifier()).with_key(Key::new(1)).run(clean.clone(), &goal).unwrap();
        assert_eq!(gap(&found.images, &clean), 0.0, "{case}");
        assert_eq!(found.passes, Passes::default(), "{case}");
    }
}

/// Single-channel images that are not square, and a batch of one.
#[test]
fn shapes_and_types_are_kept() {
    for (dtype, batch, shape) in
        [(DType::F32, 1, [1, 3, 4]), (DType::F64, 5, [1, 12, 1]), (DType::F32, 2, [12, 1, 1])]
    {
        let toy = Toy::new(CLASSES, dtype);
        let [channels, height, width] = shape;
        let clean = images(5, dtype).slice(0..batch).reshape([batch, channels, height, width]);
        let goal = Goal::Misclassify(toy.predictions(&clean));
        let lifted = clean.clone().autodiff().require_grad();
        for (case, _, attack) in attacks(0.2) {
            let found =
                attack.on(&toy.classifier()).with_key(Key::new(1)).run(lifted.clone(), &goal);
            let moved = found.unwrap_or_else(|error| panic!("{case} {shape:?}: {error}")).images;
            assert_eq!(moved.dims(), clean.dims(), "{case}");
            assert_eq!((moved.dtype(), moved.is_autodiff()), (dtype, false), "{case}");
        }
    }
}

/// Alone or in company, in chunks or at once, under its number an example gets the same image, up
/// to the rounding of the model's sums.
#[test]
fn an_example_is_attacked_the_same_in_any_batch() {
    let toy = Toy::new(CLASSES, DType::F64);
    let clean = images(7, DType::F64);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    for (case, _, attack) in attacks(0.1) {
        let run = |chunk| {
            let model = toy.classifier();
            let found = attack
                .on(&model)
                .with_chunk(chunk)
                .unwrap()
                .with_key(Key::new(2))
                .with_examples(40)
                .run(clean.clone(), &goal);
            found.unwrap().images
        };
        let whole = run(7);
        assert!(gap(&whole, &run(3)) < 1e-9, "{case}: chunks");
        let one = attack
            .on(&toy.classifier())
            .with_key(Key::new(2))
            .with_examples(45)
            .run(clean.clone().slice(5..6), Goal::Misclassify(goal.labels().clone().slice(5..6)));
        assert!(gap(&whole.slice(5..6), &one.unwrap().images) < 1e-9, "{case}: alone");
    }
}

#[test]
fn names_and_specs_tell_attacks_apart() {
    let mut known = std::collections::HashSet::new();
    for (case, _, attack) in attacks(0.1) {
        let spec = attack.spec();
        assert!(spec["attack"].is_string(), "{case}: {spec}");
        assert!(!attack.name().is_empty(), "{case}");
        assert!(known.insert(spec.to_string()), "{case}: {spec}");
    }
}
