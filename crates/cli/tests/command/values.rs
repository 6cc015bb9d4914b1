//! Values that make no sense are refused with the flag, the value and what was wanted.

use crate::program::{evaluate, plain, refused, scratch, train, trained, works};
use serde_json::Value;
use std::fs;

#[test]
fn a_value_out_of_range_is_refused_by_a_sentence_before_anything_is_written() {
    let (out, run) = (scratch("values"), trained());
    let training = [
        ("--subset 0", "at least 1"),
        ("--subset 100000", "at most 1437"),
        ("--validation 0", "at least 1"),
        ("--validation 80", "less than the 80 examples"),
        ("--epochs 0", "at least 1"),
        ("--epochs 18446744073709551615", "at most 1000000"),
        ("--batch 0", "at least 1"),
        ("--batch -3", "at least 1"),
        ("--devices 0", "at least 1"),
        ("--depth 9", "6n + 2"),
        ("--depth 2", "6n + 2"),
        ("--depth 10", "6n + 2 with n > 0"),
        ("--activation tanh", "relu, silu, gelu, mish, softplus"),
        ("--norm layer", "possible values: batch, group"),
        ("--depth 6000002", "1202"),
        ("--width 0", "above 0"),
        ("--band 1", "at least 0 and below 1"),
        ("--band 0.5..0.2", "the second above the first"),
        ("--band half", "rates such as 0.3..0.7"),
        ("--width nan", "above 0"),
        ("--width 1e18", "at most 64"),
        ("--rank 100000000", "at most"),
        ("--epsilon nan", "8/255"),
        ("--epsilon 0/0", "8/255"),
        ("--epsilon 1/0", "8/255"),
        ("--epsilon eight", "8/255"),
        ("--epsilon -0.1", "above 0 and below 1"),
        ("--epsilon 0", "above 0 and below 1"),
        ("--epsilon 1", "1/255"),
        ("--epsilon 8", "8 of 255 levels is 8/255"),
        ("--epsilon 300", "above 0 and below 1"),
        ("--seed -1", "invalid digit"),
        ("--precision f8", "full, bf16 or f16"),
        ("--device abacus", "flex"),
        ("--noise pink", "possible values"),
    ];
    for (flags, wanted) in training {
        named(refused(train(&out, flags)), flags, wanted);
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "something was written");

    let evaluation = [
        ("--examples 0", "at least 1"),
        ("--examples 361", "at most 360"),
        ("--draws 0", "at least 1"),
        ("--draws 1000001", "at most 1000000"),
        ("--batch 0", "at least 1"),
        ("--eot-steps 0", "at least 1"),
        ("--epsilons 8", "8 of 255 levels is 8/255"),
        ("--sigma 0", "above 0"),
        ("--eot-draws 0", "at least 1"),
        ("--epsilon 8", "8/255"),
        ("--checkpoint 99", "99"),
        ("--checkpoint nowhere", "wanted best, last"),
        ("--precision f8", "full, bf16 or f16"),
        ("--judge-precision f8", "full, bf16 or f16"),
        ("--suite all", "possible values"),
        ("--checks some", "possible values"),
        ("--shard 0/8", "wanted 1/8 to 8/8"),
        ("--shard 9/8", "wanted 1/8 to 8/8"),
        ("--shard 3", "such as 3/8, with i from 1 to n"),
        ("--shard 1/0", "wanted 1 to 100000 parts"),
    ];
    for (flags, wanted) in evaluation {
        named(refused(evaluate(run, &out, flags)), flags, wanted);
    }
    for (flags, wanted) in [
        ("--epsilons 0.1,2/255,0.1", "0.1 twice"),
        ("--sigma 0.1 --samples 9", "samples: got 9, wanted at least 10"),
    ] {
        let said = refused(evaluate(run, &out, flags));
        assert!(said.contains(wanted), "{flags}: {said}");
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "something was written");
}

/// A refusal names the flag, what it got and what was wanted.
fn named(said: String, flags: &str, wanted: &str) {
    let (flag, value) = flags.split_once(' ').unwrap();
    // Errors of the library name the field of the flag's name.
    assert!(said.contains(flag.trim_start_matches('-')), "{flags}: {said}");
    assert!(said.contains(value) && said.contains(wanted), "{flags}: {said}");
}

#[test]
fn a_model_that_its_family_does_not_have_is_refused() {
    for (flags, said) in [
        ("--depth 10", "depth: got 10, wanted 6n + 2 with n > 0"),
        ("--family wrn --depth 20", "depth: got 20, wanted 6n + 4 with n > 0"),
        ("--family airbench --dataset digits", "image_size: got [8, 8], wanted at least 9 by 9"),
    ] {
        let refusal = refused(plain(&format!("info {flags}")));
        assert!(refusal.contains(said), "{flags}: {refusal}");
    }
}

#[test]
fn a_fraction_is_the_number_it_stands_for() {
    let out = scratch("fraction");
    works(train(&out, "--epsilon 8/255"));
    let state = fs::read(out.join("checkpoints/epoch-1/state.json")).unwrap();
    let state: Value = serde_json::from_slice(&state).unwrap();
    let epsilon = state.pointer("/run/config/objective/attack/threat/epsilon");
    assert_eq!(epsilon, Some(&Value::from(8.0 / 255.0)), "{state}");
}

#[test]
fn a_folder_that_is_no_run_or_no_evaluation_is_named() {
    let empty = scratch("no-run");
    for (arguments, file) in [
        (format!("info --run {}", empty.display()), "checkpoints"),
        (format!("evaluate --run {}", empty.display()), "checkpoints"),
        (format!("report {}", empty.display()), "record.json"),
    ] {
        let said = refused(plain(&arguments));
        assert!(said.contains(&format!("no-run/{file}")), "{said}");
    }
    assert!(refused(plain("report")).contains("<EVALUATIONS>"));
    assert!(refused(plain("report a b a")).contains("got a twice"));
}
