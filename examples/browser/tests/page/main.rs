//! The page in Chromium, driven as a visitor would. `tests/browser.sh` builds the page and runs
//! this; without a page or a browser each test says so and passes.

mod faults;
mod server;
mod values;
mod visit;
mod visitor;

use cni_browser::Session;
use std::fs;
use std::path::Path;

/// Logits of another processor differ by rounding, and a step of an attack by its sign.
const TOLERANCE: f64 = 2e-3;

fn session(page: &Path, name: &str) -> Session {
    let file = |file: &str| fs::read(page.join("weights").join(name).join(file)).unwrap();
    Session::new(name, &file("state.json"), file("model.bpk")).unwrap()
}

fn near(got: f64, wanted: f64) -> bool {
    (got - wanted).abs() <= TOLERANCE * (1.0 + wanted.abs())
}
