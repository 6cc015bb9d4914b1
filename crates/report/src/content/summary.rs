//! The summary: the result in plain words, or in a table for several models.

use super::Model;
use super::accuracy::INTERVAL;
use super::audit::{is_inconclusive, name};
use super::cell;
use crate::format::{self, counted, estimate};
use crate::table::{Cell, Table};
use cni_evaluation::{Accuracy, Check, Verdict};

pub(super) fn title(models: &[Model]) -> String {
    let names: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
    let mut data: Vec<String> = models.iter().map(|m| m.record().data.name.clone()).collect();
    data.dedup();
    match data.as_slice() {
        [one] if !one.is_empty() => format!("{} on {one}", format::list(&names)),
        _ => format::list(&names),
    }
}

/// The result of one model in a paragraph. Several models have a table instead.
pub(super) fn paragraphs(models: &[Model]) -> Vec<String> {
    match models {
        [model] => vec![paragraph(model)],
        _ => Vec::new(),
    }
}

/// The table of several models, with a row for each; none for a single model.
pub(super) fn table(models: &[Model]) -> Option<Table> {
    if models.len() < 2 {
        return None;
    }
    let row = |model: &Model| {
        let record = model.record();
        let worst = record.worst_case.as_ref().map(|worst| &worst.one_shot);
        let threats: Vec<String> = record.threat.threats.iter().map(format::threat).collect();
        let checks = match record.checks.as_slice() {
            [] => "none was run".to_string(),
            some => counts(some),
        };
        vec![
            model.name.as_str().into(),
            Cell::Count(record.examples as u64),
            if record.stochastic { Cell::Count(record.draws as u64) } else { "no noise".into() },
            cell(Some(&record.clean.one_shot)),
            cell(worst),
            Cell::Count(record.attacks.len() as u64),
            if threats.is_empty() { Cell::Missing } else { threats.join("; ").into() },
            checks.into(),
        ]
    };
    let columns = [
        "model",
        "examples",
        "draws of its noise",
        "clean, %",
        "worst case, %",
        "attacks",
        "within",
        "checks",
    ];
    let mut caption = format!(
        "Accuracy in percent with its interval, one shot. For each example the worst case is \
         the attack that hurts most. {INTERVAL}"
    );
    let open = |check: &Check| check.verdict == Verdict::Inconclusive;
    if models.iter().any(|model| model.record().checks.iter().any(open)) {
        caption += ". ";
        caption += INCONCLUSIVE;
    }
    let columns = columns.map(String::from).to_vec();
    Some(Table { caption, columns, rows: models.iter().map(row).collect() })
}

/// The meaning of an inconclusive check.
const INCONCLUSIVE: &str =
    "An inconclusive check found nothing, and had too few examples to see what its rule names";

/// The number of checks of each verdict, without the verdicts that no check has.
fn counts(checks: &[Check]) -> String {
    let some = verdicts(checks).into_iter().filter(|verdict| !verdict.starts_with("0 "));
    some.collect::<Vec<_>>().join(", ")
}

/// The headline: what, how much, how sure. Several models have a table instead.
pub(super) fn headline(models: &[Model]) -> Vec<[String; 3]> {
    let [model] = models else {
        return Vec::new();
    };
    let record = model.record();
    let confidence = format::significant(100.0 * record.confidence, 3);
    let number = |what: &str, accuracy: &Accuracy| {
        let e = &accuracy.one_shot;
        let sure = format!("{confidence}\u{a0}% interval {}", format::range(e.low, e.high));
        [what.to_string(), format!("{}\u{a0}%", format::percent(e.accuracy)), sure]
    };
    let mut headline = vec![number("clean accuracy", &record.clean)];
    headline.extend(record.worst_case.iter().map(|worst| number("worst-case accuracy", worst)));
    if !record.checks.is_empty() {
        let [pass, rest @ ..] = verdicts(&record.checks);
        let of =
            record.audit.as_ref().map_or(String::new(), |audit| format!("of {}: ", name(audit)));
        headline.push(["checks".to_string(), pass, of + &rest.join(", ")]);
    }
    headline
}

/// The number of checks that passed, of those that could not tell, and of each other verdict.
fn verdicts(checks: &[Check]) -> [String; 5] {
    let number = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    [
        (Verdict::Pass, "passed"),
        (Verdict::Inconclusive, "inconclusive"),
        (Verdict::Warn, "warned"),
        (Verdict::Fail, "failed"),
        (Verdict::Skipped, "did not apply"),
    ]
    .map(|(verdict, word)| format!("{} {word}", number(verdict)))
}

fn paragraph(model: &Model) -> String {
    let record = model.record();
    let data = match record.data.name.as_str() {
        "" => String::new(),
        name => format!(" of {name}"),
    };
    let draws = match record.stochastic {
        true => {
            format!(", judged by {} of its noise for each image", counted(record.draws, "draw"))
        }
        false => String::new(),
    };
    let clean = estimate(&record.clean.one_shot);
    let mut text = format!(
        "On {}{data}{draws}, {} classifies {clean} of the images correctly as they are",
        counted(record.examples, "example"),
        model.name
    );
    text += &match &record.worst_case {
        Some(worst) => {
            let threats: Vec<String> = record.threat.threats.iter().map(format::threat).collect();
            let within = match threats.as_slice() {
                [] => String::new(),
                some => format!(" within {}", format::list(some)),
            };
            let against = match record.attacks.len() {
                1 => "under the only attack".to_string(),
                n => format!("under the worst of {n} attacks for each"),
            };
            format!(", and {} {against}{within}.", estimate(&worst.one_shot))
        }
        None => ". It was not attacked.".to_string(),
    };
    text += &match record.checks.len() {
        0 => {
            " No check was run: nothing says whether the attacks worked as they should.".to_string()
        }
        n => {
            let inconclusive =
                match record.checks.iter().find(|c| c.verdict == Verdict::Inconclusive) {
                    Some(_) => format!(" {INCONCLUSIVE}."),
                    None => String::new(),
                };
            let verdicts = format::list(&verdicts(&record.checks));
            let of = record.audit.as_ref().map_or(String::new(), |a| format!(" of {}", name(a)));
            format!(" Of {}{of}, {verdicts}.{inconclusive}", counted(n, "check"))
        }
    };
    text
}

pub(super) fn notices(models: &[Model]) -> Vec<(Verdict, String)> {
    let mut notices = Vec::new();
    for model in models {
        let record = model.record();
        let name = match models.len() {
            1 => String::new(),
            _ => format!("{}: ", model.name),
        };
        if is_inconclusive(record) {
            let text = format!(
                "{name}every check that compares accuracies is inconclusive: with so few \
                 images none could have seen a weak attack."
            );
            notices.push((Verdict::Inconclusive, text));
        }
        let failed = || record.checks.iter().filter(|check| check.verdict == Verdict::Fail);
        let names: Vec<String> = failed().map(|check| super::checks::title(&check.name)).collect();
        if !names.is_empty() {
            let measured: Vec<&str> = failed().map(|check| check.measured.as_str()).collect();
            let (names, measured) = (format::list(&names), measured.join(" "));
            let text = format!("Not to be trusted: {name}{names} failed. {measured}");
            notices.push((Verdict::Fail, text));
        }
        let warnings = record.warnings.iter().map(|warning| format!("{name}{warning}"));
        notices.extend(warnings.map(|text| (Verdict::Warn, text)));
    }
    notices
}
