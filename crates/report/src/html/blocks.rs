//! The parts of a page.

use super::badge;
use super::checks::{inspection, overview};
use crate::chart::Chart;
use crate::document::{Block, Exhibit};
use crate::table::{Cell, Table};
use crate::{draw, png, words};
use maud::{Markup, PreEscaped, html};

/// Most lines of a figure's table that a page holds; of more it names the file.
const LINES: usize = 120;

pub(super) fn block(part: &Block) -> Markup {
    html! {
        @match part {
            Block::Text(text) => p { (text) },
            Block::Table(table_) => (table(table_)),
            Block::Charts(charts) => div.charts { @for one in charts { (chart(one)) } },
            Block::Gallery(exhibits) => div.gallery { @for one in exhibits { (exhibit(one)) } },
            Block::Overview(checks) => (overview(checks)),
            Block::Checks(checks) => div.checks { @for one in checks { (inspection(one)) } },
            Block::Code(text) => pre tabindex="0" role="region" aria-label="Code" {
                code { (text) }
            },
            Block::Fold(summary, blocks) => details {
                summary { (summary) }
                @for part in blocks { (block(part)) }
            },
        }
    }
}

pub(super) fn table(table: &Table) -> Markup {
    let class: Vec<Option<&str>> =
        (0..table.columns.len()).map(|i| (i > 0 && table.is_numeric(i)).then_some("n")).collect();
    html! {
        div.table role="region" aria-label=(table.caption) tabindex="0" {
            table {
                caption { span { (table.caption) } }
                thead {
                    tr {
                        @for (column, class) in table.columns.iter().zip(&class) {
                            th scope="col" class=[*class] { (column) }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (index, (value, class)) in row.iter().zip(&class).enumerate() {
                                @if index == 0 {
                                    th scope="row" { (cell(value)) }
                                } @else {
                                    td class=[*class] { (cell(value)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(cell: &Cell) -> Markup {
    html! {
        @match cell {
            Cell::Code(text) => code { (text) },
            Cell::Verdict(verdict) => (badge(*verdict)),
            Cell::Link { text, to } => a href={ "#" (to) } { (text) },
            Cell::Accuracy([value, low, high]) => {
                (words::percent(*value)) " "
                span.interval { "(" (words::range(*low, *high)) ")" }
            },
            other => (other.text()),
        }
    }
}

fn chart(chart: &Chart) -> Markup {
    let (name, said) = (format!("figure-{}-title", chart.id), chart.description());
    let named = format!("role=\"img\" aria-labelledby=\"{name}\"");
    // What plotters draws is markup, whose text it has escaped.
    let svg = draw::inline_svg(chart).replacen("<svg ", &format!("<svg {named} "), 1);
    let (open, rest) = svg.split_at(svg.find('>').map_or(0, |end| end + 1));
    let numbers = chart.table();
    let lines = numbers.rows.len();
    html! {
        figure #{ "figure-" (chart.id) } {
            (PreEscaped(open))
            title id=(name) { (chart.title) ". " (said) }
            (PreEscaped(rest))
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
                    (words::counted(lines, "line")) " in "
                    code { "data/" (chart.id) ".csv" } " beside this page."
                }
            }
        }
    }
}

fn exhibit(exhibit: &Exhibit) -> Markup {
    html! {
        figure.exhibit {
            figcaption { (exhibit.title) }
            div.images {
                @for (image, caption) in &exhibit.images {
                    div {
                        img src=(png::data_uri(image)) alt={ (exhibit.title) ", " (caption) };
                        span { (caption) }
                    }
                }
            }
        }
    }
}
