//! The gradients of training objectives against plain PGD steps of as many passes.

use crate::Result;
use crate::measure::{Bench, Run, Timing};
use crate::work::{EPSILON, Work};
use cni_burn::prelude::*;
use serde_json::{Value, json};

/// The seconds of each objective's gradients, and their ratio to those of a plain PGD step with as
/// many steps of the attack, with as many clean passes more as it has training passes beyond one.
pub fn objectives(bench: &mut Bench) -> Result<Value> {
    let threat = Threat::linf(EPSILON)?;
    let pgd = |steps| Pgd::new(threat).with_steps(steps);
    let plain = |steps| Ok::<_, Box<dyn std::error::Error>>(Objective::madry(pgd(steps)?));
    // What the others are measured by, then these: the name, the plain step, clean passes more.
    let plain = [("clean", Objective::clean()), ("PGD-1", plain(1)?), ("PGD-10", plain(10)?)];
    let others = [
        ("half and half", Objective::half_and_half(pgd(10)?), "PGD-10", 1),
        ("TRADES", Objective::trades(Pgd::trades(threat)), "PGD-10", 1),
        ("MART", Objective::mart(Pgd::trades(threat)), "PGD-10", 1),
        ("N-FGSM", Objective::madry(Pgd::n_fgsm(threat)), "PGD-1", 0),
        ("ELLE", Objective::elle(Pgd::n_fgsm(threat)), "PGD-1", 3),
        ("free", Objective::free(threat), "clean", 0),
    ];
    let work = &Work::new(ModelNoise::none(), bench.batch);
    let all = plain.iter().map(|(name, of)| (*name, of));
    let all = all.chain(others.iter().map(|(name, of, ..)| (*name, of)));
    let runs = all.map(|(name, objective)| {
        let mut step = 0;
        let gradients = move || {
            step += 1;
            work.objective(objective, Key::new(step))
        };
        (name, Run::ours(gradients))
    });
    let timings = bench.in_turns(2 * bench.repeats, runs.collect())?;
    // Other work of the machine only adds to a time, so that the least of many is compared too.
    let ratio = |name: &str, plain: &str, more: usize, of: fn(&Timing) -> f64| {
        let seconds = |name: &str| timings.find(name).map_or(f64::NAN, of);
        seconds(name) / (seconds(plain) + more as f64 * seconds("clean"))
    };
    let ratios = others.iter().map(|&(name, _, plain, more)| {
        let of_medians = ratio(name, plain, more, |timing| timing.median);
        let of_minima = ratio(name, plain, more, |timing| timing.minimum);
        println!("{name}: {of_medians:.3} of {plain} and {more} clean (of minima {of_minima:.3})");
        json!({
            "objective": name,
            "plain": plain,
            "clean_passes_more": more,
            "of_medians": of_medians,
            "of_minima": of_minima,
        })
    });
    let ratios: Vec<Value> = ratios.collect();
    Ok(json!({ "ratios": ratios, "timings": timings }))
}
