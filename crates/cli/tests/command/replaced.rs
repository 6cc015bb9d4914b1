//! Results in folders that hold something already: replaced by force alone, and never what is of
//! others.

use crate::program::{
    evaluate, plain, record, refused, scratch, train, trained, trained_without_noise, works,
};
use std::ffi::OsString;
use std::fs;

#[test]
fn a_finished_evaluation_of_other_settings_is_replaced_only_by_force() {
    let (run, out) = (trained(), scratch("again"));
    works(evaluate(run, &out, "--suite quick"));
    let before = fs::read(out.join("record.json")).unwrap();
    for (flags, differs) in [
        ("--suite quick --draws 2", "draws: got 2, wanted 3"),
        ("--suite standard", "attacks: got "),
        ("--suite quick --seed 2", "seed: got 2, wanted that of the result there"),
        ("--suite quick --examples 15", "examples: got 15, wanted 20"),
        ("--suite quick --epsilon 0.1", "threat: got Linf 0.1, wanted Linf 0.05"),
        ("--suite quick --checks quick", "checks: got quick ("),
        ("--suite quick --sigma 0.2 --samples 20", "certificates: got sigma 0.2, "),
        ("--suite quick --epsilons 0.1", "epsilons: got 0.1, wanted none"),
        ("--suite quick --precision bf16", "precision of the attacks: got bf16, "),
        ("--suite quick --noise-off", "noise states: got live, wanted live, off, fixed"),
    ] {
        let said = refused(evaluate(run, &out, flags));
        assert!(said.contains("again: holds a finished evaluation: "), "{flags}: {said}");
        assert!(said.contains(differs), "{flags}: {said}");
        assert!(said.contains("take another --out, or --force to replace it"), "{said}");
        assert!(fs::read(out.join("record.json")).unwrap() == before, "{flags}");
    }
    // The same settings in other batches, and by the checkpoint's other name.
    for flags in ["--suite quick", "--suite quick --batch 7", "--suite quick --checkpoint last"] {
        let said = works(evaluate(run, &out, flags));
        assert!(said.contains("its evaluation of these settings is made anew"), "{said}");
    }
    let said = works(evaluate(run, &out, "--suite quick --draws 2 --force"));
    let word = "its evaluation will be replaced (draws: got 2, wanted 3)";
    assert!(said.contains(word), "{said}");
    let record = record(&out);
    assert_eq!(record["draws"], 2);
    // The command of the record makes the same, and replaces nothing.
    let command = record["command"].as_str().unwrap();
    assert!(command.ends_with("--suite quick --draws 2"), "{command}");
    works(plain(&format!("report {}", out.display())));
    assert!(out.join("report.html").exists());
}

#[test]
fn files_of_others_and_folders_in_use_are_refused_before_any_work() {
    let (run, out) = (trained(), scratch("of-others"));
    let check = |name: &str, arguments: Vec<OsString>, says: &str| {
        let path = out.join(name);
        fs::write(&path, "mine").unwrap();
        let said = refused(arguments);
        assert!(said.contains(name) && said.contains(says), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        fs::remove_file(path).unwrap();
    };
    for name in ["config.json", "model.json", "history.json", "flags.json"] {
        check(name, train(&out, ""), "a file that no run of this folder has written");
    }
    check("training.html", train(&out, ""), "a file that no training has written");
    for (name, says) in [
        ("record.json", "expected value"),
        ("manifest.json", "a file that no evaluation has written"),
        ("report.html", "a file that no evaluation has written"),
        ("rows.jsonl", "a file that no evaluation has written"),
    ] {
        check(name, evaluate(run, &out, "--suite quick"), says);
    }
    let lock = fs::File::create(out.join(".lock")).unwrap();
    lock.lock().unwrap();
    let said = refused(evaluate(run, &out, "--suite quick"));
    assert!(said.contains("another evaluation is at work in this folder"), "{said}");
    drop(lock);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1, "something was written");
}

#[test]
fn an_evaluation_of_another_model_is_replaced_only_by_force() {
    let out = scratch("replaced");
    works(evaluate(trained(), &out, "--suite quick"));
    let said = refused(evaluate(trained_without_noise(), &out, "--suite quick"));
    assert!(said.contains("model: got ") && said.contains("trained-without-noise (epoch 1)"));
    let said = works(evaluate(trained_without_noise(), &out, "--suite quick --force"));
    assert!(said.contains("its evaluation will be replaced (model: got "), "{said}");
}

#[test]
fn a_report_of_other_evaluations_is_replaced_only_by_force() {
    let folder = scratch("reports");
    let [one, other, both] = ["one", "other", "both"].map(|name| folder.join(name));
    works(evaluate(trained(), &one, "--suite quick --name one"));
    works(evaluate(trained(), &other, "--suite quick --name other"));
    let [one, other, both] = [&one, &other, &both].map(|folder| folder.display().to_string());
    let first = format!("report {one} {other} --out {both}");
    works(plain(&first));
    // Once more is no replacement.
    works(plain(&first));
    for (evaluations, out) in [(&one, &both), (&other, &one)] {
        let said = refused(plain(&format!("report {evaluations} --out {out}")));
        assert!(said.contains("holds a finished report: title: got "), "{said}");
        works(plain(&format!("report {evaluations} --out {out} --force")));
    }
    // Another evaluation of the same name.
    let again = folder.join("again").display().to_string();
    works(evaluate(trained(), again.as_ref(), "--suite quick --name one --seed 2"));
    let third = folder.join("third").display().to_string();
    works(plain(&format!("report {one} --out {third}")));
    let said = refused(plain(&format!("report {again} --out {third}")));
    assert!(said.contains("evaluations: got others of these names, wanted"), "{said}");
    works(plain(&format!("report {again} --out {third} --force")));
    works(plain(&format!("report {again} --out {third}")));
    // An evaluation takes no place of theirs, and one folder is one, by whatever path.
    let said = refused(evaluate(trained(), third.as_ref(), "--suite quick"));
    assert!(said.contains("report.md: the report of other evaluations, wanted"), "{said}");
    let said = refused(plain(&format!("report {one} {one}/. --out {third}")));
    assert!(said.contains("twice, wanted each once"), "{said}");
    let mine = folder.join("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("report.html"), "mine").unwrap();
    let said = refused(plain(&format!("report {one} {other} --out {}", mine.display())));
    assert!(said.contains("report.html: a file that no evaluation has written"), "{said}");
    assert_eq!(fs::read_to_string(mine.join("report.html")).unwrap(), "mine");
}

#[test]
fn a_curve_certificates_and_the_adversarial_images_are_there_when_asked_for() {
    let (run, out) = (trained(), scratch("more"));
    let asked = "--suite quick --epsilons 0.02,0.1 --sigma 0.2 --samples 20 --keep-adversarial";
    works(evaluate(run, &out, asked));
    let record = record(&out);
    for curve in record["curves"].as_array().unwrap() {
        let radii: Vec<_> = (curve["points"].as_array().unwrap().iter())
            .map(|point| point["epsilon"].as_f64().unwrap())
            .collect();
        assert_eq!(radii, [0.02, 0.1], "{curve}");
    }
    assert_eq!(record["certificates"]["sigma"], 0.2);
    assert_eq!(record["certificates"]["samples"], 20);
    let attacks = record["attacks"].as_array().unwrap().len();
    let images = out.join("adversarial");
    assert_eq!(fs::read_dir(&images).unwrap().count(), attacks);
    // They go with the evaluation that they are of, and nothing else goes.
    fs::write(images.join("mine.txt"), "mine").unwrap();
    let said = works(evaluate(run, &out, "--suite quick --draws 2 --force"));
    assert!(said.contains("the adversarial images of the evaluation before are removed"), "{said}");
    assert_eq!(fs::read_dir(&images).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(images.join("mine.txt")).unwrap(), "mine");
}
