//! An ablation: its arms over their seeds, their frontier, and their differences from the baseline.

mod attacks;
mod summary;

use crate::chart::{Chart, Plot, Series, Style};
use crate::document::{Block, Document, Section};
use crate::format;
use crate::table::{Cell, Table};
use cni_evaluation::{AblationRecord, Arm, Axis, OverSeeds, Point, SeedDifference, Verdict};

/// The document about an ablation.
pub(crate) fn document(record: &AblationRecord) -> Document {
    let sections = [
        ("arms", "Arms", vec![Block::Charts(vec![frontier(record)])]),
        ("attacks", "Attacks", attacks::blocks(record)),
        ("differences", "Differences from the baseline", differences(record)),
        ("runs", "Runs", runs(record)),
        ("settings", "Settings", vec![Block::Table(settings(record))]),
        ("reproduce", "How to reproduce", vec![Block::Code(record.command.clone())]),
    ];
    let sections = sections.into_iter().filter(|(_, _, blocks)| !blocks.is_empty());
    Document {
        title: record.name.clone(),
        summary: vec![summary::text(record)],
        overview: Some(overview(record)),
        headline: Vec::new(),
        notices: notices(record),
        sections: sections.map(|(id, title, blocks)| Section { id, title, blocks }).collect(),
    }
}

fn notices(record: &AblationRecord) -> Vec<(Verdict, String)> {
    let mut notices = Vec::new();
    for arm in &record.arms {
        for failed in &arm.failed {
            let text =
                format!("{}, seed {}, came to no number: {}", arm.name, failed.seed, failed.reason);
            notices.push((Verdict::Fail, text));
        }
        if !arm.runs.is_empty() && !arm.is_evidence() {
            let text = format!(
                "{}: no attack averages over the draws of its noise, or a budget ended one early, \
                 so its robust accuracy is no evidence",
                arm.name
            );
            notices.push((Verdict::Warn, text));
        }
    }
    notices
}

fn overview(record: &AblationRecord) -> Table {
    let row = |arm: &Arm| {
        vec![
            arm.name.as_str().into(),
            Cell::Count(arm.runs.len() as u64),
            over(arm.clean.as_ref()),
            deviation(arm.clean.as_ref()),
            over(arm.robust.as_ref()),
            deviation(arm.robust.as_ref()),
            if record.frontier.contains(&arm.name) { "yes".into() } else { "".into() },
        ]
    };
    let columns = ["arm", "seeds", "clean, %", "sd", "robust, %", "sd", "frontier"];
    Table {
        caption: format!(
            "Means over the seeds with {} intervals by Student's law, judged on {} examples of {}; \
             robust is the worst case of the attacks",
            level(record),
            format::count(record.examples as u64),
            record.data.name,
        ),
        columns: columns.map(String::from).to_vec(),
        rows: record.arms.iter().map(row).collect(),
    }
}

fn level(record: &AblationRecord) -> String {
    format!("{} %", format::number(100.0 * record.confidence))
}

fn over(of: Option<&OverSeeds>) -> Cell {
    match of {
        None => Cell::Missing,
        Some(OverSeeds { mean, low: Some(low), high: Some(high), .. }) => {
            Cell::Accuracy([*mean, *low, *high])
        }
        Some(over) => format::percent(over.mean).into(),
    }
}

fn deviation(of: Option<&OverSeeds>) -> Cell {
    of.and_then(|over| over.sd).map_or(Cell::Missing, |sd| format::percent(sd).into())
}

/// Clean against robust accuracy, a point for each run, and the means.
fn frontier(record: &AblationRecord) -> Chart {
    let points = |arm: &Arm| {
        let point = |x: f64, y: f64| Point { x: 100.0 * x, y: 100.0 * y, low: None, high: None };
        let runs = arm.runs.iter().filter_map(|run| Some(point(run.clean, run.robust?)));
        runs.collect::<Vec<_>>()
    };
    let series = record.arms.iter().enumerate().map(|(n, arm)| Series {
        name: arm.name.clone(),
        points: points(arm),
        style: Style::nth(n),
    });
    let axis = |label: &str| Axis { label: label.to_string(), logarithmic: false };
    let series = series.filter(|series| !series.points.is_empty()).collect();
    let plot = Plot::Curves { x: axis("clean accuracy, %"), y: axis("robust accuracy, %"), series };
    Chart::new("frontier".to_string(), "Clean against robust accuracy".to_string(), plot)
        .noted("A mark is a run; a line joins the seeds of an arm. Up and to the right is better.")
}

fn differences(record: &AblationRecord) -> Vec<Block> {
    if record.comparisons.is_empty() {
        return Vec::new();
    }
    let cells = |difference: Option<&SeedDifference>| match difference {
        None => [Cell::Missing, Cell::Missing, Cell::Missing],
        Some(SeedDifference { over, p, adjusted_p }) => [
            self::over(Some(over)),
            format::p_value(*p).into(),
            format::p_value(*adjusted_p).into(),
        ],
    };
    let rows = record.comparisons.iter().map(|comparison| {
        let clean = cells(Some(&comparison.clean));
        let robust = cells(comparison.robust.as_ref());
        let evidence = if comparison.evidence { "yes" } else { "no" };
        let first = std::iter::once(Cell::from(comparison.arm.as_str()));
        first.chain(clean).chain(robust).chain([evidence.into()]).collect()
    });
    let columns = [
        "arm",
        "clean, points",
        "p",
        "corrected p",
        "robust, points",
        "p",
        "corrected p",
        "evidence",
    ];
    vec![Block::Table(Table {
        caption: format!(
            "Accuracy less that of {}, paired by seed, with {} intervals; p of Student's paired \
             test, corrected for {} comparisons by Holm's method",
            record.baseline,
            level(record),
            record.comparisons.len(),
        ),
        columns: columns.map(String::from).to_vec(),
        rows: rows.collect(),
    })]
}

fn runs(record: &AblationRecord) -> Vec<Block> {
    let names = record.attack_names();
    let all = || record.arms.iter().flat_map(|arm| arm.runs.iter().map(move |run| (arm, run)));
    let row = |(arm, run): (&Arm, &cni_evaluation::ArmRun)| {
        let percent = |value: f64| Cell::from(format::percent(value));
        let under = |name: &&str| {
            let found = run.attacks.iter().find(|(attack, _)| attack == name);
            found.map_or(Cell::Missing, |(_, accuracy)| percent(*accuracy))
        };
        let first = [
            arm.name.as_str().into(),
            Cell::Count(run.seed),
            percent(run.clean),
            run.robust.map_or(Cell::Missing, percent),
        ];
        let last = Cell::Code(run.folder.clone());
        first.into_iter().chain(names.iter().map(under)).chain([last]).collect()
    };
    let columns = ["arm", "seed", "clean, %", "worst case, %"].into_iter().map(String::from);
    let columns = columns.chain(names.iter().map(|name| format!("{name}, %")));
    let caption = "The runs, each with its evaluation in its folder".to_string();
    let columns = columns.chain(["folder".to_string()]).collect();
    vec![Block::Table(Table { caption, columns, rows: all().map(row).collect() })]
}

fn settings(record: &AblationRecord) -> Table {
    let row = |arm: &Arm| {
        let settings = arm.settings.iter().map(|(path, value)| format!("{path} = {value}"));
        let settings: Vec<String> = settings.collect();
        vec![arm.name.as_str().into(), Cell::Code(settings.join(", "))]
    };
    Table {
        caption: "The settings in which the arms differ".to_string(),
        columns: ["arm", "settings"].map(String::from).to_vec(),
        rows: record.arms.iter().map(row).collect(),
    }
}
