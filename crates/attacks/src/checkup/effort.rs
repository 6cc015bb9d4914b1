//! How thorough a checkup is.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How much a checkup spends. Examples are the first of those given; checks that cost much take fewer of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// 16 to 64 examples, 8 where an attack takes means over draws; sweeps of a few points. Finds gross mistakes.
    #[default]
    Quick,
    /// 64 to 256 examples, 32 where an attack takes means over draws.
    Standard,
    /// 256 to 1000 examples, 128 where an attack takes means over draws; sweeps of many points, 10 000 random points.
    Thorough,
}

/// A text that names no effort.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("effort: got {0:?}, wanted quick, standard or thorough")]
pub struct ParseEffortError(String);

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Thorough => "thorough",
        })
    }
}

impl FromStr for Effort {
    type Err = ParseEffortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Quick, Self::Standard, Self::Thorough];
        let named = all.into_iter().find(|effort| effort.to_string() == text);
        named.ok_or_else(|| ParseEffortError(text.to_string()))
    }
}

/// The numbers behind an effort.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// The examples of a check that costs no more than its allowance,
    pub examples: usize,
    /// of one that costs however much, half as many where its attacks take means over draws,
    pub fewest: usize,
    /// and of one that only shows something.
    pub few: usize,
    /// What a check should cost in all, in forward passes; a backward pass counts as two.
    pub allowance: u64,
    /// Radii of the sweep in Linf, in 255ths.
    pub epsilons: &'static [f64],
    /// Radii of the sweep in other norms, in radii of the threat.
    pub multiples: &'static [f64],
    /// The last of the doublings past the audited number of steps, restarts and draws.
    pub beyond: usize,
    /// How finely a sweep goes below the audited number: by this factor.
    pub fineness: usize,
    /// Step sizes, in audited ones.
    pub step_sizes: &'static [f64],
    /// Draws that are held in turn.
    pub held: usize,
    /// Replays of one draw, and draws compared with it.
    pub replays: usize,
    /// Single draws behind the reference of a mean gradient.
    pub reference: usize,
    /// Random directions of finite differences.
    pub directions: usize,
    /// Random points around each image.
    pub points: usize,
    /// Queries of the attack without gradients.
    pub queries: usize,
    /// Iterations, and target classes, of the stronger attack.
    pub iterations: usize,
    /// Its target classes.
    pub targets: usize,
    /// Places along each axis of a surface; odd, so that the image is one of them.
    pub grid: usize,
    /// Points of each kind around an image of the active test.
    pub cloud: usize,
}

impl Effort {
    pub(super) fn sizes(self) -> Sizes {
        match self {
            Self::Quick => Sizes {
                examples: 64,
                fewest: 16,
                few: 8,
                allowance: 2_400,
                epsilons: &[2.0, 32.0, 255.0],
                multiples: &[0.25, 4.0],
                beyond: 2,
                fineness: 8,
                step_sizes: &[0.125, 8.0],
                held: 2,
                replays: 4,
                reference: 32,
                directions: 1,
                points: 64,
                queries: 100,
                iterations: 20,
                targets: 3,
                grid: 9,
                cloud: 32,
            },
            Self::Standard => Sizes {
                examples: 256,
                fewest: 64,
                few: 16,
                allowance: 24_000,
                epsilons: &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 255.0],
                multiples: &[0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0],
                beyond: 2,
                fineness: 4,
                step_sizes: &[0.125, 0.25, 0.5, 2.0, 4.0, 8.0],
                held: 4,
                replays: 8,
                reference: 128,
                directions: 3,
                points: 1_000,
                queries: 1_000,
                iterations: 50,
                targets: 5,
                grid: 15,
                cloud: 128,
            },
            Self::Thorough => Sizes {
                examples: 1_000,
                fewest: 256,
                few: 32,
                allowance: 400_000,
                epsilons: &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 255.0],
                multiples: &[0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0],
                beyond: 4,
                fineness: 2,
                step_sizes: &[0.125, 0.25, 0.5, 2.0, 4.0, 8.0],
                held: 8,
                replays: 8,
                reference: 256,
                directions: 5,
                points: 10_000,
                queries: 5_000,
                iterations: 100,
                targets: 9,
                grid: 25,
                cloud: 256,
            },
        }
    }
}
