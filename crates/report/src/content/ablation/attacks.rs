//! The arms of an ablation under each attack.

use super::{level, over};
use crate::chart::{Chart, Plot, Series, Style};
use crate::document::Block;
use crate::table::{Cell, Table};
use cni_evaluation::{AblationRecord, Arm, AttackOverSeeds, OverSeeds, Point};

/// The worst case, in tables and in the figure.
const WORST: &str = "worst case";

/// The blocks about the arms under each attack, and about what each attack would have made of them;
/// none for fewer than two attacks.
pub(super) fn blocks(record: &AblationRecord) -> Vec<Block> {
    let names = record.attack_names();
    if names.len() < 2 {
        return Vec::new();
    }
    let worst = |arm: &Arm| Some(over(arm.robust.as_ref()));
    let robust = Table {
        caption: format!("Robust accuracy under each attack, with {} intervals", level(record)),
        columns: columns(&names, "%").chain([format!("{WORST}, %")]).collect(),
        rows: rows(record, &names, |under| &under.robust, worst),
    };
    let above = Table {
        caption: "Robust accuracy under each attack less that in the worst case, run by run: what \
                  the attack alone would have made an arm look better than it is"
            .to_string(),
        columns: columns(&names, "points").collect(),
        rows: rows(record, &names, |under| &under.above_worst_case, |_| None),
    };
    vec![Block::Charts(vec![figure(record, &names)]), Block::Table(robust), Block::Table(above)]
}

fn columns(names: &[&str], unit: &str) -> impl Iterator<Item = String> {
    let columns = names.iter().map(move |name| format!("{name}, {unit}"));
    std::iter::once("arm".to_string()).chain(columns)
}

/// A row for each arm: a number of each attack, and what comes last.
fn rows(
    record: &AblationRecord,
    names: &[&str],
    number: impl Fn(&AttackOverSeeds) -> &OverSeeds,
    last: impl Fn(&Arm) -> Option<Cell>,
) -> Vec<Vec<Cell>> {
    let row = |arm: &Arm| {
        let cells = names.iter().map(|name| over(under(arm, name).map(&number)));
        std::iter::once(Cell::from(arm.name.as_str())).chain(cells).chain(last(arm)).collect()
    };
    record.arms.iter().map(row).collect()
}

/// The accuracies by attack, a line for each arm.
fn figure(record: &AblationRecord, names: &[&str]) -> Chart {
    let point = |x: usize, over: &OverSeeds| Point {
        x: x as f64,
        y: over.mean,
        low: over.low,
        high: over.high,
    };
    let series = record.arms.iter().enumerate().map(|(n, arm)| {
        let attacks = names.iter().enumerate();
        let attacks = attacks.filter_map(|(x, name)| Some(point(x, &under(arm, name)?.robust)));
        let worst = arm.robust.iter().map(|over| point(names.len(), over));
        let points = attacks.chain(worst).collect();
        Series { name: arm.name.clone(), points, style: Style::nth(n) }
    });
    let plot = Plot::Accuracies {
        categories: names.iter().copied().chain([WORST]).map(String::from).collect(),
        series: series.filter(|series| !series.points.is_empty()).collect(),
    };
    Chart::new("attacks".to_string(), "Robust accuracy by attack".to_string(), plot)
        .noted("Means over the seeds with their intervals.")
}

fn under<'a>(arm: &'a Arm, name: &str) -> Option<&'a AttackOverSeeds> {
    arm.attacks.iter().find(|under| under.attack == name)
}
