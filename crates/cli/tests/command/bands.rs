//! Models whose convolutions keep the low frequencies of their inputs.

use crate::program::{evaluate, plain, record, refused, scratch, works};
use std::ffi::OsString;
use std::path::Path;

/// A training of a second, of a model without noise.
fn train(out: &Path, band: &str) -> Vec<OsString> {
    plain(&format!(
        "train --recipe clean --dataset digits --depth 8 --width 0.25 --noise none --subset 80 \
         --validation 20 --batch 40 --epochs 1 --band {band} --out {}",
        out.display()
    ))
}

#[test]
fn a_band_is_a_part_of_the_model_that_a_run_keeps() {
    let folder = scratch("bands");
    let run = folder.join("run");
    works(train(&run, "0.5"));
    let model = std::fs::read_to_string(run.join("model.json")).unwrap();
    assert!(model.contains("\"rate\": 0.5"), "{model}");
    let said = refused(evaluate(&run, &folder.join("other"), "--band 0.3"));
    assert!(said.contains("--band: got 0.3, wanted 0.5, since"), "{said}");
    let judged = folder.join("judged");
    works(evaluate(&run, &judged, "--band 0.50"));
    let record = record(&judged);
    assert_eq!(record["examples"], 20);
    // The weights do not tell the band; the record does.
    assert_eq!(record["model"]["config"]["band"]["limit"]["band"]["rate"], 0.5, "{record:#}");
}

#[test]
fn a_drawn_band_makes_a_model_stochastic_without_noise() {
    let folder = scratch("drawn-bands");
    let (run, judged) = (folder.join("run"), folder.join("judged"));
    works(train(&run, "0.2..0.8"));
    works(evaluate(&run, &judged, ""));
    let drawn = record(&judged);
    assert_eq!(drawn["draws"], 3);
    // Off, the rate is the mean of its ends, and one pass says all.
    let off = folder.join("off");
    let said = works(evaluate(&run, &off, "--noise-off"));
    assert!(!said.contains("the model has no noise"), "{said}");
    assert_eq!(record(&off)["draws"], 1);
    let noise = drawn["model"]["noise"].as_str().unwrap();
    assert!(noise.contains("conv1.band.limit: band of a rate drawn from 0.2..0.8"), "{noise}");
    let card = works(plain(&format!("card --run {}", run.display())));
    assert!(card.contains("convolutions of the band 0.2..0.8"), "{card}");
    // A fixed band has no noise to switch off.
    let fixed = folder.join("fixed");
    works(train(&fixed, "0.5"));
    let said = refused(evaluate(&fixed, &folder.join("other"), "--noise-off"));
    assert!(said.contains("--noise-off") && said.contains("the model has no noise"), "{said}");
}

#[test]
fn a_band_keeps_a_model_from_running_as_one_operation() {
    let said = works(plain("info --band 0.5 --noise none"));
    assert!(said.contains("because of step 1: a function"), "{said}");
}
