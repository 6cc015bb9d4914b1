//! Flags that would be dropped are refused by name.

use crate::program::{
    evaluate, plain, record, refused, scratch, train, trained, trained_without_noise, works,
    works_in,
};
use std::fs;

#[test]
fn a_flag_that_others_leave_without_effect_is_refused() {
    let (out, run) = (scratch("idle"), trained());
    let plain_run = trained_without_noise();
    let training = [
        ("--recipe clean --epsilon 0.1", "--epsilon: got 0.1, "),
        ("--epsilon 0.1 --set objective.attack.threat.epsilon=0.1", "--epsilon: got 0.1, "),
        ("--no-flip", "--no-flip: got the flag, "),
        ("--grayscale", "--grayscale: got the flag, "),
        ("--train somewhere", "--dataset: got digits, "),
        ("--noise none", "--rank: got 2, "),
        ("--noise pni", "--rank: got 2, "),
        ("--granularity layer", "--granularity: got layer, "),
        ("--set model.granularity=layer", "--set model.granularity: got layer, "),
        ("--family resnet18", "--depth: got 8, "),
        ("--parallel multi", "--parallel: got multi, "),
        ("--data somewhere", "--data: got somewhere, "),
        ("--download", "--download: got the flag, "),
        #[cfg(not(feature = "tui"))]
        ("--tui", "--tui: got the flag, "),
    ];
    for (flags, said) in training {
        is_refused(refused(train(&out, flags)), said);
    }
    let evaluation = [
        (run, "--suite rand --draws 3 --eot-steps 2", "--eot-steps: got 2, "),
        (run, "--data somewhere", "--data: got somewhere, "),
        (run, "--download", "--download: got the flag, "),
        (run, "--checks none --strict", "--strict: got the flag, "),
        (run, "--grayscale", "--grayscale: got the flag, "),
        (run, "--test somewhere --data somewhere", "--data: got somewhere, "),
        (plain_run, "--noise-off", "--noise-off: got the flag, "),
    ];
    for (run, flags, said) in evaluation {
        is_refused(refused(evaluate(run, &out, flags)), said);
    }
    for (arguments, said) in [
        ("evaluate --suite autoattack --checks quick", "--checks: got quick, "),
        ("evaluate --suite plus --eot-draws 3", "--eot-draws: got 3, "),
        ("evaluate --samples 50", "--samples: got 50, "),
        ("evaluate --checkpoint weights.th --run somewhere", "--run: got somewhere, "),
        ("evaluate --checkpoint weights.th --noise none --place image", "--place: got image, "),
        ("info --noise none --scale relative", "--scale: got relative, "),
        ("info --family airbench --depth 20", "--depth: got 20, "),
        ("info --family wrn --shortcut pad-end", "--shortcut: got pad-end, "),
    ] {
        is_refused(refused(plain(arguments)), said);
    }
}

fn is_refused(said: String, wanted: &str) {
    assert!(said.starts_with(&format!("error: {wanted}wanted it left out, since ")), "{said}");
}

#[test]
fn a_flag_that_contradicts_the_run_is_refused_with_both_values() {
    let (out, run) = (scratch("contradicted"), trained());
    let contradictions = [
        ("--dataset cifar100", "--dataset: got cifar100, wanted digits, since "),
        ("--depth 56", "--depth: got 56, wanted 8, since "),
        ("--activation gelu", "--activation: got gelu, wanted relu, since "),
        ("--norm group", "--norm: got group, wanted batch, since "),
        ("--width 1", "--width: got 1.0, wanted 0.25, since "),
        ("--noise pni", "--noise: got pni, wanted cni, since "),
        ("--place image,weights", "--place: got image,weights, wanted weights, since "),
        ("--rank 5", "--rank: got 5, wanted 2, since "),
        ("--scale relative", "--scale: got relative, wanted reference, since "),
        ("--shortcut pad-end", "--shortcut: got pad-end, wanted projection, since "),
        ("--family preact18", "--family: got preact18, wanted cifar, since "),
        // Its activation is another too.
        ("--family airbench", "--family: got airbench, wanted cifar, since "),
        ("--activation gelu --family airbench", "--family: got airbench, wanted cifar, since "),
    ];
    for (flags, wanted) in contradictions {
        let info = plain(&format!("info --run {} {flags}", run.display()));
        let mut resumed = train(run, flags);
        resumed.push("--resume".into());
        for arguments in [evaluate(run, &out, flags), info, resumed] {
            let said = refused(arguments);
            assert!(said.starts_with(&format!("error: {wanted}")), "{said}");
            assert!(said.contains("trained was trained so"), "{said}");
        }
    }
    // What agrees is no contradiction.
    let agreeing = "--dataset digits --depth 8 --width 0.25 --activation relu --noise cni --rank 2 \
                    --place weights";
    works(plain(&format!("info --run {} {agreeing}", run.display())));
    // A checkpoint by its path has a run of its own.
    let path = run.join("checkpoints/epoch-1");
    let arguments = evaluate(&out, &out, &format!("--checkpoint {}", path.display()));
    assert!(refused(arguments).starts_with("error: --run: got "));
}

#[test]
fn the_console_says_where_one_draw_was_used_for_want_of_noise() {
    let silent = "the model has no noise: one draw judged each image and made each gradient\n";
    for (run, without_noise) in [(trained_without_noise(), true), (trained(), false)] {
        let out = scratch("one-draw");
        let printed = works(evaluate(run, &out, "--suite quick --draws 50 --eot-draws 3"));
        assert_eq!(printed.contains(silent), without_noise, "{printed}");
        assert_eq!(record(&out)["draws"], if without_noise { 1 } else { 50 });
    }
    let help = works(plain("evaluate --help")).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(help.matches("A model without noise needs one, and gets one").count(), 2, "{help}");
}

#[test]
fn a_run_goes_on_with_its_own_flags_and_is_not_resumed_with_others() {
    let (run, whole) = (scratch("bare-resume"), scratch("bare-resume-whole"));
    works(train(&run, "--epochs 2 --seed 3"));
    let bare = format!("train --resume --out {}", run.display());
    // The flags that are left out are those of the run, wherever it is resumed.
    works_in(&whole, plain(&format!("{bare} --epochs 4")));
    works(train(&whole, "--epochs 4 --seed 3"));
    let [ours, theirs] = [&run, &whole].map(|run| fs::read(run.join("history.json")).unwrap());
    assert_eq!(String::from_utf8(ours).unwrap(), String::from_utf8(theirs).unwrap());
    works(plain(&format!("{bare} --seed 3 --subset 80 --validation 20 --dataset digits")));
    for (flags, said) in [
        ("--seed 4", "--seed: got 4, wanted 3, since "),
        ("--subset 60", "--subset: got 60, wanted 80, since "),
        ("--validation 10", "--validation: got 10, wanted 20, since "),
        ("--dataset cifar10", "--dataset: got cifar10, wanted digits, since "),
        ("--no-flip", "--no-flip: got the flag, wanted it left out, since "),
        ("--depth 14", "--depth: got 14, wanted 8, since "),
        ("--epsilon 0.06", "--epsilon: got 0.06, wanted 0.05, since "),
    ] {
        let refusal = refused(plain(&format!("{bare} {flags}")));
        assert!(refusal.starts_with(&format!("error: {said}")), "{flags}: {refusal}");
        assert!(refusal.contains("bare-resume was trained so"), "{refusal}");
    }
    let other = refused(plain(&format!("{bare} --set batch_size=20")));
    assert!(other.contains("batch_size was 40, is 20"), "{other}");
    // A run of an earlier version keeps no flags: the defaults count, and are named.
    fs::remove_file(run.join("flags.json")).unwrap();
    let said = refused(plain(&bare));
    assert!(said.starts_with("error: --dataset: got cifar10 by default, wanted digits"), "{said}");
}

#[test]
fn the_epsilon_that_is_given_is_the_one_that_is_used() {
    let run = trained();
    for (flags, wanted) in [("--epsilon 0.2 --suite quick", 0.2), ("--suite quick", 0.05)] {
        let out = scratch("epsilon");
        works(evaluate(run, &out, flags));
        let record = record(&out);
        for attack in record["attacks"].as_array().unwrap() {
            assert_eq!(attack["spec"]["threat"]["epsilon"], wanted, "{attack}");
        }
        assert_eq!(record["threat"]["threats"][0]["epsilon"], wanted);
        assert_eq!(record["model"]["trained_against"]["epsilon"], 0.05);
    }
}

#[test]
fn a_run_that_cannot_be_made_longer_says_what_to_do() {
    // The rate of this recipe depends on the number of epochs.
    let run = scratch("no-longer");
    let flags = "--recipe clean --noise cni";
    works(train(&run, flags));
    let said = refused(train(&run, &format!("{flags} --epochs 8 --resume")));
    assert!(said.contains("config/epochs was 1, is 8"), "{said}");
    assert!(said.contains("begin a new run in another folder"), "{said}");
}
