//! Charts: what a figure shows, and the numbers behind it.

use crate::table::{Cell, Table};
use crate::words;
use cni_attacks::evaluation::{Curve, Figure, Point};

/// A figure of the report.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// Names its files and its place in the page. No two of a report are equal.
    pub(crate) id: String,
    /// What it shows, in a line.
    pub(crate) title: String,
    /// What a reader must know to read it; may be empty.
    pub(crate) note: String,
    pub(crate) plot: Plot,
}

#[derive(Clone, Debug)]
pub(crate) enum Plot {
    /// Accuracies with intervals, a line for each category. The `x` of a point is the place of its category.
    Accuracies { categories: Vec<String>, series: Vec<Curve> },
    /// What a check has to show.
    Figure(Figure),
}

impl Chart {
    /// The numbers behind it: one line for each point.
    pub(crate) fn table(&self) -> Table {
        let (columns, rows) = match &self.plot {
            Plot::Accuracies { categories, series } => (
                ["series", "of", "accuracy", "low", "high"].map(String::from).to_vec(),
                rows(series, |x| categories[x as usize].as_str().into()),
            ),
            Plot::Figure(Figure::Curves { x, y, curves }) => {
                let columns = ["curve", &x.label, &y.label, "low", "high"];
                (columns.map(String::from).to_vec(), rows(curves, Cell::Number))
            }
            Plot::Figure(Figure::Surface { x, y, z, xs, ys, values }) => {
                let cell =
                    |(y, (x, z)): (&f64, (&f64, &f64))| [*x, *y, *z].map(Cell::Number).to_vec();
                let row = |(y, row)| xs.iter().zip(row).map(move |point| cell((y, point)));
                let rows = ys.iter().zip(values).flat_map(row).collect();
                (vec![x.label.clone(), y.label.clone(), z.label.clone()], rows)
            }
        };
        Table { caption: format!("The numbers of: {}", self.title), columns, rows }
    }

    /// What it shows, for those who do not see it.
    pub(crate) fn description(&self) -> String {
        let series = |curve: &Curve, said: &dyn Fn(&Point) -> String| {
            let ends: Vec<String> = match curve.points.as_slice() {
                [] => vec!["nothing".to_string()],
                [only] => vec![said(only)],
                [first, .., last] => vec![said(first), said(last)],
            };
            format!("{}: {}", curve.name, ends.join(" to "))
        };
        match &self.plot {
            Plot::Accuracies { categories, series: all } => {
                let value = |point: &Point| {
                    format!("{} {} %", categories[point.x as usize], words::percent(point.y))
                };
                let said = |curve: &Curve| {
                    let values = curve.points.iter().take(12).map(value);
                    format!("{}: {}", curve.name, values.collect::<Vec<_>>().join(", "))
                };
                all.iter().map(said).collect::<Vec<_>>().join(". ")
            }
            Plot::Figure(Figure::Curves { x, y, curves }) => {
                let value = |point: &Point| {
                    format!("{} at {}", words::number(point.y), words::number(point.x))
                };
                let said: Vec<String> = curves.iter().map(|c| series(c, &value)).collect();
                format!("{} over {}. {}", y.label, x.label, said.join(". "))
            }
            Plot::Figure(Figure::Surface { x, y, z, values, .. }) => {
                let all = values.iter().flatten().copied();
                let (low, high) =
                    all.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
                let (low, high) = (words::number(low), words::number(high));
                format!("{} over {} and {}, from {low} to {high}", z.label, x.label, y.label)
            }
        }
    }
}

fn rows(curves: &[Curve], x: impl Fn(f64) -> Cell) -> Vec<Vec<Cell>> {
    let row = |curve: &Curve, point: &Point| {
        let Point { low, high, .. } = *point;
        vec![curve.name.as_str().into(), x(point.x), Cell::Number(point.y), low.into(), high.into()]
    };
    curves.iter().flat_map(|curve| curve.points.iter().map(|point| row(curve, point))).collect()
}
