//! Binary dense networks: from training to card.

use crate::program::{evaluate, plain, record, refused, scratch, works};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// A training of a second or two; flags that are given twice are refused, so `more` has others.
fn train(out: &Path, more: &str) -> Vec<OsString> {
    plain(&format!(
        "train --recipe binary-fast --dataset digits --subset 80 --validation 20 --batch 40 \
         --blocks 1,2 --reductions 2 --growth 32 --channels 32 --out {} {more}",
        out.display()
    ))
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_dense_network_trains_goes_on_is_judged_and_described() {
    let folder = scratch("binary");
    let run = folder.join("run");
    works(train(&run, "--epochs 2"));
    let model = json(&run.join("model.json"));
    assert_eq!((&model["growth"], &model["blocks"][1]), (&32.into(), &2.into()), "{model}");
    assert_eq!(model["image_size"], Value::from(vec![8, 8]));

    let done = works(plain(&format!("train --resume --out {}", run.display())));
    assert!(done.contains("best epoch"), "{done}");
    let said = refused(plain(&format!("train --resume --growth 64 --out {}", run.display())));
    assert!(said.contains("--growth: got 64, wanted 32, since"), "{said}");
    let said = refused(plain(&format!("train --resume --blocks 2,1 --out {}", run.display())));
    assert!(said.contains("--blocks: got 2,1, wanted 1,2, since"), "{said}");

    let judged = folder.join("judged");
    works(evaluate(&run, &judged, "--growth 32 --blocks 1,2"));
    let record = record(&judged);
    assert_eq!((&record["examples"], &record["draws"]), (&20.into(), &1.into()));
    let said = refused(evaluate(&run, &folder.join("other"), "--noise-off"));
    assert!(said.contains("the model has no noise"), "{said}");

    let info = works(plain(&format!("info --run {} --json", run.display())));
    let info: Value = serde_json::from_str(&info).unwrap();
    // 32 · 32 · 9 behind the stem, then 32 and 64 channels behind a transition of 64 to 32.
    assert_eq!(info["binary"]["binary"], 32 * 9 * (32 + 32 + 64));
    let told = works(plain(&format!("info --run {}", run.display())));
    assert!(told.contains("36864 binary weights, "), "{told}");
    assert!(told.contains("because of the joined channels of a dense network"), "{told}");

    let published = folder.join("published");
    works(plain(&format!("publish --run {} --out {}", run.display(), published.display())));
    let card = works(plain(&format!("card --run {}", published.display())));
    let wanted =
        "| network | dense network of 1 and 2 binary units, growth 32, 32 channels first |";
    assert!(card.contains(wanted) && card.contains("| packed | 36864 binary weights, "), "{card}");
    works(evaluate(&published, &folder.join("again"), ""));
}

#[test]
fn a_run_in_two_parts_is_the_run_in_one() {
    let folder = scratch("binary-parts");
    let (whole, parts) = (folder.join("whole"), folder.join("parts"));
    works(train(&whole, "--epochs 2"));
    works(train(&parts, "--epochs 2"));
    // As if it had been killed in its second epoch.
    fs::remove_dir_all(parts.join("checkpoints/epoch-2")).unwrap();
    works(plain(&format!("train --resume --out {}", parts.display())));
    let [whole, parts] = [whole, parts].map(|run| json(&run.join("history.json")));
    assert_eq!(whole, parts);
}

#[test]
fn what_a_dense_network_does_not_have_is_refused_by_name() {
    let folder = scratch("binary-refused");
    for (flags, wanted) in [
        ("--depth 20", "--depth: got 20, wanted it left out, since --family dense-net has none"),
        ("--width 2", "--width: got 2, wanted it left out"),
        ("--shortcut projection", "--shortcut: got projection, wanted it left out"),
        ("--activation relu", "--activation: got relu, wanted it left out"),
        ("--band 0.5", "--band: got 0.5, wanted it left out"),
        ("--noise cni", "noise: got cni, wanted it left out: dense networks have none"),
        ("--rank 2", "--rank: got 2, wanted it left out, since --noise none"),
    ] {
        let said = refused(plain(&format!("info --family dense-net {flags}")));
        assert!(said.starts_with(&format!("error: {wanted}")), "{flags}: {said}");
    }
    for flags in ["--blocks 1", "--growth 32", "--channels 32", "--units full", "--reductions 2"] {
        let said = refused(plain(&format!("info {flags}")));
        let flag = flags.split(' ').next().unwrap();
        assert!(said.starts_with(&format!("error: {flag}: got ")), "{said}");
        assert!(said.contains("since only --family dense-net has it"), "{said}");
    }
    for (flags, wanted) in [
        ("--blocks 0", "--blocks"),
        ("--blocks 6,,5", "--blocks"),
        ("--growth -1", "--growth"),
        ("--growth 100000", "growth: got 64 channels and a growth of 100000"),
        ("--channels 100000", "growth: got 100000 channels"),
        ("--reductions 0.5,1,1", "--reductions"),
        ("--reductions nan,1,1", "--reductions"),
        ("--reductions 1", "reductions: got 1 for 4 stages, wanted one fewer"),
        ("--blocks 1,1 ", "reductions: got 3 for 2 stages, wanted one fewer"),
        ("--units ternary", "--units"),
        ("--dataset digits --blocks 1,1,1,1,1 --reductions 1,1,1,1", "image_size: got [8, 8]"),
    ] {
        let said = refused(plain(&format!("info --family dense-net {flags}")));
        assert!(said.contains(wanted), "{flags}: {said}");
    }
    // Settings that the recipe has and no flag takes back.
    let out = folder.join("run");
    let cifar = format!(
        "train --recipe binary-fast --dataset digits --family cifar --out {}",
        out.display()
    );
    assert!(refused(plain(&cifar)).contains("group: got latent, with the groups"));
    let mixed = folder.join("mixed.toml");
    let recipe = works(plain("recipes clean"));
    fs::write(&mixed, format!("{recipe}\nblocks = [1]\n")).unwrap();
    let mixed =
        format!("train --recipe {} --dataset digits --out {}", mixed.display(), out.display());
    let said = refused(plain(&mixed));
    assert!(said.contains("blocks: got 1, wanted it left out: only the family"), "{said}");
    let noisy = format!("train --dataset digits --family dense-net --out {}", out.display());
    let said = refused(plain(&noisy));
    assert!(said.contains("noise: got cni, wanted it left out: dense networks have"), "{said}");
    // The clamp is of binary weights.
    let said = refused(train(&out, "--units full --epochs 1"));
    assert!(said.contains("group: got latent, with the groups"), "{said}");
    let said = refused(plain("evaluate --checkpoint weights.pth --family dense-net --noise none"));
    assert!(said.contains("--family: got dense-net, wanted that of a ResNet"), "{said}");
}

#[test]
fn a_dense_network_in_full_precision_is_a_family_too() {
    let folder = scratch("binary-full");
    let run = folder.join("run");
    works(plain(&format!(
        "train --recipe clean --family dense-net --units full --noise none --dataset digits \
         --blocks 1,1 --reductions 2 --growth 32 --channels 32 --subset 80 --validation 20 \
         --batch 40 --epochs 1 --out {}",
        run.display()
    )));
    let info = works(plain(&format!("info --run {} --json", run.display())));
    assert!(serde_json::from_str::<Value>(&info).unwrap()["binary"].is_null());
}
