//! The end of an evaluation: its numbers on the console, its record and its report.

use crate::exit::Exit;
use crate::output::Output;
use cni_burn::evaluation::{Check, Evaluated, Verdict};
use cni_burn::prelude::{Record, Report, table};
use std::error::Error;
use std::io;
use std::path::Path;

/// Writes the record and the report of an evaluation to a folder. Whoever prints anything writes
/// first: where nobody reads on, as behind `| head`, a program ends at its next line.
pub fn write(evaluated: Evaluated, out: &Path) -> Result<Record, Box<dyn Error>> {
    evaluated.save(out)?;
    let record = evaluated.record.clone();
    Report::new(vec![evaluated])?.write(out)?;
    Ok(record)
}

/// Prints what an evaluation has found, and where it is. `noise` says what noise a model without
/// any had; with `strict` a check that failed is a negative answer.
pub fn conclude(
    record: &Record,
    out: &Path,
    noise: &str,
    strict: bool,
    output: Output,
) -> Result<Exit, Box<dyn Error>> {
    print(record, noise, output)?;
    let failed = record.checks.iter().any(|check| check.verdict == Verdict::Fail);
    output.say(format_args!("record: {}", out.join("record.json").display()))?;
    output.result(record)?;
    output.say(format_args!("report: {}", out.join("report.html").display()))?;
    Ok(if strict && failed { Exit::Negative } else { Exit::Done })
}

/// Prints what an evaluation has found, for people. `noise` says why a model had none.
fn print(record: &Record, noise: &str, output: Output) -> io::Result<()> {
    output.say(table(&[record]))?;
    if let Some(precision) = &record.threat.precision {
        let judged = record.model.precision.as_deref().unwrap_or("full");
        output.say(format_args!(
            "precision: the attacks multiplied in {precision}, the model was judged in {judged}\n"
        ))?;
    }
    if !record.stochastic {
        output.say(format_args!(
            "the model has {noise}: one draw judged each image and made each gradient\n"
        ))?;
    }
    for warning in &record.warnings {
        output.say(format_args!("warning: {warning}"))?;
    }
    let Some(audit) = &record.audit else {
        return Ok(());
    };
    output.say(format_args!("the {} checks of {}:", audit.effort, audit.attack))?;
    for of in ORDER {
        for Check { verdict, name, measured, .. } in checks_of(record, of) {
            output.say(format_args!("{verdict:12} {name:17} {measured}"))?;
        }
    }
    output.say(format_args!("checks: {}\n", counts(record)))
}

/// The verdicts in their order: what was found comes first, and what could not be is told apart
/// from it.
const ORDER: [Verdict; 5] =
    [Verdict::Fail, Verdict::Warn, Verdict::Pass, Verdict::Inconclusive, Verdict::Skipped];

fn checks_of(record: &Record, verdict: Verdict) -> impl Iterator<Item = &Check> {
    record.checks.iter().filter(move |check| check.verdict == verdict)
}

/// The number of checks of each verdict, in words.
pub fn counts(record: &Record) -> String {
    ORDER.map(|of| format!("{} {of}", checks_of(record, of).count())).join(", ")
}
