//! Synthetic records: every field is filled, and every number comes from a key. One file, because a
//! record is one value.

use cni_attacks::{Access, Passes, Threat};
use cni_evaluation::NoiseCovariance;
use cni_evaluation::audit::Effort;
use cni_evaluation::{
    Accuracy, AttackRecord, AuditRecord, CascadeRecord, DataCard, Epoch, EpsilonCurve,
    EpsilonPoint, Estimate, Evaluated, ExampleImage, Hits, ModelCard, NoiseState, Record, Row,
    RowAttack, SCHEMA, SharedCost, Spectrum, ThreatCard,
};
use cni_noise::{Key, host_normal, host_uniform};

mod certificates;
mod checks;
pub mod kinds;
pub mod page;

const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The attacks of a synthetic suite, and the amount by which each lowers the logit of being right.
const SUITE: [(&str, f64); 5] = [
    ("Random-10", 0.1),
    ("FGSM", 0.9),
    ("PGD-20", 1.5),
    ("EOT-PGD-20x20", 2.1),
    ("Square-1000", 1.7),
];

/// A model without noise: one draw, no checks, no optional field.
pub fn deterministic(name: &str, examples: usize) -> Evaluated {
    evaluated(name, examples, 1, 11)
}

/// A model with noise, and every optional field.
pub fn stochastic(name: &str, examples: usize) -> Evaluated {
    let mut evaluated = evaluated(name, examples, 20, 12);
    let Evaluated { record, gallery, .. } = &mut evaluated;
    record.model.noise = (0..8)
        .map(|i| format!("layer{i}.conv.weight: colored, rank 5"))
        .collect::<Vec<_>>()
        .join("\n");
    record.threat.noise = "drawn anew for every query".to_string();
    record.command = "cni evaluate --checkpoint last --examples 200".to_string();
    (record.votes, record.tries) = (5, 10);
    let attacks = record.attacks.iter_mut().map(|attack| &mut attack.robust);
    let all = std::iter::once(&mut record.clean).chain(attacks);
    all.chain(&mut record.worst_case).for_each(states);
    record.warnings = vec!["the model is stochastic and was judged by few draws".to_string()];
    record.checks = checks::all();
    record.noise_states = vec![NoiseState::Live, NoiseState::Off, NoiseState::Fixed];
    let audited = &record.attacks[3];
    record.audit = Some(AuditRecord {
        attack: audited.name.clone(),
        within: None,
        spec: audited.spec.clone(),
        hash: audited.hash.clone(),
        draws: 20,
        key: Key::new(5),
        epsilon: 8.0 / 255.0,
        effort: Effort::Quick,
        examples: 64,
        shared: Some(SharedCost {
            passes: Passes { forwards: 3_000, backwards: 2_000 },
            seconds: 30.0,
        }),
    });
    record.model.history = (1..=12).map(epoch).collect();
    record.model.layers = (0..20).map(layer).collect();
    *gallery = (0..6).map(example_image).collect();
    evaluated
}

/// A model without noise that was attacked in L2 and certified.
pub fn certified(name: &str, examples: usize) -> Evaluated {
    let mut evaluated = deterministic(name, examples);
    certificates::certify(&mut evaluated);
    evaluated
}

/// A model without noise whose attacks ran in a cascade, at several radii.
pub fn in_cascade(name: &str, examples: usize) -> Evaluated {
    let mut evaluated = deterministic(name, examples);
    let record = &mut evaluated.record;
    record.cascade = Some(CascadeRecord { suite: Some("AutoAttack".to_string()) });
    for attack in &mut record.attacks {
        (attack.attacked, attack.broken) = (Some(examples / 2), Some(examples / 10));
    }
    record.attacks[4].exhausted = true;
    let curve = |attack: &AttackRecord| {
        let point = |step: u32| {
            let factor = 1.0 - f64::from(step) / 8.0;
            let e = &attack.robust.one_shot;
            let [accuracy, low, high] = [e.accuracy, e.low, e.high].map(|v| v * factor);
            let accuracy = Estimate { accuracy, low, high, per_draw: vec![accuracy] }.into();
            EpsilonPoint { epsilon: f64::from(step) / 255.0, accuracy, passes: attack.passes }
        };
        let points = [0, 2, 4, 8].map(point).to_vec();
        EpsilonCurve { attack: attack.name.clone(), points }
    };
    record.curves = record.attacks.iter().map(curve).collect();
    evaluated
}

fn states(accuracy: &mut Accuracy) {
    let shifted = |by: f64| {
        let e = &accuracy.one_shot;
        let [value, low, high] = [e.accuracy, e.low, e.high].map(|v| (v + by).clamp(0.0, 1.0));
        Some(Estimate { accuracy: value, low, high, per_draw: vec![value] })
    };
    let [vote, best_of, noise_off, fixed_noise] = [0.04, -0.11, 0.02, -0.03].map(shifted);
    *accuracy = Accuracy { vote, best_of, noise_off, fixed_noise, ..accuracy.clone() };
}

fn evaluated(name: &str, examples: usize, draws: usize, seed: u64) -> Evaluated {
    let key = Key::new(seed);
    // Examples, and their difficulty, are the same for every model.
    let difficulty = host_normal(Key::new(1), 0..examples as u64);
    let luck = host_normal(key.child(1), 0..draws as u64);
    let judged = |kind: u64, harm: f64| -> Vec<Vec<bool>> {
        let draw = |d: usize| {
            let coins = host_uniform(key.child(2 + kind).child(d as u64), 0..examples as u64);
            let hit = |i: usize| {
                let x = 2.0 - harm + 2.0 * f64::from(difficulty[i]) + 0.3 * f64::from(luck[d]);
                f64::from(coins[i]) < 1.0 / (1.0 + (-x).exp())
            };
            (0..examples).map(hit).collect()
        };
        (0..draws).map(draw).collect()
    };
    let estimate = |hits: &Vec<Vec<bool>>| {
        let mut all = Hits::new(draws);
        all.extend(hits);
        all.estimate(0.95).unwrap()
    };
    let correct = |hits: &[Vec<bool>], i: usize| hits.iter().filter(|draw| draw[i]).count() as u32;
    let clean = judged(0, 0.0);
    let attacked: Vec<Vec<Vec<bool>>> =
        SUITE.iter().enumerate().map(|(i, (_, harm))| judged(1 + i as u64, *harm)).collect();
    let worst = judged(90, 2.4);
    let threat = Threat::linf(8.0 / 255.0).expect("a radius");
    let row = |i: usize| Row {
        index: i,
        label: (i % 10) as i64,
        clean: correct(&clean, i),
        predicted: Some((i % 10) as i64),
        attacks: attacked
            .iter()
            .map(|hits| RowAttack {
                correct: correct(hits, i),
                distance: threat.epsilon(),
                predicted: Some(((i + 3) % 10) as i64),
                noise_off: None,
                fixed_noise: None,
            })
            .collect(),
        worst_case: correct(&worst, i),
        certificate: None,
        broken_by: None,
    };
    let attack = |(i, (name, _)): (usize, &(&str, f64))| AttackRecord {
        name: (*name).to_string(),
        spec: serde_json::json!({ "attack": name, "draws": 1, "steps": 20, "threat": threat }),
        hash: format!("{:064x}", 0xA11C_E000_0000 + i as u64),
        key: key.named(name),
        robust: estimate(&attacked[i]).into(),
        access: Some(Access::Gradients),
        gradient_draws: Some(if name.starts_with("EOT") { 20 } else { 1 }),
        evidence: None,
        attacked: Some(examples),
        broken: None,
        exhausted: false,
        spectrum: Some(Spectrum {
            changed: examples,
            shares: vec![
                0.3 - 0.02 * i as f64,
                0.25,
                0.2,
                0.1,
                0.06,
                0.05,
                0.03,
                0.01 + 0.02 * i as f64,
            ],
            white: vec![0.025, 0.075, 0.125, 0.175, 0.225, 0.225, 0.11, 0.04],
        }),
        passes: Passes { forwards: 20_000 * (i as u64 + 1), backwards: 19_000 * (i as u64) },
        seconds: 12.5 * (i as f64 + 1.0),
    };
    let record = Record {
        schema: SCHEMA,
        version: "0.1.0".to_string(),
        data: DataCard {
            name: "CIFAR-10 test".to_string(),
            fingerprint: "3e4a57e07e7c0968".repeat(4),
            classes: CLASSES.map(String::from).to_vec(),
        },
        model: ModelCard {
            name: name.to_string(),
            parameters: 1_894_650,
            noise: "none".into(),
            config: Some(serde_json::json!({ "depth": 20, "width": 1.0 })),
            ..ModelCard::default()
        },
        threat: ThreatCard {
            threats: vec![threat],
            goal: "any class but the true one".to_string(),
            domain: "[0, 1]".to_string(),
            access: vec![Access::None, Access::Gradients, Access::Scores],
            noise: "none".to_string(),
            precision: None,
        },
        command: String::new(),
        examples,
        draws,
        votes: 1,
        tries: 1,
        stochastic: draws > 1,
        noise_states: vec![NoiseState::Live],
        key,
        confidence: 0.95,
        clean: estimate(&clean).into(),
        cascade: None,
        budget: None,
        attacks: SUITE.iter().enumerate().map(attack).collect(),
        worst_case: Some(estimate(&worst).into()),
        curves: Vec::new(),
        scoring: Passes { forwards: 7 * (examples * draws) as u64, backwards: 0 },
        seconds: 412.0,
        warnings: Vec::new(),
        checks: Vec::new(),
        audit: None,
        certificates: None,
    };
    Evaluated { record, rows: (0..examples).map(row).collect(), gallery: Vec::new() }
}

fn epoch(epoch: usize) -> Epoch {
    let t = epoch as f64;
    let scores = [
        ("train robust", 0.45 - 0.35 / t),
        ("validation clean", 0.6 - 0.4 / t),
        ("validation robust", 0.4 - 0.3 / t),
        ("train loss", 1.2 + 1.1 / t),
        ("validation loss", 1.4 + 0.9 / t),
        ("train robust loss", 0.9 + 1.2 / t),
        ("validation robust loss", 1.6 + 0.8 / t),
    ];
    Epoch {
        epoch,
        scores: scores.map(|(name, value)| (name.to_string(), value)).into(),
        noise: (0..20)
            .map(|i| {
                (
                    format!("layer{i:02}.conv.weight"),
                    0.25 * (1.0 + 0.1 * i as f64) * (1.0 - (-t / 4.0).exp()),
                )
            })
            .collect(),
        notes: Vec::new(),
    }
}

fn layer(index: usize) -> NoiseCovariance {
    let n = [16, 32, 64][index % 3];
    let entry = |i: usize, j: usize| {
        let far = i.abs_diff(j) as f64;
        1e-3 * ((-far / 6.0).exp() * (far / 3.0).cos() + if i == j { 0.3 } else { 0.0 })
    };
    NoiseCovariance {
        path: format!("layer{index:02}.conv.weight"),
        law: "colored, rank 5".to_string(),
        elements: n * 144,
        channels: n,
        amplitude: 0.25 + 0.01 * index as f64,
        std_mean: 0.011,
        std_max: 0.034,
        relative_std: Some(0.21),
        covariance: (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect(),
        eigenvalues: (0..n).map(|i| 6e-3 * (-(i as f64) / 5.0).exp() + 3e-4).collect(),
        factor_eigenvalues: (0..5).map(|i| 2.0 * (-(i as f64)).exp()).collect(),
    }
}

fn example_image(index: usize) -> ExampleImage {
    let side = 32;
    let noise = host_uniform(Key::new(3).child(index as u64), 0..3 * 32 * 32);
    let clean: Vec<f32> = (0..3 * side * side)
        .map(|i| {
            let (channel, y, x) = (i / (side * side), i / side % side, i % side);
            let wave = (x * (index + 1)) as f32 / 9.0 + (y * (channel + 1)) as f32 / 11.0;
            0.5 + 0.35 * wave.sin()
        })
        .collect();
    let step = |(pixel, u): (&f32, &f32)| pixel + if *u < 0.5 { -8.0 / 255.0 } else { 8.0 / 255.0 };
    ExampleImage {
        index,
        label: (index % 10) as i64,
        predicted_clean: (index % 10) as i64,
        predicted_adversarial: ((index * 7 + 2) % 10) as i64,
        shape: [3, side, side],
        adversarial: clean.iter().zip(&noise).map(step).collect(),
        clean,
    }
}
