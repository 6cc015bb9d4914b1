use super::{DataError, ImageData};
use image::{ImageError, ImageReader};
use rayon::prelude::*;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// A directory of images with one sub-directory a class, which gives the class its name.
///
/// Classes and images are taken in the order of their file names. Images (PNG, JPEG, BMP) become 8-bit RGB,
/// `[3, height, width]`; transparency is dropped. None is resized: all have the `size` `[height, width]`, or where
/// that is `None`, the size of the first one. Names that begin with a dot are skipped, and so are files beside the
/// sub-directories.
///
/// # Errors
///
/// A directory without classes, a class without images, a file that is not an image, an image of another size.
///
/// # Panics
///
/// With more than 65,536 classes.
pub fn image_folder(
    dir: impl AsRef<Path>,
    size: Option<[usize; 2]>,
) -> Result<ImageData, DataError> {
    let dir = dir.as_ref();
    let directories: Vec<PathBuf> =
        entries(dir)?.into_iter().filter(|path| path.is_dir()).collect();
    if directories.is_empty() {
        let wanted = vec!["one sub-directory for each class".into()];
        return Err(DataError::Missing { dir: dir.into(), wanted });
    }
    let (mut files, mut labels, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    for (label, directory) in directories.iter().enumerate() {
        let images = entries(directory)?;
        if images.is_empty() {
            return Err(DataError::Empty { place: directory.display().to_string() });
        }
        let label = u16::try_from(label).expect("image_folder: at most 65,536 classes");
        labels.extend(images.iter().map(|_| label));
        files.extend(images);
        classes.push(name(directory));
    }
    let size = size.map_or_else(|| size_of(&files[0]), Ok)?;
    let images: Vec<Vec<u8>> =
        files.par_iter().map(|path| decode(path, size)).collect::<Result<_, _>>()?;
    ImageData::new(name(dir), [3, size[0], size[1]], images.concat(), labels, classes)
}

/// What a directory holds, sorted by name, without hidden files.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths = fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(DataError::io(dir))?;
    paths.retain(|path| !name(path).starts_with('.'));
    paths.sort_unstable();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The format is told by the content: names lie.
fn open(path: &Path) -> Result<ImageReader<BufReader<File>>, DataError> {
    ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(DataError::io(path))
}

fn undecodable(path: &Path) -> impl FnOnce(ImageError) -> DataError {
    move |source| DataError::Image { path: path.into(), source }
}

fn size_of(path: &Path) -> Result<[usize; 2], DataError> {
    let (width, height) = open(path)?.into_dimensions().map_err(undecodable(path))?;
    Ok([height as usize, width as usize])
}

/// The bytes of an image, row-major `[3, height, width]`.
fn decode(path: &Path, wanted: [usize; 2]) -> Result<Vec<u8>, DataError> {
    let image = open(path)?.decode().map_err(undecodable(path))?.into_rgb8();
    let got = [image.height() as usize, image.width() as usize];
    if got != wanted {
        return Err(DataError::ImageSize { path: path.into(), got, wanted });
    }
    let interleaved = image.into_raw();
    Ok((0..3).flat_map(|channel| interleaved.iter().skip(channel).step_by(3)).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};
    use tempfile::{TempDir, tempdir};

    fn write(dir: &Path, file: &str, [height, width]: [u32; 2], red: u8) {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_fn(width, height, |x, y| Rgb([red, x as u8, y as u8])).save(path).unwrap();
    }

    fn animals() -> TempDir {
        let dir = tempdir().unwrap();
        write(dir.path(), "dog/b.png", [2, 3], 30);
        write(dir.path(), "cat/2.bmp", [2, 3], 20);
        write(dir.path(), "cat/1.png", [2, 3], 10);
        fs::write(dir.path().join("cat/.hidden"), "").unwrap();
        fs::write(dir.path().join("notes.txt"), "").unwrap();
        dir
    }

    #[test]
    fn classes_and_images_come_sorted_by_name_and_planar() {
        let dir = animals();
        let data = image_folder(dir.path(), None).unwrap();
        assert_eq!((data.len(), data.image_shape()), (3, [3, 2, 3]));
        assert_eq!(data.classes(), ["cat", "dog"]);
        assert_eq!([0, 1, 2].map(|i| data.label(i)), [0, 0, 1]);
        assert_eq!([0, 1, 2].map(|i| data.pixels(i)[0]), [10, 20, 30]);
        assert_eq!(data.pixels(0)[6..], [0, 1, 2, 0, 1, 2, 0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn an_image_of_another_size_is_refused_by_name() {
        let dir = animals();
        write(dir.path(), "dog/odd.png", [3, 2], 0);
        let error = image_folder(dir.path(), None).unwrap_err().to_string();
        assert!(error.contains("odd.png") && error.contains("got [3, 2]"), "{error}");
        let error = image_folder(dir.path(), Some([5, 5])).unwrap_err().to_string();
        assert!(error.contains("wanted [5, 5]"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_image_is_refused_by_name() {
        let dir = animals();
        fs::write(dir.path().join("dog/c.png"), "text").unwrap();
        let error = image_folder(dir.path(), None).unwrap_err();
        assert!(matches!(&error, DataError::Image { path, .. } if path.ends_with("dog/c.png")));
    }

    #[test]
    fn directories_without_classes_or_images_are_refused_by_name() {
        let dir = animals();
        let error = image_folder(dir.path().join("cat"), None).unwrap_err().to_string();
        assert!(error.contains("sub-directory for each class"), "{error}");
        fs::create_dir(dir.path().join("eel")).unwrap();
        let error = image_folder(dir.path(), None).unwrap_err().to_string();
        assert!(error.contains("eel: got no images"), "{error}");
        let error = image_folder(dir.path().join("nowhere"), None).unwrap_err().to_string();
        assert!(error.contains("nowhere"), "{error}");
    }
}
