//! Update rules of one's own, and groups of parameters.

use crate::support::linear_net::{Net, config, data, resumed, run, trainer};
use crate::support::{distance, numbers};
use cni_training::{
    ParameterGroup, ParameterValues, RuleState, Sgd, StepError, StepInfo, TrainingConfig, Update,
    UpdateRule, parameter_ids,
};
use serde_json::{Value, json};

#[test]
fn an_update_rule_changes_the_weights_after_every_step() {
    /// Keeps the weights of the first layer at most as large as at first, and counts.
    struct Shrink;
    impl UpdateRule for Shrink {
        fn spec(&self) -> Value {
            json!({ "update": "shrink" })
        }
        fn after(
            &self,
            weights: ParameterValues,
            _info: &StepInfo,
            state: &mut RuleState,
        ) -> Result<ParameterValues, StepError> {
            let steps = state.number("steps").unwrap_or(0.0) + 1.0;
            state.set_number("steps", steps);
            let first = weights.filter(|parameter| parameter.path.starts_with("hidden"));
            Ok(first.map(|_, weight| weight.mul_scalar(1.0 - 0.01 * steps)))
        }
    }
    let updates = || vec![Shrink.into(), Update::clamp("vectors", -0.01, 0.01)];
    let config = || TrainingConfig { updates: updates(), ..config() };
    let whole = run(config()).unwrap();
    let bias = |model: &Net| -> f32 {
        let bias = model.out.bias.as_ref().unwrap().val();
        bias.abs().max().into_scalar()
    };
    assert_eq!(bias(&whole.model), 0.01);
    assert!(bias(&run(self::config()).unwrap().model) > 0.01);
    // The count of the first rule, which decides how far it shrinks, comes back with the run.
    assert_eq!(numbers(&resumed(config).model), numbers(&whole.model));
    let unknown = TrainingConfig { updates: vec![Update::clamp("none", -1.0, 1.0)], ..config() };
    let error = run(unknown).unwrap_err().to_string();
    assert!(
        error.contains("group: got none, with the groups amplitudes, noise, vectors, weights"),
        "{error}"
    );
}

#[test]
fn groups_have_optimizers_and_rates_of_their_own() {
    let train = |settings: ParameterGroup| {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainingConfig { groups: vec![settings], ..config() };
        let trainer = trainer(config, folder.path());
        let trainer = trainer.with_group("first", |net: &Net| parameter_ids(&net.hidden)).unwrap();
        trainer.run(Net::new(), Net::forward, data().0)
    };
    let still = train(ParameterGroup::new("first").with_lr_scale(0.0)).unwrap().model;
    let hidden = |net: &Net| numbers(&net.hidden);
    assert_eq!(hidden(&still), hidden(&Net::new()));
    assert!(distance(&still, &Net::new()) > 0.01);
    // The settings of the run, as a group of its own.
    let sgd = Sgd { momentum: 0.9, nesterov: true, weight_decay: 5e-4, ..Sgd::default() };
    let same = train(ParameterGroup::new("first").with_optimizer(sgd.clone())).unwrap().model;
    assert_eq!(numbers(&same), numbers(&run(config()).unwrap().model));
    let heavy = Sgd { weight_decay: 0.5, ..sgd };
    let heavy = train(ParameterGroup::new("first").with_optimizer(heavy)).unwrap().model;
    let size = |net: &Net| hidden(net).iter().map(|v| v * v).sum::<f32>();
    assert!(size(&heavy) < 0.9 * size(&same));
    let error = train(ParameterGroup::new("second").with_lr_scale(2.0)).unwrap_err().to_string();
    assert!(
        error.contains("group: got second, with the groups amplitudes, first, noise"),
        "{error}"
    );
}
