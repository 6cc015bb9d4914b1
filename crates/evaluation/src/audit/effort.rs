//! The numbers behind an effort, in one table.

use crate::record::Effort;

/// The numbers of an effort.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// The difference of accuracies that the rules name, as a fraction.
    pub bound: f64,
    /// The largest number of examples of a check.
    pub examples: usize,
    /// The largest number of examples of a check of the model alone.
    pub some: usize,
    /// The smallest number of examples of a check, whatever its cost.
    pub fewest: usize,
    /// The number of examples on which a choice is made, or that a figure shows.
    pub few: usize,
    /// The budget of all checks together, in forward passes; a backward pass counts as two.
    pub budget: u64,
    /// The factor by which the budget is larger if the model has noise.
    pub noise: u64,
    /// The radii of the sweep in L∞, in 255ths.
    pub epsilons: &'static [f64],
    /// The radii of the sweep in other norms, as multiples of the threat's radius.
    pub multiples: &'static [f64],
    /// The largest multiple of the audited number of steps, restarts and draws.
    pub beyond: usize,
    /// The factor between the counts of a sweep below the audited number.
    pub fineness: usize,
    /// The step sizes of the sweep, as multiples of the audited one.
    pub step_sizes: &'static [f64],
    /// The number of draws that are held fixed, one after the other.
    pub held: usize,
    /// The number of replays of one draw, and of other draws compared with it.
    pub replays: usize,
    /// The number of single draws behind the reference of a mean gradient.
    pub reference: usize,
    /// The number of random directions of finite differences.
    pub directions: usize,
    /// The number of random points around each image.
    pub points: usize,
    /// The number of queries of the attack without gradients.
    pub queries: usize,
    /// The number of iterations of the stronger attacks.
    pub iterations: usize,
    /// The number of target classes of the stronger attacks.
    pub targets: usize,
    /// The number of places along each axis of a surface; odd, so that the image is one of them.
    pub grid: usize,
    /// The number of points of each kind around an image in the active test.
    pub cloud: usize,
}

impl Effort {
    pub(super) fn sizes(self) -> Sizes {
        match self {
            Self::Quick => Sizes {
                bound: 0.03,
                examples: 320,
                some: 64,
                fewest: 32,
                few: 16,
                budget: 600_000,
                noise: 3,
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
                bound: 0.02,
                examples: 640,
                some: 128,
                fewest: 64,
                few: 32,
                budget: 3_600_000,
                noise: 3,
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
                bound: 0.01,
                examples: 2_000,
                some: 512,
                fewest: 128,
                few: 64,
                budget: 24_000_000,
                noise: 3,
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
