//! Every operation against Pillow: `tests/reference/augment.py` made the values.

use super::{Image, Kind, Operation};
use crate::augment::{Augmentation, augment};
use cni_noise::Key;
use serde_json::Value;

fn bytes(hex: &Value) -> Vec<u8> {
    let text = hex.as_str().unwrap();
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn operation(name: &str, at: f64) -> Operation {
    match name {
        "ShearX" => Operation::ShearX(at),
        "ShearY" => Operation::ShearY(at),
        "TranslateX" => Operation::TranslateX(at as i64),
        "TranslateY" => Operation::TranslateY(at as i64),
        "Rotate" => Operation::Rotate(at),
        "AutoContrast" => Operation::AutoContrast,
        "Invert" => Operation::Invert,
        "Equalize" => Operation::Equalize,
        "Solarize" => Operation::Solarize(at),
        "Posterize" => Operation::Posterize(at as u32),
        "Contrast" => Operation::Contrast(at as f32),
        "Color" => Operation::Color(at as f32),
        "Brightness" => Operation::Brightness(at as f32),
        "Sharpness" => Operation::Sharpness(at as f32),
        other => panic!("{other}"),
    }
}

#[test]
fn every_operation_is_pillows_to_the_byte() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/augment.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut cases = 0;
    for (image_name, image) in file["images"].as_object().unwrap() {
        let shape: Vec<usize> = serde_json::from_value(image["shape"].clone()).unwrap();
        let shape = shape.try_into().unwrap();
        for case in image["cases"].as_array().unwrap() {
            let (name, at) = (case["operation"].as_str().unwrap(), case["at"].as_f64().unwrap());
            let mut image = Image { shape, bytes: bytes(&image["bytes"]) };
            operation(name, at).apply(&mut image);
            let wanted = bytes(&case["bytes"]);
            let wrong = image.bytes.iter().zip(&wanted).filter(|(got, wanted)| got != wanted);
            assert_eq!(wrong.count(), 0, "{image_name}: {name} at {at}");
            assert_eq!(image.bytes.len(), wanted.len());
            cases += 1;
        }
    }
    assert!(cases > 100, "{cases}");
}

fn pixels(shape: [usize; 3]) -> Vec<f32> {
    (0..shape.iter().product()).map(|i| (i * 37 % 256) as f32 / 255.0).collect()
}

fn both() -> [Augmentation; 2] {
    [Augmentation::auto_augment(), Augmentation::trivial_augment()]
}

#[test]
fn images_are_changed_by_their_number_alone_and_stay_in_range() {
    for shape in [[3, 9, 7], [1, 8, 8], [3, 1, 1], [1, 2, 40]] {
        for policy in both() {
            policy.check(shape).unwrap();
            let change = |example: usize| {
                let mut image = pixels(shape);
                let policy = std::slice::from_ref(&policy);
                augment(policy, Key::new(1), example, shape, &mut image).unwrap();
                image
            };
            let (forward, backward): (Vec<_>, Vec<_>) =
                (0..200).map(|i| (change(i), change(199 - i))).unzip();
            assert!(forward.iter().eq(backward.iter().rev()));
            assert!(forward.iter().any(|image| *image != forward[0]));
        }
    }
}

#[test]
fn pixels_between_bytes_stay_where_nothing_applies() {
    let mut between = [0.3_f32 / 255.0; 3];
    super::apply([Operation::Identity], [3, 1, 1], &mut between);
    assert_eq!(between, [0.3 / 255.0; 3]);
    super::apply([Operation::Invert, Operation::Identity], [3, 1, 1], &mut between);
    assert_eq!(between, [1.0; 3]);
}

#[test]
fn images_of_two_channels_are_refused() {
    let says = "channels: got 2, wanted 1, gray, or 3, red, green and blue";
    for (policy, name) in both().iter().zip(["auto_augment", "trivial_augment"]) {
        let error = policy.check([2, 8, 8]).unwrap_err().to_string();
        assert_eq!(error, format!("augmentation {name}: {says}"));
    }
}

#[test]
fn policies_are_read_by_their_names() {
    for policy in both() {
        let spec = policy.spec();
        let name = spec["augmentation"].as_str().unwrap();
        for text in [format!("{name:?}"), spec.to_string()] {
            let again: Augmentation = serde_json::from_str(&text).unwrap();
            assert_eq!(again.spec(), spec);
        }
        let error = format!(r#"{{"augmentation": "{name}", "magnitude": 3}}"#);
        let error = serde_json::from_str::<Augmentation>(&error).unwrap_err().to_string();
        assert!(error.contains("magnitude"), "{error}");
    }
}

#[test]
fn the_lowest_level_of_what_moves_or_mixes_changes_nothing() {
    let space = super::Space {
        levels: 4,
        shear: 0.5,
        translate: [3.0, 3.0],
        rotate: 90.0,
        posterize: 4.0,
        enhance: 0.9,
    };
    let shape = [3, 6, 5];
    let image = Image { shape, bytes: (0..90).map(|i| (i * 37 % 256) as u8).collect() };
    for kind in [
        Kind::ShearX,
        Kind::ShearY,
        Kind::TranslateX,
        Kind::TranslateY,
        Kind::Rotate,
        Kind::Posterize,
        Kind::Contrast,
        Kind::Color,
        Kind::Brightness,
        Kind::Sharpness,
    ] {
        for negative in [false, true] {
            let mut same = image.clone();
            space.at(kind, 0, negative).apply(&mut same);
            assert_eq!(same, image, "{kind:?}");
        }
    }
}
