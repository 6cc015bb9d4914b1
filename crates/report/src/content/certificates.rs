//! Certified robustness: the certificates of randomized smoothing, beside the accuracy under
//! attacks in L2.

use super::radii::lowest;
use super::{Model, style};
use crate::chart::{Chart, Plot, Series, Style};
use crate::document::Block;
use crate::format;
use crate::table::{Cell, Table};
use cni_attacks::Norm;
use cni_evaluation::{Axis, CertificateRecord, Point};

pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    let certified = certified(models);
    if certified.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![
        Block::Text(
            "Randomized smoothing makes another classifier of a model: it predicts the class that \
             the model is most likely to give when Gaussian noise of standard deviation σ is added \
             to every pixel. A certificate says that this smoothed classifier predicts the same \
             class for every image within an L2 radius. It holds whatever the attack, with a \
             probability of at least 1 − α for each certificate by itself."
                .to_string(),
        ),
        Block::Text(
            "A certificate says nothing of the model without that noise, of changes measured in \
             another norm, or of changes that are larger. The smoothed classifier abstains if its \
             samples do not decide; this counts as wrong. σ and radii are in units of the pixel \
             range from 0 to 1."
                .to_string(),
        ),
        Block::Table(table(models, &certified)),
        Block::Charts(vec![chart(models, &certified)]),
    ];
    if certified.iter().any(|(model, _)| !lowest(model.record(), Norm::L2).is_empty()) {
        blocks.push(Block::Text(
            "The attacks in L2 were run on the model itself and not on the smoothed classifier, so \
             the two kinds of curves are of different classifiers. Of one classifier, accuracy \
             under attack bounds robust accuracy from above, and certified accuracy bounds it from \
             below."
                .to_string(),
        ));
    }
    blocks
}

/// The certificate of every example, as a table like that of CERTIFY; `None` if there are none.
pub(crate) fn rows(models: &[Model]) -> Option<Table> {
    let columns = [
        "model",
        "index",
        "label",
        "predicted",
        "radius",
        "correct",
        "selected",
        "selection count",
        "estimation count",
        "n0",
        "n",
        "alpha",
        "sigma",
    ];
    let mut rows = Vec::new();
    for (model, made) in certified(models) {
        for row in &model.evaluated.rows {
            let Some(of) = &row.certificate else { continue };
            let abstains = || "abstain".to_string();
            rows.push(vec![
                model.name.as_str().into(),
                Cell::Count(row.index as u64),
                Cell::Text(row.label.to_string()),
                Cell::Text(of.predicted.map_or_else(abstains, |class| class.to_string())),
                Cell::Number(of.radius),
                Cell::Count((of.predicted == Some(row.label)).into()),
                Cell::Text(of.selected.to_string()),
                Cell::Count(of.selection.into()),
                Cell::Count(of.estimation.into()),
                Cell::Count(made.selection as u64),
                Cell::Count(made.samples as u64),
                Cell::Number(made.alpha),
                Cell::Number(made.sigma),
            ]);
        }
    }
    let (caption, columns) = ("Every certificate".to_string(), columns.map(String::from).to_vec());
    (!rows.is_empty()).then_some(Table { caption, columns, rows })
}

fn certified(models: &[Model]) -> Vec<(&Model, &CertificateRecord)> {
    let of = |model| Some((model, Model::record(model).certificates.as_ref()?));
    models.iter().filter_map(of).collect()
}

fn table(models: &[Model], certified: &[(&Model, &CertificateRecord)]) -> Table {
    type Fact<'a> = (&'a str, &'a dyn Fn(&CertificateRecord) -> Cell);
    let facts: [Fact; 10] = [
        ("σ", &|c| Cell::Number(c.sigma)),
        ("samples that select a class, n₀", &|c| Cell::Count(c.selection as u64)),
        ("samples that estimate its probability, n", &|c| Cell::Count(c.samples as u64)),
        ("α", &|c| Cell::Number(c.alpha)),
        ("accuracy of the smoothed classifier, %", &|c| at(c, 0.0)),
        ("certified accuracy at radius σ, %", &|c| at(c, c.sigma)),
        ("average certified radius", &|c| {
            Cell::Interval([c.average_radius, c.average_radius_low, c.average_radius_high])
        }),
        ("abstained, %", &|c| Cell::Text(format::percent(c.abstained))),
        ("forward passes", &|c| Cell::Count(c.passes.forwards)),
        ("time", &|c| Cell::Seconds(c.seconds)),
    ];
    let row = |(name, get): &Fact| {
        let values = certified.iter().map(|(_, made)| get(made));
        std::iter::once(Cell::from(*name)).chain(values).collect()
    };
    let names = certified.iter().map(|(model, _)| match models {
        [_] => "value".to_string(),
        _ => model.name.clone(),
    });
    Table {
        caption: "Certificates by randomized smoothing. Intervals are over the examples: exact \
                  (Clopper and Pearson) of accuracies, Wilson's of the average radius, in which a \
                  wrong or missing certificate counts as zero"
            .to_string(),
        columns: std::iter::once("fact".to_string()).chain(names).collect(),
        rows: facts.iter().map(row).collect(),
    }
}

/// Certified accuracy at a radius of the curve.
fn at(made: &CertificateRecord, radius: f64) -> Cell {
    let same = |point: &&Point| (point.x - radius).abs() < 1e-9;
    let point = made.curve.iter().find(same);
    point.map_or(Cell::Missing, |p| {
        Cell::Accuracy([p.y, p.low.unwrap_or(p.y), p.high.unwrap_or(p.y)])
    })
}

fn chart(models: &[Model], certified: &[(&Model, &CertificateRecord)]) -> Chart {
    let several = models.len() > 1;
    let name = |model: &Model, what: &str| match several {
        true => format!("{}: {what}", model.name),
        false => what.to_string(),
    };
    let mut series = Vec::new();
    for (model, made) in certified {
        let own = |n: usize| match several {
            true => style(models, model, n),
            false => Style::nth(n),
        };
        let (points, style) = (made.curve.clone(), own(0));
        series.push(Series { name: name(model, "certified"), points, style });
        let attacks = lowest(model.record(), Norm::L2);
        if !attacks.is_empty() {
            series.push(Series { name: name(model, "attacked"), points: attacks, style: own(1) });
        }
    }
    let axis = |label: &str| Axis { label: label.to_string(), logarithmic: false };
    let (x, y) = (axis("L2 radius"), axis("accuracy"));
    let title = "Certified accuracy against the radius".to_string();
    let chart = Chart::new("certificates".to_string(), title, Plot::Curves { x, y, series });
    chart.noted(
        "Certified: the share of the examples with a certificate of their class that reaches as \
         far. Attacked: the accuracy of the model under the strongest attack of that radius.",
    )
}
