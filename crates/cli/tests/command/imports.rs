//! PyTorch files as models.

use crate::program::{plain, record, refused, root, scratch, works};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// The flags of the model in `pad_both.pth`.
const MODEL: &str = "--depth 8 --width 0.125 --noise none";

/// A file of the reference scripts under the name that akamaster's files have, and ten images.
fn files(name: &str) -> [PathBuf; 3] {
    let folder = scratch(name);
    let reference = root().join("tests/reference/data");
    let (file, data) = (folder.join("resnet8.th"), folder.join("data"));
    fs::copy(reference.join("pad_both.pth"), &file).unwrap();
    fs::create_dir(&data).unwrap();
    // A label and 3,072 pixels each.
    let records: Vec<u8> = (0..10u32)
        .flat_map(|i| (0..3073).map(move |j| if j == 0 { i as u8 } else { (i * j % 251) as u8 }))
        .collect();
    fs::write(data.join("test_batch.bin"), records).unwrap();
    [file, data, folder.join("out")]
}

fn evaluate([file, data, out]: &[PathBuf; 3], flags: &str) -> Vec<std::ffi::OsString> {
    plain(&format!(
        "evaluate --checkpoint {} --data {} --out {} {MODEL} --suite quick --checks none \
         --examples 10 --draws 1 --eot-steps 1 --eot-draws 1 {flags}",
        file.display(),
        data.display(),
        out.display()
    ))
}

#[test]
fn a_th_file_is_imported_with_the_normalization_that_is_named_and_says_so() {
    let files = files("imported");
    let mut fingerprints = BTreeSet::new();
    for (flags, said) in [
        ("", "mean 0.491 0.482 0.447, std 0.247 0.243 0.262"),
        ("--normalization imagenet", "mean 0.485 0.456 0.406, std 0.229 0.224 0.225"),
        ("--normalization cifar10", "mean 0.4914 0.4822 0.4465, std 0.2023 0.1994 0.201"),
        ("--normalization none", "mean 0 0 0, std 1 1 1"),
        ("--normalization 0.1,0.2,0.3/0.5,0.6,0.7", "mean 0.1 0.2 0.3, std 0.5 0.6 0.7"),
    ] {
        let printed = works(evaluate(&files, &format!("--shortcut pad-both {flags} --force")));
        assert!(printed.contains(said), "{flags}: {printed}");
        let model = &record(&files[2])["model"];
        assert!(model["name"].as_str().unwrap().ends_with("resnet8.th"));
        fingerprints.insert(model["fingerprint"].as_str().unwrap().to_string());
    }
    // The constants that are named are those that the model has.
    assert_eq!(fingerprints.len(), 5);
}

#[test]
fn a_normalization_that_makes_no_sense_is_refused() {
    let files = files("not-normalized");
    for (flags, wanted) in [
        ("--normalization cifar", "cni, cifar10, imagenet, centered, none, or numbers"),
        ("--normalization 0.5,0.5/0.2,0.2", "2 channels"),
        ("--normalization 0.5/0", "above zero"),
        ("--normalization nan/1", "finite"),
    ] {
        let said = refused(evaluate(&files, &format!("--shortcut pad-both {flags}")));
        assert!(said.contains(wanted), "{flags}: {said}");
    }
    let said = refused(plain("info --dataset digits --normalization imagenet"));
    assert!(said.contains("3 channels, wanted one channel"), "{said}");
}

#[test]
fn a_file_of_another_model_is_refused_by_name() {
    let files = files("other-model");
    let said = refused(evaluate(&files, "--shortcut projection"));
    assert!(said.contains("resnet8.th: is no checkpoint of this model"), "{said}");
    assert!(said.contains("downsample"), "{said}");
    fs::write(&files[0], b"not a checkpoint").unwrap();
    let said = refused(evaluate(&files, "--shortcut pad-both"));
    assert!(said.contains("resnet8.th: "), "{said}");
}
