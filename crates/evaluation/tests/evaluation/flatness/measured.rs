//! Flatness of small networks under attack.

use super::world::{Net, attack, batches};
use burn::module::Module;
use burn::tensor::Tensor;
use cni_attacks::weights::{Layer, LayerValues, WeightRegion, WeightThreat};
use cni_evaluation::ModelCard;
use cni_evaluation::flatness::{
    AverageFlatness, Flatness, FlatnessRecord, Landscape, RobustLoss, WeightLoss, WorstFlatness,
};
use cni_noise::{Key, Noise, scope};

fn threat() -> WeightThreat {
    WeightThreat::new(0.2, WeightRegion::Sphere).unwrap()
}

fn settings() -> Flatness {
    let average = AverageFlatness::new(threat()).with_attempts(4).unwrap();
    let worst = WorstFlatness::new(threat()).with_attempts(4).unwrap().with_steps(6).unwrap();
    Flatness::new()
        .with_average(Some(average))
        .with_worst(Some(worst.with_step(0.1).unwrap()))
        .with_reference_restarts(2)
        .unwrap()
        .with_key(Key::new(7))
}

fn measured(net: &Net, size: usize) -> FlatnessRecord {
    let loss = RobustLoss::new(net, Net::forward, attack(), batches(10, size)).unwrap();
    settings().run(net, &loss).unwrap()
}

/// All numbers of a record.
fn numbers(record: &FlatnessRecord) -> Vec<f64> {
    let parts = [&record.average, &record.worst].into_iter().flatten();
    let losses = parts.flat_map(|of| of.losses.iter().copied().chain([of.flatness]));
    let points = record.landscape.iter().flat_map(|curve| curve.points.iter().map(|point| point.y));
    std::iter::once(record.reference).chain(losses).chain(points).collect()
}

fn assert_near(a: &FlatnessRecord, b: &FlatnessRecord, tolerance: f64) {
    let (a, b) = (numbers(a), numbers(b));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() <= tolerance * a.abs().max(1.0), "{a} ≠ {b}");
    }
}

/// (c w₁, w₂ / c) is the same network, and as flat.
#[test]
fn layers_that_are_rescaled_against_each_other_are_as_flat() {
    let plain = measured(&Net::new(false), 10);
    for by in [0.5, 2.0] {
        assert_near(&plain, &measured(&Net::new(false).rescaled(by), 10), 1e-5);
    }
}

/// Attempts begin at the perturbations of the average, and end no lower.
#[test]
fn the_worst_case_is_at_least_the_best_of_as_many_random_ones() {
    for norm in [false, true] {
        let record = measured(&Net::new(norm), 10);
        let (average, worst) = (record.average.unwrap(), record.worst.unwrap());
        for (random, ascended) in average.losses.iter().zip(&worst.losses) {
            assert!(ascended >= random, "{ascended} < {random}");
        }
        // The ascent finds what chance does not.
        let best = average.losses.iter().copied().fold(f64::MIN, f64::max);
        assert!(worst.flatness + record.reference > best, "{worst:?} {average:?}");
    }
}

#[test]
fn the_cut_into_batches_and_a_repetition_change_nothing() {
    let net = Net::new(true);
    let whole = measured(&net, 10);
    assert_eq!(numbers(&whole), numbers(&measured(&net, 10)));
    for size in [3, 4] {
        assert_near(&whole, &measured(&net, size), 1e-5);
    }
}

/// Also on the autodiff device, where a careless pass would move them.
#[test]
fn a_measurement_leaves_the_model_and_its_statistics_alone() {
    let net = Net::new(true);
    let before = ModelCard::fingerprint_of(&net);
    let training = net.clone().train();
    assert_near(&measured(&net, 10), &measured(&training, 10), 1e-6);
    assert_eq!(ModelCard::fingerprint_of(&net), before);
    assert_eq!(ModelCard::fingerprint_of(&training.valid()), before);
}

#[test]
fn norms_are_not_perturbed_unless_they_are_asked_for() {
    let net = Net::new(true);
    let weights = ["hidden.weight", "hidden.bias", "out.weight", "out.bias"];
    assert_eq!(measured(&net, 10).layers, weights);
    let loss = RobustLoss::new(&net, Net::forward, attack(), batches(4, 4)).unwrap();
    let short = settings().with_average(None).with_worst(None);
    let found = |of: fn(&Layer) -> bool| short.clone().with_layers(of).run(&net, &loss);
    assert_eq!(found(|layer| layer.is_trainable).unwrap().layers.len(), 6);
    let error = found(|_| false).unwrap_err().to_string();
    assert_eq!(error, "layers: got none, wanted at least one that is perturbed");
}

/// The slope of the loss in the images at hand is that of central differences, batch norm in
/// inference.
#[test]
fn the_ascent_follows_the_gradient_of_the_robust_loss() {
    let net = Net::new(true).valid();
    let loss = RobustLoss::new(&net, Net::forward, attack(), batches(10, 4)).unwrap();
    let layers = LayerValues::of_weights(&net, Layer::is_perturbed);
    let key = Key::new(9);
    let at = |share: f64| {
        let moved = layers.clone().plus(&threat().random(key, &layers).times(share));
        let tracked = layers.tracked(moved.in_place_of(net.clone()));
        loss.ascend(&tracked, &layers, 0, &mut Vec::new(), key).unwrap()
    };
    let (_, slope) = at(0.0);
    let along =
        threat().random(key, &layers).zip(&slope, |_, change, slope| change * slope.clone());
    let along: f64 = along.iter().map(|(_, value)| value.clone().sum().into_scalar::<f64>()).sum();
    let h = 0.01;
    let difference = (at(h).0 - at(-h).0) / (2.0 * h);
    assert!((along - difference).abs() < 0.02 * along.abs().max(0.1), "{along} ≠ {difference}");
}

#[test]
fn a_model_with_noise_is_judged_by_the_same_draws_everywhere() {
    let net = Net::new(false);
    let attack = || attack().with_draws(2).unwrap();
    let measure = |draws: usize| {
        let loss = RobustLoss::new(&net, Net::noisy, attack(), batches(6, 6)).unwrap();
        let loss = loss.with_draws(draws).unwrap();
        settings().run(&net, &loss).unwrap()
    };
    let record = measure(3);
    assert!(record.stochastic);
    assert_eq!((record.draws, numbers(&record)), (3, numbers(&measure(3))));
    assert_ne!(numbers(&record), numbers(&measure(2)));
    let inside = scope(Noise::Keyed(Key::new(5)), || measure(3));
    assert_eq!(numbers(&inside), numbers(&record));
    let off = scope(Noise::Off, || measure(3));
    assert!(!off.stochastic && off.draws == 1);
}

#[test]
fn a_landscape_passes_through_the_weights_themselves() {
    let net = Net::new(false);
    let loss = RobustLoss::new(&net, Net::forward, attack(), batches(6, 6)).unwrap();
    let landscape = Landscape::published().with_points(5).unwrap().with_directions(2).unwrap();
    let record = settings().with_landscape(Some(landscape)).run(&net, &loss).unwrap();
    let kinds: Vec<(bool, f64)> =
        record.landscape.iter().map(|curve| (curve.adversarial, curve.length)).collect();
    assert_eq!(kinds, [(false, 0.5), (false, 0.5), (true, 0.025)]);
    for curve in &record.landscape {
        let xs: Vec<f64> = curve.points.iter().map(|point| point.x).collect();
        assert_eq!(xs, [-1.0, -0.5, 0.0, 0.5, 1.0]);
    }
    // The middles differ by nothing but rounding of w + 0 · ν.
    let middle = |i: usize| record.landscape[i].points[2].y;
    assert!((middle(0) - middle(1)).abs() < 1e-6 && (middle(0) - middle(2)).abs() < 1e-6);
    for points in [0, 1, 4] {
        let error = Landscape::published().with_points(points).unwrap_err().to_string();
        assert!(error.contains("an odd number of at least 3"), "{error}");
    }
}

#[test]
fn a_loss_that_is_no_number_and_missing_data_are_refused() {
    let net = Net::new(false);
    let none: Vec<(Tensor<4>, Tensor<1, burn::tensor::Int>)> = Vec::new();
    let error = RobustLoss::new(&net, Net::forward, attack(), none).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("no examples"), "{error}");
    for error in [
        AverageFlatness::published().with_attempts(0).map(|_| ()),
        WorstFlatness::of_text().with_steps(0).map(|_| ()),
        WorstFlatness::of_supplement().with_step(f64::NAN).map(|_| ()),
        Flatness::new().with_reference_restarts(0).map(|_| ()),
    ] {
        assert!(error.unwrap_err().to_string().contains("got"));
    }
}
