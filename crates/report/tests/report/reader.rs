//! Features that readers of a page need: all checks in one overview, and models that are recognized
//! by their style.

use crate::support::kinds::reports;
use crate::support::page::selected;
use crate::support::{deterministic, in_cascade, stochastic};
use cni_evaluation::AttackRecord;
use cni_report::Report;
use scraper::{ElementRef, Html};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The lines of the overview.
const LINES: &str = ".overview li, .glance tbody tr";

fn page(report: &Report) -> Html {
    Html::parse_document(&report.html())
}

fn is_folded(element: ElementRef) -> bool {
    element.ancestors().filter_map(ElementRef::wrap).any(|e| e.value().name() == "details")
}

fn verdicts<'a>(element: ElementRef<'a>) -> Vec<&'a str> {
    let badges = element.descendants().filter_map(ElementRef::wrap);
    let class = |e: ElementRef<'a>| e.value().attr("class")?.strip_prefix("badge ");
    badges.filter_map(class).collect()
}

#[test]
fn every_check_has_a_line_that_leads_to_it() {
    for (name, report) in reports() {
        let page = page(&report);
        let (lines, checks) = (selected(&page, LINES), selected(&page, "article.check"));
        let links = selected(&page, ".overview a, .glance tbody a");
        assert_eq!((lines.len(), links.len()), (checks.len(), checks.len()), "{name}");
        for ((line, link), check) in lines.iter().zip(&links).zip(&checks) {
            let to = link.value().attr("href").unwrap().strip_prefix('#').unwrap();
            assert_eq!(check.value().attr("id"), Some(to), "{name}");
            assert_eq!(verdicts(*line), verdicts(*check), "{name}: {to}");
        }
    }
    let one = stochastic("CNI", 40);
    let checks = one.record.checks.len();
    let single = page(&Report::new(vec![one.clone()]).unwrap());
    assert_eq!(selected(&single, LINES).len(), checks);
    let two = page(&Report::new(vec![one, deterministic("b", 40)]).unwrap());
    assert_eq!(selected(&two, ".glance tbody tr").len(), checks);
    assert_eq!(selected(&two, ".glance thead th").len(), 3);
}

#[test]
fn what_passed_is_folded_and_what_did_not_is_open() {
    let page = page(&Report::new(vec![stochastic("CNI", 40)]).unwrap());
    for check in selected(&page, "article.check") {
        let raised = verdicts(check)
            .iter()
            .any(|verdict| ["fail", "warn", "inconclusive"].contains(verdict));
        assert_eq!(is_folded(check), !raised, "{:?}", check.value().attr("id"));
    }
}

#[test]
fn the_figures_of_checks_are_open_and_lead_to_them() {
    let page = page(&Report::new(vec![stochastic("CNI", 40)]).unwrap());
    let figures = selected(&page, "#sweeps figure");
    let ids: Vec<&str> = figures.iter().filter_map(|f| f.value().attr("id")).collect();
    let sweeps = ["figure-epsilon-sweep", "figure-steps-sweep", "figure-draw-sweep"];
    assert_eq!(ids[..3], sweeps);
    assert_eq!(ids.len(), 5, "{ids:?}");
    assert!(figures.iter().all(|figure| !is_folded(*figure)));
    assert_eq!(selected(&page, "#sweeps figcaption a[href^='#check-']").len(), 5);
    assert_eq!(selected(&page, "article.check a[href^='#figure-']").len(), 5);
}

/// The colors and marks that legends show beside the curves of a model, and the number of figures
/// that have them.
fn looks(page: &Html, model: &str) -> (BTreeSet<String>, BTreeSet<String>, usize) {
    let (mut colors, mut marks, mut figures) = (BTreeSet::new(), BTreeSet::new(), 0);
    for svg in selected(page, "figure > svg") {
        let parts: Vec<ElementRef> = svg.children().filter_map(ElementRef::wrap).collect();
        let mut shown = false;
        for (index, part) in parts.iter().enumerate().filter(|(_, e)| e.value().name() == "text") {
            let text: String = part.text().collect();
            let own = text.trim() == model;
            if !own && !text.trim().starts_with(&format!("{model}: ")) {
                continue;
            }
            shown = true;
            let color = |e: &ElementRef| {
                let fill = e.value().attr("fill")?.strip_prefix("var(--s")?;
                Some(fill.to_string())
            };
            let before = parts[..index].iter().rev();
            colors.insert(before.clone().find_map(color).unwrap());
            if own {
                let mark = before.clone().next().unwrap();
                let corners = mark
                    .value()
                    .attr("points")
                    .map_or(0, |points| points.split_whitespace().collect::<BTreeSet<_>>().len());
                marks.insert(format!("{} {corners}", mark.value().name()));
            }
        }
        figures += usize::from(shown);
    }
    (colors, marks, figures)
}

#[test]
fn a_model_looks_the_same_in_every_figure() {
    let mut third = stochastic("third", 60);
    third.record.model.history.truncate(5);
    let models = vec![stochastic("first", 60), deterministic("second", 60), third];
    let page = page(&Report::new(models).unwrap());
    let mut seen = BTreeMap::new();
    for (place, name) in ["first", "second", "third"].into_iter().enumerate() {
        let (colors, marks, figures) = looks(&page, name);
        assert_eq!(colors, BTreeSet::from([format!("{place})")]), "{name}");
        assert_eq!(marks.len(), 1, "{name}: {marks:?}");
        seen.insert(name, figures);
    }
    assert!(seen["first"] > 12 && seen["first"] == seen["third"], "{seen:?}");
    assert!(seen["second"] >= 3, "{seen:?}");
}

#[test]
fn a_cascade_and_the_curves_over_radii_are_shown() {
    let one = page(&Report::new(vec![in_cascade("AT", 60)]).unwrap());
    let text = |page: &Html, selector: &str| -> String {
        selected(page, selector).iter().flat_map(|part| part.text()).collect()
    };
    let accuracy = text(&one, "#accuracy");
    for wanted in ["AutoAttack as a cascade", "after PGD-20", "A budget ended Square-1000"] {
        assert!(accuracy.contains(wanted), "{wanted}: {accuracy}");
    }
    let curves = text(&one, "#figure-radii-linf");
    assert!(curves.contains("after FGSM") && curves.contains("Robust accuracy against the radius"));
    let two = page(&Report::new(vec![in_cascade("a", 60), in_cascade("b", 60)]).unwrap());
    let curves = text(&two, "#figure-radii-linf");
    assert!(curves.contains("the lowest accuracy under any") && !curves.contains("after FGSM"));
}

#[test]
fn the_configuration_of_a_model_is_there_to_unfold() {
    let page = page(&Report::new(vec![stochastic("AT", 40)]).unwrap());
    let folds = selected(&page, "#cards details");
    let text = |fold: &ElementRef| fold.text().collect::<String>();
    let found = folds.iter().map(text).find(|text| text.contains("Configuration of the model"));
    assert!(found.is_some_and(|text| text.contains("\"depth\": 20")));
}

#[test]
fn the_spectrum_of_perturbations_is_shown_beside_that_of_white_noise() {
    let text = |page: &Html, selector: &str| -> String {
        selected(page, selector).iter().flat_map(|part| part.text()).collect()
    };
    let one = page(&Report::new(vec![stochastic("AT", 40)]).unwrap());
    let shown = text(&one, "#figure-perturbations");
    let attacks = stochastic("AT", 40).record.attacks;
    assert!(attacks.iter().all(|attack| shown.contains(&attack.name)), "{shown}");
    assert!(shown.contains("white noise") && shown.contains("share of the energy"), "{shown}");
    // Of several models the strongest attack of each.
    let two = page(&Report::new(vec![stochastic("a", 40), stochastic("b", 40)]).unwrap());
    let shown = text(&two, "#figure-perturbations");
    let accuracy = |attack: &&AttackRecord| attack.robust.one_shot.accuracy;
    let strongest = attacks.iter().min_by(|a, b| accuracy(a).total_cmp(&accuracy(b))).unwrap();
    for wanted in ["a, ", "b, "].map(|model| format!("{model}{}", strongest.name)) {
        assert!(shown.contains(&wanted), "{wanted}: {shown}");
    }
    assert!(!shown.contains("white noise of the size"), "{shown}");
    // Images of another size have other shares of white noise.
    let mut other = stochastic("b", 40);
    for attack in &mut other.record.attacks {
        attack.spectrum.as_mut().unwrap().white.swap(0, 1);
    }
    let two = page(&Report::new(vec![stochastic("a", 40), other]).unwrap());
    let shown = text(&two, "#figure-perturbations");
    for wanted in ["white noise of the size of a", "white noise of the size of b"] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
}

/// One table shows the results of several models; no paragraph is repeated for each.
#[test]
fn several_models_have_one_table_of_results() {
    let models = ["a", "b", "c", "d"].map(|name| stochastic(name, 40)).to_vec();
    let page = page(&Report::new(models).unwrap());
    assert!(selected(&page, "header .lead").is_empty());
    assert_eq!(selected(&page, "header table tbody tr").len(), 4);
    let mut seen = BTreeSet::new();
    for paragraph in selected(&page, "main section > p") {
        let text: String = paragraph.text().collect();
        let unnamed = text.split_whitespace().filter(|word| word.len() > 1);
        let unnamed: Vec<&str> = unnamed.collect();
        // A comparison has numbers of its own, and a heading ends in a colon. Every other text
        // appears once.
        if !text.contains("of these images correctly") && !text.ends_with(':') {
            assert!(seen.insert(unnamed.join(" ")), "{text}");
        }
    }
}

/// The names and the bytes of all files below a folder.
fn files(folder: &Path, into: &mut BTreeMap<String, Vec<u8>>, root: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into, root);
        } else {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            into.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn equal_records_make_equal_files() {
    let report = Report::new(vec![stochastic("CNI", 60), deterministic("b", 60)]).unwrap();
    let [first, second] = [(), ()].map(|()| {
        let (folder, mut all) = (tempfile::tempdir().unwrap(), BTreeMap::new());
        report.write(folder.path()).unwrap();
        files(folder.path(), &mut all, folder.path());
        all
    });
    assert!(first.len() > 100 && first == second);
}
