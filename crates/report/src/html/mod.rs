//! HTML of a report.

mod blocks;
mod checks;
mod table;
mod training;

pub(crate) use self::training::{View as TrainingView, page as training_page};

use self::blocks::{Numbers, block};
use self::table::{badge, table};
use crate::document::Document;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The program in the head of every page.
const GENERATOR: &str = "cni-report";

/// The head of a page, which loads itself anew every so many seconds.
fn head(title: &str, generator: &str, reload: Option<u32>) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="generator" content=(generator);
            @if let Some(seconds) = reload { meta http-equiv="refresh" content=(seconds); }
            title { (title) }
            style { (PreEscaped(include_str!("style.css"))) }
        }
    }
}

/// The text of a page. HTML forbids control characters even as entities.
fn text(page: Markup) -> String {
    page.into_string().replace(|c: char| c.is_control() && c != '\n', "\u{FFFD}")
}

pub(crate) fn page(document: &Document) -> String {
    text(html! {
        (DOCTYPE)
        html lang="en" {
            (head(&format!("{}: robustness", document.title), GENERATOR, None))
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
                            @for part in &section.blocks { (block(part, Numbers::Data)) }
                        }
                    }
                }
                footer {
                    p { "Made by cni-report. Every number is in the evaluation's record." }
                }
            }
        }
    })
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
