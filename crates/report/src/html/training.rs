//! The page of a training.

use super::blocks::{Numbers, block};
use super::{head, text};
use crate::document::Block;
use maud::{DOCTYPE, html};

/// The words and figures of a training's page, which loads itself anew every so many seconds.
pub(crate) struct View<'a> {
    pub(crate) title: &'a str,
    pub(crate) generator: &'a str,
    pub(crate) reload: Option<u32>,
    pub(crate) lead: &'a str,
    pub(crate) blocks: &'a [Block],
}

pub(crate) fn page(view: &View) -> String {
    text(html! {
        (DOCTYPE)
        html lang="en" {
            (head(&format!("{}: training", view.title), view.generator, view.reload))
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    p.kicker { "Training" }
                    h1 { (view.title) }
                    p.lead { (view.lead) }
                }
                main #main tabindex="-1" {
                    section #training aria-labelledby="training-title" {
                        h2 #training-title { "Learning curves" }
                        @for part in view.blocks { (block(part, Numbers::File("history.json"))) }
                    }
                }
                footer { p { "Made by cni-report from the run's history." } }
            }
        }
    })
}
