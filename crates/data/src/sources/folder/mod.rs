//! Directories of images.

mod decode;
mod files;
mod jpeg;
mod listing;

use super::memory;
use crate::{DataError, ImageData};
use decode::{decode, planes};
use files::ImageFiles;
use listing::{Listing, list, name};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory of images with one sub-directory a class, which gives the class its name.
///
/// Classes and images are taken in the order of their file names. Images (PNG, JPEG, BMP) become
/// 8-bit RGB, `[3, height, width]`; transparency is dropped, a stated orientation is not applied.
/// None is resized: all have the `size` `[height, width]`, or the size of the first one if that is
/// `None`.
///
/// Names that begin with a dot, files beside the sub-directories, and files whose extension is not
/// that of an image, such as `Thumbs.db`, are skipped; the set [counts](ImageData::skipped_files)
/// the last kind. A file without an extension is an image.
///
/// [`ImageFolder`] has more settings: a list of classes, grayscale, a limit of memory, and images
/// that stay on disk.
///
/// # Errors
///
/// A directory without classes, a class without images, a file that is not an image or breaks off,
/// a link to nowhere, an image of another size or of more than 128 MiB, more images than memory can
/// hold, more than 65,536 classes.
pub fn image_folder(
    dir: impl AsRef<Path>,
    size: Option<[usize; 2]>,
) -> Result<ImageData, DataError> {
    ImageFolder { size, ..ImageFolder::new(dir) }.read()
}

/// Settings of an image set that is read from a directory as [`image_folder`] reads it.
///
/// ```no_run
/// # use cni_data::ImageFolder;
/// let train = ImageFolder::new("data/train").read()?;
/// let test = ImageFolder::new("data/test").like(&train).read()?;
/// train.same_classes(&test)?;
/// // The same images, batches and fingerprint, whatever their size in memory.
/// let large = ImageFolder::new("data/train").open()?;
/// # Ok::<(), cni_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageFolder {
    dir: PathBuf,
    size: Option<[usize; 2]>,
    classes: Option<Vec<String>>,
    channels: usize,
    memory: Option<u64>,
}

impl ImageFolder {
    /// The images of `dir` in RGB, of the size of the first one, of all classes that have a
    /// sub-directory.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        let dir = dir.as_ref().to_path_buf();
        Self { dir, size: None, classes: None, channels: 3, memory: None }
    }

    /// The `[height, width]` of every image; one of another size is an error.
    pub fn with_size(self, size: [usize; 2]) -> Self {
        Self { size: Some(size), ..self }
    }

    /// The classes in the order of their labels, in place of the sub-directories in the order of
    /// their names: so that a test set that lacks a class has the labels of its training set.
    ///
    /// A class without a sub-directory is one without images; a sub-directory that is not in the
    /// list is an error.
    pub fn with_classes(self, classes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { classes: Some(classes.into_iter().map(Into::into).collect()), ..self }
    }

    /// The classes, the size and the number of channels of another set: a test folder beside a
    /// training folder. A folder is read in one or three channels; another number is an error of
    /// the reading.
    pub fn like(self, data: &ImageData) -> Self {
        let [channels, height, width] = data.image_shape();
        let folder = self.with_size([height, width]).with_classes(data.classes().to_vec());
        Self { channels, ..folder }
    }

    /// One channel, `[1, height, width]`, for a model of gray images: the luma of ITU-R 601-2,
    /// `0.299 R + 0.587 G + 0.114 B`, which leaves gray images as they are.
    pub fn with_grayscale(self) -> Self {
        Self { channels: 1, ..self }
    }

    /// The most bytes that a set in memory may take, in place of the memory that is available.
    ///
    /// It takes images times channels times height times width bytes.
    pub fn with_memory_limit(self, bytes: u64) -> Self {
        Self { memory: Some(bytes), ..self }
    }

    /// Reads the images into memory, as bytes.
    ///
    /// # Errors
    ///
    /// As [`image_folder`]; besides, a sub-directory that is not in the list of classes, two equal
    /// names in that list, and a number of channels that is neither 1 nor 3.
    pub fn read(&self) -> Result<ImageData, DataError> {
        let (Listing { files, labels, classes, skipped }, shape) = self.list()?;
        let bytes = memory::bytes(&self.dir, files.len(), shape, self.memory)?;
        let [channels, height, width] = shape;
        // Shared from the start, for a vector would be copied to become so.
        let mut pixels: Arc<[u8]> = std::iter::repeat_n(0, bytes).collect();
        let images = Arc::get_mut(&mut pixels).expect("nobody else has it yet");
        images.par_chunks_exact_mut(bytes / files.len()).zip(&files).try_for_each(
            |(pixels, path)| {
                let image = decode(path, Some([height, width]))?;
                planes(image, channels, pixels, |byte| byte);
                Ok(())
            },
        )?;
        let data = ImageData::new(name(&self.dir), shape, pixels, labels, classes)?;
        Ok(data.with_skipped(skipped))
    }

    /// Reads the images into memory if they take at most half of what is available, or the limit,
    /// and leaves them on disk otherwise. The set is the same.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), but for too little memory.
    pub fn load(&self) -> Result<ImageData, DataError> {
        let memory = self.memory.or_else(|| memory::available().map(|bytes| bytes / 2));
        match (Self { memory, ..self.clone() }).read() {
            Err(DataError::Memory { .. }) => self.open(),
            read => read,
        }
    }

    /// Lists the images and leaves them on disk, for folders that are larger than memory. Each is
    /// read and decoded when it is needed.
    ///
    /// The set has the images, labels and fingerprint of the one in memory, and a
    /// [`Loader`](crate::Loader) makes the same batches of it. Only the paths stay in memory. A
    /// file that is broken, of another size or gone when it is needed is an error that names it.
    /// The files must not change while the set is in use: the fingerprint reads all of them once,
    /// and a later change to another whole image goes unnoticed.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), but of the images only the first one is read, and no memory is
    /// asked for.
    pub fn open(&self) -> Result<ImageData, DataError> {
        let (Listing { files, labels, classes, skipped }, shape) = self.list()?;
        let name = name(&self.dir);
        let data = ImageData::from_source(ImageFiles { name, shape, files, labels, classes })?;
        Ok(data.with_skipped(skipped))
    }

    /// The files, and the shape of all images by the settings and the first of them.
    fn list(&self) -> Result<(Listing, [usize; 3]), DataError> {
        if ![1, 3].contains(&self.channels) {
            let field = format!("{}: channels", self.dir.display());
            return Err(DataError::setting(field, self.channels, "1, gray, or 3, RGB"));
        }
        let listing = list(&self.dir, self.classes.clone())?;
        let first = decode(&listing.files[0], self.size)?;
        let shape = [self.channels, first.height() as usize, first.width() as usize];
        match shape.contains(&0) {
            true => Err(DataError::Shape { name: name(&self.dir), shape }),
            false => Ok((listing, shape)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_data::toy::bytes;
    use image::{GrayImage, Luma, Rgb, RgbImage};
    use std::fs;
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
        assert_eq!([0, 1, 2].map(|i| data.label(i).unwrap()), [0, 0, 1]);
        assert_eq!([0, 1, 2].map(|i| bytes(&data, i)[0]), [10, 20, 30]);
        assert_eq!(bytes(&data, 0)[6..], [0, 1, 2, 0, 1, 2, 0, 0, 0, 1, 1, 1]);
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

    #[test]
    fn files_of_other_extensions_are_skipped_and_counted_but_not_a_class_of_them() {
        let dir = animals();
        for file in ["cat/Thumbs.db", "cat/desktop.ini", "dog/labels.txt"] {
            fs::write(dir.path().join(file), "no image").unwrap();
        }
        let data = image_folder(dir.path(), None).unwrap();
        assert_eq!((data.len(), data.skipped_files()), (3, 3));
        assert_eq!(data.take(1).skipped_files(), 3);
        // Parts of one folder have its files, another folder has its own.
        let joined = |second: &ImageData| ImageData::join(&data.take(1), second).unwrap();
        assert_eq!(joined(&data.subset(1..3)).skipped_files(), 3);
        let again = image_folder(dir.path(), None).unwrap();
        assert_eq!(joined(&again).skipped_files(), 6);
        assert_eq!(data.with_labels([0, 0, 0]).unwrap().skipped_files(), 3);
        fs::create_dir(dir.path().join("eel")).unwrap();
        fs::write(dir.path().join("eel/Thumbs.db"), "no image").unwrap();
        let error = image_folder(dir.path(), None).unwrap_err().to_string();
        let says = "eel: got no images, wanted at least one; 1 files skipped for their extension";
        assert!(error.ends_with(says), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nowhere_is_refused_by_name_whatever_it_would_have_been() {
        for link in ["bird", "zoo.txt", "cat/old.backup", "dog/c.png", "dog/c"] {
            let dir = animals();
            let nowhere = dir.path().join("nowhere");
            std::os::unix::fs::symlink(nowhere, dir.path().join(link)).unwrap();
            let error = image_folder(dir.path(), None).unwrap_err();
            assert!(
                matches!(&error, DataError::Io { path, .. } if path.ends_with(link)),
                "{error}"
            );
        }
        // One that leads to a class is a class.
        let dir = animals();
        std::os::unix::fs::symlink(dir.path().join("dog"), dir.path().join("bird")).unwrap();
        let data = image_folder(dir.path(), None).unwrap();
        assert_eq!((data.classes()[0].as_str(), data.len()), ("bird", 4));
    }

    #[test]
    fn a_folder_like_a_set_of_neither_one_nor_three_channels_is_refused_by_the_number() {
        let dir = animals();
        let classes = ["cat", "dog"].map(String::from);
        for channels in [1, 2, 3, 4] {
            let pixels = vec![0; 6 * channels];
            let like = ImageData::new("like", [channels, 2, 3], pixels, vec![0], classes.to_vec());
            let folder = ImageFolder::new(dir.path()).like(&like.unwrap());
            for read in [folder.read(), folder.open(), folder.load()] {
                match read {
                    Ok(data) => assert_eq!(data.image_shape(), [channels, 2, 3]),
                    Err(error) => {
                        let says = format!("channels: got {channels}, wanted 1, gray, or 3, RGB");
                        assert!([2, 4].contains(&channels), "{error}");
                        assert!(error.to_string().ends_with(&says), "{error}");
                    }
                }
            }
        }
    }

    #[test]
    fn whatever_is_called_an_image_must_be_one() {
        for file in ["a.JPG", "a.jfif", "a.webp", "a.tif", "a.heic", "a.Dib", "no extension"] {
            let dir = animals();
            fs::write(dir.path().join("dog").join(file), "no image").unwrap();
            let error = image_folder(dir.path(), None).unwrap_err();
            assert!(
                matches!(&error, DataError::Image { path, .. } if path.ends_with(file)),
                "{error}"
            );
        }
        let dir = animals();
        fs::create_dir(dir.path().join("dog/old.backup")).unwrap();
        let error = image_folder(dir.path(), None).unwrap_err().to_string();
        assert!(error.contains("dog/old.backup"), "{error}");
    }

    #[test]
    fn a_list_of_classes_gives_a_part_that_lacks_one_the_labels_of_the_whole() {
        let (train, test) = (animals(), tempdir().unwrap());
        write(train.path(), "eel/a.png", [2, 3], 40);
        write(test.path(), "cat/a.png", [2, 3], 10);
        write(test.path(), "eel/a.png", [2, 3], 40);
        let train = image_folder(train.path(), None).unwrap();
        let alone = image_folder(test.path(), None).unwrap();
        assert_eq!((train.label(3).unwrap(), alone.label(1).unwrap()), (2, 1));
        assert!(train.same_classes(&alone).is_err());
        let listed = ImageFolder::new(test.path()).with_classes(train.classes().to_vec());
        let listed = listed.read().unwrap();
        assert_eq!([0, 1].map(|i| listed.label(i).unwrap()), [0, 2]);
        train.same_classes(&listed).unwrap();
    }

    #[test]
    fn a_directory_that_is_no_class_of_the_list_is_refused_by_name() {
        let dir = animals();
        let read = |classes: &[&str]| {
            let folder = ImageFolder::new(dir.path()).with_classes(classes.to_vec());
            folder.read().unwrap_err()
        };
        let error = read(&["dog", "eel"]).to_string();
        assert!(error.ends_with("cat: not in the list of classes: dog, eel"), "{error}");
        assert!(matches!(read(&["cat", "dog", "cat"]), DataError::SameClass { .. }));
        assert!(matches!(read(&[]), DataError::NoClasses { .. }));
        let many: Vec<String> = (0..65_537).map(|i| i.to_string()).collect();
        let error = ImageFolder::new(dir.path()).with_classes(many).read().unwrap_err();
        assert!(matches!(error, DataError::TooManyClasses { got: 65_537, .. }));
    }

    #[test]
    fn grayscale_is_one_channel_of_luma_and_leaves_gray_images_as_they_are() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("cat/a.png");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let colors = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [10, 200, 90]];
        RgbImage::from_fn(5, 1, |x, _| Rgb(colors[x as usize])).save(&path).unwrap();
        let gray = |dir: &Path| ImageFolder::new(dir).with_grayscale().read().unwrap();
        let data = gray(dir.path());
        assert_eq!(data.image_shape(), [1, 1, 5]);
        // Pillow's `convert("L")`.
        assert_eq!(bytes(&data, 0), [76, 150, 29, 255, 131]);
        GrayImage::from_fn(16, 16, |x, y| Luma([(16 * y + x) as u8])).save(&path).unwrap();
        assert_eq!(bytes(&gray(dir.path()), 0), (0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn a_directory_that_does_not_fit_into_memory_is_refused_with_its_size() {
        let dir = animals();
        let read = |bytes| ImageFolder::new(dir.path()).with_memory_limit(bytes).read();
        assert_eq!(read(3 * 18).unwrap().len(), 3);
        let error = read(3 * 18 - 1).unwrap_err().to_string();
        let says = "3 images of shape [3, 2, 3] need 54 bytes of memory, 53 are available";
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn a_folder_is_loaded_within_its_limit_and_left_on_disk_beyond_it() {
        for (bytes, in_memory) in [(3 * 18, true), (3 * 18 - 1, false)] {
            let dir = animals();
            let data = ImageFolder::new(dir.path()).with_memory_limit(bytes).load().unwrap();
            let wanted = image_folder(dir.path(), None).unwrap().fingerprint().unwrap();
            assert_eq!(data.fingerprint().unwrap(), wanted);
            drop(dir);
            assert_eq!(data.item(0).is_ok(), in_memory);
        }
    }

    #[test]
    fn headers_that_promise_huge_images_are_errors_that_name_the_file() {
        let dir = animals();
        // 60,000 by 60,000 pixels, in headers of files of a few bytes.
        let png = fs::read(dir.path().join("cat/1.png")).unwrap();
        let mut bmp = fs::read(dir.path().join("cat/2.bmp")).unwrap();
        bmp[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
        bmp[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
        let header = [b"IHDR".as_slice(), &60_000_u32.to_be_bytes(), &60_000_u32.to_be_bytes()];
        let header = [header.concat(), png[24..29].to_vec()].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&header);
        let png = [&png[..12], &header, &crc.sum().to_be_bytes(), &png[33..]].concat();
        for (file, bytes) in [("bird/a.png", png), ("bird/a.bmp", bmp)] {
            let dir = animals();
            let path = dir.path().join(file);
            fs::create_dir(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            let error = image_folder(dir.path(), None).unwrap_err();
            assert!(matches!(&error, DataError::Image { path: p, .. } if *p == path), "{error}");
            let error = ImageFolder::new(dir.path()).with_size([2, 3]).read().unwrap_err();
            assert!(error.to_string().contains(file), "{error}");
        }
    }

    #[test]
    fn names_of_any_script_are_read() {
        let dir = tempdir().unwrap();
        write(dir.path(), "模型 ü/ünïcode é.png", [2, 3], 30);
        let data = image_folder(dir.path(), None).unwrap();
        assert_eq!((data.classes()[0].as_str(), data.len()), ("模型 ü", 1));
    }
}
