//! Tables, which are shown in a page and written as CSV.

use crate::format;
use cni_evaluation::Verdict;

/// A table: rows and columns. The first cell of a row is its heading.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) caption: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// A value that was not measured.
    Missing,
    Text(String),
    /// Code: text that is shown as it is.
    Code(String),
    Count(u64),
    Number(f64),
    Seconds(f64),
    /// An accuracy with its interval, as fractions.
    Accuracy([f64; 3]),
    /// A number with its interval.
    Interval([f64; 3]),
    Verdict(Verdict),
    /// Words that link to an anchor in the page.
    Link {
        text: String,
        to: String,
    },
}

impl Cell {
    /// The text of the cell for a reader.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Missing => "-".to_string(),
            Self::Text(text) | Self::Code(text) | Self::Link { text, .. } => text.clone(),
            Self::Count(count) => format::count(*count),
            Self::Number(number) => format::number(*number),
            Self::Seconds(seconds) => format::seconds(*seconds),
            Self::Accuracy([value, low, high]) => format::interval(*value, *low, *high),
            Self::Interval([value, low, high]) => format::number_interval(*value, *low, *high),
            Self::Verdict(verdict) => verdict.to_string(),
        }
    }

    /// The text of the cell for a program: all digits, and nothing for a value that was not
    /// measured.
    fn raw(&self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Count(count) => count.to_string(),
            Self::Number(number) | Self::Seconds(number) => number.to_string(),
            Self::Accuracy([value, ..]) | Self::Interval([value, ..]) => value.to_string(),
            other => other.text(),
        }
    }

    fn is_number(&self) -> bool {
        match self {
            Self::Count(_) | Self::Number(_) | Self::Seconds(_) => true,
            Self::Accuracy(_) | Self::Interval(_) => true,
            Self::Missing | Self::Text(_) | Self::Code(_) | Self::Verdict(_) => false,
            Self::Link { .. } => false,
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_string())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Option<f64>> for Cell {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Missing, Self::Number)
    }
}

impl Table {
    /// True if a column contains only numbers and gaps.
    pub(crate) fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().map(|row| &row[column]);
        let numbers = cells.clone().any(Cell::is_number);
        numbers && cells.all(|cell| cell.is_number() || *cell == Cell::Missing)
    }

    /// The table as CSV, with the names of the columns first.
    pub(crate) fn csv(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let rows = self.rows.iter().map(|row| row.iter().map(Cell::raw).collect());
        for row in std::iter::once(self.columns.clone()).chain(rows) {
            writer.write_record(&row).expect("memory takes rows of equal length");
        }
        writer.into_inner().expect("memory is flushed")
    }
}
