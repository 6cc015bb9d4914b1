//! The precision of the attacks, and that of all other passes.

use crate::toy::{EXAMPLES, batches, images, threat, timeless};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use cni_attacks::{Attack, Classifier, Passes, Pgd, Square};
use cni_evaluation::audit::Audit;
use cni_evaluation::{AdversarialImages, Evaluated, Evaluation, EvaluationError, ModelCard};
use cni_noise::{Key, layer_key, normal, normal_like};
use cni_ops::{Precision, autocast, current_precision, linear};
use std::cell::Cell;

/// A linear layer with noise on the pixels, which multiplies in the precision in force and counts
/// the images that it sees in each.
struct Model {
    layer: Linear,
    noise: f64,
    full: Cell<u64>,
    half: Cell<u64>,
}

impl Model {
    fn new(noise: f64) -> Self {
        let mut layer = LinearConfig::new(12, 4).with_bias(false).init(&Device::flex());
        layer.weight =
            layer.weight.map(|weight| normal::<2>(Key::new(11), weight.dims(), &weight.device()));
        Self { layer, noise, full: Cell::new(0), half: Cell::new(0) }
    }

    fn labels(&self) -> Tensor<1, Int> {
        self.logits(images()).argmax(1).squeeze_dim(1)
    }

    /// The images seen in full precision and in bf16.
    fn seen(&self) -> [u64; 2] {
        [&self.full, &self.half].map(|count| count.take())
    }
}

impl Classifier for Model {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let count = match current_precision() {
            Precision::Full => &self.full,
            Precision::Bf16 => &self.half,
            Precision::F16 => panic!("nothing asks for it"),
        };
        count.set(count.get() + images.dims()[0] as u64);
        let mut x = images.sub_scalar(0.5).flatten::<2>(1, 3);
        if self.noise > 0.0
            && let Some(key) = layer_key("input", &x.device())
        {
            x = x.clone() + normal_like(key, &x, 0) * self.noise;
        }
        linear(&self.layer, x)
    }
}

/// An attack by gradients and one by scores.
fn evaluation() -> Evaluation {
    let attacks: Vec<Box<dyn Attack>> = vec![
        Box::new(Pgd::new(threat())),
        Box::new(Square::new(threat()).with_queries(20).unwrap()),
    ];
    Evaluation::new(attacks).unwrap().with_draws(6).unwrap()
}

fn in_bf16() -> Evaluation {
    evaluation().with_attack_precision(Precision::Bf16)
}

fn run(evaluation: &Evaluation, model: &Model) -> Evaluated {
    evaluation.run(model, batches(&Model::new(0.0).labels(), 10)).unwrap()
}

#[test]
fn attacks_run_in_their_precision_and_all_else_in_that_of_judging() {
    for noise in [0.0, 0.3] {
        let model = Model::new(noise);
        for (judging, settings) in
            [in_bf16(), evaluation().with_judging_precision(Precision::Bf16)].iter().enumerate()
        {
            let record = run(settings, &model).record;
            let seen = model.seen();
            let attacks: Passes = record.attacks.iter().map(|attack| attack.passes).sum();
            assert_eq!(seen[judging], record.scoring.forwards, "noise {noise}");
            // The record leaves out the attacks on a model with its noise off or held.
            let [attacked, at_least] = [seen[1 - judging], attacks.forwards];
            assert!(at_least > 0 && attacked >= at_least, "noise {noise}");
            assert!(noise > 0.0 || attacked == at_least, "{attacked} {at_least}");
        }
    }
}

#[test]
fn the_attacks_of_the_audit_run_in_the_precision_of_the_attacks() {
    let model = Model::new(0.0);
    run(&in_bf16(), &model);
    let [full, half] = model.seen();
    let audit = Audit::new(Pgd::new(threat())).with_checks(&["random-noise", "logits"]).unwrap();
    let audited = run(&in_bf16().with_audit(audit.clone()).unwrap(), &model);
    assert_eq!(audited.record.checks.len(), 2);
    let [more_full, more_half] = model.seen();
    assert!(more_full > full && more_half > half, "{more_full} {full} {more_half} {half}");
    // An audit by itself is in the precision of the caller.
    let checks = autocast(Precision::Bf16, || {
        audit.run(&model, images(), Model::new(0.0).labels(), 0, &mut |_| {}).unwrap()
    });
    assert_eq!((checks.len(), model.seen()[0]), (2, 0));
}

/// Images that were found in bf16 are judged as those of any other origin: exactly as an evaluation
/// without a precision judges them.
#[test]
fn what_is_found_in_bf16_is_judged_as_if_there_were_no_precision() {
    for noise in [0.0, 0.3] {
        let (folder, model) = (tempfile::tempdir().unwrap(), Model::new(noise));
        let found = run(&in_bf16().with_adversarial(folder.path()), &model);
        let plain = run(&evaluation(), &model);
        let counts = |evaluated: &Evaluated| -> Vec<_> {
            evaluated.rows.iter().map(|row| (row.clean, row.predicted)).collect()
        };
        assert_eq!(counts(&found), counts(&plain), "noise {noise}");
        for (attack, name) in found.record.attacks.iter().map(|attack| &attack.name).enumerate() {
            let folder = folder.path().join(format!("{attack:02}-{name}"));
            let batches = [0, 10, 20].map(|first| {
                let file = folder.join(format!("from-{first:06}.safetensors"));
                let kept = AdversarialImages::read(file).unwrap();
                let labels = Tensor::from_data(kept.labels.as_slice(), &Device::flex());
                (kept.images(&Device::flex()), labels)
            });
            let judged = evaluation().run(&model, batches).unwrap();
            assert_eq!(judged.rows.len(), EXAMPLES);
            for (judged, row) in judged.rows.iter().zip(&found.rows) {
                assert_eq!(judged.clean, row.attacks[attack].correct, "noise {noise}, {name}");
            }
        }
    }
}

#[test]
fn the_record_names_both_precisions() {
    let model = Model::new(0.0);
    let (full, bf16) = (Precision::Full, Precision::Bf16);
    for (attacks, judging, of_threat, of_model) in [
        (full, full, None, None),
        (bf16, full, Some("bf16"), None),
        (full, bf16, Some("full"), Some("bf16")),
        (bf16, bf16, None, Some("bf16")),
    ] {
        let settings = evaluation().with_attack_precision(attacks).with_judging_precision(judging);
        let record = run(&settings, &model).record;
        assert_eq!(record.threat.precision.as_deref(), of_threat, "{attacks} {judging}");
        assert_eq!(record.model.precision.as_deref(), of_model, "{attacks} {judging}");
    }
    // A model that sets its own precision is described by its card.
    let card = ModelCard { precision: Some("f8".into()), ..ModelCard::default() };
    let settings = evaluation().with_cards(card, Default::default());
    assert_eq!(run(&settings, &model).record.model.precision.as_deref(), Some("f8"));
}

#[test]
fn the_callers_precision_has_no_effect() {
    let model = Model::new(0.3);
    let plain = timeless(run(&evaluation(), &model));
    let [full, _] = model.seen();
    let within = timeless(autocast(Precision::Bf16, || run(&evaluation(), &model)));
    assert_eq!((plain, [full, 0]), (within, model.seen()));
}

#[test]
fn an_unfinished_evaluation_goes_on_in_its_own_precisions_alone() {
    let (folder, model) = (tempfile::tempdir().unwrap(), Model::new(0.0));
    let labels = model.labels();
    let mut begun = batches(&labels, 10).into_iter().map(Ok).collect::<Vec<_>>();
    begun[2] = Err(std::io::Error::other("no more images"));
    let go = |evaluation: Evaluation, batches: Vec<std::io::Result<_>>| {
        evaluation.run_with(&model, batches, Some(folder.path()), &mut |_| {})
    };
    assert!(matches!(go(in_bf16(), begun), Err(EvaluationError::Batch { first: 20, .. })));
    let all = || batches(&labels, 10).into_iter().map(Ok).collect::<Vec<_>>();
    for (other, named) in [
        (evaluation(), "attack precision"),
        (in_bf16().with_judging_precision(Precision::Bf16), "judging precision"),
    ] {
        let error = go(other, all()).unwrap_err();
        assert!(matches!(error, EvaluationError::State { .. }), "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
    go(in_bf16(), all()).unwrap();
}
