//! The description of a model.

use crate::Session;
use crate::catalog::Data;
use cni_burn::layers::NoiseEntry;
use cni_burn::prelude::{NoiseSummary, count_parameters};
use serde::Serialize;

/// A model as the page shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// The name of the weights.
    pub name: &'static str,
    /// The model in a word or two.
    pub title: &'static str,
    /// The model and its training, as a sentence.
    pub about: &'static str,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// Channels of an image.
    pub channels: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Learnable parameters, those of noise included.
    pub parameters: usize,
    /// Parameters of noise among them.
    pub noise_parameters: usize,
    /// True if its predictions differ from draw to draw.
    pub stochastic: bool,
    /// The radius in L∞ that its record judges it at.
    pub epsilon: f64,
    /// The layers with noise.
    pub layers: Vec<Layer>,
    /// The embedded images.
    pub images: Vec<Example>,
}

/// A layer with noise.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// The path of the noisy weight.
    pub name: String,
    /// The law, such as `white` or `colored, rank 5`.
    pub law: String,
    /// Parameters of its noise.
    pub parameters: usize,
}

/// An embedded image.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// The number of its class.
    pub label: usize,
    /// Its number on the page and the name of its class, as a caption.
    pub name: String,
}

impl Session {
    /// The description of the model.
    pub fn describe(&self) -> Description {
        let noise = NoiseSummary::of(&self.learned.model);
        let [channels, height, width] = self.shape();
        let classes = self.learned.classes.clone();
        let example = |i| {
            let label = self.examples.label(i).expect("the image is embedded");
            let kind = match self.entry.data {
                Data::Digits => "test image",
                Data::Cifar10 => "drawn picture",
            };
            Example { label, name: format!("{kind} {}: {}", i + 1, classes[label]) }
        };
        let layer = |entry: &NoiseEntry| Layer {
            name: entry.path.clone(),
            law: entry.law.clone(),
            parameters: entry.parameters,
        };
        Description {
            name: self.entry.name,
            title: self.entry.title,
            about: self.entry.about,
            channels,
            height,
            width,
            parameters: count_parameters(&self.learned.model),
            noise_parameters: noise.parameters(),
            stochastic: self.is_stochastic(),
            epsilon: self.entry.epsilon,
            layers: noise.entries().iter().map(layer).collect(),
            images: (0..self.examples.len()).map(example).collect(),
            classes,
        }
    }
}
