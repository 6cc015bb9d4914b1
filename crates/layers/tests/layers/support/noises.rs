//! The weight noises that every promise is tested with.

use cni_layers::WeightNoise;
use cni_noise::laws::TensorShape;
use cni_noise::{NoiseKind, NoiseScale};

/// Every law at every scale that it has.
pub fn every_noise() -> Vec<WeightNoise> {
    let shape = TensorShape::new(&[4, 3, 3, 3], 0);
    let scales = [NoiseScale::Reference, NoiseScale::Relative, NoiseScale::Absolute];
    let of = |law: NoiseKind| {
        let has = scales.into_iter().filter(|scale| law.validate(*scale, &shape).is_ok());
        has.map(|scale| WeightNoise::new(law.clone()).with_scale(scale)).collect::<Vec<_>>()
    };
    NoiseKind::all(&shape).into_iter().flat_map(of).collect()
}
