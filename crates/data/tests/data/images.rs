//! Image files against Pillow; `tests/reference/images.py` of the repository made most of them.

use cni_data::{DataError, ImageData, ImageFolder, image_folder};
use image::codecs::jpeg::JpegEncoder;
use image::{ImageBuffer, Luma, Rgb, RgbImage};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/data")
}

/// The files of the script with what Pillow says of them.
fn files() -> Vec<(String, Vec<u8>, Value)> {
    let values = fs::read(reference().join("images.json")).unwrap();
    let values: Value = serde_json::from_slice(&values).unwrap();
    let files = values["files"].as_object().unwrap();
    let read = |name: &String| fs::read(reference().join("images").join(name)).unwrap();
    files.iter().map(|(name, values)| (name.clone(), read(name), values.clone())).collect()
}

fn folder(file: &str, bytes: &[u8]) -> TempDir {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("cat")).unwrap();
    fs::write(dir.path().join("cat").join(file), bytes).unwrap();
    dir
}

fn pixel(data: &ImageData, y: usize, x: usize) -> Vec<u8> {
    let [channels, height, width] = data.image_shape();
    let bytes = data.item(0).unwrap().to_bytes();
    (0..channels).map(|channel| bytes[(channel * height + y) * width + x]).collect()
}

fn assert_pixels(file: &str, dir: &Path, values: &Value) {
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    let tolerance = values["tolerance"].as_u64().unwrap() as u8;
    let rgb = image_folder(dir, None).unwrap();
    let gray = ImageFolder::new(dir).with_grayscale().read().unwrap();
    assert_eq!((rgb.image_shape(), gray.image_shape()), ([3, 16, 16], [1, 16, 16]));
    for place in values["pixels"].as_array().unwrap() {
        let place: Vec<usize> = place.as_array().unwrap().iter().map(number).collect();
        let [y, x] = [place[0], place[1]];
        let got = [pixel(&rgb, y, x), pixel(&gray, y, x)].concat();
        for (&got, &wanted) in got.iter().zip(&place[2..]) {
            let apart = got.abs_diff(wanted as u8);
            assert!(apart <= tolerance, "{file} at ({y}, {x}): got {got}, wanted {wanted}");
        }
    }
}

#[test]
fn images_of_every_kind_have_pillows_pixels() {
    for (file, bytes, values) in files() {
        assert_pixels(&file, folder(&file, &bytes).path(), &values);
        // The extension does not tell the format, and what follows the end is of no concern.
        assert_pixels(&file, folder("a", &bytes).path(), &values);
        let trailing = [bytes.as_slice(), b"\xFF\xD8 more"].concat();
        assert_pixels(&file, folder("a.jpg", &trailing).path(), &values);
    }
}

#[test]
fn sixteen_bits_are_scaled_to_eight_and_not_cut_off() {
    let deep = |x: u32, y: u32| 65_535 * (y * 32 + x) / 1023;
    let gray = ImageBuffer::from_fn(32, 32, |x, y| Luma([deep(x, y) as u16]));
    let color = ImageBuffer::from_fn(32, 32, |x, y| Rgb([deep(x, y) as u16; 3]));
    let dir = folder("a.txt", b"");
    let path = dir.path().join("cat/a.png");
    for save in [&(|| gray.save(&path).unwrap()) as &dyn Fn(), &(|| color.save(&path).unwrap())] {
        save();
        let data = image_folder(dir.path(), None).unwrap();
        for (x, y) in [(0, 0), (31, 0), (16, 15), (0, 31), (31, 31)] {
            let wanted = ((deep(x, y) + 128) / 257) as u8;
            let got = pixel(&data, y as usize, x as usize);
            assert!(got.iter().all(|got| got.abs_diff(wanted) <= 1), "{got:?}, {wanted}");
        }
    }
}

#[test]
fn a_jpeg_cut_anywhere_is_an_error_that_names_the_file() {
    for (file, bytes, _) in files().iter().filter(|(file, ..)| file.ends_with(".jpg")) {
        let cuts = [3, 20, bytes.len() / 2, bytes.len() * 9 / 10, bytes.len() - 2, bytes.len() - 1];
        for cut in cuts {
            let error = image_folder(folder(file, &bytes[..cut]).path(), None).unwrap_err();
            let DataError::CutJpeg { path, got } = &error else { panic!("{error}") };
            assert!(path.ends_with(file) && *got == cut, "{error}");
        }
    }
}

#[test]
fn an_image_cut_in_half_or_at_its_tail_is_an_error_that_names_the_file() {
    // Rough, so that the scan is long.
    let noise = |x: u32, y: u32| {
        x.wrapping_mul(2_654_435_761).wrapping_add(y * 40_503).rotate_left(13) as u8
    };
    let image = RgbImage::from_fn(64, 64, |x, y| Rgb([noise(x, y), noise(y, x), noise(x + y, x)]));
    let dir = folder("a.png", b"");
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 95).encode_image(&image).unwrap();
    let saved = |file| {
        let path = dir.path().join(file);
        image.save(&path).unwrap();
        fs::read(path).unwrap()
    };
    for (file, bytes) in [("b.jpg", jpeg), ("b.png", saved("b.png")), ("b.bmp", saved("b.bmp"))] {
        assert_eq!(image_folder(folder(file, &bytes).path(), None).unwrap().len(), 1);
        for cut in [bytes.len() / 2, bytes.len() * 9 / 10] {
            let error = image_folder(folder(file, &bytes[..cut]).path(), None).unwrap_err();
            assert!(error.to_string().contains(file), "{error}");
        }
    }
}
