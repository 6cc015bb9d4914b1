//! A test set is judged by the classes of the training set.

use crate::program::{plain, refused, scratch, works};
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

#[test]
fn a_test_set_of_other_classes_is_refused_by_the_first_that_differs() {
    let data = scratch("classes");
    write(&data);
    let common = format!("--data {} --depth 8 --width 0.125 --noise none", data.display());
    let run = data.join("run").display().to_string();
    works(plain(&format!(
        "train {common} --out {run} --recipe clean --epochs 1 --batch 16 --validation 4"
    )));
    let evaluate = format!(
        "evaluate {common} --run {run} --suite quick --checks none --examples 4 --draws 1 \
         --eot-steps 1 --eot-draws 1"
    );
    works(plain(&evaluate));
    names(&data, &NAMES.replace("cat", "eel"));
    let said = refused(plain(&evaluate));
    assert!(said.contains("class 3: got \"eel\", wanted \"cat\" as in the training of"), "{said}");
}
