//! Recipes: the built-in ones, files, changes and refusals.

use cni_training::{By, Recipe, RecipeError, Schedule, TrainingConfig};
use serde_json::{Value, json};

fn value(config: &TrainingConfig) -> Value {
    serde_json::to_value(config).unwrap()
}

#[test]
fn every_built_in_recipe_is_whole_and_comes_back_from_its_resolved_file() {
    for name in Recipe::names() {
        let recipe = Recipe::named(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(recipe.name(), *name);
        assert!(!recipe.about().is_empty() && !recipe.source().is_empty(), "{name}");
        let training = recipe.training().unwrap();
        let model = recipe.model();
        assert!(model.contains_key("family") && model.contains_key("noise"), "{name}");
        assert_eq!(training.validation_attack.is_some(), training.objective.attack().is_some());
        let resolved = recipe.with_training(&training).unwrap();
        let again: Recipe = resolved.to_toml().parse().unwrap();
        assert_eq!(again, resolved, "{name}");
        assert_eq!(value(&again.training().unwrap()), value(&training), "{name}");
        assert_eq!(again.about(), recipe.about());
    }
}

#[test]
fn the_recipe_of_cni_is_that_of_the_configuration() {
    use cni_attacks::{Pgd, Threat};
    use cni_training::Objective;
    let attack = Pgd::training(Threat::linf(8.0 / 255.0).unwrap());
    let mut config = TrainingConfig::cni(Objective::half_and_half(attack.clone()));
    config.validation_attack = Some(std::sync::Arc::new(attack));
    let recipe = Recipe::named("reference-cni").unwrap().training().unwrap();
    assert_eq!(value(&recipe), value(&config));
}

#[test]
fn settings_change_by_their_paths() {
    let recipe = Recipe::named("reference-cni").unwrap();
    let changed = [
        ("epochs", "3"),
        ("objective.attack.steps", "2"),
        ("objective.attack.threat.epsilon", "4/255"),
        ("max_grad_norm", ""),
        ("precision", "bf16"),
        ("average", "{ average = \"ema\", decay = 0.99 }"),
        ("model.noise", "none"),
    ];
    let recipe =
        changed.iter().fold(recipe, |recipe, (path, text)| recipe.with(path, text).unwrap());
    let config = value(&recipe.training().unwrap());
    assert_eq!(config["epochs"], 3);
    assert_eq!(config["objective"]["attack"]["steps"], 2);
    assert_eq!(config["objective"]["attack"]["threat"]["epsilon"], 4.0 / 255.0);
    assert_eq!(config["max_grad_norm"], Value::Null);
    assert_eq!(config["precision"], "bf16");
    assert_eq!(config["average"], json!({ "average": "ema", "decay": 0.99, "start_epoch": 0 }));
    assert_eq!(recipe.model()["noise"], "none");
    assert_eq!(recipe.changed().collect::<Vec<_>>(), changed.map(|(path, _)| path));
}

#[test]
fn what_is_unknown_is_named_with_the_nearest() {
    let recipe = Recipe::named("reference-cni").unwrap();
    for (path, text, said) in [
        ("epoch", "3", "epoch: there is no such setting, wanted one of epochs, "),
        ("epoch", "3", "the nearest is epochs"),
        ("objective.attack.stepsize", "0.1", "the nearest is step_size"),
        ("objective.objective", "madri", "the nearest is madry"),
        ("objective.start_epochs", "1", "the nearest is start_epoch"),
        ("objective.attack.attack", "pdg", "the nearest is pgd"),
        ("optimizer.momentun", "0.9", "momentum"),
        ("schedule.multi_step.moves", "step", "moves: there is no such setting, wanted one of lr"),
        ("precision", "bf61", "bf16"),
        ("epochs", "0", "epochs: got 0, wanted at least 1"),
        ("objective.start_epoch", "400", "start_epoch: got 400 of 400 epochs"),
        ("key", "3", "the key is that of the run"),
    ] {
        let changed = recipe.with(path, text).unwrap();
        let again = changed.to_toml().parse::<Recipe>().unwrap_err().to_string();
        assert!(again.contains(said), "{path}={text}: {again}\nlacks {said}");
    }
    for path in ["recipe", "name"] {
        let error = recipe.with(path, "2").unwrap_err().to_string();
        assert!(error.contains(&format!("{path}: got 2, wanted a setting")), "{error}");
        let text = recipe.to_toml();
        let line = text.lines().find(|line| line.starts_with(&format!("{path} = "))).unwrap();
        let error = text.replace(line, &format!("{path} = 2")).parse::<Recipe>().unwrap_err();
        assert!(error.to_string().contains(&format!("{path}: got 2, wanted ")), "{error}");
    }
    let error = Recipe::named("fast-nose").unwrap_err().to_string();
    assert!(error.contains("the nearest is fast-noise"), "{error}");
    let syntax = "recipe = ".parse::<Recipe>().unwrap_err();
    assert!(matches!(syntax, RecipeError::Syntax { .. }), "{syntax}");
}

#[test]
fn what_is_unknown_in_an_optimizer_of_burns_is_named_with_the_nearest() {
    let recipe = Recipe::named("binary-fast").unwrap();
    let known = "amsgrad, beta_1, beta_2, epsilon, grad_clipping, weight_decay";
    let own = format!("wanted one of {known}; the nearest is weight_decay");
    for (path, text, field, wanted) in [
        (
            "optimizer.weigth_decay",
            "{ penalty = 0.1 }",
            "weigth_decay: got {\"penalty\":0.1}",
            own.as_str(),
        ),
        (
            "optimizer.weight_decay",
            "{ penalty = 0.1, rate = 0.2 }",
            "weight_decay.rate: got 0.2",
            "wanted one of penalty",
        ),
    ] {
        let changed = recipe.with(path, text).unwrap();
        let error = changed.to_toml().parse::<Recipe>().unwrap_err().to_string();
        let says =
            format!("binary-fast: optimizer adam: {field}, but there is no such setting, {wanted}");
        assert_eq!(error, says);
    }
}

/// PGD-10 takes 20 passes and one of training 2, which the perturbation of the weights doubles; two
/// steps and TRADES take 4 and 4.
#[test]
fn the_passes_of_a_recipe_are_those_of_its_gradient_rule_too() {
    for (name, passes) in [("madry", 22), ("at-awp", 24), ("trades", 24), ("dajat-ramp", 12)] {
        let training = Recipe::named(name).unwrap().training().unwrap();
        assert_eq!(training.passes(10, false), passes, "{name}");
    }
}

/// Six epochs of a hundred steps.
#[test]
fn a_schedule_that_comes_down_ends_near_zero() {
    let mut seen = 0;
    for name in Recipe::names() {
        let schedule = Recipe::named(name).unwrap().training().unwrap().schedule;
        if matches!(schedule, Schedule::MultiStep { .. }) {
            continue;
        }
        let of = if schedule.moves() == By::Step { 600 } else { 6 };
        let rates: Vec<f64> = (0..of).map(|at| schedule.rate(at, of)).collect();
        let peak = rates.iter().copied().fold(0.0, f64::max);
        let last = rates[of - 1];
        assert!(last < 0.01 * peak, "{name}: {last} of {peak}");
        seen += 1;
    }
    assert!(seen > 5, "{seen}");
}

/// The authors' code counts epochs from 1, and tests `epoch >= 75`.
#[test]
fn trades_and_mart_lower_the_rate_in_the_epochs_of_their_authors() {
    for (name, epochs, falls) in [("trades", 76, vec![75]), ("mart", 120, vec![75, 90, 100])] {
        let training = Recipe::named(name).unwrap().training().unwrap();
        let rate = |epoch: usize| training.schedule.rate(epoch - 1, epochs);
        let found: Vec<usize> = (2..=epochs).filter(|&at| rate(at) < rate(at - 1)).collect();
        assert_eq!((training.epochs, found), (epochs, falls), "{name}");
    }
}

#[test]
fn contradictions_are_refused_with_both() {
    let recipe = Recipe::named("reference-cni").unwrap().with("epochs", "3").unwrap();
    assert_eq!(recipe.with("epochs", "3").unwrap().training().unwrap().epochs, 3);
    let error = recipe.with("epochs", "4").unwrap_err().to_string();
    assert_eq!(error, "got epochs=3 and epochs=4, wanted one of them");
    let whole = recipe.with("objective.attack.steps", "2").unwrap();
    let error = whole.with("objective", "clean").unwrap_err().to_string();
    assert_eq!(error, "got objective.attack.steps=2 and objective=clean, wanted one of them");
}

#[test]
fn a_file_is_named_in_its_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let missing = Recipe::load(&path).unwrap_err().to_string();
    assert!(missing.contains("mine.toml"), "{missing}");
    for (text, said) in [
        (
            "recipe = 1\nname = \"x\"\nepochs = 1\n",
            "mine.toml: objective: got nothing, wanted a value",
        ),
        ("recipe = 1\nepochs = [", "mine.toml: TOML parse error at line 2"),
        ("name = \"x\"\nepochs = 1\nobjective = \"clean\"\n", "recipe: got nothing, wanted 1"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Recipe::load(&path).unwrap_err().to_string();
        assert!(error.contains(said), "{error}\nlacks {said}");
    }
}
