//! Tables and verdicts as HTML.

use crate::format;
use crate::table::{Cell, Table};
use cni_evaluation::Verdict;
use maud::{Markup, html};

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
                (format::percent(*value)) " "
                span.interval { "(" (format::range(*low, *high)) ")" }
            },
            Cell::Interval([value, low, high]) => {
                (format::significant(*value, 3)) " "
                span.interval { "(" (format::number_range(*low, *high)) ")" }
            },
            other => (other.text()),
        }
    }
}

/// A verdict as a sign and a word.
pub(super) fn badge(verdict: Verdict) -> Markup {
    let sign = match verdict {
        Verdict::Pass => "✓",
        Verdict::Inconclusive => "?",
        Verdict::Warn => "!",
        Verdict::Fail => "✗",
        Verdict::Skipped => "–",
    };
    html! { strong class={ "badge " (verdict) } { span aria-hidden="true" { (sign) } (verdict) } }
}
