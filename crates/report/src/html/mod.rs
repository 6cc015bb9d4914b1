//! HTML of a report.

mod blocks;
mod checks;
mod table;

use self::blocks::block;
use self::table::{badge, table};
use crate::document::Document;
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(crate) fn page(document: &Document) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="cni-report";
                title { (document.title) ": robustness" }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header { (header(document)) }
                nav aria-label="Contents" {
                    ul {
                        @for section in &document.sections {
                            li { a href={ "#" (section.id) } { (section.title) } }
                        }
                    }
                }
                main #main tabindex="-1" {
                    @for section in &document.sections {
                        section #(section.id) aria-labelledby={ (section.id) "-title" } {
                            h2 #{ (section.id) "-title" } { (section.title) }
                            @for part in &section.blocks { (block(part)) }
                        }
                    }
                }
                footer {
                    p { "Made by cni-report. Every number is in the evaluation's record." }
                }
            }
        }
    };
    // HTML forbids control characters even as entities.
    let controls = |c: char| c.is_control() && c != '\n';
    page.into_string().replace(controls, "\u{FFFD}")
}

fn header(document: &Document) -> Markup {
    html! {
        p.kicker { "Adversarial robustness" }
        h1 { (document.title) }
        @for paragraph in &document.summary { p.lead { (paragraph) } }
        @if let Some(overview) = &document.overview { (table(overview)) }
        @if !document.headline.is_empty() {
            dl.headline {
                @for [what, value, sure] in &document.headline {
                    div { dt { (what) } dd { strong { (value) } small { (sure) } } }
                }
            }
        }
        @for (verdict, text) in &document.notices {
            p class={ "notice " (verdict) } { (badge(*verdict)) " " (text) }
        }
    }
}
