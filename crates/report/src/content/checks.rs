//! Checks of an audit: their findings and figures.

use super::{Model, style, unique};
use crate::chart::{Chart, HeatMap, Plot, Series, Source};
use crate::document::{Block, CheckView, Finding};
use crate::format::{self, count, counted, slug};
use crate::table::{Cell, Table};
use cni_evaluation::{Check, Curve, Figure, Verdict};
use std::cmp::Reverse;
use std::collections::HashSet;

/// The sweeps that come first, because readers ask for them first. All other figures follow.
const FIRST: [&str; 3] = ["epsilon-sweep", "steps-sweep", "draw-sweep"];

/// A check of one name, in all models that ran it.
struct Group<'a> {
    name: &'a str,
    /// The anchor of the check in the page.
    id: String,
    found: Vec<(&'a Model, &'a Check)>,
}

impl Group<'_> {
    /// The gravest verdict.
    fn verdict(&self) -> Verdict {
        let verdicts = self.found.iter().map(|(_, check)| check.verdict);
        verdicts.max().expect("a check that a model ran")
    }
}

/// The findings of the checks, and their figures.
pub(super) fn blocks(models: &[Model]) -> [Vec<Block>; 2] {
    let mut groups = groups(models);
    if groups.is_empty() {
        return [Vec::new(), Vec::new()];
    }
    groups.sort_by_key(|group| Reverse(group.verdict()));
    let mut seen: Vec<&Group> = groups.iter().collect();
    let place = |name| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    seen.sort_by_key(|group| (place(group.name), !group.name.ends_with("-sweep")));
    let charts = seen.into_iter().flat_map(|group| charts(models, group)).collect();
    [found(models, &groups), super::charts(charts).into_iter().collect()]
}

/// The overview, the checks that raised something or could not tell, and the others folded away.
fn found(models: &[Model], groups: &[Group]) -> Vec<Block> {
    let open = |group: &&Group| group.verdict() > Verdict::Pass;
    let (shown, folded): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(open);
    let views = |groups: &[&Group]| {
        Block::Checks(groups.iter().map(|group| check_view(models, group)).collect())
    };
    let mut blocks = vec![Block::Overview(overview(models, groups))];
    if !shown.is_empty() {
        blocks.push(views(&shown));
    }
    if !folded.is_empty() {
        let skipped = folded.iter().any(|group| group.verdict() == Verdict::Skipped);
        let passed = if skipped { "passed or did not apply" } else { "passed" };
        let summary = format!("{} that {passed}", counted(folded.len(), "check"));
        blocks.push(Block::Fold(summary, vec![views(&folded)]));
    }
    blocks
}

fn groups(models: &[Model]) -> Vec<Group<'_>> {
    let (mut groups, mut taken): (Vec<Group>, _) = (Vec::new(), HashSet::new());
    for model in models {
        for check in &model.record().checks {
            match groups.iter_mut().find(|group| group.name == check.name) {
                Some(group) => group.found.push((model, check)),
                None => groups.push(Group {
                    name: &check.name,
                    id: unique(format!("check-{}", slug(&check.name)), &mut taken),
                    found: vec![(model, check)],
                }),
            }
        }
    }
    groups
}

/// The name of a check as a title.
pub(super) fn title(name: &str) -> String {
    let mut words = name.replace('-', " ").chars().collect::<Vec<_>>();
    if let Some(first) = words.first_mut() {
        *first = first.to_ascii_uppercase();
    }
    words.into_iter().collect()
}

fn check_view(models: &[Model], group: &Group) -> CheckView {
    let finding = |(model, check): &(&Model, &Check)| Finding {
        model: (models.len() > 1).then(|| model.name.clone()),
        verdict: check.verdict,
        measured: check.measured.clone(),
        sight: sight(check),
        cost: cost(check),
    };
    let each = |part: fn(&Check) -> &str| {
        let mut parts: Vec<&str> = group.found.iter().map(|(_, check)| part(check)).collect();
        parts.dedup();
        parts.join(" ")
    };
    CheckView {
        id: group.id.clone(),
        name: title(group.name),
        findings: group.found.iter().map(finding).collect(),
        raised_if: each(|check| &check.raised_if),
        advice: each(|check| &check.advice),
        figures: Vec::new(),
    }
}

/// The difference that the check could have seen, and the one that its rule names.
fn sight(check: &Check) -> Option<String> {
    let seen = match (check.at_most, check.detectable) {
        (Some(most), _) => format!("At most {} points could be won", format::percent(most)),
        (None, detectable) => format!("Could have seen {} points", format::percent(detectable?)),
    };
    let rule = check.bound.map(|bound| format!("; its rule names {}", format::percent(bound)));
    let needed =
        check.needed.map(|needed| format!(", and {} would show that", counted(needed, "example")));
    let (rule, needed) = (rule.unwrap_or_default(), needed.unwrap_or_default());
    Some(format!("{seen}{rule}{needed}."))
}

fn cost(check: &Check) -> String {
    format!(
        "{}, {} forward and {} backward passes, {}",
        counted(check.examples, "example"),
        count(check.passes.forwards),
        count(check.passes.backwards),
        format::seconds(check.seconds)
    )
}

/// The figures of a check: one figure for curves over the same axes, else one for each model.
fn charts(models: &[Model], group: &Group) -> Vec<Chart> {
    let mut plots: Vec<(Vec<&Model>, Plot)> = Vec::new();
    for (model, check) in &group.found {
        let Some(figure) = &check.figure else { continue };
        let plot = plot(models, model, figure);
        match (plots.last_mut(), plot) {
            (
                Some((of, Plot::Curves { x, y, series })),
                Plot::Curves { x: x2, y: y2, series: more },
            ) if (&*x, &*y) == (&x2, &y2) => {
                series.extend(more);
                of.push(model);
            }
            (_, plot) => plots.push((vec![model], plot)),
        }
    }
    let source = Source { check: group.id.clone(), verdict: group.verdict() };
    let chart = |(of, plot): (Vec<&Model>, Plot)| {
        let (id, title) = (slug(group.name), caption(group.name, &plot));
        let (id, title) = match of.as_slice() {
            [one] => (super::id(models, one, &id), format!("{title}{}", super::of(models, one))),
            _ => (id, title),
        };
        Chart { source: Some(source.clone()), ..Chart::new(id, title, plot) }
    };
    plots.into_iter().map(chart).collect()
}

/// The figure of one model. Among several models, its curves are named after the model.
fn plot(models: &[Model], model: &Model, figure: &Figure) -> Plot {
    match figure.clone() {
        Figure::Curves { x, y, curves } => {
            let alone = curves.len() == 1;
            let series = |(n, curve): (usize, Curve)| Series {
                name: match (models.len(), alone) {
                    (1, _) => curve.name,
                    (_, true) => model.name.clone(),
                    (_, false) => format!("{}: {}", model.name, curve.name),
                },
                points: curve.points,
                style: style(models, model, n),
            };
            let series = curves.into_iter().enumerate().map(series).collect();
            Plot::Curves { x, y, series }
        }
        Figure::Surface { x, y, z, xs, ys, values } => {
            Plot::HeatMap(HeatMap { x, y, z, xs, ys, values })
        }
    }
}

/// The caption of a figure.
fn caption(name: &str, plot: &Plot) -> String {
    let name = title(name);
    match plot {
        Plot::Curves { x, y, .. } => format!("{name}: {} over {}", y.label, x.label),
        Plot::HeatMap(map) => format!("{name}: {}", map.z.label),
        Plot::Accuracies { .. } => name,
    }
}

/// The overview: the verdict of each check in each model.
fn overview(models: &[Model], groups: &[Group]) -> Table {
    let row = |group: &Group| {
        let verdict = |model: &Model| {
            let mut found = group.found.iter();
            let found = found.find(|(other, _)| other.place == model.place);
            found.map_or(Cell::Missing, |(_, check)| Cell::Verdict(check.verdict))
        };
        let link = Cell::Link { text: title(group.name), to: group.id.clone() };
        std::iter::once(link).chain(models.iter().map(verdict)).collect()
    };
    let names = models.iter().map(|model| match models.len() {
        1 => "verdict".to_string(),
        _ => model.name.clone(),
    });
    Table {
        caption: "The checks at a glance".to_string(),
        columns: std::iter::once("check".to_string()).chain(names).collect(),
        rows: groups.iter().map(row).collect(),
    }
}
