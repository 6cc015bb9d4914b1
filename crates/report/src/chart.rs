//! Charts: the content of figures, with the numbers behind them.

use crate::format;
use crate::table::{Cell, Table};
use cni_evaluation::{Axis, Point, Verdict};

/// A chart: one figure of the report.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// The id, which names its files and its anchor in the page. It is unique in the report.
    pub(crate) id: String,
    /// The title, in a line.
    pub(crate) title: String,
    /// The note that a reader needs to understand the figure; may be empty.
    pub(crate) note: String,
    pub(crate) plot: Plot,
    /// The place on the lower axis of curves that is marked, and its name.
    pub(crate) mark: Option<(f64, String)>,
    /// The check that measured the numbers, if one did.
    pub(crate) source: Option<Source>,
}

/// The check behind a figure.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The anchor of the check in the page.
    pub(crate) check: String,
    /// The gravest verdict of the check.
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Debug)]
pub(crate) enum Plot {
    /// Accuracies with intervals, with a line for each category. The `x` of a point is the position
    /// of its category.
    Accuracies {
        categories: Vec<String>,
        series: Vec<Series>,
    },
    /// Curves over a common axis.
    Curves {
        x: Axis,
        y: Axis,
        series: Vec<Series>,
    },
    HeatMap(HeatMap),
}

/// A heat map of a function of two variables: a row of values for each `y`, with a value for each
/// `x`.
#[derive(Clone, Debug)]
pub(crate) struct HeatMap {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) z: Axis,
    pub(crate) xs: Vec<f64>,
    pub(crate) ys: Vec<f64>,
    pub(crate) values: Vec<Vec<f64>>,
}

/// A curve, or the accuracies of one model.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
    pub(crate) style: Style,
}

/// A style by which a series, and the model of a series, is recognized in every figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Style {
    /// The number of the color.
    pub(crate) color: usize,
    /// The number of the dash and the mark.
    pub(crate) shape: usize,
    /// True if its marks are filled.
    pub(crate) filled: bool,
}

impl Style {
    /// The nth curve of a report of one model.
    pub(crate) fn nth(n: usize) -> Self {
        Self { color: n, shape: n, filled: true }
    }

    /// The style of the `n`-th curve of one model of several. All curves of a model have its color;
    /// the first also has its dash and mark.
    pub(crate) fn of_model(model: usize, n: usize) -> Self {
        Self { color: model, shape: model + n, filled: n == 0 }
    }
}

impl Chart {
    pub(crate) fn new(id: String, title: String, plot: Plot) -> Self {
        Self { id, title, note: String::new(), plot, mark: None, source: None }
    }

    /// The same chart with a note.
    pub(crate) fn noted(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// The same chart with a mark at a place on the lower axis.
    pub(crate) fn marked(self, mark: Option<(f64, String)>) -> Self {
        Self { mark, ..self }
    }

    /// True if the chart is empty.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.plot {
            Plot::Accuracies { series, .. } | Plot::Curves { series, .. } => series.is_empty(),
            Plot::HeatMap(_) => false,
        }
    }

    /// The table of the numbers, with a line for each point.
    pub(crate) fn table(&self) -> Table {
        let (columns, rows) = match &self.plot {
            Plot::Accuracies { categories, series } => (
                ["series", "of", "accuracy", "low", "high"].map(String::from).to_vec(),
                rows(series, |x| categories[x as usize].as_str().into()),
            ),
            Plot::Curves { x, y, series } => {
                let columns = ["curve", &x.label, &y.label, "low", "high"];
                (columns.map(String::from).to_vec(), rows(series, Cell::Number))
            }
            Plot::HeatMap(HeatMap { x, y, z, xs, ys, values }) => {
                let cell =
                    |(y, (x, z)): (&f64, (&f64, &f64))| [*x, *y, *z].map(Cell::Number).to_vec();
                let row = |(y, row)| xs.iter().zip(row).map(move |point| cell((y, point)));
                let rows = ys.iter().zip(values).flat_map(row).collect();
                (vec![x.label.clone(), y.label.clone(), z.label.clone()], rows)
            }
        };
        Table { caption: format!("The numbers of: {}", self.title), columns, rows }
    }

    /// The description of the figure, for readers who do not see it.
    pub(crate) fn description(&self) -> String {
        let ends = |curve: &Series, said: &dyn Fn(&Point) -> String| {
            let words: Vec<String> = match curve.points.as_slice() {
                [] => vec!["nothing".to_string()],
                [only] => vec![said(only)],
                [first, .., last] => vec![said(first), said(last)],
            };
            format!("{}: {}", curve.name, words.join(" to "))
        };
        match &self.plot {
            Plot::Accuracies { categories, series } => {
                let value = |point: &Point| {
                    format!("{} {} %", categories[point.x as usize], format::percent(point.y))
                };
                let said = |curve: &Series| {
                    let values = curve.points.iter().take(12).map(value);
                    format!("{}: {}", curve.name, values.collect::<Vec<_>>().join(", "))
                };
                series.iter().map(said).collect::<Vec<_>>().join(". ")
            }
            Plot::Curves { x, y, series } => {
                let value = |point: &Point| {
                    format!("{} at {}", format::number(point.y), format::number(point.x))
                };
                let said: Vec<String> = series.iter().map(|curve| ends(curve, &value)).collect();
                let marked = self.mark.as_ref().map_or(String::new(), |(at, name)| {
                    format!(". Marked at {}: {name}", format::number(*at))
                });
                format!("{} over {}. {}{marked}", y.label, x.label, said.join(". "))
            }
            Plot::HeatMap(HeatMap { x, y, z, values, .. }) => {
                let all = values.iter().flatten().copied();
                let (low, high) =
                    all.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
                let (low, high) = (format::number(low), format::number(high));
                format!("{} over {} and {}, from {low} to {high}", z.label, x.label, y.label)
            }
        }
    }
}

fn rows(series: &[Series], x: impl Fn(f64) -> Cell) -> Vec<Vec<Cell>> {
    let row = |curve: &Series, point: &Point| {
        let Point { low, high, .. } = *point;
        vec![curve.name.as_str().into(), x(point.x), Cell::Number(point.y), low.into(), high.into()]
    };
    series.iter().flat_map(|curve| curve.points.iter().map(|point| row(curve, point))).collect()
}
