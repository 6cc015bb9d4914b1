//! Reports of all kinds.

use super::{certified, deterministic, in_cascade, stochastic};
use cni_evaluation::{Evaluated, Figure};
use cni_report::Report;

/// A name that would have a meaning in HTML, Markdown, CSV and shells, if it were not escaped.
pub const HOSTILE: &str = "<script>alert(1)</script> | `x` *y* [z](w) \"q\" =1+1, Ünï 模型";

/// Reports of all kinds, by name.
pub fn reports() -> Vec<(&'static str, Report)> {
    let report = |models| Report::new(models).unwrap();
    let mut bare = deterministic("bare", 30);
    bare.record.attacks.clear();
    bare.record.worst_case = None;
    bare.rows.iter_mut().for_each(|row| row.attacks.clear());
    let mut one_class = stochastic("one class", 40);
    one_class.rows.iter_mut().for_each(|row| row.label = 0);
    let mut hostile = stochastic(HOSTILE, 40);
    hostile.record.data.name = HOSTILE.to_string();
    hostile.record.data.classes = (0..10).map(|i| format!("{HOSTILE} {i}")).collect();
    hostile.record.command = HOSTILE.to_string();
    hostile.record.model.noise = HOSTILE.to_string();
    hostile.record.warnings = vec![HOSTILE.to_string()];
    for attack in &mut hostile.record.attacks {
        attack.name += HOSTILE;
        attack.spec = serde_json::json!({ HOSTILE: HOSTILE });
    }
    for check in &mut hostile.record.checks {
        check.measured = HOSTILE.to_string();
        check.name += HOSTILE;
        if let Some(Figure::Curves { x, y, curves }) = &mut check.figure {
            (x.label, y.label) = (HOSTILE.to_string(), HOSTILE.to_string());
            curves.iter_mut().for_each(|curve| curve.name += HOSTILE);
        }
    }
    let mut control = deterministic("bell\u{7} and zero\u{0}", 20);
    control.record.data.name = "line\nbreak\t".to_string();
    let other = |mut model: Evaluated| {
        model.record.attacks[0].hash = "0".repeat(64);
        model
    };
    vec![
        ("one", report(vec![stochastic("CNI", 200)])),
        ("plain", report(vec![deterministic("plain", 200)])),
        ("certified", report(vec![certified("CNI", 200)])),
        ("cascade", report(vec![in_cascade("AT", 60)])),
        ("two cascades", report(vec![in_cascade("a", 60), in_cascade("b", 60)])),
        ("some certified", report(vec![certified("a", 50), deterministic("b", 50)])),
        ("three", report(vec![stochastic("a", 90), deterministic("b", 90), stochastic("b", 90)])),
        ("suites", report(vec![stochastic("a", 50), other(stochastic("b", 50))])),
        ("sizes", report(vec![stochastic("a", 50), deterministic("b", 60)])),
        ("bare", report(vec![bare])),
        ("one class", report(vec![one_class])),
        ("hostile", report(vec![hostile, deterministic(HOSTILE, 40)])),
        ("control", report(vec![control])),
        ("unnamed", report(vec![deterministic("", 20)])),
    ]
}
