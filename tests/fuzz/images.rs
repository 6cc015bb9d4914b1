//! Image sets.

use crate::kind::{Demand, Kind};
use cni_burn::data::image_folder;
use cni_burn::data::{DataError, ImageData, Split, cifar10 as ten, cifar100 as hundred};
use image::{Rgb, RgbImage};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

/// The properties of every set, however it came about.
fn sane(data: Result<ImageData, DataError>, shape: [usize; 3]) -> Result<String, String> {
    let data = data.map_err(|error| error.to_string())?;
    assert_eq!(data.image_shape(), shape);
    assert!(!data.is_empty());
    for i in 0..data.len() {
        assert!(data.label(i).unwrap() < data.classes().len());
        assert_eq!(pixels(&data, i).len(), shape.iter().product::<usize>());
    }
    Ok(format!("{:?}", (0..data.len()).map(|i| pixels(&data, i)).collect::<Vec<_>>()))
}

fn pixels(data: &ImageData, i: usize) -> Vec<u8> {
    data.item(i).unwrap().to_bytes()
}

fn kind(
    files: Vec<(String, Vec<u8>)>,
    read: impl Fn(&Path) -> Result<String, String> + 'static,
) -> Kind {
    let folder = tempdir().unwrap();
    for (file, bytes) in &files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let files = files.into_iter().map(|(file, _)| file).collect();
    Kind { folder, files, demand: Demand::Sane, read: Box::new(read) }
}

/// Two records with so many label bytes.
fn records(label_bytes: usize) -> Vec<u8> {
    (0..2 * (label_bytes + 3072)).map(|i| (i % 7) as u8).collect()
}

pub fn cifar10() -> Kind {
    let names = b"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n".to_vec();
    let files = [("test_batch.bin", records(1)), ("batches.meta.txt", names)];
    let files = files.map(|(file, bytes)| (file.to_string(), bytes)).to_vec();
    kind(files, |dir| sane(ten(dir, Split::Test), [3, 32, 32]))
}

pub fn cifar100() -> Kind {
    let files = vec![("test.bin".to_string(), records(2))];
    kind(files, |dir| sane(hundred(dir, Split::Test), [3, 32, 32]))
}

fn read_folder(dir: &Path) -> Result<String, String> {
    sane(image_folder(dir, Some([16, 16])), [3, 16, 16])?;
    // The size of the first file is that of all: here a mutation may change it.
    let data = image_folder(dir, None).map_err(|error| error.to_string())?;
    let shape = data.image_shape();
    sane(Ok(data), shape)
}

/// Two images of the format with this extension.
pub fn folder(extension: &str) -> Kind {
    let image = RgbImage::from_fn(16, 16, |x, y| Rgb([x as u8 * 12, y as u8 * 12, 30]));
    let dir = tempdir().unwrap();
    let path = dir.path().join(format!("a.{extension}"));
    image.save(&path).unwrap();
    let bytes = fs::read(path).unwrap();
    let files = ["cat", "dog"].map(|class| (format!("{class}/a.{extension}"), bytes.clone()));
    kind(files.to_vec(), read_folder)
}

pub fn progressive_jpeg() -> Kind {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/images");
    let read = |file| fs::read(Path::new(root).join(file)).unwrap();
    let files = ["progressive.jpg", "restart.jpg", "cmyk.jpg", "exif_thumbnail.jpg"];
    let files = files.map(|file| (format!("cat/{file}"), read(file)));
    kind(files.to_vec(), read_folder)
}
