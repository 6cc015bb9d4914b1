//! Suites read from records.

use super::Suite;
use crate::spec::Spec;
use crate::{Attack, AttackError, Threat};
use serde_json::Value;

impl Suite {
    /// The suite with these settings; `load` reads its attacks.
    pub(crate) fn from_spec(
        mut of: Spec,
        load: impl Fn(&Value) -> Result<Box<dyn Attack>, AttackError>,
    ) -> Result<Self, AttackError> {
        // Records before version 0.2 have the older name.
        of.rename("verdict_draws", "judging_draws");
        let attacks: Vec<Value> = of.need("attacks")?;
        let attacks = attacks.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let suite = Self::custom(of.need::<String>("name")?, attacks)?;
        if let Some(threat) = of.take::<Threat>("threat")?
            && threat != suite.threat
        {
            return Err(of.refused(format!("threat: got {threat}, wanted that of its attacks")));
        }
        let suite = of.set(suite, "judging_draws", Self::with_judging_draws)?;
        let left_out = of.take("left_out")?.unwrap_or_default();
        of.done(Self { left_out, ..suite })
    }
}
