//! Cascades that are killed and go on.

use crate::interrupted::Interrupted;
use crate::toy::{Toy, batches, images, threat, timeless};
use burn::tensor::{Int, Tensor};
use cni_attacks::{Apgd, Attack, AttackError, Budget, Classifier, Pgd, RandomNoise, Suite};
use cni_evaluation::{Evaluated, Evaluation, EvaluationError};
use cni_noise::Key;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Three attacks. The second one is killed at one of its calls.
struct Cascade {
    toy: Toy,
    labels: Tensor<1, Int>,
    calls: Arc<AtomicUsize>,
}

impl Cascade {
    fn new() -> Self {
        let labels = Toy::new(4).predictions(&images());
        Self { toy: Toy { noise: 0.3, ..Toy::new(4) }, labels, calls: Arc::default() }
    }

    fn evaluation(&self, fails_at: usize, key: u64) -> Evaluation {
        let attack = Pgd::new(threat()).with_draws(3).unwrap();
        let second = Interrupted { attack, calls: self.calls.clone(), fails_at };
        let attacks: Vec<Box<dyn Attack>> = vec![
            Box::new(Apgd::dlr(threat()).with_steps(5).unwrap().with_draws(2).unwrap()),
            Box::new(second),
            Box::new(RandomNoise::new(threat())),
        ];
        let evaluation = Evaluation::of(Suite::custom("killed", attacks).unwrap()).unwrap();
        evaluation.with_key(Key::new(key)).with_noise_off(false).with_fixed_noise(false)
    }

    fn run(
        &self,
        evaluation: &Evaluation,
        model: &dyn Classifier,
        state: Option<&Path>,
    ) -> Result<Evaluated, EvaluationError> {
        let batches = batches(&self.labels, 9);
        evaluation.run_with(model, batches, state, &mut |_| {}).map(timeless)
    }

    /// The number of calls of the second attack since the last question.
    fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn a_killed_cascade_loses_one_attack_on_one_batch_and_ends_the_same_to_the_bit() {
    let cascade = Cascade::new();
    let run = |fails_at, state| cascade.run(&cascade.evaluation(fails_at, 1), &cascade.toy, state);
    let wanted = run(0, None).unwrap();
    assert!(wanted.record.stochastic && wanted.record.draws == 20);
    assert_eq!(cascade.calls(), 3);
    let folder = tempfile::tempdir().unwrap();
    let state = Some(folder.path());
    let killed = run(2, state).unwrap_err();
    assert!(matches!(killed, EvaluationError::Attack(AttackError::NoGradient)), "{killed}");
    assert_eq!(cascade.calls(), 2);
    // The first attack on the second batch is finished, and so is the whole first batch.
    assert!(folder.path().join("from-000009-live-00.json").exists());
    let mut names = std::fs::read_dir(folder.path()).unwrap();
    assert_eq!(names.by_ref().count(), 1 + 3 + 1);
    assert_eq!(run(0, state).unwrap(), wanted);
    assert_eq!(cascade.calls(), 2);
    assert_eq!(run(0, state).unwrap(), wanted);
    assert_eq!(cascade.calls(), 0);
}

#[test]
fn an_unfinished_cascade_of_other_settings_is_refused_and_a_damaged_file_is_named() {
    let cascade = Cascade::new();
    let folder = tempfile::tempdir().unwrap();
    let state = Some(folder.path());
    cascade.run(&cascade.evaluation(2, 1), &cascade.toy, state).unwrap_err();
    let refused = |evaluation: Evaluation, model: &dyn Classifier, wanted: &str| {
        let error = cascade.run(&evaluation, model, state).unwrap_err();
        let EvaluationError::State { setting, .. } = &error else { panic!("{error}") };
        assert_eq!(setting, wanted, "{error}");
        error.to_string()
    };
    let same = || cascade.evaluation(0, 1);
    refused(cascade.evaluation(0, 2), &cascade.toy, "key");
    // Another model that gives every image the same class.
    let louder = |x: Tensor<4>| cascade.toy.logits(x).mul_scalar(1.5);
    refused(same(), &louder, "model");
    // A larger budget would find more than the smaller one has saved there.
    let budget = Budget { backwards: Some(1_000_000), ..Budget::default() };
    let text = refused(same().with_budget(budget), &cascade.toy, "budget");
    assert!(text.contains("budget: got 1000000 backward passes, wanted none as of"), "{text}");
    let attacks: Vec<Box<dyn Attack>> = vec![Box::new(Pgd::new(threat()))];
    let own = Evaluation::new(attacks).unwrap().with_key(Key::new(1));
    refused(own.with_noise_off(false).with_fixed_noise(false), &cascade.toy, "cascade");

    let file = folder.path().join("from-000000-live-01.json");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let error = cascade.run(&same(), &cascade.toy, state).unwrap_err().to_string();
    assert!(error.contains("from-000000-live-01.json"), "{error}");
    // The file of another attack is refused, although it is complete.
    std::fs::copy(folder.path().join("from-000000-live-02.json"), &file).unwrap();
    let error = cascade.run(&same(), &cascade.toy, state).unwrap_err().to_string();
    assert!(error.contains("got the entry from-000000-live-02"), "{error}");
    std::fs::remove_file(&file).unwrap();
    cascade.run(&same(), &cascade.toy, state).unwrap();
}

/// An unfinished state of another layout says what to do; a finished one goes.
#[test]
fn a_state_of_another_layout_is_refused_with_what_to_do() {
    let cascade = Cascade::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.json");
    let write = |finished: bool| {
        // The part of a state of version 0.1 that is read.
        let content = serde_json::json!({ "finished": finished, "layout": 2 });
        let text = format!("{{\"finished\":{finished},\"layout\":2}}");
        let sha256 = sha256(text.as_bytes());
        let sealed = serde_json::json!({ "sha256": sha256, "content": content });
        std::fs::write(&path, sealed.to_string()).unwrap();
    };
    write(false);
    let run = || cascade.run(&cascade.evaluation(0, 1), &cascade.toy, Some(folder.path()));
    let error = run().unwrap_err().to_string();
    let wanted = "settings.json: layout: got 2, wanted 3; finish the run with the version of the \
                  library that began it, or remove the folder to begin anew";
    assert!(error.ends_with(wanted), "{error}");
    std::fs::write(folder.path().join("from-000000-live-00.json"), "old").unwrap();
    write(true);
    run().unwrap();
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
