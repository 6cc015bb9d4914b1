//! Time and size of a report of 10,000 examples: `cargo bench -p cni-report --bench render`.
//!
//! If `CNI_REPORT_OUT` is set to a folder, the report is written there.

#[allow(dead_code, reason = "made for the tests")]
#[path = "../tests/report/support/mod.rs"]
mod support;

use cni_report::Report;
use std::path::PathBuf;
use std::time::Instant;

fn main() {
    let temporary = tempfile::tempdir().expect("a folder");
    let out = std::env::var_os("CNI_REPORT_OUT").map(PathBuf::from);
    let out = out.unwrap_or_else(|| temporary.path().to_path_buf());
    let one = || vec![support::stochastic("ResNet-20 with colored noise", 10_000)];
    let two = || {
        let mut two = one();
        two.push(support::deterministic("ResNet-20, adversarial", 10_000));
        two
    };
    for (name, models) in [("one", one()), ("two", two())] {
        let report = Report::new(models).expect("records that fit");
        let time = |work: &dyn Fn()| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        };
        let page = time(&|| drop(report.html()));
        let all = time(&|| report.write(&out.join(name)).expect("a folder to write to"));
        let size = report.html().len() as f64 / 1e6;
        println!("{name}: page {page:.2} s, all files {all:.2} s, page of {size:.2} MB");
    }
}
