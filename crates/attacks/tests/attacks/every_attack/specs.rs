//! The records of attacks: each reads back as the same attack.

use super::{CLASSES, attacks};
use crate::support::registry::registry;
use crate::support::{Toy, images};
use burn::tensor::DType;
use cni_attacks::{
    Apgd, Attack, AttackError, Fab, GradientKernel, HopSkipJump, InputDiversity, Loss, Norm, Pgd,
    RandomStart, Suite, Threat, UniversalPerturbation, attack_from_spec,
};
use cni_noise::Key;
use serde_json::{Value, json};

fn message<T>(result: Result<T, AttackError>) -> String {
    result.err().map_or_else(|| "accepted".to_string(), |error| error.to_string())
}

#[test]
fn an_attack_read_back_is_the_same_to_the_bit() {
    let toy = Toy { noise: 0.2, ..Toy::new(CLASSES, DType::F32) };
    let (clean, labels) = (images(4, DType::F32), toy.predictions(&images(4, DType::F32)));
    let mut read = 0;
    for (case, _, attack) in attacks(0.1) {
        let again = attack_from_spec(&attack.spec());
        if attack.spec()["attack"] == "transfer" {
            assert!(message(again).contains("surrogate model is not in the record"), "{case}");
            continue;
        }
        let again = again.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(again.spec(), attack.spec(), "{case}");
        assert_eq!(again.name(), attack.name(), "{case}");
        let run = |attack: &dyn Attack| {
            let model = toy.classifier();
            let runner = attack.on(&model).with_key(Key::new(3)).with_examples(7);
            runner.perturb(clean.clone(), labels.clone()).unwrap()
        };
        let [first, second] = [attack.as_ref(), again.as_ref()].map(run);
        assert_eq!(first.images.into_data(), second.images.into_data(), "{case}");
        assert_eq!((first.passes, first.queries), (second.passes, second.queries), "{case}");
        read += 1;
    }
    assert!(read > 3 * registry().len() / 2, "{read}");
}

#[test]
fn settings_of_every_kind_are_read_back() {
    let linf = Threat::linf(8.0 / 255.0).unwrap();
    let pgd = Pgd::ti_fgsm(linf)
        .with_kernel(GradientKernel::linear(5).unwrap())
        .with_input_diversity(InputDiversity::new(0.7, 0.8).unwrap())
        .with_loss(Loss::Dlr);
    let near = Pgd::new(linf).with_random_start(RandomStart::uniform_within(0.01).unwrap());
    let gaussian = Pgd::new(linf).with_random_start(RandomStart::gaussian(0.001).unwrap());
    for pgd in [pgd, near, gaussian, Pgd::new(Threat::l1(3.0).unwrap()).with_sparsity(0.3).unwrap()]
    {
        assert_eq!(serde_json::from_value::<Pgd>(pgd.spec()).unwrap(), pgd);
    }
    let fab = Fab::targeted(Threat::unbounded(Norm::L1)).with_targets(3).unwrap();
    assert_eq!(serde_json::from_value::<Fab>(fab.spec()).unwrap(), fab);
    let universal = UniversalPerturbation::new(linf).unwrap().with_clip(4.0).unwrap();
    let again: UniversalPerturbation = serde_json::from_value(universal.spec()).unwrap();
    assert_eq!(again, universal);
    let suite = Suite::standard(linf).unwrap().for_classes(3).unwrap();
    let again: Suite = serde_json::from_value(suite.spec()).unwrap();
    assert_eq!(again.spec(), suite.spec());
}

#[test]
fn records_of_before_are_understood() {
    let threat = json!({ "norm": "linf", "epsilon": 8.0 / 255.0 });
    let old = |climb: Value| {
        let spec = json!({
            "attack": "apgd", "threat": threat, "climb": climb, "steps": 100, "restarts": 1,
            "rho": 0.75, "draws": 1, "expectation": "loss", "score_draws": null, "enlarged": true,
        });
        attack_from_spec(&spec).unwrap().spec()
    };
    let linf = Threat::linf(8.0 / 255.0).unwrap();
    let of = |apgd: Apgd| apgd.with_enlarged_start(true).spec();
    assert_eq!(old(json!({ "loss": "dlr" })), of(Apgd::dlr(linf)));
    assert_eq!(old(json!({ "targets": 9 })), of(Apgd::targeted(linf)));
    assert_eq!(of(Apgd::dlr(linf))["use_larger_epsilons"], true);
    let square = json!({ "attack": "square", "threat": threat, "share": 0.3 });
    assert_eq!(attack_from_spec(&square).unwrap().spec()["p_init"], 0.3);
    let deepfool = json!({ "attack": "deepfool", "threat": threat, "candidates": 4 });
    assert_eq!(attack_from_spec(&deepfool).unwrap().spec()["classes"], 4);
    let suite = json!({
        "attack": "suite", "name": "own", "threat": threat, "verdict_draws": 7, "attacks": [square],
    });
    assert_eq!(attack_from_spec(&suite).unwrap().spec()["judging_draws"], 7);
}

#[test]
fn what_no_attack_can_be_made_of_is_refused_and_named() {
    let with = |changes: Value| {
        let mut spec = Pgd::new(Threat::linf(0.1).unwrap()).spec();
        spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        message(attack_from_spec(&spec))
    };
    let said = "pgd: stepsize: there is no such setting; the nearest is step_size";
    assert_eq!(with(json!({ "stepsize": 0.1 })), said);
    assert_eq!(with(json!({ "steps": 0 })), "steps: got 0, wanted at least 1");
    assert!(with(json!({ "steps": "ten" })).starts_with("pgd: steps: invalid type"));
    assert!(with(json!({ "threat": { "norm": "linf", "epsilon": -1.0 } })).contains("epsilon"));
    assert!(with(json!({ "threat": { "norm": "linf" } })).contains("epsilon"));
    assert!(with(json!({ "attack": "pgd2" })).contains("pgd2: this crate has no attack"));
    for wrong in [json!("yes"), json!({ "gauss": 0.1 }), json!([true])] {
        let wanted = "pgd: random_start: wanted true, false, {\"uniform\": radius} or";
        assert!(with(json!({ "random_start": wrong })).starts_with(wanted), "{wrong}");
    }
    let zero = with(json!({ "random_start": { "gaussian": 0.0 } }));
    assert!(zero.contains("random_start: got 0, wanted a finite number above 0"), "{zero}");
    let sparse = "sparsity: got 0.2, wanted none: only steps in the L1 norm are sparse";
    assert_eq!(with(json!({ "sparsity": 0.2 })), sparse);
    assert!(message(attack_from_spec(&json!([1]))).contains("wanted an object"));
    let linf = Threat::linf(0.1).unwrap();
    let mut both = Apgd::targeted(linf).spec();
    both["loss"] = json!("dlr");
    assert_eq!(message(attack_from_spec(&both)), "apgd: loss: there is no such setting");
    let mut fab = Fab::new(linf).spec();
    fab["expectation"] = json!("logits");
    assert!(message(attack_from_spec(&fab)).contains("expectation: got Logits, wanted Loss"));
    assert!(serde_json::from_value::<Fab>(Pgd::new(linf).spec()).is_err());
    let starts = HopSkipJump::new(linf).unwrap().with_starts(images(2, DType::F32)).unwrap();
    let error = message(attack_from_spec(&starts.spec()));
    assert!(error.contains("hop_skip_jump: starts: the images are not in the record"), "{error}");
    let own = Loss::custom("own", |logits, _| logits.sum_dim(1).squeeze_dim(1));
    let spec = Pgd::new(linf).with_loss(own).spec();
    assert_eq!(spec["loss"], json!({ "custom": "own" }));
    let error = message(attack_from_spec(&spec));
    assert!(error.contains("loss `own` is a function of the program"), "{error}");
}
