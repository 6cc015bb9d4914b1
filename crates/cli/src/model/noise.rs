//! The flags of a model's noise.

use super::DENSE_NET;
use crate::given::Idle;
use crate::values::named;
use clap::{Args, ValueEnum};
use cni_burn::noise::laws::{Colored, White};
use cni_burn::prelude::{ActivationNoiseConfig, Granularity, ModelNoise, NoiseScale, WeightNoise};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The noise of a model by the names of its papers.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// No noise.
    None,
    /// White noise.
    Pni,
    /// Colored noise.
    Cni,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A place of noise in a model.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Weights of all layers.
    Weights,
    /// Inputs of the convolutions: PNI's A-b.
    Inputs,
    /// Outputs of the convolutions: PNI's A-a.
    Outputs,
    /// The normalized image.
    Image,
}

/// The flags of a model's noise.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseFlags {
    /// The noise law.
    // Dense networks have none.
    #[arg(
        long, value_enum, default_value_t = Kind::Cni,
        default_value_if("family", DENSE_NET, "none")
    )]
    pub noise: Kind,
    /// Places of the noise; several may be given, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "weights")]
    pub place: Vec<Place>,
    /// Rank of CNI's noise.
    #[arg(long, default_value_t = 5)]
    pub rank: usize,
    /// Size of the noise beside that of the weights: `reference` is the authors', `relative`
    /// starts milder and suits short runs, `absolute` does not follow them.
    #[arg(long, default_value_t = NoiseScale::Reference, value_parser = named(NoiseScale::ALL))]
    #[serde(default, alias = "convention")]
    pub scale: NoiseScale,
    /// Group of elements that share an amplitude of PNI's noise.
    #[arg(long, default_value_t = Granularity::Layer, value_parser = named(Granularity::ALL))]
    pub granularity: Granularity,
}

impl NoiseFlags {
    /// The flags of a model without noise; the others have their defaults.
    pub fn none() -> Self {
        Self {
            noise: Kind::None,
            place: vec![Place::Weights],
            rank: 5,
            scale: NoiseScale::Reference,
            granularity: Granularity::Layer,
        }
    }

    /// The noise that the flags describe.
    pub fn model_noise(&self) -> ModelNoise {
        let (weights, activations) = match self.noise {
            Kind::None => return ModelNoise::none(),
            Kind::Pni => {
                (ModelNoise::pni(self.granularity), ActivationNoiseConfig::white(self.granularity))
            }
            Kind::Cni => (ModelNoise::cni(self.rank), ActivationNoiseConfig::colored(self.rank)),
        };
        let has = |place| self.place.contains(&place);
        let mut noise = if has(Place::Weights) { weights } else { ModelNoise::none() };
        for (place, slot) in [
            (Place::Inputs, &mut noise.conv_input),
            (Place::Outputs, &mut noise.conv_output),
            (Place::Image, &mut noise.input),
        ] {
            *slot = has(place).then(|| activations.clone());
        }
        noise.with_scale(self.scale)
    }

    /// The flags that describe a noise, if there are such.
    pub fn of(noise: &ModelNoise) -> Option<Self> {
        let ModelNoise { input, weight, conv_input, conv_output, .. } = noise;
        let activations =
            [(Place::Inputs, conv_input), (Place::Outputs, conv_output), (Place::Image, input)];
        let activations = activations.iter().filter_map(|(place, at)| Some((*place, at.as_ref()?)));
        let places: Vec<Place> = weight
            .iter()
            .map(|_| Place::Weights)
            .chain(activations.clone().map(|(place, _)| place))
            .collect();
        let law = weight.as_ref().map(WeightNoise::law);
        let mut flags = Self::none();
        if !places.is_empty() {
            flags.place = places;
        }
        if let Some(law) = law.or(activations.clone().next().map(|(_, noise)| &noise.law)) {
            if let Some(White { granularity, .. }) = law.downcast_ref() {
                (flags.noise, flags.granularity) = (Kind::Pni, *granularity);
            } else if let Some(Colored { rank, .. }) = law.downcast_ref() {
                (flags.noise, flags.rank) = (Kind::Cni, *rank);
            } else {
                return None;
            }
        }
        let with = |&scale: &NoiseScale| Self { scale, ..flags.clone() };
        NoiseScale::ALL.iter().map(with).find(|flags| flags.model_noise() == *noise)
    }

    /// Flags that the others leave without effect.
    pub fn idle(&self) -> [Idle<'static>; 3] {
        let idle = |when, flags, because| Idle { when, flags, because };
        [
            idle(
                self.noise == Kind::None,
                &["place", "rank", "scale", "granularity"],
                "--noise none has nothing to set",
            ),
            idle(self.noise == Kind::Pni, &["rank"], "--noise pni is white"),
            idle(
                self.noise == Kind::Cni,
                &["granularity"],
                "--noise cni has an amplitude for each element",
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noise_has_the_flags_that_it_was_made_by() {
        let places = [Place::Weights, Place::Inputs, Place::Outputs, Place::Image];
        for noise in [Kind::Pni, Kind::Cni] {
            for &scale in NoiseScale::ALL {
                for mask in 1..16_usize {
                    let place = (0..4).filter(|i| mask >> i & 1 == 1).map(|i| places[i]).collect();
                    let flags = NoiseFlags {
                        noise,
                        place,
                        rank: if noise == Kind::Cni { 3 } else { 5 },
                        scale,
                        granularity: match noise {
                            Kind::Pni => Granularity::Channel,
                            _ => Granularity::Layer,
                        },
                    };
                    assert_eq!(NoiseFlags::of(&flags.model_noise()), Some(flags));
                }
            }
        }
        let none = NoiseFlags::of(&ModelNoise::none()).unwrap();
        assert_eq!((none.noise, none.place), (Kind::None, vec![Place::Weights]));
    }

    #[test]
    fn a_noise_that_no_flags_describe_has_none() {
        let other = ModelNoise::pni(Granularity::Layer).with_classifier(WeightNoise::colored(2));
        assert_eq!(NoiseFlags::of(&other), None);
        let alpha = White { granularity: Granularity::Layer, alpha: 0.5 };
        let louder = ModelNoise::pni(Granularity::Layer).with_weight(WeightNoise::new(alpha));
        assert_eq!(NoiseFlags::of(&louder), None);
    }
}
