//! The gradients of training objectives against plain PGD steps of as many passes.

use crate::Result;
use crate::measure::{Bench, Run};
use crate::work::{EPSILON, Work};
use cni_burn::prelude::*;
use serde_json::{Value, json};

/// Steps of the two plain attacks, from which the time of a step and of a training pass follow.
const FEW: usize = 2;
const MANY: usize = 10;

/// The seconds of each objective's gradients, and their ratio to the time of a plain step with as
/// many steps of the attack and as many training passes.
pub fn objectives(bench: &mut Bench) -> Result<Value> {
    let threat = Threat::linf(EPSILON)?;
    let pgd = |steps| Pgd::new(threat).with_steps(steps);
    let plain = |steps| Ok::<_, Box<dyn std::error::Error>>(Objective::madry(pgd(steps)?));
    // The name, the objective, the steps of its attack and its training passes.
    let all = [
        ("PGD-2", plain(FEW)?, FEW, 1),
        ("PGD-10", plain(MANY)?, MANY, 1),
        ("half and half", Objective::half_and_half(pgd(MANY)?), MANY, 2),
        ("TRADES", Objective::trades(Pgd::trades(threat)), MANY, 2),
        ("MART", Objective::mart(Pgd::trades(threat)), MANY, 2),
        ("N-FGSM", Objective::madry(Pgd::n_fgsm(threat)), 1, 1),
        ("ELLE", Objective::elle(Pgd::n_fgsm(threat)), 1, 4),
        ("free", Objective::free(threat), 0, 1),
    ];
    let work = &Work::new(ModelNoise::none(), bench.batch);
    let runs = all.iter().map(|(name, objective, ..)| {
        let mut step = 0;
        let gradients = move || {
            step += 1;
            work.objective(objective, Key::new(step))
        };
        (*name, Run::ours(gradients))
    });
    let timings = bench.in_turns(2 * bench.repeats, runs.collect())?;
    let seconds = |name: &str| timings.find(name).map_or(f64::NAN, |timing| timing.median);
    let of_step = (seconds("PGD-10") - seconds("PGD-2")) / (MANY - FEW) as f64;
    let of_pass = seconds("PGD-2") - FEW as f64 * of_step;
    let ratio = |(name, _, steps, passes): &(&str, Objective, usize, usize)| {
        let plain = *steps as f64 * of_step + *passes as f64 * of_pass;
        println!("{name}: {:.3} of a plain step of as many passes", seconds(name) / plain);
        json!({ "objective": name, "of_plain": seconds(name) / plain })
    };
    let ratios: Vec<Value> = all.iter().map(ratio).collect();
    Ok(json!({
        "attack_step_seconds": of_step,
        "training_pass_seconds": of_pass,
        "ratios": ratios,
        "timings": timings,
    }))
}
