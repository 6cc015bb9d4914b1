//! Sources of images.

mod dataset;

pub use dataset::{Dataset, Source};

use crate::given::{Given, Idle};
use crate::output::Output;
use cni_burn::data::{DataError, ImageData, ImageFolder, Split};
use cni_burn::layers::NoiseError;
use cni_burn::layers::models::NetworkConfig;
use cni_burn::prelude::NormalizeConfig;
use std::error::Error;
use std::path::Path;

/// `[channels, height, width]` of the images that a model takes.
fn shape(model: &NetworkConfig) -> [usize; 3] {
    let [height, width] = model.image_size();
    [model.normalize().channels(), height, width]
}

/// The facts that a model has to know of its data.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// `[channels, height, width]` of each image.
    pub shape: [usize; 3],
    /// The number of classes.
    pub classes: usize,
    /// The name of the usual normalization.
    normalization: &'static str,
}

impl About {
    /// The images and classes of a model. The usual normalization is that of folders.
    pub fn of_model(model: &NetworkConfig) -> Self {
        Self { shape: shape(model), classes: model.classes(), normalization: "centered" }
    }

    /// The images and classes of a set that has no name.
    pub fn of(data: &ImageData) -> Self {
        let (shape, classes) = (data.image_shape(), data.classes().len());
        Self { shape, classes, normalization: "centered" }
    }

    /// The normalization that a flag names, by default the usual one.
    pub fn normalize(&self, named: Option<&str>) -> Result<NormalizeConfig, NoiseError> {
        NormalizeConfig::named(named.unwrap_or(self.normalization), self.shape[0])
    }
}

/// The images to read: those of a named data set, or of a folder.
#[derive(Clone, Copy)]
pub enum Images<'a> {
    Named(Dataset),
    Folder(Folder<'a>),
}

/// A folder of images, and the flag that names it.
#[derive(Clone, Copy)]
pub struct Folder<'a> {
    pub flag: &'static str,
    pub dir: &'a Path,
    /// True if images are read as gray ones.
    pub grayscale: bool,
}

impl<'a> Images<'a> {
    /// Flags that these images leave without effect.
    pub fn idle(&self) -> Vec<Idle<'static>> {
        let idle = |flags, because| Idle { when: true, flags, because };
        let mut all = match self {
            Self::Named(Dataset::Digits) => vec![
                idle(&["data", "download"], "the digits are part of the program"),
                idle(&["grayscale"], "only images of a folder are converted"),
            ],
            Self::Named(_) => vec![idle(&["grayscale"], "only images of a folder are converted")],
            Self::Folder(folder) => vec![Idle {
                when: true,
                flags: &["dataset", "data", "download"],
                because: match folder.flag {
                    "train" => "--train names the images",
                    _ => "--test names the images",
                },
            }],
        };
        all.push(Idle {
            when: !cfg!(feature = "download"),
            flags: &["download"],
            because: "the program is built without `--features download`",
        });
        all
    }

    /// Reads the images to train on.
    pub fn train(&self, source: &Source) -> Result<ImageData, Box<dyn Error>> {
        match self {
            Self::Named(set) => set.load(source, Split::Train),
            Self::Folder(folder) => Ok(folder.reader().load()?),
        }
    }

    /// Reads the images to judge a model on, which may be known: its shape of images, and its
    /// classes if the list is not empty.
    pub fn test(
        &self,
        source: &Source,
        model: Option<(&NetworkConfig, &[String])>,
    ) -> Result<ImageData, Box<dyn Error>> {
        let folder = match self {
            Self::Named(set) => return set.load(source, Split::Test),
            Self::Folder(folder) => folder.reader(),
        };
        let Some((config, classes)) = model else { return Ok(folder.load()?) };
        let folder = folder.with_size(config.image_size());
        let found = match classes {
            [] => folder.load(),
            classes => folder.with_classes(classes).load(),
        };
        Ok(found?)
    }
}

impl Folder<'_> {
    /// The settings to load the folder with. Its images stay on disk if memory does not hold them.
    fn reader(&self) -> ImageFolder {
        let folder = ImageFolder::new(self.dir);
        if self.grayscale { folder.with_grayscale() } else { folder }
    }
}

/// The images that a run's model is judged on by default or by flags: those of `--test`, or of the
/// data set that it was trained on.
pub fn of_run<'a>(
    run: &Path,
    model: &NetworkConfig,
    test: Option<&'a Path>,
) -> Result<Images<'a>, Box<dyn Error>> {
    let [channels, height, width] = shape(model);
    match (test, Dataset::of(model)) {
        (Some(dir), _) => {
            Ok(Images::Folder(Folder { flag: "test", dir, grayscale: channels == 1 }))
        }
        (None, Some(set)) => Ok(Images::Named(set)),
        (None, None) => Err(format!(
            "--test: got no folder, wanted one of images of {width}x{height} pixels and {channels} \
             channels, since {} was trained on a folder of images",
            run.display()
        )
        .into()),
    }
}

/// Says how many files of a folder are no images by their names, if some are.
pub fn say_skipped(data: &ImageData, output: Output) -> std::io::Result<()> {
    match data.skipped_files() {
        0 => Ok(()),
        skipped => output.say(format_args!(
            "warning: {}: files left out, whose names do not end as those of images: {skipped}",
            data.name()
        )),
    }
}

/// The classes that no example of a set has.
pub fn without_examples(data: &ImageData) -> Result<Vec<String>, DataError> {
    let mut found = vec![false; data.classes().len()];
    for example in 0..data.len() {
        found[data.label(example)?] = true;
    }
    let classes = data.classes().iter().zip(found);
    Ok(classes.filter(|(_, found)| !found).map(|(class, _)| class.clone()).collect())
}

/// The examples of a set that a flag asks for by their number: the first, or those at equal
/// distances in a folder, which is sorted by class.
pub fn part(
    data: ImageData,
    folder: bool,
    count: Option<usize>,
    flag: &str,
    given: &Given,
) -> Result<ImageData, String> {
    match count {
        Some(count) if count > data.len() && given.has(flag) => {
            let wanted = format!("at most {}", data.len());
            Err(given.refusal(flag, wanted, &format!("{} has no more examples", data.name())))
        }
        Some(count) if folder => Ok(data.spread(count)),
        Some(count) => Ok(data.take(count)),
        None => Ok(data),
    }
}
