//! Errors of data sets. One file, because they are one enumeration.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// An error of a data set, its files, or the arguments of a call.
///
/// Each message includes that of its cause, the field `reason`. No [`source`](Error::source)
/// repeats it.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Missing files or directories of a data set.
    #[error("{dir}: not found: {}", .wanted.join(", "))]
    Missing {
        /// The directory searched.
        dir: PathBuf,
        /// The names that were not found there.
        wanted: Vec<String>,
    },
    /// A file is cut short or too long.
    #[error(
        "{path}: got {got} bytes, wanted whole records of {record} bytes, at least one; \
         the record at byte {} is cut",
        got - got % record
    )]
    FileSize {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        got: usize,
        /// The bytes of one record.
        record: usize,
    },
    /// A list of class names has the wrong length.
    #[error("{path}: got {got} class names, wanted {wanted}")]
    ClassNames {
        /// The file of names.
        path: PathBuf,
        /// The names it holds.
        got: usize,
        /// The classes of the data set.
        wanted: usize,
    },
    /// A byte of a file that is no label.
    #[error("{path}: label of record {record}, at byte {offset}: got {got}, wanted 0..{wanted}")]
    FileLabel {
        /// The file.
        path: PathBuf,
        /// The position of the record there.
        record: usize,
        /// The position of the label's byte in the file.
        offset: usize,
        /// The byte.
        got: usize,
        /// The number of labels.
        wanted: usize,
    },
    /// A label that is no class.
    #[error("{name}: label of example {example}: got {label}, wanted 0..{classes}")]
    Label {
        /// The data set.
        name: String,
        /// The position of the example.
        example: usize,
        /// Its label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A number of an example that is not in the set.
    #[error("example: got {got}, wanted 0..{len}, the examples of {name}")]
    Index {
        /// The data set.
        name: String,
        /// The number.
        got: usize,
        /// The examples of the set.
        len: usize,
    },
    /// A pixel that is not in [0, 1] or not finite.
    #[error("{name}: pixel {index} of example {example}: got {got}, wanted a value in [0, 1]")]
    Pixel {
        /// The data set.
        name: String,
        /// The position of the example in its source.
        example: usize,
        /// The position in the row-major pixels `[channels, height, width]`.
        index: usize,
        /// The value.
        got: f32,
    },
    /// A pixel that an augmentation left outside [0, 1] or not finite.
    #[error(
        "{augmentation}: pixel {index} of example {example}: got {got}, wanted a value in [0, 1]"
    )]
    Augmented {
        /// The augmentation.
        augmentation: String,
        /// The position of the example in its set.
        example: usize,
        /// The position in the row-major pixels `[channels, height, width]`.
        index: usize,
        /// The value.
        got: f32,
    },
    /// An item of a `Dataset` whose image has a wrong number of pixels.
    #[error(
        "{name}: pixels of item {example}: got {got}, wanted {} for an image of shape {shape:?}",
        shape.iter().product::<usize>()
    )]
    ItemSize {
        /// The data set.
        name: String,
        /// The number of the item.
        example: usize,
        /// Its pixels.
        got: usize,
        /// `[channels, height, width]` of every image.
        shape: [usize; 3],
    },
    /// An item that its `Dataset` cannot give.
    #[error("{name}: item {example}: {reason}")]
    Item {
        /// The data set.
        name: String,
        /// The number of the item.
        example: usize,
        /// The error of the `Dataset`.
        reason: Box<dyn Error + Send + Sync>,
    },
    /// A sampler's plan with another number of batches than the sampler says.
    #[error("{sampler}: batches of epoch {epoch}: got {got}, wanted {wanted}")]
    PlanLength {
        /// The sampler.
        sampler: String,
        /// The epoch.
        epoch: usize,
        /// Batches of the plan.
        got: usize,
        /// The number by `Sampler::batches`.
        wanted: usize,
    },
    /// A batch without examples in a sampler's plan.
    #[error("{sampler}: batch {batch} of epoch {epoch}: got no examples, wanted at least one")]
    EmptyBatch {
        /// The sampler.
        sampler: String,
        /// The epoch.
        epoch: usize,
        /// The position of the batch in the epoch.
        batch: usize,
    },
    /// An example in a sampler's plan that is not in the set.
    #[error(
        "{sampler}: example in batch {batch} of epoch {epoch}: got {got}, wanted 0..{examples}"
    )]
    PlanIndex {
        /// The sampler.
        sampler: String,
        /// The epoch.
        epoch: usize,
        /// The position of the batch in the epoch.
        batch: usize,
        /// The number of the example.
        got: usize,
        /// The examples of the set.
        examples: usize,
    },
    /// A thread for reading images that the system refused.
    #[error("no thread to read images: {reason}")]
    Thread {
        /// The system's error.
        reason: io::Error,
    },
    /// A data set without examples.
    #[error("{place}: got no images, wanted at least one")]
    Empty {
        /// The directory or the data set.
        place: String,
    },
    /// A data set without classes.
    #[error("{name}: got no classes, wanted at least one")]
    NoClasses {
        /// The data set.
        name: String,
    },
    /// More classes than labels can number.
    #[error("{name}: got {got} classes, wanted at most 65536")]
    TooManyClasses {
        /// The data set.
        name: String,
        /// Its classes.
        got: usize,
    },
    /// Two classes of one name.
    #[error("{name}: classes {first} and {second} are both called {class:?}")]
    SameClass {
        /// The data set.
        name: String,
        /// The name of both classes.
        class: String,
        /// The position of the first one in the list of classes.
        first: usize,
        /// The position of the second one.
        second: usize,
    },
    /// A directory that is not in the list of classes.
    #[error("{dir}: not in the list of classes: {}", .classes.join(", "))]
    UnknownClass {
        /// The directory.
        dir: PathBuf,
        /// The list.
        classes: Vec<String>,
    },
    /// Two data sets whose labels mean different classes.
    #[error(
        "{name}: class {position}: got {}, wanted {} as in {reference}",
        called(got),
        called(wanted)
    )]
    Classes {
        /// The data set.
        name: String,
        /// The data set that it was compared with.
        reference: String,
        /// The first position at which their lists of classes differ.
        position: usize,
        /// The class there, or `None` if the list is shorter.
        got: Option<String>,
        /// The class there in the other set.
        wanted: Option<String>,
    },
    /// More examples asked for than there are.
    #[error("{field}: got {got}, wanted 0..={len}, the examples of {name}")]
    Count {
        /// The argument.
        field: &'static str,
        /// Its value.
        got: usize,
        /// The examples of the set.
        len: usize,
        /// The data set.
        name: String,
    },
    /// A data set that does not fit into memory.
    #[error(
        "{place}: {images} images of shape {shape:?} need {needed} bytes of memory, \
         {available} are available"
    )]
    Memory {
        /// The directory or file.
        place: PathBuf,
        /// Its images.
        images: usize,
        /// `[channels, height, width]` of each.
        shape: [usize; 3],
        /// Bytes needed.
        needed: u64,
        /// Bytes that the machine has left, or the limit.
        available: u64,
    },
    /// A directory of a class in which every file was skipped.
    #[error(
        "{dir}: got no images, wanted at least one; {skipped} files skipped for their extension"
    )]
    AllSkipped {
        /// The directory.
        dir: PathBuf,
        /// The files in it.
        skipped: usize,
    },
    /// A setting of a rule that is out of its range, or does not suit the data.
    #[error("{field}: got {got}, wanted {wanted}")]
    Setting {
        /// The setting, such as `augmentation crop: padding`.
        field: String,
        /// Its value.
        got: String,
        /// The values that it may have.
        wanted: String,
    },
    /// An image shape with a zero.
    #[error("{name}: shape: got {shape:?}, wanted [channels, height, width], each at least 1")]
    Shape {
        /// The data set.
        name: String,
        /// The shape got.
        shape: [usize; 3],
    },
    /// Two data sets whose images differ in shape.
    #[error("{name}: shape: got {got:?}, wanted {wanted:?} as in {reference}")]
    Shapes {
        /// The data set.
        name: String,
        /// The data set that it was to be joined with.
        reference: String,
        /// `[channels, height, width]` of its images.
        got: [usize; 3],
        /// The shape of those of the other.
        wanted: [usize; 3],
    },
    /// A number of labels that does not fit the examples.
    #[error("{name}: labels: got {got}, wanted {wanted}, one for each example")]
    Labels {
        /// The data set.
        name: String,
        /// Labels got.
        got: usize,
        /// The examples of the set.
        wanted: usize,
    },
    /// A number of pixels that does not fit the number of labels.
    #[error("{name}: pixels: got {got} bytes, wanted {wanted}")]
    Pixels {
        /// The data set.
        name: String,
        /// Bytes got.
        got: usize,
        /// Labels times bytes of an image.
        wanted: usize,
    },
    /// An image of another size than the rest.
    #[error("{path}: got {got:?} pixels ([height, width]), wanted {wanted:?}")]
    ImageSize {
        /// The image.
        path: PathBuf,
        /// Its height and width.
        got: [usize; 2],
        /// The height and width of all.
        wanted: [usize; 2],
    },
    /// A file that is not an image of a known format, or a damaged one.
    #[error("{path}: not a readable image: {reason}")]
    Image {
        /// The file.
        path: PathBuf,
        /// The decoder's error.
        reason: image::ImageError,
    },
    /// A JPEG file that is cut off.
    #[error("{path}: a cut JPEG: got {got} bytes without an end marker, wanted FF D9 after them")]
    CutJpeg {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        got: usize,
    },
    /// A batch size of zero.
    #[error("batch_size: got 0, wanted at least 1")]
    BatchSize,
    /// A download that failed or broke off.
    #[error("{url}: {reason}")]
    Download {
        /// The address.
        url: String,
        /// The cause.
        reason: Box<dyn Error + Send + Sync>,
    },
    /// A download that is not the published file.
    #[error("{url}: md5: got {got}, wanted {wanted}")]
    Checksum {
        /// The address.
        url: String,
        /// The digest of the download.
        got: String,
        /// The published digest.
        wanted: String,
    },
    /// A file or directory that cannot be read or written.
    #[error("{path}: {reason}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
}

impl DataError {
    /// An error for a setting of a custom rule.
    pub fn setting(field: impl Display, got: impl Display, wanted: impl Display) -> Self {
        let [field, got, wanted] = [field.to_string(), got.to_string(), wanted.to_string()];
        Self::Setting { field, got, wanted }
    }

    /// The error, which names the rule that a setting is of.
    pub(crate) fn of(self, rule: impl FnOnce() -> String) -> Self {
        match self {
            Self::Setting { field, got, wanted } => {
                Self::Setting { field: format!("{}: {field}", rule()), got, wanted }
            }
            other => other,
        }
    }

    /// Names the path that an operation failed on: `fs::read(path).map_err(DataError::io(path))`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |reason| Self::Io { path: path.to_path_buf(), reason }
    }
}

/// The quoted name of a class, or `none`.
fn called(class: &Option<String>) -> String {
    class.as_ref().map_or_else(|| "none".into(), |class| format!("{class:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_errors_says_every_cause_once() {
        let io = || io::Error::other("the disk is gone");
        for error in [
            DataError::io(Path::new("a.png"))(io()),
            DataError::Image { path: "a.png".into(), reason: image::ImageError::IoError(io()) },
            DataError::Download { url: "http://a".into(), reason: Box::new(io()) },
        ] {
            let mut chain = error.to_string();
            let mut next = error.source();
            while let Some(cause) = next {
                chain = format!("{chain}: {cause}");
                next = cause.source();
            }
            assert_eq!(chain.matches("the disk is gone").count(), 1, "{chain}");
        }
    }
}
