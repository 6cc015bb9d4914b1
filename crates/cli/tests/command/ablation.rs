//! Ablations: runs by a plan, in parts, with kills and failures. One file, because all tests share
//! one plan.

use crate::program::{command, exit_code, plain, refused, scratch, works};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Two arms from two seeds; a run takes some seconds.
const PLAN: &str = r#"
plan = 1
name = "noise on the digits"
recipe = "reference-cni"
seeds = [1, 2]

[set]
epochs = 1
batch_size = 40

[train]
dataset = "digits"
depth = 8
width = 0.25
subset = 80
validation = 20

[evaluate]
examples = 20
draws = 3
suite = "quick"
checks = "none"
eot_steps = 2
eot_draws = 2

[[arm]]
name = "plain"
set = { "model.noise" = "none" }

[[arm]]
name = "white"
set = { "model.noise" = "pni" }
"#;

fn written(folder: &Path, plan: &str) -> PathBuf {
    let path = folder.join("plan.toml");
    fs::write(&path, plan).unwrap();
    path
}

fn ablate(plan: &Path, out: &Path, flags: &str) -> Vec<std::ffi::OsString> {
    let text = format!("ablate --plan {} --out {} {flags}", plan.display(), out.display());
    plain(&text)
}

fn record(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("ablation.json")).unwrap()).unwrap()
}

/// The record without the command, which differs.
fn results(out: &Path) -> Value {
    let mut record = record(out);
    record["command"] = Value::Null;
    record
}

#[test]
fn an_ablation_in_parts_killed_and_begun_again_gives_the_record_of_one_process() {
    let folder = scratch("ablation");
    let plan = written(&folder, PLAN);
    let [whole, parts, killed] = ["whole", "parts", "killed"].map(|name| folder.join(name));

    let printed = works(ablate(&plan, &whole, "--jobs 2"));
    assert!(printed.contains("4 runs done, 0 done before, 0 failed"), "{printed}");
    let found = record(&whole);
    assert_eq!(found["arms"][0]["name"], "plain");
    assert_eq!(found["arms"][1]["runs"].as_array().unwrap().len(), 2);
    assert_eq!(found["comparisons"][0]["arm"], "white");
    let runs = &found["arms"][1]["runs"];
    for (n, under) in found["arms"][1]["attacks"].as_array().unwrap().iter().enumerate() {
        let of = |run: usize| runs[run]["attacks"][n][1].as_f64().unwrap();
        let above = |run: usize| of(run) - runs[run]["robust"].as_f64().unwrap();
        assert_eq!(under["attack"], runs[0]["attacks"][n][0]);
        let mean = |of: &str| under[of]["mean"].as_f64().unwrap();
        assert!((mean("robust") - (of(0) + of(1)) / 2.0).abs() < 1e-12);
        assert!((mean("above_worst_case") - (above(0) + above(1)) / 2.0).abs() < 1e-12);
    }
    assert_eq!(found["examples"], 20);
    let page = fs::read_to_string(whole.join("report/report.html")).unwrap();
    assert!(page.contains("noise on the digits") && page.contains("corrected p"));
    assert!(
        page.contains("Robust accuracy by attack")
            && whole.join("report/figures/attacks.svg").exists()
    );

    let printed = works(ablate(&plan, &parts, "--shard 2/2"));
    assert!(printed.contains("2 runs done") && printed.contains("2 runs are missing"), "{printed}");
    assert!(!parts.join("ablation.json").exists());
    let listed = works(ablate(&plan, &parts, "--list"));
    assert!(listed.contains("white, seed 1: done") && listed.contains("plain, seed 1: not begun"));
    works(ablate(&plan, &parts, "--shard 1/2"));
    let printed = works(ablate(&plan, &parts, ""));
    assert!(printed.contains("0 runs done, 4 done before"), "{printed}");
    assert_eq!(results(&parts), results(&whole));

    let mut child = command(ablate(&plan, &killed, ""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let second = killed.join("runs/white/seed-1");
    while !second.join("ablation.json").exists() && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The command that was at work ends with it, and the next one waits for that.
    works(ablate(&plan, &killed, ""));
    assert_eq!(results(&killed), results(&whole));

    // The record of a plan is not that of another, which may have more arms and not less.
    for (from, to, said) in [
        ("noise on the digits", "noise", "name: got noise, wanted noise on the digits"),
        ("seeds = [1, 2]", "seeds = [1]", "seeds: got none of 2, wanted it too, as plain has"),
        ("\"white\"", "\"other\"", "arm: got none of the name white, wanted white too"),
    ] {
        let other = written(&folder, &PLAN.replace(from, to));
        let refusal = refused(ablate(&other, &whole, ""));
        assert!(refusal.contains("whole: holds a finished ablation: "), "{refusal}");
        assert!(refusal.contains(said), "{refusal}");
    }
    let refusal = refused(ablate(&written(&folder, PLAN), &whole, "--confidence 0.9"));
    assert!(refusal.contains("confidence: got 0.9, wanted 0.95"), "{refusal}");
    let foreign = folder.join("foreign");
    fs::create_dir_all(foreign.join("report")).unwrap();
    fs::write(foreign.join("report/report.html"), "mine").unwrap();
    let refusal = refused(ablate(&written(&folder, PLAN), &foreign, ""));
    assert!(refusal.contains("a file that no evaluation has written"), "{refusal}");
    // A changed plan does not go on with the runs of another.
    let changed = written(&folder, &PLAN.replace("epochs = 1", "epochs = 2"));
    let said = refused(ablate(&changed, &whole, ""));
    assert!(said.contains("holds another run") && said.contains("--set epochs=2"), "{said}");
}

#[test]
fn a_changed_file_of_a_recipe_does_not_go_on_with_the_runs_of_another() {
    let folder = scratch("ablation-recipe");
    let recipe = folder.join("own.toml");
    let with = |comment: &str| {
        let text = works(plain("recipes reference-cni"));
        fs::write(&recipe, format!("# {comment}\n{text}")).unwrap();
    };
    let own = PLAN.replace("\"reference-cni\"", "\"own.toml\"").replace("[1, 2]", "[1]");
    let (plan, out) = (written(&folder, &own), folder.join("out"));
    with("one");
    works(ablate(&plan, &out, ""));
    // The place of the file does not count.
    let absolute = own.replace("\"own.toml\"", &format!("{:?}", recipe.display().to_string()));
    works(ablate(&written(&folder, &absolute), &out, ""));
    with("another");
    let said = refused(ablate(&plan, &out, ""));
    assert!(said.contains("was trained by another recipe than that of the plan's file"), "{said}");
}

#[test]
fn a_changed_file_of_attacks_does_not_go_on_with_the_runs_of_another() {
    let folder = scratch("ablation-attacks");
    let attacks = folder.join("attacks.toml");
    let with = |steps: usize| {
        let text = format!("attacks = 1\n[[attack]]\nattack = \"pgd\"\nsteps = {steps}\n");
        fs::write(&attacks, text).unwrap();
    };
    let own = format!("attacks = {:?}", attacks.display().to_string());
    let plan = PLAN.replace("suite = \"quick\"", &own).replace("[1, 2]", "[1]");
    let plan = written(&folder, &plan.replace("eot_steps = 2\neot_draws = 2\n", ""));
    let out = folder.join("out");
    with(1);
    works(ablate(&plan, &out, ""));
    with(2);
    let said = refused(ablate(&plan, &out, ""));
    assert!(said.contains("was judged by other attacks than those of the file"), "{said}");
    with(1);
    let said = works(ablate(&plan, &out, ""));
    assert!(said.contains("0 runs done, 2 done before"), "{said}");
    // A fault in it is found before anything trains.
    fs::write(&attacks, "attacks = 1\n[[attack]]\nattack = \"pdg\"\n").unwrap();
    let said = refused(ablate(&plan, &folder.join("other"), ""));
    assert!(said.contains("attack 1: pdg: ") && said.contains("the nearest is pgd"), "{said}");
    assert!(!folder.join("other").exists());
}

#[test]
fn the_command_of_an_ablation_that_is_killed_ends_with_it() {
    let folder = scratch("ablation-tied");
    let long = PLAN.replace("epochs = 1", "epochs = 3000").replace("[1, 2]", "[1]");
    let plan = written(&folder, &long);
    let (out, run) = (folder.join("out"), folder.join("out/runs/plain/seed-1"));
    let mut child = command(ablate(&plan, &out, ""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !run.join("history.json").exists() && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(5));
    }
    let free = || {
        let lock = fs::File::open(run.join(".ablation.command.lock")).unwrap();
        lock.try_lock().is_ok()
    };
    assert!(!free(), "the command has no lock");
    child.kill().unwrap();
    child.wait().unwrap();
    let begin = Instant::now();
    while !free() {
        assert!(begin.elapsed() < Duration::from_secs(60), "the command goes on");
        sleep(Duration::from_millis(20));
    }
    let page = fs::read_to_string(run.join("training.html")).unwrap();
    assert!(page.contains("The training was stopped after epoch "), "{page}");
    assert!(page.contains("the ablation that began it has ended"), "{page}");
    // The run has neither failed nor ended.
    let listed = works(ablate(&plan, &out, "--list"));
    assert!(listed.contains("plain, seed 1: begun"), "{listed}");
}

#[test]
fn a_run_that_comes_to_no_number_leaves_the_others() {
    let folder = scratch("ablation-failed");
    let wild = "[[arm]]\nname = \"wild\"\nset = { \"schedule.multi_step.lr\" = 1e30 }\n";
    let plan =
        written(&folder, &format!("{}{wild}", PLAN.replace("seeds = [1, 2]", "seeds = [1]")));
    let out = folder.join("out");
    assert_eq!(exit_code(ablate(&plan, &out, "")), 3);
    let found = record(&out);
    assert_eq!(found["arms"][2]["failed"][0]["seed"], 1);
    let reason = found["arms"][2]["failed"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("wanted a finite number") || reason.contains("NaN"), "{reason}");
    assert_eq!(found["arms"][1]["runs"].as_array().unwrap().len(), 1);
    let listed = works(ablate(&plan, &out, "--list"));
    assert!(listed.contains("wild, seed 1: failed: "), "{listed}");
}

#[test]
fn a_plan_without_runs_or_with_foreign_files_is_refused() {
    let folder = scratch("ablation-refused");
    let plan = written(&folder, &PLAN.replace("seeds = [1, 2]", "seeds = []"));
    let said = refused(ablate(&plan, &folder.join("out"), ""));
    assert!(said.contains("plan.toml: seeds: got none"), "{said}");
    let plan = written(&folder, PLAN);
    let strange = folder.join("out/runs/plain/seed-1");
    fs::create_dir_all(&strange).unwrap();
    fs::write(strange.join("mine.txt"), "mine").unwrap();
    let said = refused(ablate(&plan, &folder.join("out"), ""));
    assert!(said.contains("files that no ablation has written"), "{said}");
    assert_eq!(fs::read_to_string(strange.join("mine.txt")).unwrap(), "mine");
    let run = folder.join("run");
    fs::create_dir_all(run.join("checkpoints")).unwrap();
    let said = refused(ablate(&plan, &run, ""));
    assert!(said.contains("got the folder of a run, wanted that of an ablation"), "{said}");
    assert_eq!(fs::read_dir(&run).unwrap().count(), 1);
    let said = refused(ablate(&folder.join("none.toml"), &folder.join("out"), ""));
    assert!(said.contains("none.toml"), "{said}");
    // Every arm is looked at before the first one trains.
    for (from, to, said) in [
        (
            "\"model.noise\" = \"pni\"",
            "\"model.nosie\" = \"pni\"",
            "arm white: reference-cni: model: got nosie",
        ),
        (
            "\"model.noise\" = \"pni\"",
            "\"epoch\" = 3",
            "arm white: reference-cni: epoch: there is no such setting, wanted one of epochs, ",
        ),
        ("subset = 80", "subsett = 80", "unexpected argument '--subsett'"),
        ("suite = \"quick\"", "suite = \"qick\"", "possible values: quick"),
        ("reference-cni", "reference-cnn", "the nearest is reference-cni"),
        ("epochs = 1", "epochs = 0", "epochs: got 0, wanted at least 1"),
    ] {
        let plan = written(&folder, &PLAN.replace(from, to));
        for flags in ["", "--list"] {
            let refusal = refused(ablate(&plan, &folder.join("typo"), flags));
            assert!(refusal.contains(said), "{refusal}\nlacks {said}");
        }
        assert!(!folder.join("typo").exists());
    }
}
