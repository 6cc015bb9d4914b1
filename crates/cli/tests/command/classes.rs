//! The classes of a training are those of a test set, and of a surrogate.

use crate::program::{plain, refused, scratch, trained, works};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

const NAMES: &str = "airplane automobile bird cat deer dog frog horse ship truck";

/// Twenty CIFAR-10 images to train on and ten to test.
fn write(data: &Path) {
    let images = |count: usize| -> Vec<u8> {
        let value = |i: usize, j: usize| if j == 0 { i % 10 } else { i * j % 251 };
        (0..count).flat_map(|i| (0..3073).map(move |j| value(i, j) as u8)).collect()
    };
    for batch in 1..=5 {
        fs::write(data.join(format!("data_batch_{batch}.bin")), images(4)).unwrap();
    }
    fs::write(data.join("test_batch.bin"), images(10)).unwrap();
    names(data, NAMES);
}

fn names(data: &Path, names: &str) {
    fs::write(data.join("batches.meta.txt"), names.replace(' ', "\n")).unwrap();
}

/// A training on these images.
fn train(data: &Path, run: &Path) -> Vec<OsString> {
    let (data, run) = (data.display(), run.display());
    plain(&format!(
        "train --data {data} --depth 8 --width 0.125 --noise none --out {run} --recipe clean \
         --epochs 1 --batch 16 --validation 4"
    ))
}

fn evaluate(data: &Path, run: &Path, flags: &str) -> Vec<OsString> {
    let (data, run) = (data.display(), run.display());
    plain(&format!(
        "evaluate --data {data} --run {run} --checks none --examples 4 --draws 1 {flags}"
    ))
}

#[test]
fn a_test_set_of_other_classes_is_refused_by_the_first_that_differs() {
    let data = scratch("classes");
    write(&data);
    let run = data.join("run");
    works(train(&data, &run));
    let quick = "--suite quick --eot-steps 1 --eot-draws 1";
    works(evaluate(&data, &run, quick));
    names(&data, &NAMES.replace("cat", "eel"));
    let said = refused(evaluate(&data, &run, quick));
    assert!(said.contains("class 3: got \"eel\", wanted \"cat\" as in the training of"), "{said}");
}

#[test]
fn a_surrogate_of_other_classes_or_images_is_refused_before_any_attack() {
    let data = scratch("surrogates");
    write(&data);
    let [run, same, other] = ["run", "same", "other"].map(|name| data.join(name));
    let attacks = data.join("attacks.toml");
    let from = |surrogate: &Path| {
        let of = "of = { attack = \"pgd\", steps = 1 }";
        let text = format!(
            "attacks = 1\n[[attack]]\nattack = \"transfer\"\nfrom = {:?}\n{of}\n",
            surrogate.display().to_string()
        );
        fs::write(&attacks, text).unwrap();
        format!("--attacks {}", attacks.display())
    };
    works(train(&data, &run));
    works(train(&data, &same));
    works(evaluate(&data, &run, &from(&same)));
    names(&data, &NAMES.replace("cat", "eel"));
    works(train(&data, &other));
    let said = refused(evaluate(&data, &other, &from(&run)));
    assert!(said.contains("attack 1: from: got "), "{said}");
    assert!(said.contains("class 3: got \"eel\", wanted \"cat\" as in the training of"), "{said}");
    let said = refused(crate::program::evaluate(trained(), &data.join("out"), &from(&run)));
    assert!(said.contains("shape of an image: got [3, 32, 32], wanted [1, 8, 8]"), "{said}");
}
