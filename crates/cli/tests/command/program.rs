//! Runs the program.

use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// A model and data that take a second.
const SMALL: &str = "--recipe reference-cni --dataset digits --depth 8 --width 0.25 --rank 2 \
                     --epsilon 0.05 --subset 80 --validation 20 --batch 40 --epochs 1";
/// An evaluation that takes a second or two.
const BRIEF: &str = "--examples 20 --draws 3 --eot-steps 2 --eot-draws 2 --checks none";

/// A measurement of flatness that takes a second or two.
const SHORT: &str = "--examples 10 --attempts 2 --worst-steps 2 --steps 2 --draws 2 --eot-draws 2 \
                     --reference-restarts 1";

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A folder that is empty when a run of the tests first asks for it.
pub fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("command").join(name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => fs::create_dir_all(&folder).unwrap(),
    }
    folder
}

pub fn command<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cni"));
    command.args(arguments).current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    command
}

fn run(arguments: &[OsString]) -> (Output, String) {
    let output = command(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

/// What the program prints when all goes well.
pub fn works(arguments: Vec<OsString>) -> String {
    works_in(Path::new(env!("CARGO_TARGET_TMPDIR")), arguments)
}

/// The same in another working directory.
pub fn works_in(folder: &Path, arguments: Vec<OsString>) -> String {
    let output = command(&arguments).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}\n{printed}\n{said}");
    printed
}

/// What it says when it refuses, which is an error and no panic.
pub fn refused(arguments: Vec<OsString>) -> String {
    let (output, said) = run(&arguments);
    let status = output.status;
    assert!(matches!(status.code(), Some(1 | 2)), "{arguments:?}: {status}: {said}");
    assert!(said.starts_with("error: ") && !said.contains("panicked"), "{arguments:?}: {said}");
    said
}

/// The exit code of the program.
pub fn exit_code(arguments: Vec<OsString>) -> i32 {
    let (output, said) = run(&arguments);
    output.status.code().unwrap_or_else(|| panic!("{arguments:?}: {}: {said}", output.status))
}

/// The arguments of a line of text, whose flags take the place of equal ones in `usual`.
fn line(command: &str, folders: &[(&str, &Path)], usual: &str, line: &str) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec![command.into()];
    let own: Vec<&str> = line.split_whitespace().collect();
    for (flag, folder) in folders {
        if !own.contains(flag) {
            all.extend([OsString::from(flag), folder.into()]);
        }
    }
    let usual: Vec<&str> = usual.split_whitespace().collect();
    for pair in usual.chunks(2).filter(|pair| !own.contains(&pair[0])) {
        all.extend(pair.iter().map(OsString::from));
    }
    all.extend(own.into_iter().map(OsString::from));
    all
}

/// A small training into a folder.
pub fn train(out: &Path, flags: &str) -> Vec<OsString> {
    // A clean training has no radius.
    let clean = flags.split_whitespace().any(|flag| flag == "clean");
    let usual = if clean { SMALL.replace("--epsilon 0.05", "") } else { SMALL.to_string() };
    line("train", &[("--out", out)], &usual, flags)
}

/// A brief evaluation of a run into a folder.
pub fn evaluate(run: &Path, out: &Path, flags: &str) -> Vec<OsString> {
    // The attacks of a file have draws and steps of their own.
    let usual = match flags.contains("--attacks") {
        true => BRIEF.replace("--eot-steps 2 --eot-draws 2", ""),
        false => BRIEF.to_string(),
    };
    line("evaluate", &[("--run", run), ("--out", out)], &usual, flags)
}

/// A brief measurement of a run's flatness into a folder.
pub fn flatness(run: &Path, out: &Path, flags: &str) -> Vec<OsString> {
    // What is left out or idle has no number of its own.
    let idle = flags.contains("--measure average") && !flags.contains("--worst-steps");
    let usual = if idle { SHORT.replace("--worst-steps 2", "") } else { SHORT.to_string() };
    line("flatness", &[("--run", run), ("--out", out)], &usual, flags)
}

/// A command without anything that the tests add.
pub fn plain(arguments: &str) -> Vec<OsString> {
    arguments.split_whitespace().map(OsString::from).collect()
}

/// A run with colored noise on the digits, trained at ε = 0.05, that all tests share.
pub fn trained() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = scratch("trained");
        works(train(&folder, ""));
        folder
    })
}

/// The same without noise.
pub fn trained_without_noise() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = scratch("trained-without-noise");
        let mut arguments = train(&folder, "--noise none --recipe clean");
        let rank = arguments.iter().position(|text| text == "--rank").unwrap();
        arguments.drain(rank..rank + 2);
        works(arguments);
        folder
    })
}

/// The record in a folder.
pub fn record(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("record.json")).unwrap()).unwrap()
}
