//! `cni flatness`: a record and a page, several checkpoints side by side, and flags that are used
//! or refused.

use crate::program::{
    flatness, plain, refused, scratch, train, trained, trained_without_noise, works,
};
use cni_burn::evaluation::flatness::FlatnessRecords;
use serde_json::Value;
use std::fs;

#[test]
fn checkpoints_stand_side_by_side_in_a_record_and_a_page() {
    let (run, out) = (scratch("flat-run"), scratch("flat"));
    works(train(&run, "--epochs 2"));
    let flags = "--checkpoint 1 --checkpoint 2 --landscape --points 3 --directions 1 --json";
    let printed = works(flatness(&run, &out, flags));
    let records = FlatnessRecords::read(&out).unwrap();
    assert_eq!(printed.parse::<Value>().unwrap(), serde_json::to_value(&records).unwrap());
    let names: Vec<&str> =
        records.records.iter().map(|record| record.model.name.as_str()).collect();
    assert!(names[0].ends_with("(epoch 1)") && names[1].ends_with("(epoch 2)"), "{names:?}");
    for record in &records.records {
        assert_eq!((record.examples, record.draws, record.stochastic), (10, 2, true));
        assert_eq!(record.average.as_ref().unwrap().losses.len(), 2);
        assert_eq!(record.worst.as_ref().unwrap().steps, Some(2));
        assert_eq!(record.landscape.len(), 2);
        // Weights and the bias of the last layer: no constant, no noise, no norm.
        let mut others = record.layers.iter().filter(|path| !path.ends_with(".weight"));
        assert_eq!(others.next().map(String::as_str), Some("fc.linear.bias"));
        assert_eq!(others.next(), None);
        assert!(record.layers.iter().all(|path| !path.contains("bn")), "{:?}", record.layers);
        assert_eq!(record.attack["threat"]["epsilon"], 0.05);
        assert!(record.command.starts_with("cni flatness "), "{}", record.command);
    }
    let page = fs::read_to_string(out.join("flatness.html")).unwrap();
    for name in names {
        assert!(page.contains(name), "{name}");
    }
    for file in ["flatness.md", "figures/landscape-random.svg", "data/landscape-random.csv"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    // The same once more, and with other flags only by force: then the old figures go.
    let printed = works(flatness(&run, &out, &flags.replace(" --json", "")));
    assert!(printed.contains("its measurement of flatness of these settings is made anew"));
    for (flags, differs) in [
        ("--checkpoint 1", "checkpoints: got 1, wanted 2"),
        ("--checkpoint 2 --checkpoint 1 --landscape --points 3 --directions 1", "model: got "),
        ("--checkpoint 1 --checkpoint 2", "landscape: got none, wanted 3 points, 1 directions"),
        ("--checkpoint 1 --checkpoint 2 --examples 9", "examples: got 9, wanted 10"),
        ("--checkpoint 1 --checkpoint 2 --radius 0.4", "average: got 2 in the sphere of 0.4, "),
        ("--checkpoint 1 --checkpoint 2 --seed 2", "landscape: got none"),
    ] {
        let said = refused(flatness(&run, &out, flags));
        assert!(said.contains("holds a finished measurement of flatness: "), "{said}");
        assert!(said.contains(differs), "{flags}: {said}");
    }
    let other = "--checkpoint best --measure average --noise-off --force";
    let printed = works(flatness(&run, &out, other));
    assert!(printed.contains("will be replaced") && printed.contains("robust loss"), "{printed}");
    let records = FlatnessRecords::read(&out).unwrap();
    assert!(records.records[0].worst.is_none() && !records.records[0].stochastic);
    assert!(!out.join("figures").exists());
}

#[test]
fn a_checkpoint_under_two_names_is_measured_once() {
    let out = scratch("flat-twice");
    let printed = works(flatness(trained(), &out, "--checkpoint best --checkpoint last"));
    assert!(printed.contains("(epoch 1): measured once"), "{printed}");
    assert_eq!(FlatnessRecords::read(&out).unwrap().records.len(), 1);
}

#[test]
fn flags_without_effect_and_wrong_values_are_refused_before_anything_is_written() {
    let (out, run) = (scratch("flat-flags"), trained());
    let left_out = "wanted it left out, since ";
    for (flags, said) in [
        ("--measure worst --radius 0.5", "--radius: got 0.5, "),
        ("--measure average --worst-radius 0.003", "--worst-radius: got 0.003, "),
        ("--measure average --worst-steps 3", "--worst-steps: got 3, "),
        ("--points 5", "--points: got 5, "),
        ("--directions 2", "--directions: got 2, "),
        ("--data somewhere", "--data: got somewhere, "),
    ] {
        let said_now = refused(flatness(run, &out, flags));
        assert!(said_now.starts_with(&format!("error: {said}{left_out}")), "{said_now}");
    }
    let silent = refused(flatness(trained_without_noise(), &out, "--noise-off"));
    assert!(
        silent.starts_with(&format!("error: --noise-off: got the flag, {left_out}")),
        "{silent}"
    );
    for (flags, wanted) in [
        ("--landscape --points 4", "--points: got 4, wanted an odd number"),
        ("--radius 0", "above 0"),
        ("--worst-radius nan", "above 0"),
        ("--region cube", "possible values"),
        ("--measure both", "possible values"),
        ("--attempts 0", "at least 1"),
        ("--checkpoint nowhere", "wanted best, last"),
        ("--checkpoint 1 --checkpoint 99", "99"),
        ("--epsilon 8", "8/255"),
        ("--examples 361", "at most 360"),
    ] {
        let said = refused(flatness(run, &out, flags));
        assert!(said.contains(wanted), "{flags}: {said}");
    }
    let written = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(written.into_iter().all(|name| name == ".lock"));
    fs::write(out.join("flatness.md"), "mine").unwrap();
    let said = refused(flatness(run, &out, ""));
    assert!(said.contains("flatness.md: a file that no evaluation has written"), "{said}");
    assert!(works(plain("flatness --help")).contains("--worst-radius"));
}
