//! The weight noises that every promise is tested with.

use cni_layers::{Granularity, WeightNoise};
use cni_noise::Convention;

/// Every law in both conventions.
pub fn every_noise() -> Vec<WeightNoise> {
    let conventions = [Convention::Reference, Convention::Scaled];
    [
        WeightNoise::white(Granularity::Layer),
        WeightNoise::white(Granularity::Channel),
        WeightNoise::white(Granularity::Element),
        WeightNoise::colored(0),
        WeightNoise::colored(5),
    ]
    .into_iter()
    .flat_map(|noise| conventions.map(|convention| noise.clone().with_convention(convention)))
    .collect()
}
