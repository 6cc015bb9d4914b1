//! The program that the page gives to copy: it is the one that is written here, it compiles, and it
//! runs.

use cni_browser::{AttackSettings, Method, Session};
use std::fs;
use std::path::{Path, PathBuf};

mod copied {
    include!("copied/program.rs");

    pub fn run() -> Result<(), Box<dyn std::error::Error>> {
        main()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn session(name: &str) -> Session {
    let file = |file: &str| fs::read(root().join("weights").join(name).join(file)).unwrap();
    Session::new(name, &file("state.json"), file("model.bpk")).unwrap()
}

/// Run with `CNI_BLESS=1` to write the program anew.
#[test]
fn the_program_to_copy_is_this_one_and_runs() {
    let mut session = session("digits-pni-w");
    session.set_scale(0.5).unwrap();
    let settings =
        AttackSettings { method: Method::Pgd, epsilon: 0.1, steps: 10, draws: 3, key: 7 };
    let mut drawn = session.image(4).unwrap();
    drawn[0] = 0.5;
    let code = session.code(&settings, &drawn, 2).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/copied/program.rs");
    if std::env::var_os("CNI_BLESS").is_some() {
        fs::write(&path, &code).unwrap();
    }
    assert_eq!(code, fs::read_to_string(&path).unwrap());
    // The program reads the folder `weights`. No other test of this process has files.
    std::env::set_current_dir(root()).unwrap();
    copied::run().unwrap();

    let known = session.code(&settings, &session.image(4).unwrap(), 2).unwrap();
    assert!(known.contains("test.batch([") && !known.contains("let pixels"), "{known}");
    drawn[0] = 96.0 / 255.0;
    let bytes = session.code(&settings, &drawn, 2).unwrap();
    assert!(bytes.contains("let bytes: [u8; 64] = [\n        96, 0, "), "{bytes}");
    session.set_scale(0.0).unwrap();
    let silent = session.code(&settings, &drawn, 2).unwrap();
    assert!(!silent.contains("with_draws"), "one draw is all there are: {silent}");
}
