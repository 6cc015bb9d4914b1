//! Blocks of a document as HTML.

use super::checks::{check_view, overview};
use super::table::{badge, table};
use crate::chart::Chart;
use crate::document::{Block, ExampleView};
use crate::{draw, format, png};
use maud::{Markup, PreEscaped, html};

/// The largest number of lines of a figure's table in the page. A longer table is replaced by the
/// name of its file.
const LINES: usize = 120;

/// The file that has the numbers of a figure which are too many for a page.
#[derive(Clone, Copy)]
pub(super) enum Numbers {
    /// A file for each figure, beside a report.
    Data,
    /// The file of this name, beside the page.
    File(&'static str),
}

pub(super) fn block(part: &Block, numbers: Numbers) -> Markup {
    html! {
        @match part {
            Block::Text(text) => p { (text) },
            Block::Table(table_) => (table(table_)),
            Block::Charts(charts) => div.charts { @for one in charts { (chart(one, numbers)) } },
            Block::Gallery(examples) => div.gallery { @for one in examples { (example(one)) } },
            Block::Overview(checks) => (overview(checks)),
            Block::Checks(checks) => div.checks { @for one in checks { (check_view(one)) } },
            Block::Code(text) => pre tabindex="0" role="region" aria-label="Code" {
                code { (text) }
            },
            Block::Fold(summary, blocks) => details {
                summary { (summary) }
                @for part in blocks { (block(part, numbers)) }
            },
        }
    }
}

fn chart(chart: &Chart, beside: Numbers) -> Markup {
    let file = match beside {
        Numbers::Data => format!("data/{}.csv", chart.id),
        Numbers::File(name) => name.to_string(),
    };
    let title = format!("{}. {}", chart.title, chart.description());
    let svg = draw::inline_svg(chart, &format!("figure-{}-title", chart.id), &title);
    let numbers = chart.table();
    let lines = numbers.rows.len();
    html! {
        figure #{ "figure-" (chart.id) } {
            (PreEscaped(svg))
            figcaption {
                strong { (chart.title) }
                @if !chart.note.is_empty() { ". " (chart.note) }
                @if let Some(source) = &chart.source {
                    ". Check: " a.verdict href={ "#" (source.check) } { (badge(source.verdict)) }
                }
            }
            details {
                summary { "Numbers" span.hidden { " of " (chart.title) } }
                @if lines <= LINES { (table(&numbers)) }
                p {
                    (format::counted(lines, "line")) " in "
                    code { (file) } " beside this page."
                }
            }
        }
    }
}

fn example(example: &ExampleView) -> Markup {
    html! {
        figure.example {
            figcaption { (example.title) }
            div.images {
                @for (image, caption) in &example.images {
                    div {
                        img src=(png::data_uri(image)) alt={ (example.title) ", " (caption) };
                        span { (caption) }
                    }
                }
            }
        }
    }
}
