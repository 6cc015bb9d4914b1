//! From a training to an evaluation, with kills and signals. One file, because all tests go the
//! same way and stop somewhere else.

use crate::program::{
    command, evaluate, flatness, plain, record, refused, scratch, train, trained, works,
};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

#[test]
fn attacks_in_bf16_are_judged_in_full_precision_unless_the_user_says_otherwise() {
    let (run, out) = (trained(), scratch("in-bf16"));
    let mut clean = Vec::new();
    for (flags, attacks, judging, said) in [
        ("", Value::Null, Value::Null, None),
        (
            "--precision bf16",
            "bf16".into(),
            Value::Null,
            Some("in bf16, the model was judged in full"),
        ),
        ("--precision bf16 --judge-precision bf16", Value::Null, "bf16".into(), None),
        (
            "--judge-precision bf16",
            "full".into(),
            "bf16".into(),
            Some("in full, the model was judged in bf16"),
        ),
    ] {
        let printed = works(evaluate(run, &out, &format!("--suite quick --force {flags}")));
        let record = record(&out);
        assert_eq!(record["threat"]["precision"], attacks, "{flags}");
        assert_eq!(record["model"]["precision"], judging, "{flags}");
        let found = said.is_none_or(|said| printed.contains(said));
        assert!(found && said.is_some() == printed.contains("precision: "), "{flags}: {printed}");
        clean.push(record["clean"].clone());
    }
    assert_eq!(clean[0], clean[1], "the attacks' precision changed the judgement");
}

#[test]
fn a_killed_evaluation_goes_on_and_gives_the_same_record() {
    let run = trained();
    let (whole, killed) = (scratch("whole"), scratch("killed"));
    let flags = "--suite standard --batch 5 --draws 4";
    works(evaluate(run, &whole, flags));
    for _ in 0..3 {
        let arguments = evaluate(run, &killed, flags);
        let mut child =
            command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let state = killed.join("state");
        let begun = count(&state);
        // Until it has written more, or has ended.
        while child.try_wait().unwrap().is_none() && count(&state) <= begun + 2 {
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    works(evaluate(run, &killed, flags));
    let without_seconds = |folder: &Path| {
        let mut record = record(folder);
        forget(&mut record);
        record
    };
    assert_eq!(without_seconds(&killed), without_seconds(&whole));
}

#[test]
fn the_learning_curves_of_a_killed_run_reload_until_it_has_gone_on_to_its_end() {
    let out = scratch("curves");
    let page = || fs::read_to_string(out.join("training.html")).unwrap();
    let arguments = train(&out, "--epochs 6");
    let mut child =
        command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() && !out.join("checkpoints/epoch-2").exists() {
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let running = page();
    assert!(running.contains("http-equiv=\"refresh\"") && running.contains(" of 6 has ended"));
    let said = works(train(&out, "--epochs 6 --resume"));
    assert!(said.contains("Robust validation accuracy is best after epoch"), "{said}");
    assert!(said.contains("learning curves: "), "{said}");
    let ended = page();
    assert!(!ended.contains("http-equiv=\"refresh\""));
    assert!(ended.contains("The training has ended after epoch 6."));
    let history: Value =
        serde_json::from_slice(&fs::read(out.join("history.json")).unwrap()).unwrap();
    assert_eq!(history.as_array().unwrap().len(), 6);
}

#[cfg(unix)]
#[test]
fn the_page_of_a_run_that_was_interrupted_or_has_failed_says_so_until_it_goes_on() {
    use std::os::unix::process::ExitStatusExt;
    let out = scratch("interrupted");
    let page = || fs::read_to_string(out.join("training.html")).unwrap();
    let begin = |flags: &str| {
        let mut command = command(train(&out, flags));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut child = begin("--epochs 3000");
    while child.try_wait().unwrap().is_none() && !out.join("history.json").exists() {
        sleep(Duration::from_millis(1));
    }
    let id = child.id().to_string();
    // Not an interrupt: a shell has its background jobs ignore that one, these tests among them.
    let sent = std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(sent.success());
    // The status is that of the signal.
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    let stopped = page();
    assert!(stopped.contains("The training was stopped after epoch "), "{stopped}");
    assert!(stopped.contains(": it was told to end. Written at 2"), "{stopped}");
    assert!(!stopped.contains("http-equiv=\"refresh\""));
    // It goes on, which the page says before the first epoch has ended.
    let mut child = begin("--epochs 3000 --resume");
    while child.try_wait().unwrap().is_none() && page() == stopped {
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let running = page();
    assert!(running.contains("http-equiv=\"refresh\"") && running.contains("of 3000 has ended"));
    assert!(running.contains("It was last written at ") && running.contains("may have stopped"));

    // An interrupt that it was begun to ignore is ignored: here only its end comes.
    let out = scratch("ignored");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "trap '' INT; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_cni")]);
    shell.args(train(&out, "--epochs 3")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = shell.spawn().unwrap();
    while child.try_wait().unwrap().is_none() && !out.join("history.json").exists() {
        sleep(Duration::from_millis(1));
    }
    let id = child.id().to_string();
    // It may have ended by itself.
    let _ = std::process::Command::new("kill").args(["-INT", &id]).stderr(Stdio::null()).status();
    assert!(child.wait().unwrap().success());

    let out = scratch("failed");
    refused(train(&out, "--epochs 3 --set schedule.multi_step.lr=1e30"));
    let failed = fs::read_to_string(out.join("training.html")).unwrap();
    assert!(failed.contains("The training was stopped after epoch "), "{failed}");
    assert!(!failed.contains("http-equiv=\"refresh\""));
}

#[test]
fn a_result_is_written_though_nobody_reads_what_is_said_of_it() {
    let (run, folder) = (trained(), scratch("unread-results"));
    let (judged, flat) = (folder.join("judged"), folder.join("flat"));
    for (arguments, record, lines) in [
        // The normalization, and a class without examples.
        (evaluate(run, &judged, "--checks quick"), judged.join("record.json"), 2),
        (flatness(run, &flat, ""), flat.join("flatness.json"), 1),
    ] {
        // As `| head` does, the reader leaves before the results.
        let mut child = command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        for _ in 0..lines {
            reader.read_line(&mut String::new()).unwrap();
        }
        drop(reader);
        child.wait().unwrap();
        assert!(record.exists(), "{}", record.display());
    }
    assert!(judged.join("report.html").exists());
}

#[test]
fn a_training_goes_on_when_nobody_reads_what_it_says() {
    let out = scratch("unread");
    let mut command = command(train(&out, "--epochs 2"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
}

/// Files below a folder.
fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
}

/// Leaves out what may differ: times, and the folder in the command.
fn forget(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("seconds");
            fields.remove("command");
            fields.values_mut().for_each(forget);
        }
        Value::Array(all) => all.iter_mut().for_each(forget),
        _ => {}
    }
}

#[test]
fn a_killed_training_goes_on_with_its_own_flags_alone() {
    let (whole, run) = (scratch("unbroken-training"), scratch("killed-training"));
    let arguments = train(&run, "--epochs 6");
    let mut child =
        command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() && !run.join("checkpoints/epoch-2").exists() {
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Without --resume the folder is in use.
    let said = refused(train(&run, "--epochs 6"));
    assert!(said.contains("checkpoints already"), "{said}");
    let last = run.join("model.json");
    let before = fs::read(&last).unwrap();
    refused(train(&run, "--epochs 6 --epsilon 0.3"));
    refused(train(&run, "--epochs 6 --epsilon 0.3 --resume"));
    assert_eq!(fs::read(&last).unwrap(), before);
    // With it, and its own flags, the run ends as one that was not killed.
    works(resumed(&run, "--epochs 6"));
    works(train(&whole, "--epochs 6"));
    let [ours, theirs] = [&run, &whole].map(|run| fs::read(run.join("history.json")).unwrap());
    assert_eq!(String::from_utf8(ours).unwrap(), String::from_utf8(theirs).unwrap());
}

/// The arguments of a training that goes on.
fn resumed(run: &Path, flags: &str) -> Vec<OsString> {
    let mut arguments = train(run, flags);
    arguments.push("--resume".into());
    arguments
}

/// A run and its checkpoints, as a copy that may be changed.
fn copied(run: &Path, name: &str) -> PathBuf {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let (path, to) = (entry.path(), to.join(entry.file_name()));
            if path.is_dir() {
                copy(&path, &to);
            } else {
                fs::copy(&path, &to).unwrap();
            }
        }
    }
    let folder = scratch(name);
    copy(run, &folder);
    folder
}

#[test]
fn what_is_judged_is_what_the_checkpoint_signed_whatever_model_json_says() {
    let (run, out) = (copied(trained(), "changed-flags"), scratch("of-changed-flags"));
    works(evaluate(&run, &out, "--suite quick"));
    let judged = || {
        let mut record = record(&out);
        forget(&mut record);
        record
    };
    let before = judged();
    let path = run.join("model.json");
    let text = fs::read_to_string(&path).unwrap();
    let other = [("0.0625", "0.07"), ("\"reference\"", "\"scaled\""), ("\"colored\"", "\"white\"")];
    let info = || plain(&format!("info --run {}", run.display()));
    let described = works(info());
    for (was, is) in other {
        assert!(text.contains(was), "{text}");
        fs::write(&path, text.replacen(was, is, 1)).unwrap();
        works(evaluate(&run, &out, "--suite quick"));
        assert_eq!(judged(), before, "{is}");
        assert_eq!(works(info()), described);
        works(resumed(&run, ""));
    }
    // Only where no checkpoint says anything, and there whole.
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    fs::write(&path, text.replacen("\"scale\"", "\"scales\"", 1)).unwrap();
    let said = refused(info());
    assert!(said.contains("model.json: unknown field `scales`"), "{said}");
}

#[test]
fn the_console_says_what_was_checked_and_counts_verdicts_apart() {
    let (run, out) = (trained(), scratch("checked"));
    let printed = works(evaluate(run, &out, "--suite quick --checks quick"));
    assert!(printed.contains("the quick checks of EOT-PGD-2x2:\n"), "{printed}");
    let counts = printed.lines().find_map(|line| line.strip_prefix("checks: ")).unwrap();
    let record = record(&out);
    let checks = record["checks"].as_array().unwrap();
    for count in counts.split(", ") {
        let (count, verdict) = count.split_once(' ').unwrap();
        let same = checks.iter().filter(|check| check["verdict"] == verdict).count();
        assert_eq!(count, same.to_string(), "{verdict}: {printed}");
    }
    assert!(counts.contains(" inconclusive"), "{counts}");
    assert_eq!(record["audit"]["attack"], "EOT-PGD-2x2");
}

#[test]
fn the_cpu_passes_the_check_of_devices() {
    let printed = works(plain("check-device --device flex"));
    assert!(printed.ends_with("0 of 46 comparisons of flex with the CPU differ\n"), "{printed}");
    let said = refused(plain("check-device --device abacus"));
    assert!(said.contains("got abacus, wanted one of"), "{said}");
}
