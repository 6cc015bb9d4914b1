//! The gradients of training objectives against plain PGD steps of as many passes.

use crate::Result;
use crate::measure::{Bench, Run, quantile};
use crate::work::{EPSILON, Work};
use cni_burn::prelude::*;
use serde_json::{Value, json};

/// The seconds of each objective's gradients, and their ratio to those of a plain PGD step with as
/// many steps of the attack, with as many clean passes more as it has training passes beyond one:
/// the median of the ratios within a round, and their quartiles.
pub fn objectives(bench: &mut Bench) -> Result<Value> {
    let threat = Threat::linf(EPSILON)?;
    let pgd = |steps| Pgd::new(threat).with_steps(steps);
    let plain = |steps| Ok::<_, Box<dyn std::error::Error>>(Objective::madry(pgd(steps)?));
    // Plain steps, then the others, each with its plain step and its clean passes more.
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
    let ratios = others.iter().map(|&(name, _, plain, more)| {
        let seconds = |name: &str| {
            timings.find(name).map(|timing| timing.seconds.as_slice()).unwrap_or_default()
        };
        // Within a round the machine is as busy for one as for the other.
        let rounds = seconds(name).iter().zip(seconds(plain)).zip(seconds("clean"));
        let rounds = rounds.map(|((own, plain), clean)| own / (plain + more as f64 * clean));
        let rounds: Vec<f64> = rounds.collect();
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|level| quantile(&rounds, level));
        println!("{name}: {middle:.3} [{low:.3}, {high:.3}] of {plain} and {more} clean");
        json!({
            "objective": name,
            "plain": plain,
            "clean_passes_more": more,
            "of_plain": middle,
            "quartiles": [low, high],
        })
    });
    let ratios: Vec<Value> = ratios.collect();
    Ok(json!({ "ratios": ratios, "timings": timings }))
}
