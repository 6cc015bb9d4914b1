//! The same adversarial step on every backend that this program was built with.

use crate::measure::{Bench, Run};
use crate::work::Training;
use crate::{Result, machine};
use cni_burn::device::{compared, device};
use serde_json::{Map, Value, json};
use std::time::Instant;

/// The PyTorch variant of an expert on CUDA.
const CUDA_EXPERT: &str = "PyTorch, CUDA, channels-last, bf16, compiled";

/// Times the backends in turns with Flex, and on CUDA with PyTorch, eager and compiled. The first
/// step is given separately, because it compiles the kernels.
pub fn backends(bench: &mut Bench) -> Result<Value> {
    let mut steps = Vec::new();
    let mut first = Map::new();
    for name in ["flex"].into_iter().chain(compared()?.into_iter().filter(|name| *name != "flex")) {
        let device = match device(name) {
            Ok(device) => device,
            Err(reason) => {
                println!("{reason}");
                first.insert(name.into(), json!({ "missing": reason.to_string() }));
                continue;
            }
        };
        let start = Instant::now();
        let mut training = Training::on(device, bench.batch)?;
        training.step()?;
        let seconds = start.elapsed().as_secs_f64();
        println!("{name:<34}first step {seconds:.1} s");
        first.insert(
            name.into(),
            json!({ "seconds": seconds, "rss_bytes": machine::own_memory("VmRSS") }),
        );
        steps.push((name, training));
    }
    let on_cuda = bench.peer.as_ref().is_some_and(|peer| peer.cuda())
        && steps.iter().any(|(name, _)| *name == "cuda");
    let names: Vec<&str> = steps.iter().map(|(name, _)| *name).collect();
    let mut runs: Vec<_> =
        steps.iter_mut().map(|(name, training)| (*name, Run::ours(|| training.step()))).collect();
    if on_cuda {
        runs.push(("PyTorch, CUDA", Run::peer("adv-step-cuda")));
        runs.push(("PyTorch, CUDA, compiled", Run::peer("adv-step-cuda-compiled")));
        runs.push((CUDA_EXPERT, Run::peer("adv-step-cuda-channels-last-bf16-compiled")));
    }
    let timings = bench.in_turns(bench.repeats, runs)?;
    let mut pairs: Vec<_> = names.iter().map(|name| (*name, "flex")).collect();
    pairs.retain(|(name, flex)| name != flex);
    let peers = ["PyTorch, CUDA", "PyTorch, CUDA, compiled", CUDA_EXPERT];
    pairs.extend(peers.map(|peer| ("cuda", peer)));
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
