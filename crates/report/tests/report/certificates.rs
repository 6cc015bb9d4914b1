//! Certificates in a report: their curve, their numbers, and their text.

use crate::support::page::selected;
use crate::support::{certified, deterministic, stochastic};
use cni_report::Report;
use scraper::Html;
use std::path::Path;

fn text(page: &Html, selector: &str) -> String {
    selected(page, selector).iter().flat_map(|part| part.text()).collect()
}

fn csv(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.records().map(|row| row.unwrap().iter().map(String::from).collect()).collect()
}

#[test]
fn the_page_says_what_is_certified_and_of_which_classifier() {
    let html = Report::new(vec![certified("CNI", 200)]).unwrap().html();
    let page = Html::parse_document(&html);
    let section = text(&page, "#certificates");
    for wanted in [
        "this smoothed classifier predicts the same class for every image within an L2 radius",
        "with a probability of at least 1 − α for each certificate",
        "says nothing of the model without that noise",
        "The attacks in L2 were run on the model itself and not on the smoothed classifier",
        "average certified radius",
    ] {
        assert!(section.contains(wanted), "{wanted}: {section}");
    }
    assert_eq!(selected(&page, "#figure-certificates svg").len(), 1);
    // Without an attack in L2 there is nothing to compare with.
    let mut alone = certified("CNI", 200);
    alone.record.attacks.truncate(4);
    alone.rows.iter_mut().for_each(|row| row.attacks.truncate(4));
    let page = Html::parse_document(&Report::new(vec![alone]).unwrap().html());
    assert!(!text(&page, "#certificates").contains("The attacks in L2"));
}

#[test]
fn the_numbers_are_those_of_the_record() {
    let evaluated = certified("CNI", 120);
    let made = evaluated.record.certificates.clone().unwrap();
    let folder = tempfile::tempdir().unwrap();
    Report::new(vec![evaluated.clone()]).unwrap().write(folder.path()).unwrap();
    let number = |text: &String| text.parse::<f64>().unwrap();
    let curve = csv(&folder.path().join("data/certificates.csv"));
    // The certified curve, clean accuracy, and accuracy under the attack in L2.
    assert_eq!(curve.len(), made.curve.len() + 2);
    for (row, point) in curve.iter().zip(&made.curve) {
        assert_eq!([number(&row[1]), number(&row[2])], [point.x, point.y]);
        assert_eq!([number(&row[3]), number(&row[4])], [point.low.unwrap(), point.high.unwrap()]);
    }
    let attacked = &evaluated.record.attacks[4].robust.one_shot;
    assert_eq!([number(&curve[41][1]), number(&curve[41][2])], [0.5, attacked.accuracy]);
    let rows = csv(&folder.path().join("data/certificates-of-examples.csv"));
    assert_eq!(rows.len(), 120);
    for (line, row) in rows.iter().zip(&evaluated.rows) {
        let of = row.certificate.unwrap();
        let class = of.predicted.map_or("abstain".to_string(), |class| class.to_string());
        assert_eq!((&line[2], &line[3]), (&row.label.to_string(), &class));
        assert_eq!([number(&line[4]), number(&line[8])], [of.radius, f64::from(of.estimation)]);
        assert_eq!(line[5] == "1", of.predicted == Some(row.label));
        assert_eq!(line[9..], ["100", "100000", "0.001", "0.25"]);
    }
}

#[test]
fn models_without_certificates_have_none_in_the_report() {
    let two = vec![certified("a", 60), deterministic("b", 60)];
    let page = Html::parse_document(&Report::new(two).unwrap().html());
    let columns = selected(&page, "#certificates > .table thead th");
    assert_eq!(columns.len(), 2, "a column for the one model that has them");
    let page = Html::parse_document(&Report::new(vec![stochastic("a", 60)]).unwrap().html());
    assert!(selected(&page, "#certificates").is_empty());
    let folder = tempfile::tempdir().unwrap();
    Report::new(vec![stochastic("a", 60)]).unwrap().write(folder.path()).unwrap();
    assert!(!folder.path().join("data/certificates-of-examples.csv").exists());
}
