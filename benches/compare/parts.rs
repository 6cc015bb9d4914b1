//! The parts of the adversarial step.

use crate::Result;
use crate::measure::{Bench, median};
use crate::step::OURS;
use crate::work::{Training, noisy_weights};
use burn::module::Module;
use cni_burn::prelude::*;
use serde_json::{Map, Value, json};
use std::hint::black_box;
use std::time::Instant;

/// The parts of one step of ResNet-20 with CNI-W, in both precisions: the attack, the gradients of
/// training, and the update, which follow each other in the step; and the draws of the noise of its
/// nine forward passes, which are inside the first two.
pub fn parts(bench: &Bench) -> Result<Value> {
    let mut report = Map::new();
    for (name, precision) in OURS {
        let mut training = Training::new(bench.batch)?;
        let mut seconds: [Vec<f64>; 4] = Default::default();
        for round in 0..=bench.repeats {
            let parts = autocast(precision, || one(&mut training))?;
            // The first round warms up.
            if round > 0 {
                seconds.iter_mut().zip(parts).for_each(|(all, one)| all.push(one));
            }
        }
        let [attack, gradients, update, noise] = seconds.each_ref().map(|part| median(part));
        let step = attack + gradients + update;
        println!("{name}: {:.1} ms", step * 1e3);
        let parts = [("attack", attack), ("gradients", gradients), ("update", update)];
        let parts =
            parts.into_iter().chain([("noise, in the first two", noise)]).map(|(part, s)| {
                println!("{part:>34}{:>12.2} ms{:>8.1} %", s * 1e3, 100.0 * s / step);
                json!({ "name": part, "seconds": s, "share": s / step })
            });
        let parts: Vec<Value> = parts.collect();
        report.insert(name.into(), json!({ "seconds": step, "parts": parts }));
    }
    Ok(report.into())
}

/// The seconds of the attack, of the gradients, of the update, and of the noise alone.
fn one(training: &mut Training) -> Result<[f64; 4]> {
    let start = Instant::now();
    let adversarial = training.attack()?;
    let attack = start.elapsed();
    let gradients = training.gradients(adversarial);
    let both = start.elapsed();
    training.update(gradients)?;
    let step = start.elapsed();

    let (model, key) = (training.model(), Key::new(3));
    let frozen = model.valid();
    let start = Instant::now();
    for pass in 0..Training::ATTACK_STEPS {
        black_box(noisy_weights(&frozen, key.child(pass)));
    }
    for pass in 0..2 {
        black_box(noisy_weights(model, key.child(pass)).backward());
    }
    let noise = start.elapsed();
    Ok([attack, both - attack, step - both, noise].map(|part| part.as_secs_f64()))
}
