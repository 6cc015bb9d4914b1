//! Adversarial images on disk: one file for each attack and batch.

use crate::EvaluationError;
use crate::files::fingerprint;
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The adversarial images of one attack on one batch, as an evaluation [keeps
/// them](crate::Evaluation::with_adversarial).
///
/// The file has the safetensors format. Its tensors are `images` (float32, `[n, channels, height,
/// width]`), `labels` and `examples` (int64, `[n]`) and `success` (uint8, `[n]`). Its metadata have
/// one entry, `adversarial`: JSON with `attack`, `hash`, and `sha256`, the hash of everything else.
#[derive(Clone, Debug, PartialEq)]
pub struct AdversarialImages {
    /// The name of the attack, as in the record.
    pub attack: String,
    /// The SHA-256 of the attack's settings, as in the record.
    pub hash: String,
    /// The shape: number of images, channels, height and width.
    pub shape: [usize; 4],
    /// The pixels in [0, 1], image by image, channel by channel, row by row.
    pub pixels: Vec<f32>,
    /// The label of each image.
    pub labels: Vec<i64>,
    /// The number of each example within the data.
    pub examples: Vec<u64>,
    /// Flags of the images, true for an adversarial one: the model is wrong on it in every draw
    /// that selects between attacks. These draws are as many as judge, and not the same. A model
    /// without noise has one draw.
    pub success: Vec<bool>,
}

/// The name of the metadata's entry.
const METADATA: &str = "adversarial";

/// The content of that entry.
#[derive(Serialize, Deserialize)]
struct About {
    attack: String,
    hash: String,
    sha256: String,
}

impl AdversarialImages {
    /// The files that an evaluation wrote into a folder, sorted by attack in the order of the
    /// suite, then by example.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Io`] if the folder cannot be read.
    pub fn files(folder: &Path) -> Result<Vec<PathBuf>, EvaluationError> {
        let mut found = Vec::new();
        for within in entries(folder)?.iter().filter(|path| path.is_dir()) {
            if named(within).is_some_and(is_attack) {
                let files = entries(within)?.into_iter();
                found.extend(files.filter(|path| named(path).is_some_and(is_batch)));
            }
        }
        let attack = |path: &Path| named(path.parent()?)?.split_once('-')?.0.parse::<u64>().ok();
        found.sort_by_key(|path| (attack(path), number(path), path.clone()));
        Ok(found)
    }

    /// Removes the files that an evaluation wrote into a folder, and returns how many there were.
    /// Other files stay.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Io`] if the folder cannot be read, or a file cannot be removed.
    pub fn remove(folder: &Path) -> Result<usize, EvaluationError> {
        let removed = Self::remove_others(folder, &[])?;
        // The call fails for a folder that is not empty, which therefore stays.
        let _ = std::fs::remove_dir(folder);
        Ok(removed)
    }

    /// Removes the files that an evaluation wrote into a folder and that are not among these, and
    /// returns how many there were.
    pub(crate) fn remove_others(
        folder: &Path,
        written: &[PathBuf],
    ) -> Result<usize, EvaluationError> {
        let mut removed = 0;
        for path in Self::files(folder)? {
            if !written.contains(&path) {
                let failed = |source| EvaluationError::Io { path: path.clone(), source };
                std::fs::remove_file(&path).map_err(failed)?;
                // Here too.
                let _ = path.parent().map(std::fs::remove_dir);
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Io`] if the file cannot be read; [`EvaluationError::Damaged`] if it is
    /// not such a file, or has changed since it was written.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, EvaluationError> {
        let path = path.as_ref();
        let failed = |source| EvaluationError::Io { path: path.to_path_buf(), source };
        let bytes = std::fs::read(path).map_err(failed)?;
        Self::parse(&bytes).map_err(|reason| EvaluationError::Damaged {
            path: path.to_path_buf(),
            line: None,
            reason,
        })
    }

    /// The images as a tensor `[n, channels, height, width]`, with pixels in [0, 1].
    pub fn images(&self, device: &Device) -> Tensor<4> {
        Tensor::from_data(TensorData::new(self.pixels.clone(), self.shape), device)
    }

    /// The folder and the name of a file, such as `00-PGD-10/from-000128.safetensors`.
    pub(crate) fn name(index: usize, attack: &str, first: usize) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' };
        let attack: String = attack.chars().map(plain).collect();
        format!("{index:02}-{attack}/from-{first:06}.safetensors")
    }

    /// True if a name is one that [`name`](Self::name) gives.
    pub(crate) fn is_name(name: &str) -> bool {
        let parts = name.split_once('/');
        parts.is_some_and(|(attack, file)| {
            is_attack(attack) && !attack.contains(['\\', ':']) && is_batch(file)
        })
    }

    /// The hash of the content.
    pub(crate) fn sha256(&self) -> String {
        let [images, labels, examples, success] = self.bytes();
        let about = format!("{:?} {:?} {:?}", self.attack, self.hash, self.shape);
        fingerprint(&[about.as_bytes(), &images, &labels, &examples, &success])
    }

    fn bytes(&self) -> [Vec<u8>; 4] {
        [
            self.pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect(),
            self.labels.iter().flat_map(|label| label.to_le_bytes()).collect(),
            self.examples.iter().flat_map(|&number| (number as i64).to_le_bytes()).collect(),
            self.success.iter().map(|&success| u8::from(success)).collect(),
        ]
    }

    /// The bytes of the file.
    pub(crate) fn to_file(&self) -> Vec<u8> {
        let [images, labels, examples, success] = self.bytes();
        let view = |dtype, shape: &[usize], bytes| {
            TensorView::new(dtype, shape.to_vec(), bytes).expect("as many bytes as the shape says")
        };
        let list = [self.labels.len()];
        let tensors = [
            ("images", view(Dtype::F32, &self.shape, &images)),
            ("labels", view(Dtype::I64, &list, &labels)),
            ("examples", view(Dtype::I64, &list, &examples)),
            ("success", view(Dtype::U8, &list, &success)),
        ];
        let about =
            About { attack: self.attack.clone(), hash: self.hash.clone(), sha256: self.sha256() };
        let about = serde_json::to_string(&about).expect("plain text");
        // The metadata have a single entry, because the order of several would differ from file to
        // file.
        let metadata = [(METADATA.to_string(), about)];
        serialize(tensors, Some(HashMap::from(metadata))).expect("four tensors of different names")
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
        let about = header.metadata().as_ref().and_then(|entries| entries.get(METADATA));
        let about =
            about.ok_or(format!("got no metadata `{METADATA}`, wanted adversarial images"))?;
        let about: About = serde_json::from_str(about).map_err(|error| error.to_string())?;
        let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let tensor = |name| file.tensor(name).map_err(|error| error.to_string());
        let (images, labels) = (tensor("images")?, tensor("labels")?);
        let (examples, success) = (tensor("examples")?, tensor("success")?);
        let Ok(shape) = <[usize; 4]>::try_from(images.shape()) else {
            return Err(format!("images: got shape {:?}, wanted four dimensions", images.shape()));
        };
        let lists = [&labels, &examples, &success];
        let types = [images.dtype(), labels.dtype(), examples.dtype(), success.dtype()];
        if lists.iter().any(|list| list.shape() != [shape[0]])
            || types != [Dtype::F32, Dtype::I64, Dtype::I64, Dtype::U8]
        {
            return Err("got tensors that do not fit together".to_string());
        }
        let integers = |view: &TensorView| -> Vec<i64> {
            let eight = view.data().as_chunks::<8>().0.iter();
            eight.map(|bytes| i64::from_le_bytes(*bytes)).collect()
        };
        let pixels = images.data().as_chunks::<4>().0.iter();
        let found = Self {
            attack: about.attack,
            hash: about.hash,
            shape,
            pixels: pixels.map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            labels: integers(&labels),
            examples: integers(&examples).into_iter().map(|number| number as u64).collect(),
            success: success.data().iter().map(|&success| success != 0).collect(),
        };
        let (got, wanted) = (found.sha256(), about.sha256);
        match got == wanted {
            true => Ok(found),
            false => {
                Err(format!("sha256: got {got}, wanted {wanted}: changed since it was written"))
            }
        }
    }
}

fn named(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

/// True if a folder has a name as [`AdversarialImages::name`] gives.
fn is_attack(name: &str) -> bool {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    digits >= 2 && name.as_bytes().get(digits) == Some(&b'-')
}

/// True if a file has a name as [`AdversarialImages::name`] gives.
fn is_batch(name: &str) -> bool {
    let stem = name.strip_prefix("from-").and_then(|name| name.strip_suffix(".safetensors"));
    stem.is_some_and(|stem| stem.len() >= 6 && stem.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The number of the first example of a file, from its name.
fn number(path: &Path) -> Option<u64> {
    named(path)?.strip_prefix("from-")?.strip_suffix(".safetensors")?.parse().ok()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, EvaluationError> {
    let failed = |source| EvaluationError::Io { path: folder.to_path_buf(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
}
