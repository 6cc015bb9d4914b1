//! Records of flatness, their file and their table.

use super::flatness_settings::flatness_kinds;
use super::folder::{Folder, Owner, replace_files};
use super::store::json;
use super::table::aligned;
use crate::files::read_text;
use crate::{DataCard, EvaluationError, ModelCard, Point};
use cni_attacks::Passes;
use cni_attacks::weights::WeightThreat;
use cni_noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The version of the layout of [`FlatnessRecords`].
pub const FLATNESS_SCHEMA: u32 = 1;

/// The robust losses at perturbed weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PerturbedLosses {
    /// The perturbations that are allowed.
    pub threat: WeightThreat,
    /// The runs of the attack that judges a perturbation, of which the worst image of an example
    /// counts.
    pub restarts: usize,
    /// The iterations of an ascent; absent if the perturbations are random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// The length of a step of the ascent, a share of each layer's norm; absent likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// The loss of each attempt, in nats.
    pub losses: Vec<f64>,
    /// The mean of the losses.
    pub mean: f64,
    /// The standard deviation of the losses (by n − 1); absent for a single one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// The standard error of the mean; absent likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// The flatness: the mean loss, or in the worst case the largest, above the loss of the weights
    /// themselves. The larger, the sharper.
    pub flatness: f64,
}

impl PerturbedLosses {
    pub(crate) fn new(
        threat: WeightThreat,
        restarts: usize,
        losses: Vec<f64>,
        flatness: f64,
    ) -> Self {
        let n = losses.len() as f64;
        let mean = losses.iter().sum::<f64>() / n;
        let squares = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>();
        let sd = (losses.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        let standard_error = sd.map(|sd| sd / n.sqrt());
        let (steps, step) = (None, None);
        Self { threat, restarts, steps, step, losses, mean, sd, standard_error, flatness }
    }
}

/// The robust loss along a straight line through the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LandscapeCurve {
    /// True if the line is along the perturbation of the worst case, false for a random one.
    pub adversarial: bool,
    /// The length of the direction, a share of each layer's norm.
    pub length: f64,
    /// The losses, from −1 to 1 times the direction.
    pub points: Vec<Point>,
}

/// The record of the flatness of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlatnessRecord {
    /// The version of this library.
    pub version: String,
    /// The card of the data.
    pub data: DataCard,
    /// The card of the model.
    pub model: ModelCard,
    /// The command that made the record; empty if none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// The number of examples.
    pub examples: usize,
    /// The attack on the images, with all its settings.
    pub attack: serde_json::Value,
    /// The name of the attack.
    pub attack_name: String,
    /// True if the model has noise.
    pub stochastic: bool,
    /// The draws of the noise that judge each image, the same for all perturbations. One for a
    /// model without noise.
    pub draws: usize,
    /// The key from which all other keys derive.
    pub key: Key,
    /// The paths of the tensors that were perturbed.
    pub layers: Vec<String>,
    /// The runs of the attack on the weights themselves.
    pub reference_restarts: usize,
    /// The robust loss of the weights themselves, in nats.
    pub reference: f64,
    /// The average flatness; absent if it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<PerturbedLosses>,
    /// The worst-case flatness; absent likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<PerturbedLosses>,
    /// The landscape; empty if none was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub landscape: Vec<LandscapeCurve>,
    /// The cost, in passes of single images.
    pub passes: Passes,
    /// The time in seconds.
    pub seconds: f64,
}

/// Records of several models side by side: the file `flatness.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlatnessRecords {
    /// The version of the layout, [`FLATNESS_SCHEMA`].
    pub schema: u32,
    /// The records, one for each model.
    pub records: Vec<FlatnessRecord>,
}

impl FlatnessRecords {
    /// The name of the file.
    pub const FILE: &'static str = "flatness.json";

    /// These records, in this order.
    pub fn new(records: Vec<FlatnessRecord>) -> Self {
        Self { schema: FLATNESS_SCHEMA, records }
    }

    /// The content of the file.
    pub fn bytes(&self) -> Vec<u8> {
        json(self)
    }

    /// Saves the records as `flatness.json` in a folder, which is made if it is missing. A file of
    /// earlier records there, and a page of them, is replaced; a kill leaves either the old file or
    /// the new one, and never a part.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Io`] if the file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), EvaluationError> {
        let files = vec![(Self::FILE.to_string(), self.bytes())];
        replace_files(folder.as_ref(), Owner::Flatness, files)
    }

    /// Reads the records in a folder.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Io`] if the file cannot be read, [`EvaluationError::Checksum`] if it has
    /// changed since it was written, [`EvaluationError::Schema`] for a later version of the layout,
    /// and [`EvaluationError::Damaged`] if it holds no records.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self, EvaluationError> {
        let path = folder.as_ref().join(Self::FILE);
        let damaged =
            |line, reason: String| EvaluationError::Damaged { path: path.clone(), line, reason };
        let text = match Folder::open(folder.as_ref())?.read(Self::FILE)? {
            Some(bytes) => {
                String::from_utf8(bytes).map_err(|error| damaged(None, error.to_string()))?
            }
            None => read_text(&path)?,
        };
        let records: Self = serde_json::from_str(&text)
            .map_err(|error| damaged(Some(error.line()), error.to_string()))?;
        match records.schema {
            1..=FLATNESS_SCHEMA => Ok(records),
            got => Err(EvaluationError::Schema { path, got }),
        }
    }
}

/// A table of the flatness of models, a row for each, with losses in nats: the robust loss of the
/// weights, and the average and worst-case flatness with their radii. The larger, the sharper.
///
/// Measurements of different [kinds](flatness_kinds) stand in tables of their own, one under the
/// other.
pub fn flatness_table(records: &[FlatnessRecord]) -> String {
    let kinds = flatness_kinds(records).into_iter();
    let tables = kinds.map(|kind| {
        let kind = kind.into_iter().map(|place| &records[place]);
        table_of(&kind.collect::<Vec<_>>())
    });
    tables.collect::<Vec<_>>().join("\n")
}

/// The table of records of one kind.
fn table_of(records: &[&FlatnessRecord]) -> String {
    type Part = fn(&FlatnessRecord) -> Option<&PerturbedLosses>;
    let heading = |name: &str, of: Part| {
        let threat = records.iter().find_map(|record| of(record).map(|losses| losses.threat));
        threat.map(|threat| format!("{name} (xi {}, {}, n)", threat.radius(), threat.region()))
    };
    let parts: [(&str, Part); 2] = [
        ("average", |record| record.average.as_ref()),
        ("worst case", |record| record.worst.as_ref()),
    ];
    let shown = parts.iter().filter_map(|(name, of)| Some((heading(name, *of)?, *of)));
    let shown: Vec<_> = shown.collect();
    let mut lines = vec![vec!["model".to_string(), "robust loss".to_string()]];
    lines[0].extend(shown.iter().map(|(heading, _)| heading.clone()));
    for record in records {
        let name = if record.model.name.is_empty() { "model" } else { &record.model.name };
        let mut line = vec![name.to_string(), format!("{:.4}", record.reference)];
        line.extend(shown.iter().map(|(_, of)| match of(record) {
            None => "-".to_string(),
            Some(losses) => {
                let n = losses.losses.len();
                // The error of a mean; a largest value has none.
                let error = losses.standard_error.filter(|_| losses.steps.is_none());
                let error = error.map_or(String::new(), |error| format!(" ± {error:.4}"));
                format!("{:.4}{error} ({n})", losses.flatness)
            }
        }));
        lines.push(line);
    }
    aligned(&lines)
}
