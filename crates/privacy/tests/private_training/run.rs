//! Private runs: what they leave in their folder, how they resume and where they end. One file,
//! since all tests begin, kill and resume the same small run.

use crate::support::{Net, config, data, near, numbers};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use cni_layers::keyed_init;
use cni_noise::Key;
use cni_privacy::{
    Budget, LEDGER_FILE, Ledger, Mechanism, PRIVACY_FILE, Phase, PrivacyError, PrivateRun,
    PrivateSgd, Randomness, SPENT_FILE, Spent,
};
use cni_training::{Progress, Trained, TrainingConfig, TrainingError};
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

fn private(epsilon: f64) -> PrivateSgd {
    PrivateSgd::new(Budget::new(epsilon, 1e-5).unwrap(), 0.5)
}

fn train(run: &PrivateRun, folder: &Path, resume: bool) -> Result<Trained<Net>, TrainingError> {
    let trainer = run.trainer(folder).unwrap().with_progress(Progress::Quiet).resume(resume);
    trainer.run(Net::new(), Net::forward, data(run_examples(run)))
}

fn run_examples(run: &PrivateRun) -> usize {
    let mechanism = run.gradient().mechanism();
    (run.config().batch_size as f64 / mechanism.sample_rate()).round() as usize
}

/// Ten epochs of 6 steps with 3 of 18 examples expected: a batch is empty with probability
/// (5/6)^18, 3.8 %.
fn small(change: impl FnOnce(&mut TrainingConfig)) -> PrivateRun {
    let mut config = config(10, 3);
    change(&mut config);
    private(8.0).plan(config, 18).unwrap()
}

#[test]
fn a_run_leaves_what_it_spent_and_trains_on_empty_batches_too() {
    let folder = tempfile::tempdir().unwrap();
    let run = small(|_| ());
    let sampler = &run.config().sampler;
    let empty = (0..10).filter(|&epoch| {
        let loader = cni_data::Loader::new(data(18), 3, Key::new(3), &Device::flex()).unwrap();
        let loader = loader.with_sampler(sampler.clone()).unwrap();
        loader.batch_sizes(epoch).unwrap().contains(&0)
    });
    assert!(empty.count() > 0);
    let trained = train(&run, folder.path(), false).unwrap();
    assert_eq!((trained.history.len(), trained.ended), (10, None));
    let ledger = Ledger::load(folder.path().join(LEDGER_FILE)).unwrap();
    assert_eq!((ledger.steps(), &ledger), (60, &run.planned().ledger));
    let spent = run.spent(folder.path()).unwrap();
    assert_eq!(&spent, run.planned());
    assert!(spent.epsilon <= 8.0 && spent.upper_bound);
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(serde_json::from_slice::<Spent>(&read(SPENT_FILE)).unwrap(), spent);
    let about: Value = serde_json::from_slice(&read(PRIVACY_FILE)).unwrap();
    assert_eq!(about["settings"]["budget"]["delta"], 1e-5);
    assert_eq!(about["steps"], 60);
    assert_eq!(about["noise_multiplier"], run.gradient().mechanism().noise_multiplier());
}

/// Broken off in the third epoch by logits that are no numbers.
#[test]
fn a_run_that_was_killed_resumes_to_the_same_weights_and_the_same_ledger() {
    let [whole, broken] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let run = || private(3.0).plan(config(5, 8), 40).unwrap();
    let one = train(&run(), whole.path(), false).unwrap();
    let passes = AtomicUsize::new(0);
    let forward = move |net: &Net, images: Tensor<4>| {
        let training = images.is_autodiff() && net.out.weight.val().is_autodiff();
        let pass = passes.fetch_add(usize::from(training), Ordering::Relaxed);
        // About 40 examples an epoch, each with a pass of its own, after two of the check of them.
        net.forward(images).mul_scalar(if training && pass > 97 { f64::NAN } else { 1.0 })
    };
    let trainer = run().trainer(broken.path()).unwrap().with_progress(Progress::Quiet);
    let error = trainer.run(Net::new(), forward, data(40)).err().unwrap();
    assert!(matches!(error, TrainingError::Stopped { last: Some(2), .. }), "{error}");
    // The steps of the third epoch were counted before the first of them was taken.
    assert_eq!(Ledger::load(broken.path().join(LEDGER_FILE)).unwrap().steps(), 15);
    let again = train(&run(), broken.path(), true).unwrap();
    assert_eq!(numbers(&again.model), numbers(&one.model));
    assert_eq!(again.history, one.history);
    let [one, again] = [whole, broken].map(|folder| run().spent(folder.path()).unwrap());
    assert_eq!(one, again);
    assert_eq!(one.ledger.steps(), 25);
}

/// Five epochs of 5 steps, broken off after two, when the steps of the third were counted.
#[test]
fn an_epoch_that_is_begun_anew_counts_again_unless_its_draws_are_the_same() {
    for (randomness, epochs) in [(Randomness::Keyed, 5), (Randomness::System, 4)] {
        let folder = tempfile::tempdir().unwrap();
        let run = private(3.0).with_randomness(randomness).plan(config(5, 8), 40).unwrap();
        let trainer = run.trainer(folder.path()).unwrap().with_progress(Progress::Quiet);
        let trainer = trainer.with_callback(|ended| match ended.row.epoch {
            2 => ControlFlow::Break("enough".to_string()),
            _ => ControlFlow::Continue(()),
        });
        trainer.run(Net::new(), Net::forward, data(40)).unwrap();
        let path = folder.path().join(LEDGER_FILE);
        assert_eq!(Ledger::load(&path).unwrap().steps(), 10);
        let begun = Phase::new(run.gradient().mechanism(), 15).unwrap();
        Ledger::from_iter([begun]).save(&path).unwrap();
        let trained = train(&run, folder.path(), true).unwrap();
        assert_eq!((trained.history.len(), trained.ended.is_some()), (epochs, epochs < 5));
        let spent = run.spent(folder.path()).unwrap();
        assert!(spent.ledger.steps() == 25 && spent.epsilon <= 3.0, "{spent:?}");
    }
}

/// The budget allows three epochs, and the third is taken away.
#[test]
fn no_epoch_is_trained_once_more_beyond_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let private = private(3.0).with_randomness(Randomness::System);
    let run = || private.plan(config(3, 8), 40).unwrap();
    train(&run(), folder.path(), false).unwrap();
    std::fs::remove_dir_all(folder.path().join("checkpoints/epoch-3")).unwrap();
    assert!(!run().allows_after(2, folder.path()));
    let error = train(&run(), folder.path(), true).err().unwrap().to_string();
    assert!(error.contains("steps: got 20, wanted at most 15"), "{error}");
    assert!(run().spent(folder.path()).unwrap().epsilon <= 3.0);
}

#[test]
fn the_ledger_of_another_training_is_neither_overwritten_nor_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LEDGER_FILE);
    let other = Mechanism::new(0.8, 0.3).unwrap();
    let ledger = Ledger::from_iter([Phase::new(other, 9).unwrap()]);
    ledger.save(&path).unwrap();
    let run = small(|_| ());
    let error = train(&run, folder.path(), false).err().unwrap().to_string();
    assert!(error.contains("ledger.json: got steps of noise multiplier 0.8"), "{error}");
    assert_eq!(Ledger::load(&path).unwrap(), ledger);

    let folder = tempfile::tempdir().unwrap();
    train(&run, folder.path(), false).unwrap();
    let path = folder.path().join(LEDGER_FILE);
    for (ledger, got) in
        [(ledger, "got steps of noise multiplier 0.8"), (Ledger::new(), "got 0 steps")]
    {
        ledger.save(&path).unwrap();
        let error = run.spent(folder.path()).unwrap_err();
        assert!(matches!(&error, PrivacyError::Ledger { .. }), "{error}");
        assert!(error.to_string().contains(got), "{error}");
    }
}

#[test]
fn micro_batches_take_the_same_steps() {
    let of = |micro_batch, accumulation| {
        let folder = tempfile::tempdir().unwrap();
        let run = small(|config| {
            (config.micro_batch, config.accumulation) = (micro_batch, accumulation);
        });
        numbers(&train(&run, folder.path(), false).unwrap().model)
    };
    let whole = of(None, 1);
    for parts in [of(Some(2), 1), of(Some(1), 1), of(Some(5), 2)] {
        let off = whole.iter().zip(&parts).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Sums in another order, in 60 steps of noise.
        assert!(off < 1e-4, "{off}");
    }
}

#[test]
fn a_budget_ends_the_run_and_is_never_exceeded() {
    let folder = tempfile::tempdir().unwrap();
    let private = private(6.0).with_noise_multiplier(2.0);
    let plan = || private.plan(config(200, 10), 40).unwrap();
    let run = plan();
    let epochs = run.steps() as usize / 4;
    assert!(epochs > 1 && epochs < 100, "{epochs}");
    let trained = train(&run, folder.path(), false).unwrap();
    assert_eq!(trained.history.len(), epochs);
    let says = "the budget of epsilon 6 at delta 0.00001 allows no further epoch";
    assert_eq!(trained.ended.as_deref(), Some(says));
    let spent = run.spent(folder.path()).unwrap();
    assert!(spent.epsilon <= 6.0 && spent.ledger.steps() == run.steps());
    // One that is resumed takes no step.
    let error = train(&plan(), folder.path(), true).err().unwrap().to_string();
    assert!(error.contains("which the budget allows"), "{error}");
    assert_eq!(plan().spent(folder.path()).unwrap(), spent);
}

#[derive(Module, Debug)]
struct Wide {
    hidden: Linear,
    out: Linear,
}

/// Two runs of one step that differ in σ alone differ by the noise: 64 · 200 + 200 + 200 · 10 + 10
/// weights.
#[test]
fn the_stored_update_has_the_variance_of_its_noise() {
    let weights = |randomness, sigma| {
        let folder = tempfile::tempdir().unwrap();
        let private = private(1e6).with_noise_multiplier(sigma).with_randomness(randomness);
        let run = private.plan(config(1, 50), 50).unwrap();
        assert_eq!(run.steps(), 1);
        let linear = |i, o| LinearConfig::new(i, o).init(&Device::flex());
        let net = keyed_init(Wide { hidden: linear(64, 200), out: linear(200, 10) }, Key::new(1));
        let forward = |net: &Wide, images: Tensor<4>| {
            net.out.forward(net.hidden.forward(images.flatten::<2>(1, 3)))
        };
        let trainer = run.trainer(folder.path()).unwrap().with_progress(Progress::Quiet);
        numbers(&trainer.run(net, forward, data(50)).unwrap().model)
    };
    let squares = |a: &[f32], b: &[f32]| {
        let square = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
        (square.sum::<f64>() / a.len() as f64, a.len() as f64)
    };
    // Keyed noise is the same up to its size: (lr C (σ' − σ) / b)².
    let [less, more] = [1.0, 5.0].map(|sigma| weights(Randomness::Keyed, sigma));
    let (variance, n) = squares(&less, &more);
    assert_eq!(n, 15_010.0);
    let std = 0.5 * 0.5 / 50.0;
    near(variance / (4.0 * std * 4.0 * std), 1.0, (2.0 / n).sqrt());
    // Two draws of the system's are independent: 2 (lr C σ / b)². All 50 examples are in the batch,
    // so that nothing else differs.
    let [one, other] = [(); 2].map(|()| weights(Randomness::System, 5.0));
    let (variance, n) = squares(&one, &other);
    near(variance / (2.0 * (5.0 * std).powi(2)), 1.0, (2.0 / n).sqrt());
}

/// Eighteen examples and one more: the batches are of other sizes, and all keys are the same.
#[test]
fn the_keys_of_batches_do_not_depend_on_how_many_examples_were_drawn() {
    for randomness in [Randomness::Keyed, Randomness::System] {
        for examples in [18, 19] {
            let private = private(8.0).with_randomness(randomness);
            let run = private.plan(config(1, 3), examples).unwrap();
            let loader = cni_data::Loader::new(data(examples), 3, Key::new(3), &Device::flex());
            let loader = loader.unwrap().with_sampler(run.config().sampler.clone()).unwrap();
            for batch in loader.epoch(4) {
                let batch = batch.unwrap();
                let wanted = Key::new(3).named("batch").child(4).child(batch.number as u64);
                assert_eq!(batch.key, wanted);
            }
        }
    }
}

#[test]
fn the_coins_of_the_system_have_the_probability_and_do_not_repeat() {
    let private = private(8.0).with_randomness(Randomness::System);
    let run = private.plan(config(1, 5), 50).unwrap();
    let sampler = run.config().sampler.clone();
    assert_eq!(sampler.spec()["randomness"], "system");
    let loader = || {
        let loader = cni_data::Loader::new(data(50), 5, Key::new(3), &Device::flex()).unwrap();
        loader.with_sampler(sampler.clone()).unwrap()
    };
    let mut count = 0.0;
    for epoch in 0..200 {
        count += loader().batch_sizes(epoch).unwrap().iter().sum::<usize>() as f64;
    }
    // 200 epochs of 10 batches of 50 coins.
    near(count / 1e5, 0.1, (0.09_f64 / 1e5).sqrt());
    let indices = || -> Vec<Vec<usize>> {
        loader().epoch(0).map(|batch| batch.unwrap().indices.to_vec()).collect()
    };
    assert_ne!(indices(), indices());
}
