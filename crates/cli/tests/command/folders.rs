//! Folders of images to train on and to judge on.

use crate::program::{plain, record, refused, scratch, works};
use image::{GrayImage, Luma, Rgb, RgbImage};
use std::fs;
use std::path::{Path, PathBuf};

const CLASSES: [&str; 3] = ["bars", "dots", "plain"];

/// The gray value of a pixel of an image: the classes differ by their texture.
fn pixel(class: usize, image: usize, x: u32, y: u32) -> u8 {
    let on = match class {
        0 => (x as usize + image).is_multiple_of(2),
        1 => (x + y).is_multiple_of(3),
        _ => image.is_multiple_of(2),
    };
    if on { 200 } else { 40 + image as u8 }
}

/// A folder with some images of each class, 12 pixels wide and 8 high.
fn write(dir: &Path, images: usize, classes: &[&str], gray: bool) {
    for class in classes {
        let at = CLASSES.iter().position(|known| known == class).unwrap_or(0);
        let folder = dir.join(class);
        fs::create_dir_all(&folder).unwrap();
        for image in 0..images {
            let path = folder.join(format!("{image}.png"));
            let value = |x, y| pixel(at, image, x, y);
            match gray {
                true => GrayImage::from_fn(12, 8, |x, y| Luma([value(x, y)])).save(path),
                false => {
                    RgbImage::from_fn(12, 8, |x, y| Rgb([value(x, y), image as u8, 9])).save(path)
                }
            }
            .unwrap();
        }
    }
}

/// Images to train on and to judge on, and where the run goes.
fn folders(name: &str, gray: bool) -> [PathBuf; 3] {
    let folder = scratch(name);
    let [train, test, run] = ["train", "test", "run"].map(|part| folder.join(part));
    write(&train, 8, &CLASSES, gray);
    // A class may be missing: the labels are those of the training all the same.
    write(&test, 3, &CLASSES[1..], gray);
    [train, test, run]
}

fn train([dir, _, run]: &[PathBuf; 3], flags: &str) -> Vec<std::ffi::OsString> {
    let validation = if flags.contains("--validation") { "" } else { "--validation 4" };
    plain(&format!(
        "train --train {} --out {} --depth 8 --width 0.125 --noise pni --epsilon 4/255 --epochs 1 \
         --batch 8 {validation} {flags}",
        dir.display(),
        run.display()
    ))
}

fn evaluate([_, dir, run]: &[PathBuf; 3], flags: &str) -> Vec<std::ffi::OsString> {
    let examples = if flags.contains("--examples") { "" } else { "--examples 6" };
    plain(&format!(
        "evaluate --run {} --test {} --suite quick --checks none {examples} --draws 2 \
         --eot-steps 1 --eot-draws 1 {flags}",
        run.display(),
        dir.display()
    ))
}

#[test]
fn a_model_is_trained_and_judged_on_folders_of_images() {
    for (name, gray, flags) in [("color", false, ""), ("gray", true, "--grayscale --no-flip")] {
        let folders = folders(name, gray);
        // Half of a download, which is left out and told.
        for dir in &folders[..2] {
            fs::write(dir.join(CLASSES[1]).join("9.png.part"), "half").unwrap();
        }
        let left_out = "files left out, whose names do not end as those of images: 1";
        let said = works(train(&folders, flags));
        assert!(said.contains(left_out), "{said}");
        let said = works(evaluate(&folders, ""));
        assert!(said.contains(left_out), "{said}");
        assert!(said.contains("warning: the test images have none of class \"bars\""), "{said}");
        let record = record(&folders[2].join("evaluation"));
        assert_eq!(record["data"]["name"], "test");
        assert_eq!(record["data"]["classes"], serde_json::json!(CLASSES));
        assert_eq!(record["model"]["trained_against"]["epsilon"], 4.0 / 255.0);
        let rows = fs::read_to_string(folders[2].join("evaluation/rows.jsonl")).unwrap();
        assert_eq!(rows.lines().count(), 6);
        assert!(rows.lines().next().unwrap().contains("\"label\":1"), "{rows}");
        // It goes on, and without its folder says what is missing.
        works(train(&folders, &format!("{flags} --resume")));
        let run = folders[2].display();
        works(plain(&format!("train --resume --out {run}")));
        let said = refused(plain(&format!("evaluate --run {run}")));
        assert!(said.starts_with("error: --test: got no folder, wanted one of images of 12x8"));
        let said = refused(plain(&format!("evaluate --run {run} --dataset digits")));
        assert!(said.starts_with("error: --dataset: got digits, wanted the images of a folder"));
    }
}

#[test]
fn a_part_of_a_folder_has_all_of_its_classes() {
    let folders = folders("part", false);
    works(train(&folders, "--subset 9 --validation 3"));
    works(evaluate(&folders, "--examples 4"));
    let rows = fs::read_to_string(folders[2].join("evaluation/rows.jsonl")).unwrap();
    let labels: Vec<&str> = rows.lines().filter_map(|row| row.split("\"label\":").nth(1)).collect();
    let of = |label: &str| labels.iter().filter(|of| of.starts_with(label)).count();
    assert_eq!([of("1,"), of("2,")], [2, 2], "{rows}");
}

#[test]
fn folders_that_make_no_sense_are_refused_by_name() {
    let folders = folders("refused-folders", false);
    let [dir, test, run] = &folders;
    let missing = dir.join("nowhere");
    let said = refused(train(&[missing, test.clone(), run.clone()], ""));
    assert!(said.contains("train/nowhere: "), "{said}");
    let said = refused(train(&folders, "--validation 24"));
    assert!(said.contains("--validation: got 24, wanted less than the 24 examples"), "{said}");
    assert!(!run.exists(), "something was written");
    works(train(&folders, ""));
    write(test, 1, &["stripes"], false);
    let said = refused(evaluate(&folders, ""));
    assert!(said.contains("test/stripes: not in the list of classes: bars, dots"), "{said}");
    let other = scratch("other-size");
    RgbImage::from_pixel(4, 4, Rgb([0; 3])).save(other.join("a.png")).unwrap();
    fs::create_dir(other.join("bars")).unwrap();
    fs::rename(other.join("a.png"), other.join("bars/a.png")).unwrap();
    let said = refused(evaluate(&[dir.clone(), other, run.clone()], ""));
    assert!(said.contains("bars/a.png: got [4, 4] pixels"), "{said}");
    // Gray images are other data.
    refused(train(&folders, "--grayscale --resume"));
}
