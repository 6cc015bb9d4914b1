//! Evaluations in shards, killed and merged: the files of one process, to the byte. One file,
//! because all tests cut the same evaluation.

use crate::program::{
    command, evaluate, exit_code, plain, record, refused, root, scratch, trained, works,
};
use cni_burn::evaluation::Evaluated;
use cni_burn::prelude::Report;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

/// All that an evaluation can do, on an odd number of examples in eleven batches.
const EVERYTHING: &str = "--suite standard --examples 41 --batch 4 --checks quick \
                          --epsilons 0.02,0.1 --sigma 0.2 --samples 20 --keep-adversarial";

/// An evaluation in `out` by one process, which then moves to another folder.
fn by_one_process(name: &str, flags: &str) -> (PathBuf, PathBuf) {
    let (out, whole) = (scratch(name), scratch(&format!("{name}-by-one")));
    works(evaluation(&out, flags));
    fs::remove_dir(&whole).unwrap();
    fs::rename(&out, &whole).unwrap();
    fs::create_dir(&out).unwrap();
    (out, whole)
}

/// A brief evaluation; AutoAttack takes no flags of the EOT attack.
fn evaluation(out: &Path, flags: &str) -> Vec<OsString> {
    let mut all = evaluate(trained(), out, flags);
    if flags.contains("autoattack") {
        for flag in ["--eot-steps", "--eot-draws"] {
            let at = all.iter().position(|argument| argument == flag).unwrap();
            all.drain(at..at + 2);
        }
    }
    all
}

fn shard(out: &Path, flags: &str, shard: &str) -> Vec<OsString> {
    evaluation(out, &format!("{flags} --shard {shard}"))
}

fn merge(arguments: &str) -> Vec<OsString> {
    plain(&format!("merge {arguments}"))
}

/// The files of an evaluation, without its lock and its shards, by their names.
fn files(folder: &Path, within: &str) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{within}{name}");
        match entry.path().is_dir() {
            true if name.starts_with("shard-") => {}
            true => all.extend(files(&entry.path(), &format!("{path}/"))),
            false if name == ".lock" => {}
            false => all.push((path, fs::read(entry.path()).unwrap())),
        }
    }
    all.sort();
    all
}

/// The files whose bytes do not depend on times: all but the record, which has them, its report
/// and its manifest.
fn without_times(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = files(folder, "");
    all.retain(|(name, _)| {
        name == "rows.jsonl" || name == "gallery.safetensors" || name.starts_with("adversarial/")
    });
    assert!(all.len() > 1, "too few files");
    all
}

/// The lines of the record, of which each has one field, without those of seconds.
fn lines(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("record.json")).unwrap();
    let is_time = |line: &str| line.trim_start().starts_with("\"seconds\": ");
    let kept: Vec<String> = text.lines().filter(|line| !is_time(line)).map(String::from).collect();
    assert!(kept.len() < text.lines().count() && !kept.concat().contains("seconds"));
    kept
}

/// An evaluation without its times.
fn timeless(folder: &Path) -> Evaluated {
    let mut evaluated = Evaluated::read(folder).unwrap();
    let record = &mut evaluated.record;
    record.seconds = 0.0;
    record.attacks.iter_mut().for_each(|attack| attack.seconds = 0.0);
    record.checks.iter_mut().for_each(|check| check.seconds = 0.0);
    let shared = record.audit.iter_mut().flat_map(|audit| &mut audit.shared);
    shared.for_each(|shared| shared.seconds = 0.0);
    record.certificates.iter_mut().for_each(|all| all.seconds = 0.0);
    evaluated
}

fn report_of(evaluated: Evaluated, name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = scratch(name);
    Report::new(vec![evaluated]).unwrap().write(&folder).unwrap();
    let mut all = files(&folder, "");
    all.retain(|(file, _)| file != "manifest.json");
    all
}

/// Everything in two folders is equal but for the times.
fn same(out: &Path, whole: &Path) {
    let names = |folder: &Path| -> Vec<String> {
        files(folder, "").into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(out), names(whole));
    assert!(without_times(out) == without_times(whole), "the files differ");
    assert_eq!(lines(out), lines(whole));
    // The reports of equal records are equal, and this is the report of its record. Tests run side
    // by side, so each has a folder of its own.
    let own = |kind: &str| format!("{}-{kind}", out.file_name().unwrap().display());
    let report = |folder: &Path| report_of(timeless(folder), &own("timeless"));
    let [ours, theirs] = [out, whole].map(report);
    assert!(ours == theirs, "the reports differ");
    for (name, bytes) in report_of(Evaluated::read(out).unwrap(), &own("report")) {
        assert!(fs::read(out.join(&name)).unwrap() == bytes, "{name}");
    }
}

#[test]
fn shards_merge_to_the_files_of_one_process() {
    let (out, whole) = by_one_process("sharded", EVERYTHING);
    for count in [1, 3, 8] {
        let _ = fs::remove_dir_all(&out);
        for index in 1..=count {
            let said = works(shard(&out, EVERYTHING, &format!("{index}/{count}")));
            assert!(said.contains(&format!("shard {index}/{count}: ")), "{said}");
            assert!(!out.join("record.json").exists());
        }
        works(merge(&out.display().to_string()));
        same(&out, &whole);
    }
    // A second merge, by all folders, to another place.
    let other = scratch("sharded-elsewhere");
    let folders: Vec<String> =
        (1..=8).map(|index| format!("{}/shard-{index}-of-8", out.display())).collect();
    works(merge(&format!("{} --out {}", folders.join(" "), other.display())));
    same(&other, &whole);
    // Another evaluation is not replaced, and the same is made anew.
    works(merge(&out.display().to_string()));
    let (brief, elsewhere) = ("--suite quick --examples 5", scratch("sharded-brief"));
    works(shard(&elsewhere, brief, "1/1"));
    let of_brief = format!("{} --out {}", elsewhere.display(), other.display());
    let said = refused(merge(&of_brief));
    assert!(said.contains("holds a finished evaluation: examples: got 5, wanted 41"), "{said}");
    same(&other, &whole);
    works(merge(&format!("{of_brief} --force")));
    assert_eq!(record(&other)["examples"], 5);
    // Shards that are done do nothing when they are asked for again.
    let before = fs::read(out.join("shard-3-of-8/shard.json")).unwrap();
    works(shard(&out, EVERYTHING, "3/8"));
    assert!(before == fs::read(out.join("shard-3-of-8/shard.json")).unwrap());
}

#[test]
fn shards_of_a_cascade_merge_to_the_files_of_one_process() {
    let flags = "--suite autoattack --noise-off --examples 15 --batch 4 --keep-adversarial";
    let (out, whole) = by_one_process("sharded-cascade", flags);
    for index in 1..=3 {
        works(shard(&out, flags, &format!("{index}/3")));
    }
    let said = works(merge(&out.display().to_string()));
    assert!(said.contains("the model has no live noise: one draw judged each image"), "{said}");
    assert_eq!(record(&out)["cascade"]["suite"], "AutoAttack-standard");
    same(&out, &whole);
}

#[test]
fn a_shard_that_was_killed_is_named_by_the_merge_and_runs_again_alone() {
    let flags = "--suite standard --examples 41 --batch 2 --draws 4 --eot-steps 5";
    let (out, whole) = by_one_process("sharded-killed", flags);
    works(shard(&out, flags, "1/3"));
    works(shard(&out, flags, "3/3"));
    let mut child = command(shard(&out, flags, "2/3"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let state = out.join("shard-2-of-3/state");
    let entries = || fs::read_dir(&state).map_or(0, Iterator::count);
    while child.try_wait().unwrap().is_none() && entries() < 4 {
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    let killed = !child.wait().unwrap().success();
    assert!(killed, "the shard ended before it could be killed");
    let said = refused(merge(&out.display().to_string()));
    let begin = format!("error: shard 2/3 in {}/shard-2-of-3 is unfinished, ", out.display());
    assert!(said.starts_with(&begin) && !out.join("record.json").exists(), "{said}");
    // The command that it says is the one that helps.
    let again = said.trim_end().split_once("run again alone: cni ").unwrap().1;
    assert!(again.ends_with(" --shard 2/3"), "{again}");
    works(plain(again));
    works(merge(&out.display().to_string()));
    same(&out, &whole);
}

#[test]
fn missing_and_foreign_shards_are_refused_and_nothing_is_written() {
    let (out, other) = (scratch("sharded-in-part"), scratch("sharded-other"));
    let flags = "--suite quick --examples 9 --batch 4";
    works(shard(&out, flags, "1/2"));
    let at = out.display();
    let said = refused(merge(&at.to_string()));
    assert!(said.starts_with("error: shard 2/2 is missing, wanted all shards finished"), "{said}");
    assert!(said.trim_end().ends_with(&format!("{flags} --shard 2/2")), "{said}");
    for (flags, wanted) in [
        ("--suite quick --examples 9 --batch 4 --seed 2", "key of shard 2/2: got "),
        ("--suite quick --examples 9 --batch 3", "batch of shard 2/2: got 3, wanted 4 as of "),
        ("--suite quick --examples 13 --batch 4", "batches of shard 2/2: got 4, wanted 3 as of "),
        ("--suite standard --examples 9 --batch 4", "suite of shard 2/2: got "),
        ("--suite quick --examples 9 --batch 4 --noise-off", "noise states of shard 2/2: got "),
    ] {
        works(shard(&other, &format!("{flags} --force"), "2/2"));
        let said = refused(merge(&format!("{at} {}/shard-2-of-2 --out {at}", other.display())));
        assert!(said.contains(wanted), "{flags}: {said}");
    }
    // Twice the same, and of another division.
    let said = refused(merge(&format!("{at} {at}/shard-1-of-2 --out {at}")));
    assert!(said.contains("shard 1/2: got it in ") && said.contains("wanted every shard once"));
    works(shard(&out, flags, "3/3"));
    let said = refused(merge(&at.to_string()));
    assert!(said.contains("shard-3-of-3: got shard 3/3, wanted one of 2 as in "), "{said}");
    fs::remove_dir_all(out.join("shard-3-of-3")).unwrap();
    // Shards in several folders do not say where the record should be.
    let finished = refused(shard(&other, flags, "2/2"));
    assert!(finished.contains("noise states of shard 2/2: got "), "{finished}");
    assert!(finished.contains("take another --out, or --force to replace it"), "{finished}");
    works(shard(&other, &format!("{flags} --force"), "2/2"));
    let said = refused(merge(&format!("{at} {}", other.display())));
    assert!(
        said.starts_with("error: --out: got none, wanted a folder, since the shards"),
        "{said}"
    );
    assert!(refused(merge(&scratch("no-shards").display().to_string())).contains("got no shard"));
    let written: Vec<OsString> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(written, ["shard-1-of-2"]);
}

#[test]
fn strict_belongs_to_the_merge_and_more_shards_than_batches_are_none_the_worse() {
    let out = scratch("sharded-strict");
    let flags = "--suite quick --examples 6 --batch 4 --checks quick --eot-steps 1 --eot-draws 1";
    let said = refused(shard(&out, &format!("{flags} --strict"), "1/3"));
    assert!(said.starts_with("error: --strict: got the flag, wanted it left out"), "{said}");
    for index in 1..=3 {
        let said = works(shard(&out, &format!("{flags} --json"), &format!("{index}/3")));
        let result: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (&result["shard"], &result["examples"]),
            (&Value::from(format!("{index}/3")), &Value::from([4, 2, 0][index - 1]),)
        );
    }
    let code = exit_code(merge(&format!("{} --strict", out.display())));
    let checks = record(&out)["checks"].as_array().unwrap().clone();
    let failed = checks.iter().any(|check| check["verdict"] == "fail");
    assert_eq!(code, if failed { 3 } else { 0 }, "{checks:?}");
    // Without checks nothing could fail.
    let none = scratch("sharded-unchecked");
    works(shard(&none, "--suite quick", "1/1"));
    let said = refused(merge(&format!("{} --strict", none.display())));
    assert!(said.contains("the shards had no checks"), "{said}");
}

#[test]
fn one_process_at_a_time_works_on_a_shard() {
    let out = scratch("sharded-locked");
    let folder = out.join("shard-1-of-2");
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::File::create(folder.join(".lock")).unwrap();
    lock.lock().unwrap();
    let said = refused(shard(&out, "--suite quick", "1/2"));
    assert!(said.contains("another evaluation is at work in this folder"), "{said}");
    // Another shard is not in its way.
    works(shard(&out, "--suite quick", "2/2"));
}

/// The scripts of the examples, with a program that prints its arguments in the place of `cni`.
#[cfg(unix)]
#[test]
fn the_indices_of_schedulers_become_shards_from_one_to_eight() {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;
    let examples = root().join("examples/cluster");
    let folder = scratch("schedulers");
    let echo = folder.join("cni");
    fs::write(&echo, "#!/bin/sh\necho \"$@\"\n").unwrap();
    fs::set_permissions(&echo, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let said = |command: &mut Command| {
        let output = command.env("PATH", &path).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let yaml = fs::read_to_string(examples.join("kubernetes.yaml")).unwrap();
    assert!(yaml.contains("completions: 8\n") && yaml.contains("value: \"8\"\n"));
    let script = yaml.split_once(">-\n").unwrap().1.split_once("resources:").unwrap().0;
    let script: Vec<&str> = script.split_whitespace().collect();
    let slurm = fs::read_to_string(examples.join("slurm.sh")).unwrap();
    assert!(slurm.contains("--array=1-8\n") && slurm.contains("${SHARDS:-8}"));
    for index in 0..8 {
        let wanted = format!("evaluate --quiet --shard {}/8 --run ", index + 1);
        let of_kubernetes = said(
            Command::new("sh")
                .args(["-c", &script.join(" ")])
                .env("JOB_COMPLETION_INDEX", index.to_string())
                .env("SHARDS", "8"),
        );
        assert!(of_kubernetes.starts_with(&wanted), "{of_kubernetes}");
        let of_slurm = said(
            Command::new("bash")
                .arg(examples.join("slurm.sh"))
                .args(["evaluate", "--run", "runs/cni"])
                .env("SLURM_ARRAY_TASK_ID", (index + 1).to_string())
                .env_remove("SHARDS")
                .env_remove("CNI"),
        );
        assert_eq!(of_slurm, format!("evaluate --run runs/cni --shard {}/8\n", index + 1));
    }
}
