//! The same adversarial step on every backend that this program was built with, in both precisions.

use crate::measure::{Bench, Run};
use crate::step::OURS;
use crate::work::Training;
use crate::{Result, machine};
use cni_burn::device::{compared, device};
use cni_burn::prelude::*;
use serde_json::{Map, Value, json};
use std::time::Instant;

/// PyTorch on CUDA, with its defaults and as an expert runs it: names and tasks.
const ON_CUDA: [(&str, &str); 4] = [
    ("PyTorch, CUDA", "adv-step-cuda"),
    ("PyTorch, CUDA, compiled", "adv-step-cuda-compiled"),
    ("PyTorch, CUDA, channels-last, bf16", "adv-step-cuda-channels-last-bf16"),
    ("PyTorch, CUDA, channels-last, bf16, compiled", "adv-step-cuda-channels-last-bf16-compiled"),
];

/// One backend in one precision.
struct Row {
    /// The name of the backend, and of the precision if it is bf16.
    name: String,
    backend: &'static str,
    precision: Precision,
    training: Training,
}

/// Times the backends in turns with Flex, and on CUDA with PyTorch, eager and compiled. The first
/// step is given separately, because it compiles the kernels.
pub fn backends(bench: &mut Bench) -> Result<Value> {
    let mut rows = Vec::new();
    let mut first = Map::new();
    for backend in
        ["flex"].into_iter().chain(compared()?.into_iter().filter(|name| *name != "flex"))
    {
        let device = match device(backend) {
            Ok(device) => device,
            Err(reason) => {
                println!("{reason}");
                first.insert(backend.into(), json!({ "missing": reason.to_string() }));
                continue;
            }
        };
        for (ours, precision) in OURS {
            let name = ours.replace("ours", backend);
            if !precision.works_on(&device) {
                first.insert(name, json!({ "missing": precision }));
                continue;
            }
            let start = Instant::now();
            let mut training = Training::on(device.clone(), bench.batch)?;
            autocast(precision, || training.step())?;
            let seconds = start.elapsed().as_secs_f64();
            println!("{name:<34}first step {seconds:.1} s");
            first.insert(
                name.clone(),
                json!({ "seconds": seconds, "rss_bytes": machine::own_memory("VmRSS") }),
            );
            rows.push(Row { name, backend, precision, training });
        }
    }
    let on_cuda = bench.peer.as_ref().is_some_and(|peer| peer.cuda())
        && rows.iter().any(|row| row.backend == "cuda");
    let backends: Vec<_> = rows.iter().map(|row| (row.name.clone(), row.backend)).collect();
    let mut runs: Vec<_> = rows
        .iter_mut()
        .map(|Row { name, precision, training, .. }| {
            (name.as_str(), Run::ours(|| autocast(*precision, || training.step())))
        })
        .collect();
    if on_cuda {
        runs.extend(ON_CUDA.map(|(name, task)| (name, Run::peer(task))));
    }
    let timings = bench.in_turns(bench.repeats, runs)?;
    let mut pairs = Vec::new();
    for (name, backend) in &backends {
        if *backend != "flex" {
            pairs.push((name.as_str(), "flex"));
        }
        if *backend == "cuda" {
            pairs.extend(ON_CUDA.map(|(peer, _)| (name.as_str(), peer)));
        }
    }
    let ratios = timings.ratios(&pairs);
    let per_second: Map<String, Value> = timings
        .0
        .iter()
        .map(|timing| (timing.name.clone(), json!(bench.batch as f64 / timing.median)))
        .collect();
    Ok(json!({
        "first": first,
        "timings": timings,
        "ratios": ratios,
        "images_per_second": per_second,
    }))
}
