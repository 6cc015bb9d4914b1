//! The peak memory of the adversarial step.

use crate::measure::Bench;
use crate::step::{OURS, PEERS};
use crate::work::Training;
use crate::{Result, machine};
use cni_burn::prelude::*;
use serde_json::{Value, json};
use std::process::Command;

/// Peak memory. Each side runs in a fresh process and takes the step twice, because the first step
/// makes the state of the optimizer. Compiled steps are left out, because their process also holds
/// the compiler.
pub fn memory(bench: &Bench) -> Result<Value> {
    let grown = |side: &Value, baseline| {
        side["peak_rss_bytes"].as_u64()?.checked_sub(side[baseline].as_u64()?)
    };
    let print = |name: &str, bytes: Option<u64>| {
        if let Some(bytes) = bytes {
            println!("{name:<40}{:>12.0} MiB", bytes as f64 / f64::from(1 << 20));
        }
    };
    let ratio = |ours: Option<u64>, of: Option<u64>| Some(of? as f64 / ours? as f64);
    let [(ours, ours_bytes), (half, half_bytes)] = {
        let child = |(name, precision): (&str, Precision)| -> Result<(Value, Option<u64>)> {
            let said = child(bench.batch, precision)?;
            let bytes = grown(&said, "start_rss_bytes");
            print(name, bytes);
            Ok((said, bytes))
        };
        [child(OURS[0])?, child(OURS[1])?]
    };
    let of_full = ratio(ours_bytes, half_bytes);
    if let Some(share) = of_full {
        println!("ours, bf16 by ours: {share:.2}");
    }
    let mut peers = Vec::new();
    for (name, suffix) in PEERS.iter().filter(|(name, _)| !name.contains("compiled")) {
        let Some(peer) = &bench.peer else { break };
        let peer = peer.once(&format!("adv-step{suffix}"))?;
        let bytes = grown(&peer, "import_rss_bytes");
        print(name, bytes);
        let [full, half] = [ours_bytes, half_bytes].map(|ours| ratio(ours, bytes));
        if let Some((full, half)) = full.zip(half) {
            println!("{name} / ours: {full:.2}; / ours, bf16: {half:.2}");
        }
        peers.push(json!({
            "name": name, "bytes": bytes, "ratio": full, "ratio_bf16": half, "said": peer,
        }));
    }
    Ok(json!({
        "ours": ours,
        "ours_bytes": ours_bytes,
        "ours_bf16": half,
        "ours_bf16_bytes": half_bytes,
        "bf16_by_full": of_full,
        "peers": peers,
    }))
}

/// The memory of our side of [`memory`], from a process of its own.
fn child(batch: usize, precision: Precision) -> Result<Value> {
    let child = Command::new(std::env::current_exe()?)
        .args(["--child-step", &precision.to_string(), "--batch", &batch.to_string()])
        .output()?;
    if !child.status.success() {
        return Err(format!("the child: {}", String::from_utf8_lossy(&child.stderr)).into());
    }
    Ok(serde_json::from_slice(&child.stdout)?)
}

/// Our side of [`memory`], in a process that it starts.
pub fn child_step(batch: usize, precision: Precision) -> Result<()> {
    let start = machine::own_memory("VmHWM");
    let mut training = Training::new(batch)?;
    autocast(precision, || training.step().and_then(|()| training.step()))?;
    let peak = machine::own_memory("VmHWM");
    println!("{}", json!({ "start_rss_bytes": start, "peak_rss_bytes": peak }));
    Ok(())
}
