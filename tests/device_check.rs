//! A device check passes where devices agree, and names what differs.

use burn::tensor::Device;
use cni_burn::device::device;
use cni_burn::device_check::{Comparison, DeviceCheck, Finding, Outcome, Parts, Tolerance, values};
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

fn check(check: &DeviceCheck) -> Vec<Finding> {
    check.run(&Device::flex(), &Device::flex(), &mut |_| {})
}

/// A comparison whose first result, that of the device under check, is passed through `wrong`.
fn planted(
    name: &str,
    wrong: impl Fn(Vec<f32>) -> Result<Vec<f32>, Box<dyn Error>> + Send + Sync + 'static,
) -> Comparison {
    let first = AtomicBool::new(true);
    Comparison::new(name, Tolerance::Relative(5e-5), move |device| -> Result<Parts, _> {
        let x = values::<2>(0, [4, 6], device);
        let right: Vec<f32> = x.clone().matmul(x.transpose()).try_to_vec_as()?;
        let parts = match first.swap(false, Ordering::Relaxed) {
            true => wrong(right)?,
            false => right,
        };
        Ok(vec![("product".to_string(), parts)])
    })
}

#[test]
fn the_cpu_computes_what_the_cpu_does() {
    let findings = check(&DeviceCheck::new());
    assert!(findings.len() >= 30, "{}", findings.len());
    for finding in &findings {
        assert_eq!(finding.outcome, Outcome::Same(0.0), "{finding}");
    }
    // One line for each, none of them twice.
    let mut names: Vec<&str> = findings.iter().map(|finding| finding.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), findings.len());
}

#[test]
fn a_planted_difference_is_named_with_its_place_and_size() {
    let comparisons = vec![
        planted("right", Ok),
        planted("one value off", |mut all| {
            all[5] *= 1.01;
            Ok(all)
        }),
        planted("not a number", |mut all| {
            all[2] = f32::NAN;
            Ok(all)
        }),
        planted("too short", |mut all| {
            all.pop();
            Ok(all)
        }),
    ];
    let findings = check(&DeviceCheck::of(comparisons));
    let agree: Vec<bool> = findings.iter().map(Finding::agrees).collect();
    assert_eq!(agree, [true, false, false, false]);
    let Outcome::Differs(differences) = &findings[1].outcome else { panic!("{}", findings[1]) };
    assert_eq!((differences[0].part.as_str(), differences[0].values), ("product", 1));
    assert_eq!((differences[0].of, differences[0].worst.0), (16, 5));
    let line = findings[1].to_string();
    for wanted in ["differs", "one value off", "product: 1 of 16 values", "[5] is"] {
        assert!(line.contains(wanted), "{line}");
    }
}

#[test]
fn a_panic_or_an_error_of_a_backend_is_a_finding_and_the_check_goes_on() {
    let comparisons = vec![
        planted("no driver", |_| panic!("no adapter\n  found")),
        planted("no memory", |_| Err("out of memory".into())),
        planted("right", Ok),
    ];
    let findings = check(&DeviceCheck::of(comparisons));
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], "failed   no driver: no adapter found");
    assert_eq!(lines[1], "failed   no memory: out of memory");
    assert!(findings[2].agrees());
}

#[test]
fn a_device_that_is_not_there_is_refused_with_those_that_are() {
    let error = |name| device(name).unwrap_err().to_string();
    assert!(error("abacus").contains("got abacus, wanted one of [\"flex\""), "{}", error("abacus"));
    if cfg!(not(feature = "rocm")) {
        assert!(error("rocm").contains("built with `--features rocm`"), "{}", error("rocm"));
    }
}
