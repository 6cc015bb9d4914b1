//! The state of a suite on disk.

use crate::support::{Toy, images};
use crate::{EXAMPLES, batches, threat};
use burn::tensor::{DType, Tensor};
use cni_attacks::{
    Access, Apgd, Attack, AttackError, Oracle, Pgd, Problem, RandomNoise, Suite, Threat,
};
use cni_noise::Key;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An attack that a kill interrupts: it fails at its call number `fails_at`.
struct Interrupted {
    attack: Pgd,
    calls: Arc<AtomicUsize>,
    fails_at: usize,
}

impl Attack for Interrupted {
    fn name(&self) -> String {
        self.attack.name()
    }
    fn threat(&self) -> Threat {
        self.attack.threat()
    }
    fn access(&self) -> Access {
        self.attack.access()
    }
    fn spec(&self) -> serde_json::Value {
        self.attack.spec()
    }
    fn gradient_draws(&self) -> Option<usize> {
        self.attack.gradient_draws()
    }
    fn run(
        &self,
        oracle: &mut Oracle<'_>,
        problem: &Problem,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.fails_at {
            return Err(AttackError::NoGradient);
        }
        self.attack.run(oracle, problem, key)
    }
}

#[test]
fn an_interrupted_suite_continues_and_gives_the_same_to_the_bit() {
    let toy = Toy { noise: 0.3, ..Toy::new(4, DType::F32) };
    let labels = Toy::new(4, DType::F32).predictions(&images(EXAMPLES, DType::F32));
    let calls = Arc::new(AtomicUsize::new(0));
    let suite = |fails_at| {
        let attack = Pgd::new(threat()).with_draws(3).unwrap();
        let second = Interrupted { attack, calls: calls.clone(), fails_at };
        let attacks: Vec<Box<dyn Attack>> = vec![
            Box::new(Apgd::dlr(threat()).with_steps(5).unwrap().with_draws(2).unwrap()),
            Box::new(second),
            Box::new(RandomNoise::new(threat())),
        ];
        Suite::custom("killed", attacks).unwrap()
    };
    let run = |suite: &Suite, key, folder: Option<&Path>| {
        let model = toy.classifier();
        let run = suite.on(&model).with_key(Key::new(key));
        let run = match folder {
            Some(folder) => run.with_state(folder),
            None => run,
        };
        let mut report = run.run(batches(&labels, 9))?;
        report.stages.iter_mut().for_each(|stage| stage.seconds = 0.0);
        Ok::<_, AttackError>(report)
    };
    let wanted = run(&suite(0), 1, None).unwrap();
    assert!(wanted.stochastic && wanted.draws == 20);
    assert_eq!(calls.swap(0, Ordering::Relaxed), 3);

    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(&suite(2), 1, Some(folder.path())).unwrap_err(), AttackError::NoGradient);
    assert_eq!(calls.swap(0, Ordering::Relaxed), 2);
    assert_eq!(run(&suite(0), 1, Some(folder.path())).unwrap(), wanted);
    // The first batch was done.
    assert_eq!(calls.swap(0, Ordering::Relaxed), 2);
    assert_eq!(run(&suite(0), 1, Some(folder.path())).unwrap(), wanted);
    assert_eq!(calls.swap(0, Ordering::Relaxed), 0);
    let names: Vec<String> = (std::fs::read_dir(folder.path()).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");

    let refused = |key, folder: &Path| run(&suite(0), key, Some(folder)).unwrap_err().to_string();
    assert!(refused(2, folder.path()).contains("another suite, key, model or data"));
    let file = folder.path().join("batch-000001.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refused(1, folder.path()).contains("batch-000001.safetensors"));
}
