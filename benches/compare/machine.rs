//! Facts about the machine, without which a timing is useless.

use crate::root;
use cni_burn::ops::HalfPrecision;
use serde_json::{Value, json};
use std::process::Command;

/// The number of threads of Burn's CPU backend, by the rules of `rayon`.
pub fn threads() -> usize {
    let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|n| n.parse().ok());
    let cores = || std::thread::available_parallelism().map_or(1, Into::into);
    asked.filter(|&n| n > 0).unwrap_or_else(cores)
}

/// Facts for the record; `null` if the system does not know them.
pub fn facts(threads: usize, torch: Option<&str>) -> Value {
    let memory = field("/proc/meminfo", "MemTotal").and_then(|value| kilobytes(&value));
    let load_average = std::fs::read_to_string("/proc/loadavg").ok();
    let load_average = load_average.map(|line| line.trim().to_string());
    json!({
        "date": says("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
        "cpu": field("/proc/cpuinfo", "model name"),
        "cpu_features": cpu_features(),
        "half_precision": half_precision(),
        "cores": std::thread::available_parallelism().ok().map(usize::from),
        "threads": threads,
        "memory_bytes": memory,
        "load_average": load_average,
        "rustc": says("rustc", &["--version"]),
        "burn": burn(),
        "cni-burn": env!("CARGO_PKG_VERSION"),
        "torch": torch,
    })
}

/// How our half precision is computed here.
fn half_precision() -> String {
    HalfPrecision::in_force().map_or_else(|error| error.to_string(), |way| way.to_string())
}

/// The instruction sets of this CPU that decide between precisions.
fn cpu_features() -> Option<Vec<String>> {
    let decisive = [
        "avx2",
        "avx512f",
        "avx512_vnni",
        "avx512_bf16",
        "avx512_fp16",
        "amx_tile",
        "amx_bf16",
        "bf16",
    ];
    let flags = field("/proc/cpuinfo", "flags").or_else(|| field("/proc/cpuinfo", "Features"))?;
    let present = flags.split_whitespace().filter(|flag| decisive.contains(flag));
    Some(present.map(String::from).collect())
}

/// A size in bytes from the status of this process: `VmRSS` is memory now, `VmHWM` its peak.
pub fn own_memory(name: &str) -> Option<u64> {
    kilobytes(&field("/proc/self/status", name)?)
}

fn kilobytes(value: &str) -> Option<u64> {
    value.strip_suffix("kB")?.trim().parse::<u64>().ok().map(|n| n * 1024)
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let value =
        |line: &str| Some(line.strip_prefix(name)?.trim_start().strip_prefix(':')?.trim().into());
    text.lines().find_map(value)
}

fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(root()).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_string())
}

fn burn() -> Option<String> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).ok()?;
    let (_, rest) = lock.split_once("name = \"burn\"\nversion = \"")?;
    Some(rest.split_once('"')?.0.to_string())
}
