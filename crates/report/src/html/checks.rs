//! Checks as HTML.

use super::table::{badge, table};
use crate::document::CheckView;
use crate::table::{Cell, Table};
use maud::{Markup, html};

/// The overview of the checks: a list in columns for one model, a table for several.
pub(super) fn overview(checks: &Table) -> Markup {
    let entries: Option<Vec<_>> = checks.rows.iter().map(|row| entry(row)).collect();
    let Some(entries) = entries else {
        return html! { div.glance { (table(checks)) } };
    };
    html! {
        ul.overview aria-label=(checks.caption) {
            @for (text, to, verdict) in entries {
                li { (badge(verdict)) " " a href={ "#" (to) } { (text) } }
            }
        }
    }
}

fn entry(row: &[Cell]) -> Option<(&str, &str, cni_evaluation::Verdict)> {
    match row {
        [Cell::Link { text, to }, Cell::Verdict(verdict)] => Some((text, to, *verdict)),
        _ => None,
    }
}

pub(super) fn check_view(check: &CheckView) -> Markup {
    html! {
        article.check #(check.id) {
            h3 { (check.name) }
            @for finding in &check.findings {
                p.finding {
                    (badge(finding.verdict)) " "
                    @if let Some(model) = &finding.model { strong { (model) ": " } }
                    (finding.measured)
                    " "
                    small { @if let Some(sight) = &finding.sight { (sight) " " } (finding.cost) }
                }
            }
            dl {
                dt { "Raised if" } dd { (check.raised_if) }
                dt { "What to do" } dd { (check.advice) }
                @for (id, title) in &check.figures {
                    dt { "Figure" } dd { a href={ "#figure-" (id) } { (title) } }
                }
            }
        }
    }
}
