//! The suites of AutoAttack.

use cni_attacks::{Apgd, Attack, Pgd, RandomNoise, Suite, Threat};

fn threat() -> Threat {
    Threat::linf(0.1).unwrap()
}

#[test]
fn suites_hold_the_attacks_that_their_names_promise() {
    let names = |suite: Suite| suite.attacks().map(|attack| attack.name()).collect::<Vec<_>>();
    for threat in [Threat::linf(0.1), Threat::l2(0.5)] {
        let standard = names(Suite::standard(threat.unwrap()).unwrap());
        assert_eq!(standard, ["APGD-CE-100", "APGD-T-100", "FAB-T-100", "Square-5000"]);
    }
    let l1 = Suite::standard(Threat::l1(12.0).unwrap()).unwrap();
    let spec = l1.spec();
    assert_eq!(spec["attacks"][0]["restarts"], 5);
    assert_eq!(spec["attacks"][1]["targets"], 5);
    assert!([0, 1].iter().all(|&i| spec["attacks"][i]["use_larger_epsilons"] == true));
    let plus = Suite::plus(threat()).unwrap();
    assert_eq!(plus.attacks().count(), 6);
    let rand = names(Suite::rand(threat()).unwrap());
    assert_eq!(rand, ["EOT-APGD-CE-100x20", "EOT-APGD-DLR-100x20"]);
    assert_eq!(names(Suite::rand_plus(threat()).unwrap())[2], "EOT-Square-1000x20");
}

#[test]
fn what_cannot_run_on_few_classes_is_left_out_by_name() {
    let suite = Suite::standard(threat()).unwrap();
    assert_eq!(suite.min_classes(), 4);
    let short = suite.clone().for_classes(3).unwrap();
    assert_eq!(short.name(), "AutoAttack-standard-without-APGD-T-100");
    assert_eq!(short.spec()["left_out"], serde_json::json!(["APGD-T-100"]));
    assert_eq!(short.min_classes(), 2);
    assert_eq!(suite.clone().for_classes(10).unwrap().spec(), suite.spec());
    let custom = Suite::custom("ratio", vec![Box::new(Apgd::dlr(threat()))]).unwrap();
    assert!(custom.for_classes(2).is_err());
}

#[test]
fn the_attacks_of_a_suite_can_be_taken_out_of_it() {
    let attacks: Vec<Box<dyn Attack>> =
        vec![Box::new(RandomNoise::new(threat())), Box::new(Pgd::new(threat()))];
    let suite = Suite::custom("quick", attacks).unwrap().with_judging_draws(7).unwrap();
    assert_eq!(suite.judging_draws(), 7);
    let names: Vec<String> = suite.into_attacks().iter().map(|attack| attack.name()).collect();
    assert_eq!(names, ["Random-1", "PGD-10"]);
}
