//! The threat that a model is judged within.

use crate::output::Output;
use cni_burn::attacks::Norm;
use cni_burn::prelude::Threat;
use serde_json::Value;
use std::error::Error;

/// The radius in L∞ to judge a model by: what was asked for, else that of its training, else
/// 8/255.
pub fn epsilon_for(asked: Option<f64>, trained: Option<Threat>) -> f64 {
    let of_training = trained.filter(|threat| threat.norm() == Norm::Linf);
    asked.unwrap_or(of_training.map_or(8.0 / 255.0, |threat| threat.epsilon()))
}

/// The threat in L∞ to judge a model by, of [`epsilon_for`]. Says so if its training was against
/// another norm, and no radius was asked for.
pub fn threat_for(
    asked: Option<f64>,
    trained: Option<Threat>,
    output: Output,
) -> Result<Threat, Box<dyn Error>> {
    let threat = Threat::linf(epsilon_for(asked, trained))?;
    if let (None, Some(trained)) = (asked, trained)
        && trained.norm() != Norm::Linf
    {
        output.say(format_args!("judged within {threat}; the training was against {trained}"))?;
    }
    Ok(threat)
}

/// The threat that a run was trained against, if it was: that of the attack that chose its best
/// epoch, since a training attack may reach beyond it, as N-FGSM's does.
pub fn trained_against(run: &Value) -> Option<Threat> {
    let of = |attack: &str| run.pointer(&format!("/config/{attack}/threat"));
    // Free adversarial training has a threat without an attack of its own.
    let trained = of("objective/attack").or_else(|| of("objective"))?;
    serde_json::from_value(of("validation_attack").unwrap_or(trained).clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_threat_of_a_training_is_that_which_chose_its_epoch() {
        let linf = |epsilon: f64| json!({ "threat": { "norm": "linf", "epsilon": epsilon } });
        let of = |config: Value| {
            trained_against(&json!({ "config": config })).map(|threat| threat.epsilon())
        };
        assert_eq!(of(json!({ "objective": { "attack": linf(0.3) } })), Some(0.3));
        let both = json!({ "objective": { "attack": linf(0.3) }, "validation_attack": linf(0.1) });
        assert_eq!(of(both), Some(0.1));
        // Free adversarial training has no attack of its own.
        assert_eq!(of(json!({ "objective": linf(0.2) })), Some(0.2));
        assert_eq!(of(json!({ "objective": {}, "validation_attack": linf(0.1) })), None);
    }
}
