//! Shards of an evaluation, and their merge. One file, because all tests share its world.

use crate::threshold::{EPSILON, Threshold, batches, suite};
use crate::toy::{self, Toy, standard};
use burn::tensor::{Int, Tensor};
use cni_attacks::{Classifier, Pgd, Suite, Threat};
use cni_evaluation::audit::Audit;
use cni_evaluation::{
    AdversarialImages, DataCard, Evaluated, Evaluation, EvaluationError, ModelCard, Shard,
    ShardError, Shards, Smoothing, Step,
};
use cni_noise::Key;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

type Batches = Vec<(Tensor<4>, Tensor<1, Int>)>;

const MODEL: Threshold = Threshold { sigma: 0.1 };

/// The result without what differs from run to run: all times.
fn timeless(mut evaluated: Evaluated) -> Evaluated {
    let record = &mut evaluated.record;
    record.seconds = 0.0;
    record.attacks.iter_mut().for_each(|attack| attack.seconds = 0.0);
    record.checks.iter_mut().for_each(|check| check.seconds = 0.0);
    record.certificates.iter_mut().for_each(|all| all.seconds = 0.0);
    let shared = record.audit.iter_mut().flat_map(|audit| &mut audit.shared);
    shared.for_each(|shared| shared.seconds = 0.0);
    evaluated
}

/// Everything that an evaluation can do, with more examples in the gallery and the audit than the
/// first shard has.
fn everything() -> Evaluation {
    let threat = Threat::linf(EPSILON).unwrap();
    let attack = Pgd::new(threat).with_draws(3).unwrap();
    let audit = Audit::new(attack).with_checks(&["logits", "steps-sweep", "random-noise"]).unwrap();
    let smoothing = Smoothing::new(0.2).unwrap().with_samples(20).unwrap();
    Evaluation::new(suite(3))
        .unwrap()
        .with_draws(6)
        .unwrap()
        .with_votes(3)
        .unwrap()
        .with_key(Key::new(4))
        .with_epsilons([0.05, EPSILON])
        .unwrap()
        .with_certificates(smoothing.with_selection(10).unwrap().with_batch(7).unwrap())
        .unwrap()
        .with_audit(audit)
        .unwrap()
        .with_gallery(9)
        .with_cards(ModelCard::default(), DataCard { name: "gray".into(), ..DataCard::default() })
        .with_command("evaluate everything")
}

/// Files below a folder, by their names.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = AdversarialImages::files(folder).unwrap();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path.strip_prefix(folder).unwrap().to_path_buf(), bytes)
    };
    files.into_iter().map(read).collect()
}

fn shard(index: usize, count: usize) -> Shard {
    Shard::new(index, count).unwrap()
}

/// Runs shards of an evaluation, each into its folder within `folder`.
fn run(
    evaluation: &Evaluation,
    model: &dyn Classifier,
    data: impl Fn() -> Batches,
    shards: impl IntoIterator<Item = Shard>,
    folder: &Path,
) {
    for shard in shards {
        let own = folder.join(shard.folder());
        evaluation.run_shard(shard, model, data(), &own, &mut |_| {}).unwrap();
        assert!(!own.join("state").exists(), "the state of a finished shard");
    }
}

/// 23 examples in eight batches, the last of two.
fn data() -> Batches {
    batches(23, 3)
}

#[test]
fn however_many_shards_there_are_they_merge_to_the_bits_of_one_process() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let whole = everything().with_adversarial(at("images")).run(&MODEL, data()).unwrap();
    whole.save(at("whole")).unwrap();
    let whole = timeless(whole);
    for count in [1, 3, 8, 11] {
        let own = at(&count.to_string());
        let evaluation = everything().with_adversarial("anywhere");
        run(&evaluation, &MODEL, data, Shard::all(count), &own);
        let shards = Shards::read([&own]).unwrap();
        assert_eq!(shards.folders().count(), count);
        let merged = shards.merge().unwrap();
        assert!(merged.record.seconds > 0.0 && merged.record.checks[0].seconds > 0.0);
        shards.copy_adversarial(&own.join("images")).unwrap();
        merged.save(&own).unwrap();
        assert_eq!(Evaluated::read(&own).unwrap(), merged);
        assert_eq!(timeless(merged), whole, "{count} shards");
        assert!(contents(&own.join("images")) == contents(&at("images")), "{count} shards");
        for file in ["rows.jsonl", "gallery.safetensors"] {
            assert!(fs::read(own.join(file)).unwrap() == fs::read(at("whole").join(file)).unwrap());
        }
    }
}

#[test]
fn a_cascade_without_noise_merges_too_and_names_what_broke_each_example() {
    let folder = tempdir().unwrap();
    let model = Toy::new(4);
    let labels = model.predictions(&toy::images());
    let data = || toy::batches(&labels, 5);
    let evaluation = || Evaluation::of(Suite::custom("four", standard()).unwrap()).unwrap();
    let whole = evaluation().run(&model, data()).unwrap();
    run(&evaluation(), &model, data, Shard::all(3), folder.path());
    let merged = Shards::read([folder.path()]).unwrap().merge().unwrap();
    assert!(merged.rows.iter().any(|row| row.broken_by.is_some()));
    assert_eq!(timeless(merged), timeless(whole));
}

/// A model that fails after a number of calls.
struct Mortal {
    calls: Cell<usize>,
}

impl Classifier for Mortal {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let left = self.calls.get();
        self.calls.set(left.saturating_sub(1));
        let logits = MODEL.logits(images);
        if left == 0 { logits.mul_scalar(f64::NAN) } else { logits }
    }
}

#[test]
fn a_shard_that_dies_is_named_and_goes_on_alone() {
    let folder = tempdir().unwrap();
    let whole = timeless(everything().run(&MODEL, data()).unwrap());
    run(&everything(), &MODEL, data, [1, 3].map(|index| shard(index, 3)), folder.path());
    let own = folder.path().join("shard-2-of-3");
    let mut deaths = 0;
    loop {
        let mortal = Mortal { calls: Cell::new(150) };
        let mut silent = |_: &Step| {};
        match everything().run_shard(shard(2, 3), &mortal, data(), &own, &mut silent) {
            Ok(()) => break,
            Err(error) => assert!(error.to_string().contains("NaN"), "{error}"),
        }
        deaths += 1;
        assert!(deaths < 50, "no progress between deaths");
        let error = Shards::read([folder.path()]).err().unwrap().to_string();
        let at = own.display();
        let wanted = format!(
            "shard 2/3 in {at} is unfinished, wanted all shards finished; run again alone: \
             evaluate everything --shard 2/3"
        );
        assert_eq!(error, wanted);
    }
    assert!(deaths > 1, "{deaths}");
    let merged = Shards::read([folder.path()]).unwrap().merge().unwrap();
    assert_eq!(timeless(merged), whole);
}

/// The model and the data of a small evaluation.
fn same() -> (Threshold, Batches) {
    (Threshold { sigma: 0.1 }, batches(12, 3))
}

/// Two shards of a small evaluation in a folder, and a change of the second.
fn two(change: impl Fn(Evaluation) -> (Evaluation, Threshold, Batches)) -> TempDir {
    let folder = tempdir().unwrap();
    let evaluation = || Evaluation::new(suite(2)).unwrap().with_draws(4).unwrap();
    run(&evaluation(), &MODEL, || batches(12, 3), [shard(1, 2)], folder.path());
    let (other, model, data) = change(evaluation());
    run(&other, &model, || data.clone(), [shard(2, 2)], folder.path());
    folder
}

#[test]
fn a_shard_of_another_evaluation_is_refused_with_the_difference() {
    type Change = Box<dyn Fn(Evaluation) -> (Evaluation, Threshold, Batches)>;
    let setting = |change: fn(Evaluation) -> Evaluation| -> Change {
        Box::new(move |evaluation| (change(evaluation), same().0, same().1))
    };
    let later = || {
        let mut data = batches(12, 3);
        data[3].1 = data[3].1.clone().neg() + 1;
        data
    };
    let changes: [(&str, Change); 8] = [
        ("key", setting(|e| e.with_key(Key::new(5)))),
        ("draws", setting(|e| e.with_draws(5).unwrap())),
        ("votes", setting(|e| e.with_votes(2).unwrap())),
        ("confidence", setting(|e| e.with_confidence(0.9).unwrap())),
        ("adversarial images", setting(|e| e.with_adversarial("anywhere"))),
        ("batches", Box::new(|e| (e, same().0, batches(15, 3)))),
        ("model", Box::new(|e| (e, Threshold { sigma: 0.2 }, same().1))),
        ("data.fingerprint", Box::new(move |e| (e, same().0, later()))),
    ];
    for (wanted, change) in changes {
        let folder = two(change);
        let error = Shards::read([folder.path()]).err().unwrap();
        let EvaluationError::Shard(refusal) = &error else { panic!("{wanted}: {error}") };
        let ShardError::Foreign { setting, shard, reference, .. } = refusal.as_ref() else {
            panic!("{wanted}: {error}")
        };
        assert_eq!((setting.as_str(), shard.index(), reference.index()), (wanted, 2, 1), "{error}");
    }
    // Names and the command may differ: those of the first shard count.
    let named = |e: Evaluation| {
        let card = ModelCard { name: "elsewhere".into(), ..ModelCard::default() };
        e.with_cards(card, DataCard::default()).with_command("another")
    };
    let folder = two(setting(named));
    let record = Shards::read([folder.path()]).unwrap().merge().unwrap().record;
    assert_eq!((record.model.name.as_str(), record.command.as_str()), ("", ""));
}

#[test]
fn shards_that_are_missing_twice_or_of_another_division_are_refused_by_name() {
    let folder = tempdir().unwrap();
    let evaluation = Evaluation::new(suite(1)).unwrap().with_draws(2).unwrap();
    let data = || batches(8, 2);
    run(&evaluation, &MODEL, data, Shard::all(4), folder.path());
    let at = |index: usize| folder.path().join(shard(index, 4).folder());
    let refused = |folders: &[PathBuf]| Shards::read(folders).err().unwrap().to_string();
    let said = refused(&[at(4), at(1)]);
    let missing = "shard 2/4 is missing, shard 3/4 is missing, wanted all shards finished; \
                   run them again alone";
    assert_eq!(said, missing);
    let said = refused(&[at(1), folder.path().to_path_buf()]);
    let twice = at(1).display().to_string();
    assert_eq!(
        said,
        format!("shard 1/4: got it in {twice} and in {twice}, wanted every shard once")
    );
    let other = tempdir().unwrap();
    run(&evaluation, &MODEL, data, [shard(1, 2)], other.path());
    let said = refused(&[at(1), at(2), at(3), at(4), other.path().to_path_buf()]);
    assert!(said.contains("got shard ") && said.contains(", wanted one of "), "{said}");
    let none = tempdir().unwrap();
    assert!(refused(&[none.path().to_path_buf()]).contains("got no shard, wanted the folder of"));
    assert!(refused(&[]).starts_with("shards: got none"));
    // In any order, by their folders or by the folder above.
    assert!(Shards::read([at(3), at(1), at(4), at(2)]).is_ok());
    // A changed file is an error that names it.
    let file = at(2).join("shard.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("2/4", "3/4", 1)).unwrap();
    assert!(refused(&[folder.path().to_path_buf()]).contains("shard.json: sha256: got "));
}

#[test]
fn a_finished_shard_does_nothing_unless_something_else_is_asked_for() {
    let folder = tempdir().unwrap();
    let own = folder.path().join("own");
    let run = |change: fn(Evaluation) -> Evaluation, shard: Shard, data: Batches| {
        let evaluation = Evaluation::new(suite(1)).unwrap().with_draws(2).unwrap();
        let (mut steps, evaluation) = (0, change(evaluation));
        let mut count = |_: &Step| steps += 1;
        evaluation.run_shard(shard, &MODEL, data, &own, &mut count).map(|()| steps)
    };
    let kept = |e: Evaluation| e.with_adversarial("anywhere");
    let first = shard(1, 2);
    assert!(run(kept, first, batches(8, 2)).unwrap() > 0);
    let before = fs::read(own.join("shard.json")).unwrap();
    assert_eq!(run(kept, first, batches(8, 2)).unwrap(), 0);
    assert!(before == fs::read(own.join("shard.json")).unwrap() && !own.join("state").exists());
    // Lost images are made again, and a merge refuses to go without.
    let images = AdversarialImages::files(&own.join("adversarial")).unwrap();
    fs::remove_file(&images[0]).unwrap();
    let error = Shards::read([&own]).err().unwrap().to_string();
    assert!(error.contains("shard 2/2 is missing"), "{error}");
    assert!(run(kept, first, batches(8, 2)).unwrap() > 0);
    assert!(images[0].exists());
    // Another shard has another folder; other settings replace what has finished.
    let error = run(kept, shard(2, 2), batches(8, 2)).unwrap_err().to_string();
    assert!(error.contains("got shard 2/2, wanted a folder of its own"), "{error}");
    // Data whose card has no fingerprint differ at the end only.
    let mut later = batches(8, 2);
    later[3].1 = later[3].1.clone().neg() + 1;
    let error = run(kept, first, later).unwrap_err();
    let is_data = |refusal: &ShardError| matches!(refusal, ShardError::Data { .. });
    let data = matches!(&error, EvaluationError::Shard(refusal) if is_data(refusal));
    assert!(data && error.to_string().contains("data of shard 1/2: got "), "{error}");
    assert!(run(|e| e.with_key(Key::new(9)), first, batches(8, 2)).unwrap() > 0);
}

#[test]
fn fewer_batches_than_promised_are_refused() {
    struct Short(std::vec::IntoIter<(Tensor<4>, Tensor<1, Int>)>);
    impl Iterator for Short {
        type Item = (Tensor<4>, Tensor<1, Int>);
        fn next(&mut self) -> Option<Self::Item> {
            self.0.next()
        }
    }
    impl ExactSizeIterator for Short {
        fn len(&self) -> usize {
            9
        }
    }
    let folder = tempdir().unwrap();
    let evaluation = Evaluation::new(suite(1)).unwrap().with_draws(2).unwrap();
    let short = Short(batches(8, 2).into_iter());
    let error = evaluation.run_shard(shard(2, 2), &MODEL, short, folder.path(), &mut |_| {});
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("batches of shard 2/2: got 4, wanted the 9"), "{error}");
    let folder = tempdir().unwrap();
    let none =
        evaluation.run_shard(shard(1, 1), &MODEL, Batches::new(), folder.path(), &mut |_| {});
    let error = none.unwrap_err();
    assert!(matches!(error, EvaluationError::NoData), "{error}");
}
