//! Completions of shells, and what `--help` says of exit codes.

use crate::program::{exit_code, plain, refused, works};
use std::io::Write;
use std::process::{Command, Stdio};

const COMMANDS: [&str; 10] = [
    "train",
    "evaluate",
    "merge",
    "ablate",
    "flatness",
    "recipes",
    "report",
    "info",
    "check-device",
    "completions",
];

#[test]
fn every_shell_gets_a_script_that_knows_the_commands_and_their_flags() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = works(plain(&format!("completions {shell}")));
        for word in COMMANDS.into_iter().chain(["recipe", "eot-steps", "json"]) {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
    assert!(refused(plain("completions abacus")).contains("possible values"));
}

#[test]
fn bash_reads_its_script_and_completes_by_it() {
    let script = works(plain("completions bash"));
    let ask = "\nCOMP_WORDS=(cni evaluate --sui); COMP_CWORD=2; _cni cni --sui evaluate\n\
               printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let bash = Command::new("bash").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut bash) = bash else {
        eprintln!("no bash here");
        return;
    };
    bash.stdin.take().unwrap().write_all((script + ask).as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "--suite\n");
}

#[test]
fn exit_codes_are_those_that_the_help_lists() {
    for command in ["--help", "evaluate --help", "merge --help", "check-device --help"] {
        let help = works(plain(command));
        for code in ["0  done", "1  refused or failed", "2  arguments that", "3  done, with a"] {
            assert!(help.contains(code), "{command}: {help}");
        }
    }
    assert_eq!(exit_code(plain("check-device --device flex")), 0);
    assert_eq!(exit_code(plain("check-device --device abacus")), 1);
    assert_eq!(exit_code(plain("check-device --device")), 2);
    assert_eq!(exit_code(plain("retrain")), 2);
}
