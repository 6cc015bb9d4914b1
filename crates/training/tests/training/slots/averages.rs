//! The average of a run, which is validated, saved and resumed.

use crate::support::linear_net::{Net, config, data, resumed, run, trainer};
use crate::support::numbers;
use burn::tensor::Device;
use cni_data::Loader;
use cni_noise::Key;
use cni_training::{
    Average, CheckpointSelector, ParameterValues, RuleState, StepError, StepInfo, TrainingConfig,
    UpdateRule, load_checkpoint,
};
use serde_json::{Value, json};

/// The weights after each step, from the definition: 0.75 of the average before.
#[test]
fn an_average_is_validated_saved_and_resumed() {
    let config = || TrainingConfig { average: Some(Average::ema(0.75)), ..config() };
    let folder = tempfile::tempdir().unwrap();
    let whole = trainer(config(), folder.path()).run(Net::new(), Net::forward, data().0).unwrap();
    // A custom rule records the model after each step.
    struct Record(std::sync::Arc<std::sync::Mutex<Vec<Vec<f32>>>>);
    impl UpdateRule for Record {
        fn spec(&self) -> Value {
            json!({ "update": "record" })
        }
        fn after(
            &self,
            weights: ParameterValues,
            _info: &StepInfo,
            _state: &mut RuleState,
        ) -> Result<ParameterValues, StepError> {
            let all = weights.iter().map(|(_, weight)| weight.try_to_vec_as::<f32>().unwrap());
            self.0.lock().unwrap().push(all.flatten().collect());
            Ok(ParameterValues::default())
        }
    }
    let steps = std::sync::Arc::default();
    let recorded = TrainingConfig {
        updates: vec![Record(std::sync::Arc::clone(&steps)).into()],
        ..self::config()
    };
    let plain = run(recorded).unwrap();
    let steps = steps.lock().unwrap();
    assert_eq!((steps.len(), &steps[8]), (9, &numbers(&plain.model)));
    let mut average = steps[0].clone();
    for step in &steps[1..] {
        average
            .iter_mut()
            .zip(step)
            .for_each(|(average, step)| *average += 0.25 * (step - *average));
    }
    let got = numbers(&whole.model);
    let off = got.iter().zip(&average).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 1e-6, "{off}");
    // What is loaded is what was validated.
    let (loaded, epoch) =
        load_checkpoint(Net::new(), folder.path(), CheckpointSelector::Last).unwrap();
    assert_eq!((numbers(&loaded), epoch), (got, 3));
    let loader = Loader::validation(data().1, 64, Key::new(0), &Device::flex()).unwrap();
    let batch = loader.epoch(0).next().unwrap().unwrap();
    let hits = loaded.forward(batch.images).argmax(1).squeeze_dim::<1>(1).equal(batch.labels);
    let accuracy: f64 = hits.float().mean().into_scalar();
    assert!((whole.history[2].validation.clean.unwrap() - accuracy).abs() < 1e-6);
    let again = resumed(config);
    assert_eq!(numbers(&again.model), numbers(&whole.model));
    assert_eq!(again.history, whole.history);
}
