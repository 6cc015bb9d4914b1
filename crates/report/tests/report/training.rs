//! Trainings: the page of one that runs or has ended, and their section in a report.

use crate::support::kinds::HOSTILE;
use crate::support::page::{assert_sound, selected};
use crate::support::stochastic;
use cni_evaluation::{Epoch, Evaluated};
use cni_report::{Report, ReportError, TrainingPage, TrainingState};
use scraper::Html;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

fn history() -> Vec<Epoch> {
    let Evaluated { record, .. } = stochastic("CNI", 20);
    record.model.history
}

/// A history whose robust accuracy is best after epoch 9, and that fell back to epoch 4.
fn overfitted() -> Vec<Epoch> {
    let mut epochs = history();
    for epoch in epochs.iter_mut().filter(|epoch| epoch.epoch > 9) {
        *epoch.scores.get_mut("validation robust").unwrap() -= 0.1;
    }
    epochs[3].notes.push("catastrophic overfitting".to_string());
    epochs
}

fn text(page: &Html, selector: &str) -> String {
    selected(page, selector).iter().flat_map(|element| element.text()).collect()
}

#[test]
fn every_page_of_a_training_is_sound_and_reloads_only_while_it_runs() {
    let states = [
        (TrainingState::Running { epochs: 30 }, "of 30 has ended", true),
        (TrainingState::Ended { early: None }, "The training has ended after epoch", false),
        (TrainingState::Ended { early: Some(HOSTILE.into()) }, "has ended early", false),
        (TrainingState::Stopped { error: HOSTILE.into() }, "was stopped after epoch", false),
    ];
    let bare = Epoch { epoch: 1, ..Epoch::default() };
    for epochs in [history(), overfitted(), vec![bare], Vec::new()] {
        for (state, says, reloads) in &states {
            for name in ["runs/cni", HOSTILE, ""] {
                let html = TrainingPage::new(name, epochs.clone(), state.clone()).html();
                assert_sound(says, &html);
                let page = Html::parse_document(&html);
                assert!(text(&page, ".lead").contains(says), "{says}");
                let refresh = selected(&page, "meta[http-equiv=refresh]").len();
                assert_eq!(refresh, usize::from(*reloads), "{says}");
            }
        }
    }
}

#[test]
fn a_page_says_when_it_was_written_and_what_an_old_one_may_mean() {
    let time = UNIX_EPOCH + Duration::from_secs(1_709_251_199);
    let lead = |state| {
        let page = TrainingPage::new("runs/cni", history(), state).with_time(time);
        assert_sound("with a time", &page.html());
        text(&Html::parse_document(&page.html()), ".lead")
    };
    let running = lead(TrainingState::Running { epochs: 30 });
    let written = "last written at 2024-02-29 23:59:59 UTC, as after every epoch";
    assert!(running.contains(written) && running.contains("may have stopped"), "{running}");
    let ended = lead(TrainingState::Ended { early: None });
    assert!(ended.ends_with("Written at 2024-02-29 23:59:59 UTC."), "{ended}");
    assert!(!ended.contains("may have stopped"), "{ended}");
}

#[test]
fn a_page_has_curves_the_best_epoch_and_overfitting_in_words() {
    let state = TrainingState::Ended { early: None };
    let html = TrainingPage::new("runs/cni", overfitted(), state).html();
    let page = Html::parse_document(&html);
    let figures = selected(&page, "figure[id]");
    let ids: Vec<&str> = figures.iter().map(|f| f.value().attr("id").unwrap()).collect();
    assert!(ids.contains(&"figure-training-accuracy") && ids.contains(&"figure-training-loss"));
    // Losses are no accuracies, however small.
    let loss = text(&page, "#figure-training-loss");
    assert!(loss.contains("validation robust loss") && loss.contains("train robust loss"));
    assert!(!text(&page, "#figure-training-accuracy").contains("loss"));
    assert!(html.contains("best: epoch 9"));
    let words = text(&page, "#training > p");
    assert!(words.contains("Robust validation accuracy is best after epoch 9"), "{words}");
    assert!(words.contains("are lost") && words.contains("On training batches it is"), "{words}");
    assert!(words.contains("epoch 4: catastrophic overfitting."), "{words}");
    // The files of a report are not beside this page.
    assert!(!html.contains("data/") && html.contains("history.json"));
}

#[test]
fn a_report_tells_the_same_of_each_training() {
    let model = |name: &str, epochs| {
        let mut model = stochastic(name, 20);
        model.record.model.history = epochs;
        model
    };
    let one = Report::new(vec![model("a", overfitted())]).unwrap().html();
    assert!(one.contains("best: epoch 9"));
    let two = vec![model("a", overfitted()), model("b", history())];
    let two = Report::new(two).unwrap().markdown();
    for says in ["a: Robust validation accuracy is best after epoch 9", "b: Robust validation"] {
        assert!(two.contains(says), "{says}");
    }
}

#[test]
fn a_page_replaces_an_earlier_one_and_no_file_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.html");
    let page = |state| TrainingPage::new("run", history(), state);
    page(TrainingState::Running { epochs: 20 }).write(&path).unwrap();
    let ended = page(TrainingState::Ended { early: None });
    ended.write(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), ended.html());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    for theirs in ["mine", &Report::new(vec![stochastic("CNI", 20)]).unwrap().html()] {
        fs::write(&path, theirs).unwrap();
        let error = ended.write(&path).unwrap_err();
        assert!(matches!(&error, ReportError::NotOurs(at) if *at == path), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), theirs);
    }
}
