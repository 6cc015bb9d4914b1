//! An objective of one's own, with a score.

use crate::support::linear_net::{Net, config, run};
use crate::support::numbers;
use burn::tensor::activation::log_softmax;
use cni_training::{Losses, ObjectiveRule, Step, StepError, Trained, TrainingConfig};
use serde_json::{Value, json};

/// Cross-entropy against labels of which a share is spread over all classes.
struct LabelSmoothing(f64);

impl ObjectiveRule for LabelSmoothing {
    fn spec(&self) -> Value {
        json!({ "objective": "label_smoothing", "smoothing": self.0 })
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        let logits = step.logits("clean", step.batch().images.clone());
        let log = log_softmax(logits.clone(), 1);
        let uniform = -log.clone().mean_dim(1).squeeze_dim::<1>(1);
        let confidence = log.inner().exp().max_dim(1).squeeze_dim::<1>(1);
        let hits = step.hits(logits.clone());
        let loss = step.cross_entropy(logits).mul_scalar(1.0 - self.0) + uniform.mul_scalar(self.0);
        Ok(Losses::new(loss).with_score("clean", hits).with_score("confidence", confidence))
    }

    fn scores(&self) -> Vec<String> {
        vec!["confidence".into()]
    }
}

#[test]
fn a_custom_objective_trains_and_reports_its_scores() {
    let smoothed =
        run(TrainingConfig { objective: LabelSmoothing(0.5).into(), ..config() }).unwrap();
    let plain = run(TrainingConfig { objective: LabelSmoothing(0.0).into(), ..config() }).unwrap();
    let clean = run(config()).unwrap();
    // Without smoothing it is the clean objective.
    assert_eq!(numbers(&plain.model), numbers(&clean.model));
    let confidence = |run: &Trained<Net>| run.history[2].train.more["confidence"];
    assert!(confidence(&smoothed) < confidence(&plain));
    assert!(smoothed.history[2].train.loss < smoothed.history[0].train.loss);
}
