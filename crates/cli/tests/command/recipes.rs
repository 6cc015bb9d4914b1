//! Recipes on the command line.

use crate::program::{plain, refused, scratch, train, works};
use serde_json::Value;
use std::fs;

/// The names that the command lists.
fn names() -> Vec<String> {
    let listed: Value = serde_json::from_str(&works(plain("recipes --json"))).unwrap();
    let all = listed.as_array().unwrap().iter();
    all.map(|recipe| recipe["name"].as_str().unwrap().to_string()).collect()
}

#[test]
fn every_recipe_trains_two_epochs_of_digits_and_saves_itself() {
    let folder = scratch("recipes");
    for name in names() {
        let out = folder.join(&name);
        // A network that such images and this test's time allow.
        let (small, told) = match name.starts_with("binary") {
            true => ("--blocks 1,1 --reductions 2 --growth 32 --channels 32", "growth = 32"),
            false => ("--family cifar --depth 8 --width 0.125 --shortcut projection", "depth = 8"),
        };
        // What counts epochs counts them within a run of two.
        let short = match name.as_str() {
            "reference-pni" => "--set objective.start_epoch=1",
            "dajat-ramp" => "--set objective.epsilon_ramp.epochs=2 --set gradient.start_epoch=1",
            _ => "",
        };
        let unattacked =
            ["clean", "band-limited", "binary", "binary-fast"].contains(&name.as_str());
        let epsilon = if unattacked { "" } else { "--epsilon 0.05" };
        let printed = works(plain(&format!(
            "train --recipe {name} --dataset digits {small} {short} {epsilon} --subset 60 \
             --validation 20 --batch 20 --epochs 2 --out {}",
            out.display()
        )));
        assert!(printed.contains(&format!("recipe {name}: ")), "{printed}");
        let images = "40 examples to train on, 20 to choose the best epoch";
        assert!(printed.contains(images), "{printed}");
        let mirrors = works(plain(&format!("recipes {name}"))).contains("flip\"");
        let said = printed.contains("augmentation without mirror images");
        assert_eq!(said, mirrors, "{name}: {printed}");
        let saved = fs::read_to_string(out.join("recipe.toml")).unwrap();
        assert!(saved.contains(&format!("name = \"{name}\"")), "{saved}");
        assert!(saved.contains("epochs = 2") && saved.contains(told), "{saved}");
        // The saved recipe is one: a run by it has the same configuration.
        let again = folder.join(format!("{name}-again"));
        works(plain(&format!(
            "train --recipe {} --dataset digits --subset 60 --validation 20 --out {}",
            out.join("recipe.toml").display(),
            again.display()
        )));
        let [first, second] =
            [&out, &again].map(|run| fs::read_to_string(run.join("config.json")).unwrap());
        assert_eq!(first, second, "{name}");
    }
}

#[test]
fn a_recipe_that_is_cut_short_says_which_flags_go_with_it() {
    let folder = scratch("recipe-short");
    let small = "--dataset digits --family cifar --depth 8 --width 0.125 --shortcut projection \
                 --epsilon 0.05 --subset 60 --validation 20 --batch 20 --epochs 2";
    for (name, refusal, own) in [
        ("reference-pni", "start_epoch: got 5 of 2 epochs", "160"),
        ("dajat-ramp", "epsilon_ramp: epochs: got 110 of 2 epochs", "110"),
    ] {
        let short = format!("train --recipe {name} {small} --out {}", folder.join(name).display());
        let said = refused(plain(&short));
        let in_proportion = format!("; in proportion to the recipe's {own} epochs: --set ");
        assert!(said.contains(refusal) && said.contains(&in_proportion), "{said}");
        // The line can be given as it is.
        let flags = said.trim_end().split_once(" epochs: --set ").unwrap().1.replace('\'', "");
        works(plain(&format!("{short} --set {flags}")));
    }
    // What only has no effect is trained, with a word.
    let out = folder.join("late");
    let said = works(train(&out, ""));
    let late = "warning: the schedule's milestones 100, 200, 300 come after epoch 1, the last; in";
    assert!(said.contains(late), "{said}");
}

#[test]
fn a_recipe_is_printed_changed_and_passed_on() {
    let folder = scratch("recipe-file");
    let text = works(plain("recipes n-fgsm"));
    let path = folder.join("mine.toml");
    fs::write(&path, text.replace("\"n-fgsm\"", "\"mine\"").replace("0.2]", "0.1]")).unwrap();
    let out = folder.join("run");
    let flags = format!("--recipe {} --family cifar --noise none --rank 5", path.display());
    let said = refused(train(&out, &flags));
    assert!(said.starts_with("error: --rank: got 5, "), "{said}");
    let flags = format!("--recipe {} --family cifar --noise cni", path.display());
    let printed = works(train(&out, &flags));
    assert!(printed.contains("recipe mine: "), "{printed}");
    let config: Value =
        serde_json::from_slice(&fs::read(out.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["schedule"]["linear"]["points"][1][1], 0.1);
    // The step of N-FGSM and its start keep their proportion to the radius.
    let attack = &config["objective"]["attack"];
    let near = |value: &Value, wanted: f64| (value.as_f64().unwrap() - wanted).abs() < 1e-12;
    assert!(near(&attack["step_size"], 0.05), "{attack}");
    assert!(near(&attack["threat"]["epsilon"], 0.15), "{attack}");
    assert!(near(&config["validation_attack"]["threat"]["epsilon"], 0.05), "{config}");
    // Digits are not mirrored.
    assert_eq!(config["augment"][0]["augmentation"], "crop");
    // It goes on with its own recipe, and with no other.
    let run = out.display();
    let small = "--dataset digits --subset 80 --validation 20";
    works(plain(&format!("train --resume --out {run} {small}")));
    let said = refused(plain(&format!("train --resume --out {run} {small} --set batch_size=20")));
    assert!(said.contains("batch_size was 40, is 20"), "{said}");
    let said = refused(plain(&format!("train --resume --out {run} {small} --recipe trades")));
    assert!(said.contains("--recipe: got trades, wanted mine, since "), "{said}");
    // Its own by name is the one that it keeps.
    works(plain(&format!("train --resume --out {run} {small} --recipe mine")));
}

#[test]
fn a_radius_is_that_of_free_training_too_and_of_no_other_norm() {
    let folder = scratch("recipe-radius");
    let out = folder.join("run");
    let text = works(plain("recipes clean"));
    let free = "objective = { objective = \"free\", step_size = \"2/255\", threat = { norm = \
                \"NORM\", epsilon = \"8/255\" } }";
    let path = folder.join("free.toml");
    let with = |norm: &str| {
        let text = text.replace("objective = \"clean\"", &free.replace("NORM", norm));
        fs::write(&path, text).unwrap();
        let flags = "--dataset digits --depth 8 --width 0.125 --noise none --subset 60 \
                     --validation 20 --batch 20 --epochs 1 --epsilon 4/255";
        let (out, path) = (out.display(), path.display());
        plain(&format!("train --out {out} --recipe {path} {flags}"))
    };
    let said = refused(with("l2"));
    assert!(said.contains("since the recipe clean is against L2 0.03"), "{said}");
    works(with("linf"));
    let config: Value =
        serde_json::from_slice(&fs::read(out.join("config.json")).unwrap()).unwrap();
    let near = |value: &Value, wanted: f64| (value.as_f64().unwrap() - wanted).abs() < 1e-12;
    assert!(near(&config["objective"]["threat"]["epsilon"], 4.0 / 255.0), "{config}");
    assert!(near(&config["objective"]["step_size"], 1.0 / 255.0), "{config}");
}

#[test]
fn a_run_goes_on_whatever_flags_its_model_leaves_without_effect() {
    let folder = scratch("resumed-models");
    let small = "--dataset digits --depth 8 --width 0.125 --subset 60 --validation 20 --batch 20";
    for (name, flags) in
        [("silent", "--noise none"), ("white", "--noise pni"), ("set", "--set model.noise=none")]
    {
        let out = folder.join(name);
        let arguments = format!("train {small} {flags} --epochs 1 --out {}", out.display());
        works(plain(&arguments));
        works(plain(&format!("{arguments} --resume")));
    }
    let out = folder.join("family");
    let small = "--dataset digits --width 0.0625 --subset 40 --validation 20 --batch 20";
    let arguments = format!("train {small} --family preact18 --epochs 1 --out {}", out.display());
    works(plain(&arguments));
    works(plain(&format!("{arguments} --resume")));
}

#[test]
fn what_a_recipe_does_not_know_is_named() {
    let out = scratch("recipe-unknown");
    for (flags, wanted) in [
        ("--recipe fast-nose", "the nearest is fast-noise"),
        ("--recipe nowhere.toml", "nowhere.toml"),
        ("--set epoch=3", "the nearest is epochs"),
        ("--set epochs=3", "got epochs=3 and epochs=1, wanted one of them"),
        ("--set epochs", "--set: got epochs, wanted PATH=VALUE"),
        ("--set model.dept=8", "the nearest is depth"),
        ("--set model.depth=20", "got model.depth=20 and model.depth=8, wanted one of them"),
        ("--set objective.attack.step=3", "the nearest is steps"),
        ("--set average=emma", "the nearest is ema"),
        ("--set model.place=[]", "place: got none, wanted at least one place"),
        ("--set model=3", "model: got 3, wanted a table"),
        ("--set name=mine", "name: got mine, wanted a setting"),
        ("--epsilon 0.1 --set validation_attack.threat.epsilon=0.2", "--epsilon: got 0.1"),
    ] {
        let said = refused(train(&out, flags));
        assert!(said.contains(wanted), "{flags}: {said}\nlacks {wanted}");
    }
    // Of the wrong kind: the path, what was got and what was wanted.
    let whole = "wanted a whole number of at least 0";
    for (set, wanted) in [
        ("batch_size=ten", format!("batch_size: got \"ten\", {whole}")),
        ("batch_size=-1", format!("batch_size: got -1, {whole}")),
        ("objective.attack.steps=ten", format!("objective.attack.steps: got \"ten\", {whole}")),
        ("objective.start_epoch=x", format!("objective.start_epoch: got \"x\", {whole}")),
        (
            "optimizer.momentum=x",
            "optimizer.momentum: got \"x\", wanted a number, or a fraction such as '8/255'"
                .to_string(),
        ),
        ("objective=trade", "objective: got trade, wanted one of clean, madry, ".to_string()),
        ("schedule=cosine", "schedule.cosine: got its name alone, wanted a table".to_string()),
        ("augment.0=flp", "augment.0: augmentation: got flp, wanted one of ".to_string()),
        ("schedule=3", "schedule: got 3, wanted a name, or a table of it".to_string()),
        ("early_stopping=3", "early_stopping: got 3, wanted a table".to_string()),
        ("model.rank=x", format!("model: rank: got \"x\", {whole}")),
    ] {
        let arguments = format!("train --dataset digits --recipe reference-cni --set {set} --out");
        let said = refused(plain(&format!("{arguments} {}", out.display())));
        assert!(said.contains(&format!("reference-cni: {wanted}")), "{set}: {said}");
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "something was written");
    let said = refused(plain("recipes trade"));
    assert!(said.contains("the nearest is trades"), "{said}");
}
