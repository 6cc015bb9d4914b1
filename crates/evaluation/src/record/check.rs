//! A check of an evaluation's honesty, as a value.

use cni_attacks::Passes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a check found, the graver the greater.
///
/// A check that found nothing has passed only if it would have seen what its rule names. One that
/// could not have seen it, for lack of examples, is inconclusive: it is no evidence, neither for
/// the model nor against it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The check has no meaning here, such as a sweep over draws of a model without noise.
    Skipped,
    /// Nothing to object to, though the check would have seen it.
    Pass,
    /// Nothing was found, but what the rule names could have been missed.
    Inconclusive,
    /// The numbers may flatter the model.
    Warn,
    /// The numbers are not to be trusted.
    Fail,
}

impl Verdict {
    /// Every verdict, the gravest first.
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

/// One check: what it measured, what follows, and what its reader should do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Its name, in lower case with hyphens, such as `epsilon-sweep`.
    pub name: String,
    /// What was found.
    pub verdict: Verdict,
    /// What was measured, in a sentence with its numbers.
    pub measured: String,
    /// The numbers behind the verdict, by name.
    pub values: BTreeMap<String, f64>,
    /// The smallest difference, or share of the images, that the check could have told from chance,
    /// a fraction. Absent where the rule names no difference, and in records before version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectable: Option<f64>,
    /// The most that an upper confidence limit leaves to be seen, a fraction, of a check that
    /// passes because that is no more than its bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// The difference, or share, that its rule names and that a check must be able to see to pass,
    /// a fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// Of an inconclusive check the examples that it would need to see its bound, by what it has
    /// measured. Absent where examples alone would not do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<usize>,
    /// When the check warns or fails.
    pub raised_if: String,
    /// What to do where it does.
    pub advice: String,
    /// What there is to see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<Figure>,
    /// Examples that it used.
    pub examples: usize,
    /// What it cost, in passes of single images.
    pub passes: Passes,
    /// Seconds that it took.
    pub seconds: f64,
}

/// What a check, or a record, has to show. All numbers are finite.
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
        /// What is shown by color.
        z: Axis,
        /// The places along the horizontal axis, ascending.
        xs: Vec<f64>,
        /// The places along the vertical axis, ascending.
        ys: Vec<f64>,
        /// A row of values for each of `ys`, in it one for each of `xs`.
        values: Vec<Vec<f64>>,
    },
}

/// An axis of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Axis {
    /// What is measured, with its unit.
    pub label: String,
    /// Whether equal ratios lie equally far apart. A zero then has a place of its own at the left.
    #[serde(default)]
    pub logarithmic: bool,
}

/// A curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Curve {
    /// What it shows.
    pub name: String,
    /// Its points, by ascending `x`.
    pub points: Vec<Point>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Its place.
    pub x: f64,
    /// Its value.
    pub y: f64,
    /// Lower end of its interval, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end of its interval, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}
