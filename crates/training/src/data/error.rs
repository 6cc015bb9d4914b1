use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// What can be wrong with a data set, its files, or the way it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Files or directories that a data set needs, none of which is there.
    #[error("{dir}: not found: {}", .wanted.join(", "))]
    Missing {
        /// Where the search was.
        dir: PathBuf,
        /// The names that were looked for there in vain.
        wanted: Vec<String>,
    },
    /// A file is cut short or too long.
    #[error("{path}: got {got} bytes, wanted a multiple of {record}, and at least that")]
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
    /// A label that is no class.
    #[error("{place}: label of record {record}: got {label}, wanted 0..{classes}")]
    Label {
        /// The file or the data set.
        place: String,
        /// The position of the record there.
        record: usize,
        /// Its label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// No example where at least one is needed.
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
    /// An image shape with a zero.
    #[error("{name}: shape: got {shape:?}, wanted [channels, height, width], each at least 1")]
    Shape {
        /// The data set.
        name: String,
        /// The shape got.
        shape: [usize; 3],
    },
    /// Pixels that are not those of as many images as there are labels.
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
    /// A file that is not an image of a known format.
    #[error("{path}: not a readable image: {source}")]
    Image {
        /// The file.
        path: PathBuf,
        /// What the decoder found.
        source: image::ImageError,
    },
    /// A batch size of zero.
    #[error("batch_size: got 0, wanted at least 1")]
    BatchSize,
    /// A download that failed or broke off.
    #[error("{url}: {source}")]
    Download {
        /// The address.
        url: String,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A download that is not the published file.
    #[error("{url}: md5: got {got}, wanted {wanted}")]
    Checksum {
        /// The address.
        url: String,
        /// The digest of what came.
        got: String,
        /// The published digest.
        wanted: String,
    },
    /// A file or directory that cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl DataError {
    /// Names the path that an operation failed on: `fs::read(path).map_err(DataError::io(path))`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_path_buf(), source }
    }
}
