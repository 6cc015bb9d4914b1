//! Properties of every report, whatever its records. One file, because all tests read the same
//! reports.

use crate::support::kinds::{HOSTILE, reports};
use crate::support::page::{assert_sound, selected};
use crate::support::{deterministic, in_cascade, stochastic};
use cni_evaluation::{Evaluated, Figure, Hits, Verdict};
use cni_report::{Report, ReportError};
use scraper::{ElementRef, Html, Selector};
use std::path::{Path, PathBuf};

/// The folders with records of the first layout in the repository.
fn old_records() -> Vec<PathBuf> {
    let records =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/data/records-1");
    ["full", "bf16"].map(|folder| records.join(folder)).to_vec()
}

/// Asserts that all rows of a table in the text have equally many cells.
fn assert_even(name: &str, markdown: &str) {
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut wanted = None;
    for line in markdown.lines() {
        wanted = line.starts_with('|').then(|| *wanted.get_or_insert(cells(line)));
        if let Some(wanted) = wanted {
            assert_eq!(cells(line), wanted, "{name}: {line}");
        }
    }
}

fn csv(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.records().map(|row| row.unwrap().iter().map(String::from).collect()).collect()
}

#[test]
fn every_page_is_sound_and_every_table_even() {
    for (name, report) in reports() {
        assert_sound(name, &report.html());
        assert_even(name, &report.markdown());
    }
}

#[test]
fn every_figure_is_a_file_with_its_numbers() {
    for (name, report) in reports() {
        let folder = tempfile::tempdir().unwrap();
        report.write(folder.path()).unwrap();
        let html = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
        assert_eq!(html, report.html(), "{name}");
        let text = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
        assert_eq!(text, report.markdown(), "{name}");
        let page = Html::parse_document(&html);
        let figures = selected(&page, "figure[id]");
        assert!(!figures.is_empty(), "{name}");
        for figure in &figures {
            let id = figure.value().attr("id").unwrap().strip_prefix("figure-").unwrap();
            let drawing = folder.path().join("figures").join(format!("{id}.svg"));
            let drawing = std::fs::read_to_string(drawing).unwrap();
            assert!(drawing.starts_with("<svg") && !drawing.contains("var("), "{name}: {id}");
            let picture = image::open(folder.path().join("figures").join(format!("{id}.png")));
            assert_eq!(picture.unwrap().width(), 880, "{name}: {id}");
            let rows = csv(&folder.path().join("data").join(format!("{id}.csv")));
            assert!(!rows.is_empty(), "{name}: {id} has no numbers");
            assert!(text.contains(&format!("(figures/{id}.svg)")), "{name}: {id}");
        }
        let files = std::fs::read_dir(folder.path().join("figures")).unwrap().count();
        assert_eq!(files, 2 * figures.len(), "{name}");
    }
}

#[test]
fn the_numbers_beside_a_figure_are_those_of_the_record() {
    let evaluated = stochastic("CNI", 120);
    let folder = tempfile::tempdir().unwrap();
    Report::new(vec![evaluated.clone()]).unwrap().write(folder.path()).unwrap();
    let data = |name: &str| csv(&folder.path().join("data").join(name));
    let number = |text: &String| text.parse::<f64>().unwrap();
    let Evaluated { record, rows, .. } = &evaluated;

    let accuracy = data("accuracy.csv");
    let attacks = record.attacks.iter().map(|attack| (attack.name.as_str(), &attack.robust));
    let all = std::iter::once(("clean", &record.clean)).chain(attacks);
    let all = all.chain(record.worst_case.iter().map(|worst| ("worst case", worst)));
    for (row, (name, accuracy)) in accuracy.iter().zip(all) {
        let e = &accuracy.one_shot;
        assert_eq!((row[0].as_str(), row[1].as_str()), ("CNI", name));
        let got = [&row[2], &row[3], &row[4]].map(number);
        assert_eq!(got, [e.accuracy, e.low, e.high], "{name}");
    }
    for check in &record.checks {
        match &check.figure {
            None => {}
            Some(Figure::Curves { curves, .. }) => {
                let points = curves.iter().flat_map(|c| c.points.iter().map(move |p| (c, p)));
                let points: Vec<_> = points.collect();
                let rows = data(&format!("{}.csv", check.name));
                assert_eq!(rows.len(), points.len(), "{}", check.name);
                for (row, (curve, point)) in rows.iter().zip(points) {
                    assert_eq!(row[0], curve.name);
                    assert_eq!((number(&row[1]), number(&row[2])), (point.x, point.y));
                    assert_eq!(Some(number(&row[3])), point.low);
                    assert_eq!(Some(number(&row[4])), point.high);
                }
            }
            Some(Figure::Surface { xs, ys, values, .. }) => {
                let rows = data(&format!("{}.csv", check.name));
                assert_eq!(rows.len(), xs.len() * ys.len());
                for (index, row) in rows.iter().enumerate() {
                    let (y, x) = (index / xs.len(), index % xs.len());
                    let got = [&row[0], &row[1], &row[2]].map(number);
                    assert_eq!(got, [xs[x], ys[y], values[y][x]]);
                }
            }
        }
    }
    let examples = data("examples.csv");
    assert_eq!(examples.len(), rows.len() * (record.attacks.len() + 2));
    for (row, lines) in rows.iter().zip(examples.chunks(record.attacks.len() + 2)) {
        let counts = std::iter::once(row.clean).chain(row.attacks.iter().map(|a| a.correct));
        for (line, correct) in lines.iter().zip(counts.chain([row.worst_case])) {
            assert_eq!(number(&line[4]), f64::from(correct));
            assert_eq!(number(&line[6]), f64::from(correct) / record.draws as f64);
            assert!((number(&line[7])..=number(&line[8])).contains(&number(&line[6])), "{line:?}");
        }
    }
}

#[test]
fn records_of_the_first_layout_are_reported() {
    for folder in old_records() {
        let report = Report::read(std::slice::from_ref(&folder)).unwrap();
        let record = Evaluated::read(&folder).unwrap().record;
        assert_eq!(record.schema, 1);
        let html = report.html();
        assert_sound(&folder.display().to_string(), &html);
        let clean = format!("{:.1}", 100.0 * record.clean.one_shot.accuracy);
        assert!(html.contains(&clean) && html.contains("No check was run"), "{clean}");
    }
    let both = Report::read(&old_records()).unwrap();
    assert_sound("both", &both.html());
}

#[test]
fn names_are_words_and_never_markup() {
    let (_, report) = reports().into_iter().find(|(name, _)| *name == "hostile").unwrap();
    let html = report.html();
    assert!(!html.contains("<script"), "a script");
    let page = Html::parse_document(&html);
    let title: String = selected(&page, "h1")[0].text().collect();
    assert!(title.starts_with(HOSTILE) && title.contains(&format!("{HOSTILE} (2)")), "{title}");
    let text = report.markdown();
    let mut fence = None;
    for line in text.lines() {
        match &fence {
            Some(open) if line == *open => fence = None,
            None if line.starts_with("```") => fence = Some(line.to_string()),
            // No text within fences is markup.
            Some(_) => {}
            // Folding needs HTML, and there is no other HTML.
            None if line == "<details>" || line == "</details>" => {}
            None => {
                let folded = line.strip_prefix("<summary>");
                let folded = folded.and_then(|line| line.strip_suffix("</summary>"));
                let plain = folded.unwrap_or(line).replace("\\<", "");
                assert!(!plain.contains('<'), "{line}");
            }
        }
    }
    assert!(fence.is_none(), "a fence is left open");
}

#[test]
fn what_failed_is_said_first() {
    let html = Report::new(vec![stochastic("CNI", 60)]).unwrap().html();
    let page = Html::parse_document(&html);
    let notice: String = selected(&page, "header .notice.fail")[0].text().collect();
    assert!(
        notice.contains("Not to be trusted: Gradient norm failed. 31 % of the examples"),
        "{notice}"
    );
    let verdicts: Vec<String> = selected(&page, ".check")
        .iter()
        .map(|c| {
            c.select(&Selector::parse(".badge").unwrap())
                .next()
                .unwrap()
                .value()
                .attr("class")
                .unwrap()
                .to_string()
        })
        .collect();
    let order = Verdict::GRAVEST_FIRST.map(|v| format!("badge {v}"));
    let places: Vec<usize> =
        verdicts.iter().map(|v| order.iter().position(|o| o == v).unwrap()).collect();
    assert!(places.is_sorted() && places[0] == 0, "{verdicts:?}");
}

/// A check that could not tell is counted separately, is not folded away, and says what it could
/// have seen.
#[test]
fn an_inconclusive_check_is_no_passed_one() {
    let report = Report::new(vec![stochastic("CNI", 60)]).unwrap();
    let (html, markdown) = (report.html(), report.markdown());
    let page = Html::parse_document(&html);
    let headline: String = selected(&page, ".headline div").last().unwrap().text().collect();
    let counts = "4 passedof EOT-PGD-20x20: 1 inconclusive, 1 warned, 1 failed, 1 did not apply";
    assert!(headline.contains(counts), "{headline}");
    let lead: String = selected(&page, ".lead")[0].text().collect();
    assert!(
        lead.contains("Of 8 checks of EOT-PGD-20x20, 4 passed, 1 inconclusive, 1 warned, 1 failed"),
        "{lead}"
    );
    let check = &selected(&page, "#check-stronger-attack")[0];
    assert!(
        !check.ancestors().any(|a| a.value().as_element().is_some_and(|e| e.name() == "details"))
    );
    let text: String = check.text().collect();
    let seen =
        "Could have seen 13.7 points; its rule names 3.0, and 2,140 examples would show that.";
    assert!(text.contains("?inconclusive") && text.contains(seen), "{text}");
    assert!(markdown.contains("- **inconclusive** APGD leaves 6.2 %") && markdown.contains(seen));
    assert!(html.contains(".badge.inconclusive"));
}

#[test]
fn a_pass_by_what_is_left_says_how_much_that_is() {
    let mut evaluated = stochastic("CNI", 60);
    let check = evaluated.record.checks.iter_mut().find(|check| check.name == "black-box").unwrap();
    (check.detectable, check.at_most, check.bound) = (Some(0.051), Some(0.025), Some(0.03));
    let report = Report::new(vec![evaluated]).unwrap();
    let wanted = "At most 2.5 points could be won; its rule names 3.0.";
    assert!(report.html().contains(wanted) && report.markdown().contains(wanted));
    assert!(!report.html().contains("Could have seen 5.1"));
}

#[test]
fn models_on_other_images_are_shown_and_not_compared() {
    let reports = reports();
    let html = |wanted: &str| reports.iter().find(|(name, _)| *name == wanted).unwrap().1.html();
    assert!(html("sizes").contains("are not compared: examples: got 50 and 60"));
    let suites = html("suites");
    assert!(suites.contains("Their suites are not equal"));
    let page = Html::parse_document(&suites);
    let table: String = selected(&page, "#accuracy table")[0].text().collect();
    assert!(table.contains("Random-10 (000000)") && table.contains('-'), "{table}");
}

#[test]
fn a_large_record_makes_a_small_page() {
    let html = Report::new(vec![stochastic("CNI", 10_000)]).unwrap().html();
    assert!(html.len() < 5_000_000, "{} bytes", html.len());
}

#[test]
fn records_that_do_not_fit_together_are_refused() {
    assert!(matches!(Report::new(Vec::new()), Err(ReportError::NoRecords)));
    let refused = |change: fn(&mut Evaluated)| {
        let mut evaluated = stochastic("CNI", 20);
        change(&mut evaluated);
        Report::new(vec![evaluated]).unwrap_err().to_string()
    };
    assert_eq!(refused(|e| _ = e.rows.pop()), "CNI: rows: got 19, wanted 20");
    assert_eq!(refused(|e| e.record.draws = 0), "CNI: draws: got 0, wanted at least 1");
    let sure = refused(|e| e.record.confidence = 2.0);
    assert_eq!(sure, "CNI: confidence: got 2, wanted a number between 0 and 1");
    let many = refused(|e| e.rows[3].attacks[1].correct = 21);
    assert_eq!(many, "CNI: correct draws of example 3: got 21, wanted at most the 20 draws");
    let other = refused(|e| e.rows[0].clean = 20 - e.rows[0].clean);
    assert!(other.starts_with("CNI: accuracy of the clean images: got "), "{other}");
    let nan = refused(|e| e.record.clean.one_shot.low = f64::NAN);
    assert_eq!(nan, "CNI: accuracy: got NaN, wanted finite numbers");
    let short = refused(|e| _ = e.gallery[0].clean.pop());
    assert_eq!(short, "CNI: clean pixels of an example image: got 3071, wanted 3072");
    let ragged = refused(|e| {
        if let Some(Figure::Surface { values, .. }) = &mut e.record.checks[3].figure {
            values[0].pop();
        }
    });
    assert_eq!(ragged, "CNI: loss-surface: got 20, wanted 21");
}

#[test]
fn the_audited_attack_is_named_where_its_checks_are() {
    let evaluated = stochastic("CNI", 60);
    let report = Report::new(vec![evaluated.clone()]).unwrap();
    let html = report.html();
    let page = Html::parse_document(&html);
    let text = |selector: &str| -> String {
        selected(&page, selector).iter().flat_map(|part| part.text()).collect()
    };
    let hash: String = evaluated.record.attacks[3].hash.chars().take(12).collect();
    assert!(text(".headline").contains("of EOT-PGD-20x20: "), "{}", text(".headline"));
    assert!(text("header .lead").contains("checks of EOT-PGD-20x20, "), "{}", text("header .lead"));
    let checks = text("#checks");
    let wanted = format!(
        "The audited attack is EOT-PGD-20x20, ε = 8/255, each gradient over 20 draws, settings \
         {hash}"
    );
    assert!(checks.contains(&wanted), "{checks}");
    // A record that does not name its audited attack says so.
    let mut old = evaluated;
    old.record.audit = None;
    let html = Report::new(vec![old]).unwrap().html();
    assert!(html.contains("does not say which attack the checks audited"));
}

#[test]
fn checks_that_could_not_have_failed_are_said_to_show_nothing() {
    let mut evaluated = stochastic("CNI", 60);
    for check in &mut evaluated.record.checks {
        check.bound = check.name.ends_with("-sweep").then_some(0.01);
        check.verdict = if check.bound.is_some() { Verdict::Inconclusive } else { Verdict::Pass };
    }
    let html = Report::new(vec![evaluated.clone()]).unwrap().html();
    let notice = "every check that compares accuracies is inconclusive";
    assert!(html.contains(notice) && html.contains("3 inconclusive"));
    evaluated.record.checks[0].verdict = Verdict::Pass;
    assert!(!Report::new(vec![evaluated]).unwrap().html().contains(notice));
}

#[test]
fn a_folder_holds_one_report() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    Report::new(vec![stochastic("CNI", 40)]).unwrap().write(at).unwrap();
    std::fs::write(at.join("figures/mine.svg"), "<svg/>").unwrap();
    let (_, bare) = reports().into_iter().find(|(name, _)| *name == "bare").unwrap();
    bare.write(at).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    bare.write(fresh.path()).unwrap();
    for folder in ["figures", "data"] {
        let names = |at: &Path| -> Vec<String> {
            let files = std::fs::read_dir(at.join(folder)).unwrap();
            let mut all: Vec<String> =
                files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            all.sort();
            all
        };
        let mut wanted = names(fresh.path());
        wanted.extend((folder == "figures").then(|| "mine.svg".to_string()));
        wanted.sort();
        assert_eq!(names(at), wanted);
    }
}

#[test]
fn what_is_no_evidence_is_marked_beside_models_without_noise() {
    let both = Report::new(vec![stochastic("noisy", 60), deterministic("plain", 60)]).unwrap();
    let html = both.html();
    let page = Html::parse_document(&html);
    let rows = selected(&page, "#comparison tbody tr");
    let marked: Vec<bool> =
        rows.iter().map(|row| row.text().collect::<String>().contains("no evidence")).collect();
    // Clean, random noise, FGSM, PGD, EOT-PGD, Square, worst case.
    assert_eq!(marked, [false, true, true, true, false, true, false]);
    assert!(html.contains("These do not average over the draws of the model's noise"));
    assert!(html.contains("not the methods that made them") && !html.contains("is better than"));
    let noisy = Report::new(vec![stochastic("a", 60), stochastic("b", 60)]).unwrap().html();
    assert!(!noisy.contains("These do not average over"));
}

/// A row of a table by its first cell, as the texts of its cells.
fn cells(page: &Html, table: &str, first: &str) -> Option<Vec<String>> {
    let cell = Selector::parse("th, td").unwrap();
    let texts = |row: &ElementRef| -> Vec<String> {
        row.select(&cell).map(|cell| cell.text().collect()).collect()
    };
    let rows = selected(page, &format!("{table} tbody tr"));
    rows.iter().map(texts).find(|row| row[0] == first)
}

/// What several checks share is in the cost of none of them, and the seconds of a record are those
/// without its checks.
#[test]
fn the_cost_of_checks_is_added_up_with_what_they_share() {
    let mut evaluated = stochastic("CNI", 60);
    evaluated.record.checks.truncate(2);
    let cost = |evaluated: &Evaluated, first: &str| {
        let html = Report::new(vec![evaluated.clone()]).unwrap().html();
        cells(&Html::parse_document(&html), "#cost", first)
    };
    let wanted = |of: [&str; 4]| Some(of.map(String::from).to_vec());
    let shared = ["shared by checks", "3,000", "2,000", "30 s"];
    assert_eq!(cost(&evaluated, shared[0]), wanted(shared));
    // Two checks of 64,000 and 51,200 passes and 34.2 seconds.
    let all = ["checks in all", "131,000", "104,400", "98.4 s"];
    assert_eq!(cost(&evaluated, all[0]), wanted(all));
    let rest = ["evaluation without checks", "-", "-", "6.87 min"];
    assert_eq!(cost(&evaluated, rest[0]), wanted(rest));
    // Records of earlier versions do not tell what their checks shared, and so no sum.
    evaluated.record.audit.as_mut().unwrap().shared = None;
    assert_eq!((cost(&evaluated, shared[0]), cost(&evaluated, all[0])), (None, None));
    assert!(cost(&evaluated, rest[0]).is_some());
    let plain = deterministic("plain", 60);
    assert!(cost(&plain, "evaluation in all").is_some() && cost(&plain, rest[0]).is_none());
}

/// McNemar's test of ten images that only the first model gets right: p = 2 / 2¹⁰ = 0.00195.
#[test]
fn a_difference_is_told_at_the_confidence_of_the_records() {
    let pair = |confidence: f64| {
        let (mut a, mut b) = (deterministic("a", 60), deterministic("b", 60));
        let right = b.rows.iter_mut().filter(|row| row.clean == 1).take(10);
        right.for_each(|row| row.clean = 0);
        let mut hits = Hits::new(1);
        hits.extend(&[b.rows.iter().map(|row| row.clean == 1).collect::<Vec<_>>()]);
        b.record.clean = hits.estimate(confidence).unwrap().into();
        (a.record.confidence, b.record.confidence) = (confidence, confidence);
        Report::new(vec![a, b]).unwrap().html()
    };
    let (usual, sure) = (pair(0.95), pair(0.999));
    assert!(usual.contains("p = 0.002") && sure.contains("p = 0.002"));
    let doubt = "This does not tell the two apart.";
    assert!(!usual.contains(doubt) && sure.contains(doubt));
}

/// An attack that a budget ended shows how far the budget went, and so does the worst case.
#[test]
fn what_a_budget_ended_is_no_evidence_in_a_comparison() {
    let mut ended = deterministic("b", 60);
    ended.record.attacks[2].exhausted = true;
    let html = Report::new(vec![deterministic("a", 60), ended]).unwrap().html();
    let page = Html::parse_document(&html);
    let marked = |first: &str| {
        cells(&page, "#comparison", first).unwrap().last().is_some_and(|last| last == "no evidence")
    };
    let all = ["clean", "FGSM", "PGD-20", "EOT-PGD-20x20", "worst case"].map(marked);
    assert_eq!(all, [false, false, true, false, true]);
    assert!(html.contains("a budget ended an attack early"));
    assert!(html.contains("shows how far the budget went"));
}

/// The images of an attack of a cascade are the worst so far, as the tables say.
#[test]
fn the_examples_of_a_cascade_are_named_after_the_attacks_so_far() {
    let folder = tempfile::tempdir().unwrap();
    Report::new(vec![in_cascade("AT", 60)]).unwrap().write(folder.path()).unwrap();
    let rows = csv(&folder.path().join("data/examples.csv"));
    let named = |images: &str| rows.iter().filter(|row| row[3] == images).count();
    assert_eq!([named("after PGD-20"), named("clean"), named("worst case")], [60; 3]);
    assert_eq!(named("PGD-20"), 0);
}
