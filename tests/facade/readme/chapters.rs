//! The numbers in the chapters of the book are those of the records.

use super::docs::assert_page_says;
use super::{json, root};
use cni_burn::evaluation::Estimate;
use cni_burn::evaluation::audit::Audit;
use cni_burn::prelude::Record;
use std::fs::read_to_string;

pub(super) fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

/// A number with a comma after its thousands.
pub(super) fn thousands(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    }
}

pub(super) fn with_interval(of: &Estimate) -> String {
    let [accuracy, low, high] = [of.accuracy, of.low, of.high].map(percent);
    format!("{accuracy} [{low}, {high}]")
}

pub(super) fn record(path: &str) -> Record {
    Record::read(root().join(path)).unwrap()
}

/// The robust accuracy under an attack, in percent.
fn left(record: &Record, attack: &str) -> String {
    let found = record.attacks.iter().find(|found| found.name == attack);
    percent(found.unwrap_or_else(|| panic!("no {attack}")).robust.one_shot.accuracy)
}

/// The images a second of a row of a task.
fn speed(path: &str, task: &str, name: &str) -> f64 {
    let speeds = &json(path)["tasks"][task]["images_per_second"];
    speeds[name].as_f64().unwrap_or_else(|| panic!("{path}: no {name}"))
}

#[test]
fn how_long_a_training_takes_is_that_of_the_records() {
    let seconds = json("results/fast-noise/training.json")["seconds"].as_f64().unwrap();
    assert_page_says("training.md", &format!("two cores of a Xeon | {seconds:.0} s ([record]"));
    assert_page_says("examples.md", &format!("training {seconds:.0} s ([record]"));
    let (file, task) = ("results/step-avx512-bf16.json", "adversarial-step");
    for name in ["ours", "ours, bf16"] {
        let said = format!("| {:.1} images a second ([record]", speed(file, task, name));
        assert_page_says("training.md", &said);
    }
    let amx = [
        speed("results/amx/step.json", task, "ours, bf16"),
        speed("results/gpu/cuda.json", "backends", "flex, bf16"),
    ];
    for amx in amx {
        assert_page_says("training.md", &format!("with AMX | {amx:.1} images a second ([record]"));
    }
    // On two cores of either kind.
    let minutes = [amx[0], speed(file, task, "ours")].map(|speed| 50_000.0 / speed / 60.0);
    assert_eq!(minutes.map(f64::round), [2.0, 8.0]);
    assert_page_says("training.md", "takes two minutes to eight on two cores");
    let record = record("results/fast-noise/record.json");
    assert_page_says(
        "training.md",
        &format!(
            "{} % clean and {} % under PGD-20 with gradients averaged over eight draws",
            percent(record.clean.one_shot.accuracy),
            left(&record, "EOT-PGD-20x8"),
        ),
    );
}

#[test]
fn what_averaging_over_draws_finds_is_that_of_the_record() {
    let record = record("results/fast-noise/record.json");
    assert_page_says("attacks.md", &format!("{} test images, 8/255", record.examples));
    for name in ["FGSM", "PGD-7", "EOT-PGD-20x8"] {
        let found = record.attacks.iter().find(|found| found.name == name).unwrap();
        let draws = found.gradient_draws.unwrap();
        assert_page_says("attacks.md", &format!("| {name} | {draws} | {} |", left(&record, name)));
        assert_eq!(record.is_evidence(found), draws > 1);
    }
}

#[test]
fn the_five_accuracies_are_those_of_the_record() {
    let record_of = |model| record(&format!("results/cifar10-cpu/{model}/record.json"));
    let noisy = record_of("cni");
    let worst = noisy.worst_case.as_ref().unwrap();
    assert_eq!((noisy.votes, noisy.tries, noisy.attacks.len()), (5, 5, 4));
    assert_page_says("judging.md", &format!("{} test images of CIFAR-10", noisy.examples));
    for (what, of) in [
        ("one draw judges the image", Some(&worst.one_shot)),
        ("the majority of five draws", worst.vote.as_ref()),
        ("and needs one error", worst.best_of.as_ref()),
        ("in attack and judgement", worst.noise_off.as_ref()),
        ("for attack and judgement alike", worst.fixed_noise.as_ref()),
    ] {
        let row = format!("{what} | {} |", with_interval(of.unwrap()));
        assert_page_says("judging.md", &row);
    }
    let off = worst.noise_off.as_ref().unwrap();
    assert!(off.high < worst.one_shot.high && off.accuracy < worst.one_shot.accuracy);
    let plain = record_of("at");
    let interval = with_interval(&plain.clean.one_shot);
    let (accuracy, interval) = interval.split_once(' ').unwrap();
    let said = format!("noise at {accuracy} % an interval of {interval}");
    assert_page_says("judging.md", &format!("{} images give a model", plain.examples));
    assert_page_says("judging.md", &said);
    let said = format!(
        "PGD-7 leaves the network of this chapter {} %, EOT over twenty draws {} %",
        left(&noisy, "PGD-7"),
        left(&noisy, "EOT-PGD-20x20"),
    );
    assert_page_says("judging.md", &said);
}

/// The program of the case asserts its numbers.
#[test]
fn the_defence_that_fell_is_the_case_of_the_audit() {
    let case = read_to_string(root().join("crates/evaluation/src/audit/case.md")).unwrap();
    let program = case.split("```").nth(1).unwrap();
    for (asserted, said) in [
        ("clean 97.3 %, robust 95.3 %", "has 97.3 % clean accuracy"),
        ("clean 97.3 %, robust 95.3 %", "leaves **95.3 %**"),
        ("of 64 images at most 62 that are not", "that 62 of 64 images have a gradient"),
        ("with its noise held robust accuracy is 96.9 %", "keeps 96.9 % with its noise held or"),
        ("with its noise off robust accuracy is 96.9 %", "keeps 96.9 % with its noise held or"),
        ("robust accuracy is 43.1 %, and guessing gives 25.0 %", "that 43.1 % are still right"),
        ("robust accuracy is 43.1 %, and guessing gives 25.0 %", "guessing gives 25.0 %"),
        ("under 1000 queries without gradients robust accuracy is 61.2 %", "leave 61.2 %"),
        ("the attack found the planted image for 0.0 %", "the attack found 0.0 %"),
        ("clean 97.3 %, robust 54.8 %", "keeps **54.8 %**"),
    ] {
        assert!(program.contains(asserted), "case.md lacks: {asserted}");
        assert_page_says("judging.md", said);
    }
    let list = program.split("let objections = [").nth(1).unwrap().split("];").next().unwrap();
    // Each is a pair, of the name of a check and its measurement.
    let names = Audit::names().filter(|name| list.contains(&format!("\"{name}\",")));
    assert_eq!(names.count(), 9);
    assert_page_says("judging.md", "objects nine times");
}

#[test]
fn the_speeds_on_gpus_and_in_half_precision_are_those_of_their_records() {
    let (cuda, all) = ("results/gpu/cuda.json", "results/gpu/backends.json");
    let backend = |path, name| speed(path, "backends", name);
    // The fastest way of PyTorch in full precision, and in bf16.
    let fastest = |path, half: bool| {
        let record = json(path);
        let speeds = record["tasks"]["adversarial-step"]["images_per_second"].clone();
        let speeds = speeds.as_object().unwrap().clone();
        let of = speeds
            .into_iter()
            .filter(|(name, _)| name.starts_with("PyTorch") && name.contains("bf16") == half);
        of.map(|(_, speed)| speed.as_f64().unwrap()).fold(0.0, f64::max)
    };
    let (peer, compiled) = ("PyTorch, CUDA", "PyTorch, CUDA, compiled");
    for row in [
        format!(
            "| {:.1} | {:.1}, compiled {:.1} |",
            backend(cuda, "cuda"),
            backend(cuda, peer),
            backend(cuda, compiled)
        ),
        format!("| {:.1} | not run |", backend(all, "vulkan")),
        format!("| {:.1} | not run |", backend(cuda, "flex")),
        format!("| {:.1} | not run |", backend(cuda, "flex, bf16")),
    ] {
        assert_page_says("precision.md", &row);
    }
    for path in ["results/step-avx512-bf16.json", "results/amx/step.json"] {
        let [full, half] = ["ours", "ours, bf16"].map(|name| speed(path, "adversarial-step", name));
        for row in [
            format!("| {full:.1} | {:.1} |", fastest(path, false)),
            format!("| {half:.1} | {:.1} |", fastest(path, true)),
            format!("{half:.1} for {full:.1} images a second"),
        ] {
            assert_page_says("precision.md", &row);
        }
    }
    let check = read_to_string(root().join("results/gpu/check-cuda.txt")).unwrap();
    let last = check.lines().last().unwrap();
    assert_eq!(last, "1 of 46 comparisons of cuda with the CPU differ");
    assert_page_says("precision.md", "45 of 46 comparisons by CUDA agreed");
}

#[test]
fn what_half_precision_costs_is_that_of_the_record() {
    let trainings = &json("results/half-precision.json")["trainings"];
    let [full, half] = [0, 1]
        .map(|run| ["clean", "pgd_10"].map(|of| percent(trainings[run][of].as_f64().unwrap())));
    let said = format!(
        "in full precision {} % clean and {} % under PGD-10, in bf16 {} % and {} %",
        full[0], full[1], half[0], half[1]
    );
    assert_page_says("precision.md", &said);
}
