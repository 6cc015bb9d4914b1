//! The suites of AutoAttack.

use super::Suite;
use crate::{Apgd, Attack, AttackError, Fab, Norm, Square, Threat};
use std::sync::Arc;

/// Draws behind each gradient in `rand`.
const RAND_DRAWS: usize = 20;

/// Queries of the Square attack in `rand_plus`.
const RAND_QUERIES: usize = 1_000;

impl Suite {
    /// AutoAttack's `standard`: the suite that the field reports. Needs four classes; for fewer use
    /// [`for_classes`](Self::for_classes).
    ///
    /// # Errors
    ///
    /// None at present: every norm has a suite.
    pub fn standard(threat: Threat) -> Result<Self, AttackError> {
        let (mut ce, mut targeted) = (Apgd::cross_entropy(threat), Apgd::targeted(threat));
        if threat.norm() == Norm::L1 {
            ce = ce.with_restarts(5)?.with_enlarged_start(true);
            targeted = targeted.with_targets(5)?.with_enlarged_start(true);
        }
        let attacks: [Arc<dyn Attack>; 4] = [
            Arc::new(ce),
            Arc::new(targeted),
            Arc::new(Fab::targeted(threat)),
            Arc::new(Square::new(threat)),
        ];
        Self::new("AutoAttack-standard", attacks.to_vec())
    }

    /// AutoAttack's `plus`: more restarts, and the untargeted forms too. Wants four classes. Errors
    /// as [`standard`](Self::standard).
    pub fn plus(threat: Threat) -> Result<Self, AttackError> {
        let attacks: [Arc<dyn Attack>; 6] = [
            Arc::new(Apgd::cross_entropy(threat).with_restarts(5)?),
            Arc::new(Apgd::dlr(threat).with_restarts(5)?),
            Arc::new(Fab::new(threat).with_restarts(5)?),
            Arc::new(Square::new(threat)),
            Arc::new(Apgd::targeted(threat)),
            Arc::new(Fab::targeted(threat)),
        ];
        Self::new("AutoAttack-plus", attacks.to_vec())
    }

    /// AutoAttack's `rand`, for stochastic models. Wants three classes. Errors as
    /// [`standard`](Self::standard).
    pub fn rand(threat: Threat) -> Result<Self, AttackError> {
        let attacks: [Arc<dyn Attack>; 2] = [
            Arc::new(Apgd::cross_entropy(threat).with_draws(RAND_DRAWS)?),
            Arc::new(Apgd::dlr(threat).with_draws(RAND_DRAWS)?),
        ];
        Self::new("AutoAttack-rand", attacks.to_vec())
    }

    /// [`rand`](Self::rand) with EOT-Square. Errors as [`standard`](Self::standard).
    pub fn rand_plus(threat: Threat) -> Result<Self, AttackError> {
        let mut suite = Self::rand(threat)?;
        let square = Square::new(threat).with_queries(RAND_QUERIES)?.with_draws(RAND_DRAWS)?;
        suite.attacks.push(Arc::new(square));
        Ok(Self { name: "AutoAttack-rand-plus".to_string(), ..suite })
    }
}
