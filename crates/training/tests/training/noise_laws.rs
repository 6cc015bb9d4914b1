//! A checkpoint and the laws of its model's noise: the weights replace what a law starts from, and
//! nothing else of it.

use crate::support::conv_net::{Net, Settings, config, run};
use crate::support::numbers;
use burn::tensor::Tensor;
use cni_layers::{ActivationNoiseConfig, Granularity};
use cni_noise::NoiseScale;
use cni_noise::laws::{
    Covariance, Draws, HostParameters, LawError, LawParameters, Multiplicative, NoiseKind,
    NoiseLaw, NoiseParameters, Rows, TensorShape, VectorSpec,
};
use cni_training::{CheckpointFault, CheckpointSelector, TrainingError, load_checkpoint};
use serde_json::{Value, json};

/// Noise `g β ⊙ e` with a gain `g` that is not trained: a law of one's own.
#[derive(Debug)]
struct Amplified {
    /// Initial β.
    beta: f64,
    gain: f64,
}

impl NoiseLaw for Amplified {
    fn name(&self) -> String {
        "amplified".to_string()
    }

    fn spec(&self) -> Value {
        json!({ "amplified": { "beta": self.beta, "gain": self.gain } })
    }

    fn parameters(&self, _: &TensorShape) -> LawParameters {
        let beta = VectorSpec { name: "beta", len: 1, initial: self.beta };
        LawParameters { vectors: vec![beta], factor: None }
    }

    fn check(&self, _: NoiseScale, _: &TensorShape) -> Result<(), LawError> {
        Ok(())
    }

    fn noise(&self, parameters: &NoiseParameters, _: &Rows, draws: Draws) -> Tensor<2> {
        let ([beta], [e]) = (parameters.vectors(), draws.streams());
        e * parameters.spread(beta) * self.gain
    }

    fn covariance(&self, parameters: &HostParameters, _: f64, _: Option<&[f64]>) -> Covariance {
        let variance = self.amplitude(parameters).powi(2);
        Covariance::independent(vec![variance; parameters.shape.elements()])
    }

    fn amplitude(&self, parameters: &HostParameters) -> f64 {
        let [beta] = parameters.vectors();
        (self.gain * beta[0]).abs()
    }
}

fn settings(law: impl Into<NoiseKind>) -> Settings {
    Settings { activation: ActivationNoiseConfig::new(law), ..Settings::default() }
}

/// A checkpoint of a model with the first law goes into models with the second, and not into those
/// with the third.
fn assert_loads(law: NoiseKind, same: NoiseKind, other: NoiseKind, different: &str) {
    let folder = tempfile::tempdir().unwrap();
    let trained = run(config(1), folder.path(), &settings(law), false).unwrap();
    let load = |law: NoiseKind| {
        let net = Net::new(&settings(law));
        load_checkpoint(net, folder.path(), CheckpointSelector::Last)
    };
    assert_eq!(numbers(&load(same.clone()).unwrap().0), numbers(&trained.model));
    let error = load(other.clone()).unwrap_err();
    let text = error.to_string();
    let TrainingError::Checkpoint { fault, .. } = error else { panic!("{text}") };
    assert!(matches!(fault, CheckpointFault::Model(_)) && text.contains(different), "{text}");
    // A run begins with what its law starts from, so that it goes on with the same alone.
    for law in [same, other] {
        let error = run(config(1), folder.path(), &settings(law), true).unwrap_err();
        assert!(matches!(error, TrainingError::OtherRun { .. }), "{error}");
    }
}

#[test]
fn initial_values_of_ctrw_are_no_difference_and_its_floor_is_one() {
    let law = Multiplicative::new(Granularity::Element, 0.25);
    let same = Multiplicative { mean: 0.9, excess: 0.1, ..law };
    let other = Multiplicative { floor: 0.3, ..law };
    let different = "law/multiplicative/floor was 0.25, is 0.3";
    assert_loads(law.into(), same.into(), other.into(), different);
}

#[test]
fn initial_values_of_a_custom_law_are_no_difference_and_its_other_settings_are_one() {
    let law = |beta, gain| NoiseKind::from(Amplified { beta, gain });
    let different = "law/amplified/gain was 1.0, is 2.0";
    assert_loads(law(0.1, 1.0), law(0.2, 1.0), law(0.1, 2.0), different);
}

#[test]
fn a_custom_law_is_not_taken_for_another_one() {
    let white = cni_noise::laws::White::new(Granularity::Layer);
    let custom = || NoiseKind::from(Amplified { beta: 0.1, gain: 1.0 });
    let same = Amplified { beta: 0.3, gain: 1.0 };
    assert_loads(custom(), same.into(), white.into(), "noise.spec/law/");
}
