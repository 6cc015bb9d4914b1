//! `--json`: results for programs, on standard output and with nothing beside them.

use crate::program::{evaluate, exit_code, plain, record, scratch, train, trained, works};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;

/// The result of a command.
fn json(mut arguments: Vec<OsString>) -> Value {
    arguments.push("--json".into());
    let printed = works(arguments);
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

#[test]
fn a_training_gives_its_run_its_best_epoch_and_its_history() {
    let out = scratch("json-training");
    let result = json(train(&out, "--epochs 2"));
    assert_eq!(result["run"], out.display().to_string());
    let history = fs::read(out.join("history.json")).unwrap();
    assert_eq!(result["history"], serde_json::from_slice::<Value>(&history).unwrap());
    let best = result["best_epoch"].as_u64().unwrap();
    assert!(result["seconds"].as_f64().unwrap() > 0.0, "{result}");
    assert!(out.join(format!("checkpoints/epoch-{best}")).is_dir());
    // A run that has nothing to continue says so, and not on standard output.
    let begun = scratch("json-begun");
    assert_eq!(json(train(&begun, "--epochs 2 --resume"))["history"], result["history"]);
}

#[test]
fn a_run_of_few_steps_that_ends_at_chance_says_so_in_its_notices() {
    let result = json(train(&scratch("json-chance"), ""));
    let [notice] = &result["notices"].as_array().unwrap()[..] else { panic!("{result}") };
    let notice = notice.as_str().unwrap();
    assert!(notice.starts_with("warning: at the end of the run training "), "{notice}");
    assert!(notice.contains("at chance (10.0 %): 2 steps in all may be too few"), "{notice}");
}

#[test]
fn an_evaluation_gives_its_record() {
    let out = scratch("json-evaluation");
    let result = json(evaluate(trained(), &out, "--suite quick --checks quick"));
    assert_eq!(result, record(&out));
    assert!(!result["checks"].as_array().unwrap().is_empty());
}

#[test]
fn a_report_gives_the_page_that_it_wrote() {
    let out = scratch("json-report");
    works(evaluate(trained(), &out, "--suite quick"));
    let result = json(plain(&format!("report {}", out.display())));
    assert_eq!(result["report"], out.join("report.html").display().to_string());
    assert!(out.join("report.html").is_file());
}

#[test]
fn info_gives_the_configuration_that_a_run_has_written() {
    let run = trained();
    let result = json(plain(&format!("info --run {}", run.display())));
    let saved = fs::read(run.join("model.json")).unwrap();
    assert_eq!(result["config"], serde_json::from_slice::<Value>(&saved).unwrap());
    let flags = "--dataset digits --depth 8 --width 0.25 --rank 2";
    assert_eq!(result, json(plain(&format!("info {flags}"))));
    let [all, of_noise] = ["parameters", "noise_parameters"].map(|of| result[of].as_u64().unwrap());
    assert!(0 < of_noise && of_noise < all);
}

#[test]
fn info_lists_the_layers_on_demand() {
    let info = "info --dataset digits --depth 8 --width 0.25 --rank 2";
    let [short, long] = ["", " --layers"].map(|flag| works(plain(&format!("{info}{flag}"))));
    assert!(short.starts_with("conv1.conv.weight: colored, rank 2, "), "{short}");
    assert!(long.starts_with("ResNet {") && long.ends_with(&short), "{long}");
}

#[test]
fn info_says_what_keeps_a_model_from_being_one_operation() {
    for (flags, wanted) in [
        ("--family wrn --depth 10", None),
        ("--activation gelu", Some("step 2: an activation that is no rectifier")),
        ("--family airbench --activation relu", Some("step 3: a pooling")),
    ] {
        let result = json(plain(&format!("info --noise none {flags}")));
        let obstacle = result["half_precision"]["obstacle"].as_str();
        assert_eq!(obstacle, wanted, "{flags}");
    }
}

#[test]
fn a_check_of_a_device_gives_every_finding() {
    let result = json(plain("check-device --device flex"));
    assert_eq!((&result["device"], &result["differ"]), (&"flex".into(), &0.into()));
    let findings = result["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 46);
    for finding in findings {
        assert!(finding["name"].is_string() && finding["outcome"]["same"] == 0.0, "{finding}");
    }
}

#[test]
fn strict_is_an_exit_code_of_its_own_for_checks_that_fail() {
    let out = scratch("strict");
    let flags = "--suite quick --checks quick --strict --eot-steps 1 --eot-draws 1";
    let code = exit_code(evaluate(trained(), &out, flags));
    let record = record(&out);
    let checks = record["checks"].as_array().unwrap();
    let failed = checks.iter().any(|check| check["verdict"] == "fail");
    assert_eq!(code, if failed { 3 } else { 0 }, "{checks:?}");
}
