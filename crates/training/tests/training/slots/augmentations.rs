//! Augmentations of one's own and policies, also on mixed batches.

use crate::support::linear_net::{config, resumed, run};
use crate::support::numbers;
use cni_data::{Augmentation, AugmentationRule, DataError, Sampler};
use cni_noise::{Key, host_uniform};
use cni_training::TrainingConfig;
use serde_json::{Value, json};

/// Scales all pixels of an image by a random factor in [0, `most`).
struct Scale {
    most: f32,
}

impl AugmentationRule for Scale {
    fn spec(&self) -> Value {
        json!({ "augmentation": "scale", "most": self.most })
    }

    fn check(&self, [channels, ..]: [usize; 3]) -> Result<(), DataError> {
        match channels {
            1 => Ok(()),
            _ => Err(DataError::setting("channels", channels, 1)),
        }
    }

    fn apply(&self, key: Key, _shape: [usize; 3], image: &mut [f32]) {
        let factor = self.most * host_uniform(key, 0..1)[0];
        image.iter_mut().for_each(|pixel| *pixel *= factor);
    }
}

#[test]
fn custom_augmentations_follow_built_in_ones_and_resume_exactly() {
    let with = |augment| TrainingConfig { augment, ..config() };
    let scaled = || with(vec![Augmentation::crop(1), Scale { most: 1.0 }.into()]);
    let whole = run(scaled()).unwrap();
    assert_eq!(numbers(&resumed(scaled).model), numbers(&whole.model));
    let cropped = run(with(vec![Augmentation::crop(1)])).unwrap();
    assert_ne!(numbers(&cropped.model), numbers(&whole.model));
    let error = run(with(vec![Scale { most: 90.0 }.into()])).unwrap_err().to_string();
    assert!(error.contains("augmentation scale: pixel "), "{error}");
}

#[test]
fn policies_on_mixed_batches_resume_exactly() {
    // Three steps of 32 labelled examples and as many of the 96 behind them.
    let mixed = || TrainingConfig {
        augment: vec![Augmentation::auto_augment(), Augmentation::trivial_augment()],
        sampler: Sampler::mixture(96),
        ..config()
    };
    let whole = run(mixed()).unwrap();
    assert_eq!(numbers(&resumed(mixed).model), numbers(&whole.model));
    let plain = run(TrainingConfig { augment: Vec::new(), ..mixed() }).unwrap();
    assert_ne!(numbers(&plain.model), numbers(&whole.model));
    let error = run(TrainingConfig { sampler: Sampler::mixture(192), ..config() }).unwrap_err();
    let says = "sampler mixture: extra: got 192, wanted 1..192";
    assert!(error.to_string().contains(says), "{error}");
}
