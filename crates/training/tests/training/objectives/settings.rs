//! Settings of objectives: read back from a file, and refused by name.

use super::{config, every, threat, trades, two};
use crate::support::linear_net::Net;
use cni_attacks::{Attack, Pgd, Square};
use cni_noise::Key;
use cni_training::{
    Elle, EpsilonRamp, Mart, Objective, Trades, Trainer, TrainingConfig, TrainingError,
};
use serde_json::{Value, json};

#[test]
fn every_objective_is_read_back_from_its_file() {
    for objective in every() {
        if objective.spec()["objective"] == "rotation" {
            let error = serde_json::from_value::<Objective>(objective.spec()).unwrap_err();
            assert!(error.to_string().contains("a custom rule is built in code"), "{error}");
            continue;
        }
        let again: Objective = serde_json::from_value(objective.spec()).unwrap();
        assert_eq!(again.spec(), objective.spec());
        let text = serde_json::to_string(&config(objective)).unwrap();
        let config: TrainingConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&config).unwrap(), text);
    }
    let pgd = json!({ "attack": "pgd", "threat": { "norm": "l2", "epsilon": 0.5 } });
    let read = |spec: Value| serde_json::from_value::<Objective>(spec).unwrap().spec();
    for (name, weight, value) in
        [("trades", "beta", 6.0), ("mart", "lambda", 5.0), ("elle", "lambda", 5000.0)]
    {
        let short = read(json!({ "objective": name, "attack": pgd }));
        assert_eq!(short[weight], value, "{name}");
        assert_eq!(short["start_epoch"], 0);
    }
    // What is not set is not written: the specifications of before stay as they were.
    assert_eq!(Objective::clean().spec(), json!({ "objective": "clean" }));
    let madry = read(json!({ "objective": "madry", "attack": pgd }));
    let attack = Pgd::new(threat()).spec();
    let wanted =
        json!({ "objective": "madry", "attack": attack, "start_epoch": 0, "labels": "true" });
    assert_eq!(madry, wanted);
    let noisy = json!({
        "objective": "clean", "label_smoothing": 0.1, "label_noise": { "share": 0.2, "key": 4 },
    });
    assert_eq!(read(noisy)["label_noise"], json!({ "share": 0.2, "key": Key::new(4) }));
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refused = |objective: Objective| {
        let error = Trainer::<Net>::new(config(objective), "never").err().unwrap();
        assert!(matches!(error, TrainingError::Setting { .. }));
        error.to_string()
    };
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let wanted = |field| format!("{field}: got {weight}, wanted a finite number above 0");
        let trades = Trades::new(trades()).with_beta(weight).err().unwrap();
        assert_eq!(trades.to_string(), wanted("beta"));
        let mart = Mart::new(two()).with_lambda(weight).err().unwrap();
        assert_eq!(mart.to_string(), wanted("lambda"));
        let elle = Elle::new(two()).with_lambda(weight).err().unwrap();
        assert_eq!(elle.to_string(), wanted("lambda"));
    }
    let of_file = |spec: Value| serde_json::from_value::<Objective>(spec);
    let mut spec = Objective::trades(trades()).spec();
    spec["beta"] = json!(-2.0);
    let error = refused(of_file(spec.clone()).unwrap());
    assert_eq!(error, "objective trades: beta: got -2, wanted a finite number above 0");
    spec["beta"] = json!(6.0);
    spec["attack"]["loss"] = json!("margin");
    let error = refused(of_file(spec.clone()).unwrap());
    assert!(error.starts_with("objective trades: attack: got PGD-2-margin, wanted one"), "{error}");
    // A setting of other objectives, without an effect here.
    spec["labels"] = json!("predicted");
    let error = of_file(spec).err().unwrap().to_string();
    assert!(error.contains("objective trades: labels: there is no such setting"), "{error}");
    let fixed_loss = refused(Objective::trades(Square::new(threat())));
    assert!(fixed_loss.starts_with("objective trades: attack: got Square"), "{fixed_loss}");
    let late = Mart::new(two()).with_start_epoch(3);
    assert!(refused(late.into()).starts_with("objective mart: start_epoch: got 3 of 3 epochs"));
    let ramp = Elle::new(two()).with_start_epoch(1).with_epsilon_ramp(EpsilonRamp::new(3));
    let error = refused(ramp.into());
    assert!(error.starts_with("objective elle: epsilon_ramp: epochs: got 3 of 2 epo"), "{error}");
    let smooth = json!({ "objective": "clean", "label_smoothing": 1.0 });
    let error = refused(of_file(smooth).unwrap());
    assert!(error.starts_with("objective clean: label_smoothing: got 1, wanted a"), "{error}");
    let noise = json!({ "objective": "clean", "label_noise": { "share": 0.1, "seed": 3 } });
    let error = of_file(noise).err().unwrap().to_string();
    assert!(error.contains("unknown field `seed`"), "{error}");
}
