//! Checks: the results of an audit as plain data.

use cni_attacks::Passes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The verdict of a check; a graver verdict is greater.
///
/// A check that found nothing has passed only if it could have seen what its rule names. If it
/// could not, for lack of examples, it is inconclusive: no evidence for the model and none against
/// it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The check does not apply, such as a sweep over draws for a model without noise.
    Skipped,
    /// Nothing was found, and the check could have seen it.
    Pass,
    /// Nothing was found, but the check could have missed what its rule names.
    Inconclusive,
    /// The numbers may overstate the robustness of the model.
    Warn,
    /// The numbers cannot be trusted.
    Fail,
}

impl Verdict {
    /// All verdicts, the gravest first.
    pub const GRAVEST_FIRST: [Self; 5] =
        [Self::Fail, Self::Warn, Self::Inconclusive, Self::Pass, Self::Skipped];
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Skipped => "skipped",
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// A check: what it measured, its verdict, and what its reader should do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The name of the check in lower case with hyphens, such as `epsilon-sweep`.
    pub name: String,
    /// The verdict of the check.
    pub verdict: Verdict,
    /// The measurement, as a sentence with its numbers.
    pub measured: String,
    /// The numbers behind the verdict, by name.
    pub values: BTreeMap<String, f64>,
    /// The smallest difference, or share of the images, that the check could have told from chance,
    /// as a fraction. Absent if the rule names no difference, and in records before version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectable: Option<f64>,
    /// The upper confidence limit of the difference, as a fraction. Present if the check passes
    /// because this limit is within the bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// The difference, or share, that the rule names and that a check must be able to see in order
    /// to pass, as a fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// The number of examples with which an inconclusive check could see its bound, estimated from
    /// its measurement. Absent if more examples alone would not help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<usize>,
    /// The rule: when the check warns or fails.
    pub raised_if: String,
    /// The advice for a check that warns or fails.
    pub advice: String,
    /// The figure of the measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<Figure>,
    /// The number of examples that it used.
    pub examples: usize,
    /// The cost, in passes of single images.
    pub passes: Passes,
    /// The time in seconds.
    pub seconds: f64,
}

/// A figure of a check or a record. All numbers are finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Figure {
    /// One or several curves over a common axis.
    Curves {
        /// The horizontal axis.
        x: Axis,
        /// The vertical axis.
        y: Axis,
        /// The curves.
        curves: Vec<Curve>,
    },
    /// A function of two variables.
    Surface {
        /// The horizontal axis.
        x: Axis,
        /// The vertical axis.
        y: Axis,
        /// The axis of the values, which are shown by color.
        z: Axis,
        /// The places along the horizontal axis, ascending.
        xs: Vec<f64>,
        /// The places along the vertical axis, ascending.
        ys: Vec<f64>,
        /// The values: a row for each of `ys` with a value for each of `xs`.
        values: Vec<Vec<f64>>,
    },
}

/// An axis of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Axis {
    /// The label: what is measured, with its unit.
    pub label: String,
    /// True if the axis is logarithmic. A zero then has a place of its own at the left end.
    #[serde(default)]
    pub logarithmic: bool,
}

/// A curve of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Curve {
    /// The name of the curve.
    pub name: String,
    /// The points of the curve, by ascending `x`.
    pub points: Vec<Point>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// The place on the horizontal axis.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// The lower end of its interval, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The upper end of its interval, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}
