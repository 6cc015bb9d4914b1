//! The document: what a report says, independent of its format.

use crate::chart::Chart;
use crate::table::Table;
use cni_evaluation::Verdict;

/// The document of a whole report.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) title: String,
    /// The result in plain words.
    pub(crate) summary: Vec<String>,
    /// The table of results of several models, with a row for each.
    pub(crate) overview: Option<Table>,
    /// The headline: what, how much, how sure.
    pub(crate) headline: Vec<[String; 3]>,
    /// Notices that a reader must know before trusting the numbers.
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
    /// The overview of all checks: a link to each, and its verdict for each model.
    Overview(Table),
    /// Charts, side by side if there is room.
    Charts(Vec<Chart>),
    Gallery(Vec<ExampleView>),
    /// Checks, side by side if there is room.
    Checks(Vec<CheckView>),
    /// Code: text that is shown as it is.
    Code(String),
    /// Blocks that are folded away, because only some readers need them.
    Fold(String, Vec<Block>),
}

/// A check by its name, in all models that ran it.
#[derive(Clone, Debug)]
pub(crate) struct CheckView {
    /// The anchor of the check in the page.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) findings: Vec<Finding>,
    pub(crate) raised_if: String,
    pub(crate) advice: String,
    /// The figures of the check: the ids and the titles of the charts.
    pub(crate) figures: Vec<(String, String)>,
}

/// The finding of a check in one model.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// The name of the model; absent if the report is about one model.
    pub(crate) model: Option<String>,
    pub(crate) verdict: Verdict,
    pub(crate) measured: String,
    /// The difference that the check could have seen, if its rule names a difference.
    pub(crate) sight: Option<String>,
    pub(crate) cost: String,
}

/// An example of the gallery as images.
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

    /// All charts, in their order, mutable.
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
    /// All checks, in their order, mutable.
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
