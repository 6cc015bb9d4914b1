//! The flags that a run keeps, with which it goes on by itself.

use super::Train;
use crate::data::Dataset;
use crate::given::Given;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, absolute};

/// The flags of a training that no other file of its run has: its images, its seed, and what
/// computes. Model, recipe and epsilon are in `recipe.toml`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    dataset: Dataset,
    /// The folder of images in place of the data set, if its path is a text.
    train: Option<String>,
    grayscale: bool,
    no_flip: bool,
    /// The folder of the data set's files, if its path is a text.
    data: Option<String>,
    subset: Option<usize>,
    validation: usize,
    seed: u64,
    device: String,
    devices: usize,
    parallel: String,
}

impl Kept {
    /// The name of the file.
    pub const FILE: &str = "flags.json";

    /// The flags of a training. Paths are whole, so that it goes on from any folder.
    pub fn of(args: &Train) -> Self {
        let whole = |path: &Path| Some(absolute(path).ok()?.to_str()?.to_string());
        Self {
            dataset: args.model.dataset,
            train: args.train.as_deref().and_then(whole),
            grayscale: args.grayscale,
            no_flip: args.no_flip,
            data: whole(&args.source.data),
            subset: args.subset,
            validation: args.validation,
            seed: args.seed,
            device: args.compute.device.clone(),
            devices: args.devices,
            parallel: args.parallel.to_string(),
        }
    }

    /// The flags that the run in a folder keeps; none if it is of an earlier version, or there is
    /// no run.
    ///
    /// # Errors
    ///
    /// A sentence about a file that cannot be read.
    pub fn read(run: &Path) -> Result<Option<Self>, Box<dyn Error>> {
        let path = run.join(Self::FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| format!("{}: {error}", path.display()))?,
        };
        let kept = serde_json::from_str(&text);
        Ok(Some(kept.map_err(|error| format!("{}: {error}", path.display()))?))
    }

    /// The content of the file.
    pub fn bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec_pretty(self)
    }

    /// Refuses flags that were given and would make another run than the one that keeps these.
    /// Where its images lie and what computes may differ.
    pub fn agrees_with(&self, args: &Train, given: &Given) -> Result<(), String> {
        let because = format!("{} was trained so", args.out.display());
        let (asked, mut saved) = (Self::of(args).identity(), self.identity());
        // A folder of images is no data set: that both are asked for is refused elsewhere.
        if let (Some(saved), true) = (saved.as_object_mut(), self.train.is_some()) {
            saved.remove("dataset");
        }
        given.agree(&asked, &saved, false, &because)
    }

    /// The flags that make the run what it is.
    fn identity(&self) -> Value {
        let subset = self.subset.map_or("all".into(), Value::from);
        json!({
            "dataset": self.dataset,
            "grayscale": self.grayscale,
            "no_flip": self.no_flip,
            "subset": subset,
            "validation": self.validation,
            "seed": self.seed,
        })
    }

    /// Puts these flags in the place of those that were not given.
    ///
    /// # Errors
    ///
    /// A sentence about a value that this program does not know.
    pub fn take_the_place(self, args: &mut Train, given: &Given) -> Result<(), Box<dyn Error>> {
        let free = |flag: &str| !given.has(flag);
        if free("dataset") && free("train") {
            args.model.dataset = self.dataset;
            args.train = self.train.map(Into::into);
        }
        if let (Some(data), true) = (self.data, free("data")) {
            args.source.data = data.into();
        }
        if free("device") {
            args.compute.device = self.device;
        }
        if free("devices") {
            args.devices = self.devices;
        }
        if free("parallel") {
            args.parallel = self.parallel.parse()?;
        }
        args.grayscale |= self.grayscale;
        args.no_flip |= self.no_flip;
        args.subset = args.subset.or(self.subset);
        if free("validation") {
            args.validation = self.validation;
        }
        if free("seed") {
            args.seed = self.seed;
        }
        Ok(())
    }
}
