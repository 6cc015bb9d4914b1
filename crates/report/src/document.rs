//! What a report says, before it is known in which form.

use crate::chart::Chart;
use crate::table::Table;
use cni_evaluation::Verdict;

/// The whole report.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) title: String,
    /// The result in plain words.
    pub(crate) summary: Vec<String>,
    /// The result of several models, a row for each.
    pub(crate) overview: Option<Table>,
    /// The numbers that are read first: what, how much, how sure.
    pub(crate) headline: Vec<[String; 3]>,
    /// What must be known before the numbers are believed.
    pub(crate) notices: Vec<(Verdict, String)>,
    pub(crate) sections: Vec<Section>,
}

#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
pub(crate) enum Block {
    Text(String),
    Table(Table),
    /// All checks at a glance: a link to each, and its verdict in each model.
    Overview(Table),
    /// Side by side if there is room.
    Charts(Vec<Chart>),
    Gallery(Vec<ExampleView>),
    /// Side by side if there is room.
    Checks(Vec<CheckView>),
    /// Text that is shown letter by letter.
    Code(String),
    /// What only some readers want.
    Fold(String, Vec<Block>),
}

/// A check of one name in all models that ran it.
#[derive(Clone, Debug)]
pub(crate) struct CheckView {
    /// Its place in the page.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) findings: Vec<Finding>,
    pub(crate) raised_if: String,
    pub(crate) advice: String,
    /// What there is to see: the charts' names and titles.
    pub(crate) figures: Vec<(String, String)>,
}

/// What a check found in one model.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// Absent if the report is of one model.
    pub(crate) model: Option<String>,
    pub(crate) verdict: Verdict,
    pub(crate) measured: String,
    /// What it could have seen, if its rule names a difference.
    pub(crate) sight: Option<String>,
    pub(crate) cost: String,
}

/// An example as images.
#[derive(Clone, Debug)]
pub(crate) struct ExampleView {
    pub(crate) title: String,
    /// The clean, the adversarial and the difference image, each as a PNG with its caption.
    pub(crate) images: [(Vec<u8>, String); 3],
}

impl Document {
    /// All charts, in their order.
    pub(crate) fn charts(&self) -> Vec<&Chart> {
        fn of(block: &Block) -> Vec<&Chart> {
            match block {
                Block::Charts(charts) => charts.iter().collect(),
                Block::Fold(_, blocks) => blocks.iter().flat_map(of).collect(),
                _ => Vec::new(),
            }
        }
        self.sections.iter().flat_map(|section| &section.blocks).flat_map(of).collect()
    }

    /// All charts, in their order, to be changed.
    pub(crate) fn charts_mut(&mut self) -> Vec<&mut Chart> {
        fn of(block: &mut Block) -> Vec<&mut Chart> {
            match block {
                Block::Charts(charts) => charts.iter_mut().collect(),
                Block::Fold(_, blocks) => blocks.iter_mut().flat_map(of).collect(),
                _ => Vec::new(),
            }
        }
        self.sections.iter_mut().flat_map(|section| &mut section.blocks).flat_map(of).collect()
    }
    /// All checks, in their order, to be changed.
    pub(crate) fn checks_mut(&mut self) -> Vec<&mut CheckView> {
        fn of(block: &mut Block) -> Vec<&mut CheckView> {
            match block {
                Block::Checks(checks) => checks.iter_mut().collect(),
                Block::Fold(_, blocks) => blocks.iter_mut().flat_map(of).collect(),
                _ => Vec::new(),
            }
        }
        self.sections.iter_mut().flat_map(|section| &mut section.blocks).flat_map(of).collect()
    }
}
