//! Paths in arguments, and in the command that a record holds.

use crate::program::{evaluate, record, refused, scratch, train, trained, works, works_in};
use std::ffi::OsString;

/// Paths that are no text work; other arguments that are none are refused in a sentence.
#[cfg(unix)]
#[test]
fn arguments_that_are_no_text_are_paths_or_refused() {
    use std::os::unix::ffi::OsStringExt;
    let odd = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.extend([0xff, b'x']);
        OsString::from_vec(bytes)
    };
    let folder = scratch("no-text");
    let run = folder.join(odd("run"));
    works(train(&run, ""));
    let out = folder.join(odd("evaluation"));
    works(evaluate(&run, &out, "--suite quick"));
    let command = record(&out)["command"].as_str().unwrap().to_string();
    assert!(command.contains("no-text/run\u{fffd}x"), "{command}");
    let mut path = evaluate(&run, &out, "--suite quick");
    path.drain(1..3); // --run
    path.extend(["--checkpoint".into(), run.join("checkpoints/epoch-1").into()]);
    works(path);
    works(vec!["report".into(), out.into()]);
    works(vec!["info".into(), "--run".into(), run.into()]);
    for flag in ["--device", "--noise", "--epsilon", "--depth"] {
        let mut arguments = train(&folder.join("other"), "");
        arguments.retain(|text| text != flag);
        arguments.extend([flag.into(), odd("")]);
        refused(arguments);
    }
    refused(vec![odd("train")]);
}

#[test]
fn absent_data_are_told_with_the_ways_to_get_them() {
    let folder = scratch("no-data");
    let flags = ["train", "--dataset", "cifar10", "--data", "nowhere", "--out", "run"];
    let mut arguments: Vec<OsString> = flags.map(OsString::from).into();
    arguments[6] = folder.join("run").into();
    let said = refused(arguments);
    for way in ["nowhere: not found: data_batch_1.bin", "--data names", "--download", "digits"] {
        assert!(said.contains(way), "{said}");
    }
    assert!(!folder.join("run").exists());
}

#[test]
fn the_path_of_a_checkpoint_may_begin_anywhere_on_the_way_to_it() {
    let (run, folder) = (trained(), scratch("relative"));
    let checkpoints = run.join("checkpoints");
    let mut names = Vec::new();
    for (i, (from, path)) in [
        (run, "checkpoints/epoch-1"),
        (checkpoints.as_path(), "epoch-1"),
        (checkpoints.as_path(), "epoch-1/model.bpk"),
    ]
    .into_iter()
    .enumerate()
    {
        let out = folder.join(i.to_string());
        let mut arguments = evaluate(run, &out, "--suite quick");
        arguments.drain(1..3); // --run
        arguments.extend(["--checkpoint".into(), path.into()]);
        works_in(from, arguments);
        names.push(record(&out)["model"]["name"].as_str().unwrap().to_string());
    }
    assert_eq!(names, vec![format!("{} (epoch 1)", run.display()); 3]);
}

#[test]
fn the_recorded_command_can_be_given_to_a_shell() {
    let (run, out) = (trained(), scratch("it's quoted"));
    let mut arguments = evaluate(run, &out, "--suite quick");
    arguments.extend(["--name".into(), "CNI $HOME 'W'".into()]);
    works(arguments);
    let command = record(&out)["command"].as_str().unwrap().to_string();
    assert!(command.ends_with(r"--name 'CNI $HOME '\''W'\'''"), "{command}");
    assert!(command.contains(r"command/it'\''s quoted'"), "{command}");
}
