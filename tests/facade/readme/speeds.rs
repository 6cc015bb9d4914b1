//! Times and memory: the page on speed.

use super::docs::{assert_page_says, assert_page_shows};
use super::{assert_said, json};
use serde_json::Value;

const PAGE: &str = "speed.md";

#[test]
fn the_speeds_are_those_of_their_record() {
    let record = json("results/bench-cpu.json");
    let ratio = |task: &str, ours: &str, peer: &str| {
        let ratios = record["tasks"][task]["ratios"].as_array().unwrap();
        let found = ratios.iter().find(|ratio| ratio["ours"] == ours && ratio["peer"] == peer);
        found.unwrap_or_else(|| panic!("{task}: no {ours} against {peer}"))["of_medians"]
            .as_f64()
            .unwrap()
    };
    let step = |ours, peer| ratio("adversarial-step", ours, peer);
    let best = |ours| against_best(&record, "adversarial-step", ours);
    let of_step = |ours| seconds(&record, "adversarial-step", ours);
    let memory = |at: usize| record["tasks"]["memory"]["peers"][at]["ratio"].as_f64().unwrap();
    let profile =
        |at: usize| record["tasks"]["profile"]["burn_ratios"][at]["ratio"].as_f64().unwrap();
    let rows = [
        ("against `torch.randn`", ratio("draws", "host_normal", "torch.randn")),
        (
            "against `w + a * torch.randn_like(w)`",
            ratio("noisy-weight", "noisy weight", "w + a * torch.randn_like(w)"),
        ),
        ("step, against PyTorch by its defaults", step("ours", "PyTorch")),
        (
            "step, against the published code's way of attacking",
            step("ours", "PyTorch, published code"),
        ),
        ("step, against channels-last memory", step("ours", "PyTorch, channels-last")),
        ("step, against channels-last, compiled", step("ours", "PyTorch, channels-last, compiled")),
        (
            "step in bf16, against channels-last, bf16",
            step("ours, bf16", "PyTorch, channels-last, bf16"),
        ),
        (
            "step in bf16, against channels-last, bf16, compiled",
            step("ours, bf16", "PyTorch, channels-last, bf16, compiled"),
        ),
        ("step in bf16, against the fastest of these", best("ours, bf16")),
        ("peak memory of a step, PyTorch by its defaults", memory(0)),
        ("peak memory of a step, channels-last memory", memory(2)),
    ];
    for (what, ratio) in rows {
        let row = format!("{what} | {ratio:.1} |");
        assert_page_shows(PAGE, &row);
    }
    assert_said(&format!(
        "is {:.1} times as fast as PyTorch, compiled, with channels-last memory, on two cores with \
         AVX-512, and in bf16 {:.1} times as fast as the fastest of PyTorch's ways there",
        step("ours", "PyTorch, channels-last, compiled"),
        best("ours, bf16"),
    ));
    let noise = record["tasks"]["noise-share"]["ours_noise_alone"].as_f64().unwrap();
    for text in [
        format!("The noise by itself costs {:.1} %", noise * 100.0),
        format!("convolutions take {:.1} times", profile(0)),
        format!("what follows them {:.1} times", profile(1)),
        format!("step in bf16 takes {:.2} times as long", of_step("ours, bf16") / of_step("ours")),
        format!(
            "and {:.2} times the memory",
            record["tasks"]["memory"]["bf16_by_full"].as_f64().unwrap()
        ),
    ] {
        assert_page_says(PAGE, &text);
    }
}

#[test]
fn the_memory_over_many_steps_is_flat_in_its_record() {
    let growth = json("results/bench-growth.json")["tasks"]["soak"]["growth"].as_f64().unwrap();
    assert!(growth < 1.05, "{growth}");
}

/// The median seconds of a row of a task.
fn seconds(record: &Value, task: &str, name: &str) -> f64 {
    let timings = record["tasks"][task]["timings"].as_array().unwrap();
    let timing = timings.iter().find(|timing| timing["name"] == name);
    timing.unwrap_or_else(|| panic!("{task}: no {name}"))["median"].as_f64().unwrap()
}

/// The ratio of the fastest peer's time of a task to that of one of our rows.
fn against_best(record: &Value, task: &str, ours: &str) -> f64 {
    let rows = record["tasks"][task]["against_best"].as_array().unwrap();
    rows.iter().find(|row| row["ours"] == ours).unwrap()["of_medians"].as_f64().unwrap()
}

#[test]
fn the_cost_of_an_evaluation_is_that_of_its_record() {
    let record = json("results/evaluation.json");
    let numbers = |list: &str, field: &str| -> Vec<f64> {
        record[list].as_array().unwrap().iter().map(|of| of[field].as_f64().unwrap()).collect()
    };
    let beyond = numbers("runs", "beyond");
    let (least, most) = beyond.iter().fold((1.0f64, 0.0f64), |(a, b), &c| (a.min(c), b.max(c)));
    let (peak, examples) = (numbers("memory", "peak_bytes"), numbers("memory", "examples"));
    let mib = |at: usize| peak[at] / f64::from(1 << 20);
    for sentence in [
        format!("costs {:.1} to {:.1} % of its passes' time", 100.0 * least, 100.0 * most),
        format!(
            "peak memory is {:.0} MiB for {} examples and {:.0} MiB for",
            mib(0),
            examples[0],
            mib(1)
        ),
    ] {
        assert_page_says(PAGE, &sentence);
    }
}

#[test]
fn the_numbers_of_other_machines_are_those_of_their_records() {
    let (forward, step) = (json("results/amx/forward.json"), json("results/amx/step.json"));
    assert_eq!(step["machine"]["half_precision"], "amx");
    let judged = seconds(&forward, "forward", "ours, bf16");
    let speed =
        |task: &str, name: &str| step["tasks"][task]["images_per_second"][name].as_f64().unwrap();
    let best = "PyTorch, channels-last, bf16, compiled";
    let times = |task: &str| {
        let times = against_best(&step, task, "ours, bf16");
        assert!((speed(task, "ours, bf16") / speed(task, best) - times).abs() < 1e-9);
        times
    };
    let (of_step, of_attack) = ("adversarial-step", "eot-attack");
    assert_said(&format!("or {:.1} times on two cores with AMX", times(of_step)));
    let (gpu, all) = (json("results/gpu/cuda.json"), json("results/gpu/backends.json"));
    for text in [
        format!(
            "the step takes {:.1} images a second in bf16 and {:.1} in full precision, and {:.1} \
             by the fastest way of PyTorch, which is channels-last in bf16 and compiled: {:.1} \
             times as fast as that",
            speed(of_step, "ours, bf16"),
            speed(of_step, "ours"),
            speed(of_step, best),
            times(of_step)
        ),
        format!(
            "it takes {:.1} in bf16, {:.1} times as many as the fastest way of PyTorch, {:.1}",
            speed(of_attack, "ours, bf16"),
            times(of_attack),
            speed(of_attack, best)
        ),
        format!(
            "A frozen forward pass takes {:.0} ms, {:.1} times as fast as the fastest",
            1e3 * judged,
            against_best(&forward, "forward", "ours, bf16")
        ),
        format!(
            "takes {:.2} s on the H200 by CUDA and {:.2} s by Vulkan",
            seconds(&gpu, "backends", "cuda"),
            seconds(&all, "backends", "vulkan")
        ),
        format!(
            "PyTorch takes {:.2} s, or {:.2} s compiled",
            seconds(&gpu, "backends", "PyTorch, CUDA"),
            seconds(&gpu, "backends", "PyTorch, CUDA, compiled")
        ),
    ] {
        assert_page_says(PAGE, &text);
    }
}

#[test]
fn the_images_a_second_of_the_averaging_attack_are_those_of_their_record() {
    let record = json("results/eot-attack.json");
    let speeds = &record["tasks"]["eot-attack"]["images_per_second"];
    let of = |name: &str| speeds[name].as_f64().unwrap();
    let [full, half] = ["ours", "ours, bf16"].map(of);
    assert_page_says(
        PAGE,
        &format!(
            "takes {half:.1} images a second in bf16 on two cores of an EPYC with AVX-512's \
         instructions for bf16, and {full:.1} in"
        ),
    );
    let [compiled, best] =
        ["compiled", "bf16, compiled"].map(|how| of(&format!("PyTorch, channels-last, {how}")));
    assert_page_says(
        PAGE,
        &format!("takes {compiled:.1} compiled, and {best:.1} compiled in bf16"),
    );

    let record = json("results/step-avx512-bf16.json");
    assert_eq!(record["machine"]["half_precision"], "avx512_bf16");
    let speeds = record["tasks"]["adversarial-step"]["images_per_second"].as_object().unwrap();
    let of = |ours: bool| {
        let of = speeds.iter().filter(|(name, _)| name.starts_with("PyTorch") != ours);
        of.map(|(_, speed)| speed.as_f64().unwrap()).fold(0.0, f64::max)
    };
    assert_page_says(
        PAGE,
        &format!(
            "takes {:.1} images a second there in bf16, and {:.1} by the fastest way of PyTorch",
            of(true),
            of(false)
        ),
    );
}
