//! Private training, and what it spends.

use crate::epsilon::{epsilon, json};
use crate::program::{evaluate, plain, record, refused, scratch, works};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// A private training of a second or two.
fn train(out: &Path, flags: &str) -> Vec<OsString> {
    plain(&format!(
        "private-train --dataset digits --depth 8 --width 0.25 --noise none --subset 60 \
         --validation 20 --batch 8 --epochs 2 --out {} {flags}",
        out.display()
    ))
}

const BUDGET: &str = "--privacy-epsilon 6 --delta 1e-4";

#[test]
fn a_private_run_keeps_what_it_spent_and_goes_on_with_its_own_flags() {
    let folder = scratch("private");
    let run = folder.join("run");
    let said = works(train(&run, &format!("{BUDGET} --clip 0.5 --json")));
    let told: Value = serde_json::from_str(&said).unwrap();
    let spent = &told["privacy"];
    let epsilon = spent["epsilon"].as_f64().unwrap();
    assert!(epsilon > 5.9 && epsilon <= 6.0, "{epsilon}");
    assert_eq!(
        (&spent["delta"], &spent["ledger"]["phases"][0]["steps"]),
        (&1e-4.into(), &10.into())
    );
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(run.join(name)).unwrap()).unwrap()
    };
    assert_eq!(&read("spent.json"), spent);
    assert_eq!(read("ledger.json"), spent["ledger"]);
    let about = read("privacy.json");
    assert_eq!((&about["settings"]["max_norm"], &about["sample_rate"]), (&0.5.into(), &0.2.into()));
    assert_eq!(read("model.json")["norm"]["group"]["groups"], 32);
    let again = json(&format!("epsilon --run {} --delta 1e-4", run.display()));
    assert_eq!(&again["spent"], spent);

    // It has ended, and says the same once more.
    let resume =
        |flags: &str| plain(&format!("private-train --resume --out {} {flags}", run.display()));
    let told: Value = serde_json::from_str(&works(resume("--json"))).unwrap();
    assert_eq!(&told["privacy"], spent);
    for (flags, says) in [
        ("--privacy-epsilon 7", "--privacy-epsilon: got 7.0, wanted 6.0, since"),
        ("--clip 2", "--clip: got 2.0, wanted 0.5, since"),
        ("--per-layer", "--per-layer: got the flag, wanted it left out, since"),
        ("--delta 1e-3", "--delta: got 0.001, wanted 0.0001, since"),
        ("--noise-multiplier 3", "--noise-multiplier: got 3.0, wanted it left out, since"),
    ] {
        let said = refused(resume(flags));
        assert!(said.contains(says), "{said}");
    }
    // Without its privacy it is another run.
    let said = refused(plain(&format!("train --resume --out {}", run.display())));
    assert!(said.contains("belongs to another run"), "{said}");

    // A private model is judged like any other.
    let judged = folder.join("judged");
    works(evaluate(&run, &judged, ""));
    assert_eq!(record(&judged)["examples"], 20);
    let card = works(plain(&format!("card --run {}", run.display())));
    assert!(card.contains("group norm"), "{card}");
    assert!(card.contains("gradients clipped to 0.5; epsilon 5.9"), "{card}");
    let said = refused(plain(&format!(
        "publish --run {} --out {}",
        run.display(),
        folder.join("published").display()
    )));
    assert!(said.contains("a private run, wanted another"), "{said}");
    assert!(!folder.join("published").exists());

    // Files that cannot be those of the run are refused.
    let privacy = fs::read(run.join("privacy.json")).unwrap();
    fs::write(run.join("privacy.json"), "[]").unwrap();
    let said = refused(resume(""));
    assert!(said.contains("privacy.json: wanted the settings of a private run"), "{said}");
    fs::write(run.join("privacy.json"), privacy).unwrap();
    let ledger = fs::read_to_string(run.join("ledger.json")).unwrap();
    fs::write(run.join("ledger.json"), ledger.replace("\"steps\": 10", "\"steps\": 5")).unwrap();
    for said in [
        refused(resume("")),
        refused(plain(&format!("epsilon --run {} --delta 1e-4", run.display()))),
    ] {
        assert!(said.contains("ledger.json: got 5 steps, wanted at least the 10"), "{said}");
    }
}

/// One step count for the command that plans and the one that trains: 40 / 8 is whole, 40 / 7 not.
#[test]
fn the_planned_steps_are_those_that_are_taken() {
    let folder = scratch("private-steps");
    let run = folder.join("run");
    let flags = "--privacy-epsilon 60 --delta 1e-3 --noise-multiplier 1 --json";
    let text = train(&run, flags).into_iter().map(|text| match text.to_str() {
        Some("8") => "7".into(),
        _ => text,
    });
    // The depth is 8 as well.
    let mut arguments: Vec<OsString> = text.collect();
    let depth = arguments.iter().position(|text| text == "--depth").unwrap();
    arguments[depth + 1] = "8".into();
    let told: Value = serde_json::from_str(&works(arguments)).unwrap();
    let plan = "--noise-multiplier 1 --examples 40 --batch 7 --epochs 2 --delta 1e-3";
    assert_eq!(epsilon(plan), told["privacy"]);
    assert_eq!(told["privacy"]["ledger"]["phases"][0]["steps"], 12);
}

#[test]
fn a_run_that_the_budget_has_ended_says_so_once_more() {
    let run = scratch("private-ended").join("run");
    let flags = "--privacy-epsilon 6 --delta 1e-4 --noise-multiplier 0.95";
    let mut arguments = train(&run, &format!("{flags} --json --resume"));
    let epochs = arguments.iter().position(|text| text == "--epochs").unwrap();
    arguments[epochs + 1] = "60".into();
    // Nothing is there to resume: it begins, by the recipe `clean`.
    let told: Value = serde_json::from_str(&works(arguments)).unwrap();
    let ended = told["ended"].as_str().unwrap();
    assert!(ended.contains("allows no further epoch"), "{ended}");
    let recipe = fs::read_to_string(run.join("recipe.toml")).unwrap();
    assert!(recipe.contains("name = \"clean\""), "{recipe}");
    let again = json(&format!("private-train --resume --out {}", run.display()));
    assert_eq!((&again["ended"], &again["privacy"]), (&told["ended"], &told["privacy"]));
}

#[test]
fn a_run_that_cannot_be_private_is_refused() {
    let folder = scratch("private-refused");
    for (flags, says) in [
        ("", "--privacy-epsilon: got none, wanted a number, the budget"),
        ("--privacy-epsilon 6", "--delta: got none, wanted a number, the budget"),
        (
            "--privacy-epsilon 0 --delta 1e-4",
            "--privacy-epsilon: got 0, wanted a finite number above 0",
        ),
        (
            "--privacy-epsilon 1e-9 --delta 1e-4",
            "--privacy-epsilon: got 0.000000001, wanted at least",
        ),
        ("--privacy-epsilon 6 --delta 2", "--delta: got 2, wanted a number between 0 and 1"),
        (
            "--privacy-epsilon 6 --delta 1e-4 --clip 0",
            "--clip: got 0, wanted a number from 1e-6 to 1e6",
        ),
        (
            "--privacy-epsilon 6 --delta 0.03",
            "--delta: got 0.03, wanted a number below one over the 40 examples",
        ),
        (
            "--privacy-epsilon 6 --delta 1e-4 --accountant gdp",
            "--accountant: got gdp, wanted rdp or prv, which give upper bounds",
        ),
        (
            "--privacy-epsilon 1 --delta 1e-4 --noise-multiplier 0.3",
            "steps within the budget: got 0, wanted at least 5, an epoch; raise --noise-multiplier",
        ),
        (
            "--privacy-epsilon 6 --delta 1e-4 --batch 41",
            "--batch: got 41, wanted 1 to the number of",
        ),
        ("--privacy-epsilon 6 --delta 1e-4 --norm batch", "a model with BatchNorm at \"bn1\""),
    ] {
        let run = folder.join("run");
        let mut arguments = train(&run, flags);
        if flags.contains("--batch") {
            let batch = arguments.iter().position(|text| text == "--batch").unwrap();
            arguments.drain(batch..batch + 2);
        }
        let said = refused(arguments);
        assert!(said.contains(says), "{flags}: {said}");
        assert!(!run.join("ledger.json").exists());
    }
}

#[test]
fn a_run_with_randomness_of_the_system_says_so_and_spends_the_same() {
    let run = scratch("private-system").join("run");
    let flags = format!("{BUDGET} --system-randomness --per-layer --accountant rdp --json");
    let told: Value = serde_json::from_str(&works(train(&run, &flags))).unwrap();
    assert!(told["privacy"]["epsilon"].as_f64().unwrap() <= 6.0);
    let about = fs::read_to_string(run.join("privacy.json")).unwrap();
    assert!(about.contains("\"randomness\": \"system\""), "{about}");
    assert!(about.contains("\"per_layer\": true"), "{about}");
}
