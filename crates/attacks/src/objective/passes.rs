//! Counts of passes through a model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};

/// The cost of an attack, in passes of single images through the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Passes {
    /// Forward passes.
    pub forwards: u64,
    /// Backward passes.
    pub backwards: u64,
}

impl AddAssign for Passes {
    fn add_assign(&mut self, other: Self) {
        self.forwards += other.forwards;
        self.backwards += other.backwards;
    }
}

impl Add for Passes {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sub for Passes {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            forwards: self.forwards - other.forwards,
            backwards: self.backwards - other.backwards,
        }
    }
}

impl Mul<u64> for Passes {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self { forwards: times * self.forwards, backwards: times * self.backwards }
    }
}

impl Sum for Passes {
    fn sum<I: Iterator<Item = Self>>(passes: I) -> Self {
        passes.fold(Self::default(), Add::add)
    }
}
