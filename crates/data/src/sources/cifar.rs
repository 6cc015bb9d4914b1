use super::{Split, memory};
use crate::{DataError, ImageData};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const SHAPE: [usize; 3] = [3, 32, 32];
const PIXELS: usize = 3 * 32 * 32;

/// The files of one of the two data sets.
pub(super) struct Layout {
    name: &'static str,
    /// The directory that the published archive unpacks to.
    pub folder: &'static str,
    train: &'static [&'static str],
    test: &'static [&'static str],
    /// The number of labels of each label byte before the pixels of a record; the last one counts.
    labels: &'static [usize],
    /// The file of class names, one a line.
    names: &'static str,
}

pub(super) const CIFAR10: Layout = Layout {
    name: "cifar10",
    folder: "cifar-10-batches-bin",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: &["test_batch.bin"],
    labels: &[10],
    names: "batches.meta.txt",
};

pub(super) const CIFAR100: Layout = Layout {
    name: "cifar100",
    folder: "cifar-100-binary",
    train: &["train.bin"],
    test: &["test.bin"],
    labels: &[20, 100],
    names: "fine_label_names.txt",
};

const CIFAR10_NAMES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// CIFAR-10 (A. Krizhevsky 2009): 32 x 32 color images `[3, 32, 32]` of 10 classes, 50,000 to
/// train, 10,000 to test.
///
/// Read from the published binaries, `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`,
/// in `dir` or in `dir/cifar-10-batches-bin`. Shorter files of whole records are read as they are.
///
/// # Errors
///
/// Missing files, files that are not whole records, labels that are no class.
pub fn cifar10(dir: impl AsRef<Path>, split: Split) -> Result<ImageData, DataError> {
    CIFAR10.read(dir.as_ref(), split)
}

/// CIFAR-100 with its 100 fine labels: as [`cifar10`], from `train.bin` and `test.bin` in `dir` or
/// in `dir/cifar-100-binary`.
///
/// # Errors
///
/// As [`cifar10`].
pub fn cifar100(dir: impl AsRef<Path>, split: Split) -> Result<ImageData, DataError> {
    CIFAR100.read(dir.as_ref(), split)
}

impl Layout {
    fn read(&self, dir: &Path, split: Split) -> Result<ImageData, DataError> {
        let files = match split {
            Split::Train => self.train,
            Split::Test => self.test,
        };
        let dir = self.locate(dir, files)?;
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for file in files {
            self.read_file(&dir.join(file), &mut pixels, &mut labels)?;
        }
        ImageData::new(self.name, SHAPE, pixels, labels, self.class_names(&dir)?)
    }

    /// The directory that holds all of `files`: `dir` or the archive's folder in it.
    fn locate(&self, dir: &Path, files: &[&str]) -> Result<PathBuf, DataError> {
        let mut wanted = Vec::new();
        for folder in ["", self.folder] {
            let place = dir.join(folder);
            let missing: Vec<_> = files.iter().filter(|file| !place.join(file).is_file()).collect();
            if missing.is_empty() {
                return Ok(place);
            }
            wanted.extend(
                missing.iter().map(|file| Path::new(folder).join(file).display().to_string()),
            );
        }
        Err(DataError::Missing { dir: dir.into(), wanted })
    }

    /// The directory that holds the files of both splits.
    #[cfg(feature = "download")]
    pub fn complete(&self, dir: &Path) -> Result<PathBuf, DataError> {
        self.locate(dir, &[self.train, self.test].concat())
    }

    fn read_file(
        &self,
        path: &Path,
        pixels: &mut Vec<u8>,
        labels: &mut Vec<u16>,
    ) -> Result<(), DataError> {
        let record = self.labels.len() + PIXELS;
        let whole = |got: usize| match got == 0 || !got.is_multiple_of(record) {
            true => Err(DataError::FileSize { path: path.into(), got, record }),
            false => Ok(got / record),
        };
        // Before a file that is none of CIFAR's fills the memory.
        let size = fs::metadata(path).map_err(DataError::io(path))?.len();
        memory::bytes(path, whole(size as usize)?, SHAPE, None)?;
        let bytes = fs::read(path).map_err(DataError::io(path))?;
        whole(bytes.len())?;
        for (i, example) in bytes.chunks_exact(record).enumerate() {
            let (given, image) = example.split_at(self.labels.len());
            for (k, (&got, &wanted)) in given.iter().zip(self.labels).enumerate() {
                if usize::from(got) >= wanted {
                    return Err(DataError::FileLabel {
                        path: path.into(),
                        record: i,
                        offset: i * record + k,
                        got: got.into(),
                        wanted,
                    });
                }
            }
            labels.push(given[given.len() - 1].into());
            pixels.extend_from_slice(image);
        }
        Ok(())
    }

    fn classes(&self) -> usize {
        self.labels[self.labels.len() - 1]
    }

    fn class_names(&self, dir: &Path) -> Result<Vec<String>, DataError> {
        let path = dir.join(self.names);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(self.known_names()),
            Err(error) => return Err(DataError::io(&path)(error)),
        };
        let names: Vec<String> =
            text.lines().map(str::trim).filter(|name| !name.is_empty()).map(Into::into).collect();
        if names.len() != self.classes() {
            return Err(DataError::ClassNames { path, got: names.len(), wanted: self.classes() });
        }
        crate::source::check_classes(&path.display().to_string(), &names)?;
        Ok(names)
    }

    fn known_names(&self) -> Vec<String> {
        if self.classes() == CIFAR10_NAMES.len() {
            CIFAR10_NAMES.map(String::from).to_vec()
        } else {
            (0..self.classes()).map(|class| format!("class {class}")).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_data::toy::bytes;
    use tempfile::tempdir;

    /// Records whose pixels count up from their last label byte.
    fn records(labels: &[&[u8]]) -> Vec<u8> {
        let pixels = |label: &[u8]| {
            let first = label[label.len() - 1] as usize;
            (0..PIXELS).map(move |i| ((first + i) % 256) as u8).collect::<Vec<_>>()
        };
        labels.iter().flat_map(|label| [label.to_vec(), pixels(label)].concat()).collect()
    }

    fn write_cifar10(dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        for (i, file) in CIFAR10.train.iter().enumerate() {
            fs::write(dir.join(file), records(&[&[i as u8], &[9]])).unwrap();
        }
        fs::write(dir.join("test_batch.bin"), records(&[&[7]])).unwrap();
    }

    #[test]
    fn cifar10_is_read_in_file_order_from_either_directory() {
        let dir = tempdir().unwrap();
        let inner = dir.path().join("cifar-10-batches-bin");
        write_cifar10(&inner);
        for place in [dir.path(), &inner] {
            let train = cifar10(place, Split::Train).unwrap();
            let labels: Vec<usize> = (0..train.len()).map(|i| train.label(i).unwrap()).collect();
            assert_eq!(labels, [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]);
            assert_eq!(train.image_shape(), [3, 32, 32]);
            assert_eq!(bytes(&train, 4)[..3], [2, 3, 4]);
            assert_eq!(train.classes()[9], "truck");
            let test = cifar10(place, Split::Test).unwrap();
            assert_eq!((test.len(), test.label(0).unwrap()), (1, 7));
        }
    }

    #[test]
    fn cifar100_labels_are_the_fine_ones() {
        let dir = tempdir().unwrap();
        fs::write(dir.path().join("test.bin"), records(&[&[19, 99], &[0, 1]])).unwrap();
        let test = cifar100(dir.path(), Split::Test).unwrap();
        assert_eq!(
            (test.label(0).unwrap(), test.label(1).unwrap(), bytes(&test, 1)[0]),
            (99, 1, 1)
        );
        assert_eq!((test.classes().len(), test.classes()[99].as_str()), (100, "class 99"));
    }

    #[test]
    fn class_names_are_read_where_there_is_a_list_of_them() {
        let dir = tempdir().unwrap();
        write_cifar10(dir.path());
        let names = dir.path().join("batches.meta.txt");
        fs::write(&names, "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n").unwrap();
        assert_eq!(cifar10(dir.path(), Split::Test).unwrap().classes()[9], "j");
        fs::write(&names, "a\nb\n").unwrap();
        let error = cifar10(dir.path(), Split::Test).unwrap_err().to_string();
        assert!(error.contains("got 2 class names, wanted 10"), "{error}");
        fs::write(&names, "a\nb\nc\nd\ne\nf\ng\nh\ni\na\n").unwrap();
        let error = cifar10(dir.path(), Split::Test).unwrap_err().to_string();
        let says = "batches.meta.txt: classes 0 and 9 are both called \"a\"";
        assert!(error.ends_with(says), "{error}");
    }

    #[test]
    fn truncated_oversized_and_empty_files_are_refused_by_name() {
        let dir = tempdir().unwrap();
        write_cifar10(dir.path());
        let path = dir.path().join("data_batch_3.bin");
        for size in [0, 3072, 3074, 2 * 3073 - 1] {
            fs::write(&path, vec![0; size]).unwrap();
            let error = cifar10(dir.path(), Split::Train).unwrap_err();
            assert!(matches!(
                &error,
                DataError::FileSize { path: p, got, record: 3073 } if *p == path && *got == size
            ));
            let says = format!(
                "data_batch_3.bin: got {size} bytes, wanted whole records of 3073 bytes, at least \
                 one; the record at byte {} is cut",
                size / 3073 * 3073
            );
            assert!(error.to_string().ends_with(&says), "{error}");
        }
    }

    #[test]
    fn a_label_that_is_no_class_is_refused_with_its_file_record_and_byte() {
        let dir = tempdir().unwrap();
        let write = |file, labels: &[&[u8]]| {
            fs::write(dir.path().join(file), records(labels)).unwrap();
        };
        write("test_batch.bin", &[&[9], &[10]]);
        let error = cifar10(dir.path(), Split::Test).unwrap_err().to_string();
        let says = "test_batch.bin: label of record 1, at byte 3073: got 10, wanted 0..10";
        assert!(error.ends_with(says), "{error}");
        for (labels, says) in [
            (&[19, 100], "test.bin: label of record 0, at byte 1: got 100, wanted 0..100"),
            (&[20, 99], "test.bin: label of record 0, at byte 0: got 20, wanted 0..20"),
        ] {
            write("test.bin", &[labels]);
            let error = cifar100(dir.path(), Split::Test).unwrap_err().to_string();
            assert!(error.ends_with(says), "{error}");
        }
    }

    #[test]
    fn missing_files_are_refused_with_the_names_looked_for() {
        let dir = tempdir().unwrap();
        write_cifar10(dir.path());
        fs::remove_file(dir.path().join("data_batch_5.bin")).unwrap();
        let error = cifar10(dir.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("cifar-10-batches-bin/data_batch_5.bin"), "{error}");
        let error = cifar100(dir.path().join("nowhere"), Split::Train).unwrap_err().to_string();
        assert!(error.contains("nowhere") && error.contains("train.bin"), "{error}");
    }
}
