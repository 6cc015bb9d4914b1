//! Cards: the model, the data and the attacker, how to repeat the evaluation, and its cost.

use super::{Model, of};
use crate::document::Block;
use crate::format;
use crate::table::{Cell, Table};
use cni_attacks::{Access, Passes};
use cni_evaluation::{AttackRecord, Check, Record};

/// The largest number of lines of a noise's description in a table.
const LINES: usize = 3;

pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    let words_of = |items: Vec<String>| match items.as_slice() {
        [] => "not recorded".to_string(),
        some => some.join(", "),
    };
    let told = |text: &str| if text.is_empty() { "not recorded".into() } else { Cell::from(text) };
    let threat: [Fact; 6] = [
        ("radius", &|r| words_of(r.threat.threats.iter().map(format::threat).collect()).into()),
        ("goal", &|r| told(&r.threat.goal)),
        ("pixels", &|r| told(&r.threat.domain)),
        ("access", &|r| words_of(r.threat.access.iter().map(access).collect()).into()),
        ("the model's noise", &|r| told(&r.threat.noise)),
        ("the model multiplies under attack in", &|r| match r.threat.precision.as_deref() {
            None => "the type in which it is judged".into(),
            Some("full") => "its parameters' own type".into(),
            Some(precision) => precision.into(),
        }),
    ];
    let model: [Fact; 6] = [
        ("learnable parameters", &|r| Cell::Count(r.model.parameters as u64)),
        ("noise", &|r| match r.model.noise.lines().count() {
            n if n > LINES => format!("{n} noisy tensors, listed below").into(),
            _ => told(&r.model.noise),
        }),
        ("multiplies in, when judged", &|r| {
            r.model.precision.as_deref().unwrap_or("its parameters' own type").into()
        }),
        ("fingerprint", &|r| match r.model.fingerprint.as_str() {
            "" => "not recorded".into(),
            hash => Cell::Code(hash.to_string()),
        }),
        ("outputs vary from draw to draw", &|r| if r.stochastic { "yes" } else { "no" }.into()),
        ("left out", &|r| match r.left_out().as_slice() {
            [] => "nothing".into(),
            some => {
                let states = some.iter().map(|state| format!("noise {state}"));
                format::list(&states.collect::<Vec<_>>()).into()
            }
        }),
    ];
    let data: [Fact; 4] = [
        ("name", &|r| told(&r.data.name)),
        ("examples", &|r| Cell::Count(r.examples as u64)),
        ("classes", &|r| told(&r.data.classes.join(", "))),
        ("fingerprint", &|r| match r.data.fingerprint.as_str() {
            "" => "not recorded".into(),
            hash => Cell::Code(hash.to_string()),
        }),
    ];
    let mut blocks = vec![
        Block::Table(facts(models, "Threat model", &threat)),
        Block::Table(facts(models, "Model", &model)),
        Block::Table(facts(models, "Data", &data)),
    ];
    for model in models {
        let noise = &model.record().model.noise;
        if noise.lines().count() > LINES {
            let summary = format!("Noise of every tensor{}", of(models, model));
            blocks.push(Block::Fold(summary, vec![Block::Code(noise.clone())]));
        }
        if let Some(config) = &model.record().model.config {
            let summary = format!("Configuration of the model{}", of(models, model));
            blocks.push(Block::Fold(summary, vec![Block::Code(format!("{config:#}"))]));
        }
    }
    blocks
}

fn access(access: &Access) -> String {
    match access {
        Access::Gradients => "gradients",
        Access::Scores => "logits of chosen images",
        Access::Decisions => "predicted classes of chosen images",
        Access::Transfer => "another model",
        Access::None => "none",
    }
    .to_string()
}

/// A fact: its name, and its value in a record.
type Fact<'a> = (&'a str, &'a dyn Fn(&Record) -> Cell);

/// A line for each fact, a column for each model.
fn facts(models: &[Model], caption: &str, facts: &[Fact]) -> Table {
    let names: Vec<String> = match models {
        [_] => vec!["value".to_string()],
        _ => models.iter().map(|model| model.name.clone()).collect(),
    };
    let row = |(name, get): &Fact| {
        let values = models.iter().map(|model| get(model.record()));
        std::iter::once(Cell::from(*name)).chain(values).collect()
    };
    Table {
        caption: caption.to_string(),
        columns: std::iter::once("fact".to_string()).chain(names).collect(),
        rows: facts.iter().map(row).collect(),
    }
}

pub(super) fn reproduce(models: &[Model]) -> Vec<Block> {
    let mut blocks = Vec::new();
    for model in models.iter().filter(|model| !model.record().command.is_empty()) {
        blocks.push(Block::Text(format!("The command{}:", of(models, model))));
        blocks.push(Block::Code(model.record().command.clone()));
    }
    let all: [Fact; 7] = [
        ("version of cni-burn", &|r| r.version.as_str().into()),
        ("layout of the record", &|r| Cell::Count(r.schema.into())),
        ("key", &|r| Cell::Code(r.key.to_string())),
        ("draws", &|r| Cell::Count(r.draws as u64)),
        ("draws to a vote", &|r| Cell::Count(r.votes as u64)),
        ("tries of the attacker", &|r| Cell::Count(r.tries as u64)),
        ("confidence", &|r| format!("{} %", format::significant(100.0 * r.confidence, 4)).into()),
    ];
    blocks.push(Block::Table(facts(models, "Settings", &all)));
    for model in models.iter().filter(|model| !model.record().attacks.is_empty()) {
        let attacks = &model.record().attacks;
        let cascade = model.record().cascade.is_some();
        let row = |attack: &AttackRecord| {
            let [hash, key] = [attack.hash.clone(), attack.key.to_string()].map(Cell::Code);
            let draws = attack.gradient_draws.map_or(Cell::Missing, |n| Cell::Count(n as u64));
            let attacked = attack.attacked.map_or(Cell::Missing, |n| Cell::Count(n as u64));
            let mut row = vec![attack.name.as_str().into(), draws, attacked];
            row.extend(
                cascade.then(|| attack.broken.map_or(Cell::Missing, |n| Cell::Count(n as u64))),
            );
            row.extend([hash, key]);
            row
        };
        let caption = format!("Attacks{}: SHA-256 of all parameters, and key", of(models, model));
        let mut columns = vec!["attack", "draws of a gradient", "images attacked"];
        columns.extend(cascade.then_some("images broken"));
        columns.extend(["hash", "key"]);
        let columns = columns.into_iter().map(String::from).collect();
        let table = Table { caption, columns, rows: attacks.iter().map(row).collect() };
        let code = |attack: &AttackRecord| {
            let spec = &attack.spec;
            Block::Code(format!("{}: {spec:#}", attack.name))
        };
        let within = std::iter::once(Block::Table(table)).chain(attacks.iter().map(code));
        let summary = format!("Attacks with all their parameters{}", of(models, model));
        blocks.push(Block::Fold(summary, within.collect()));
    }
    blocks
}

pub(super) fn cost(models: &[Model]) -> Vec<Block> {
    let table = |model: &Model| {
        let record = model.record();
        let row = |name: &str, passes: Option<Passes>, seconds: Option<f64>| {
            let count = |number: fn(&Passes) -> u64| {
                passes.as_ref().map_or(Cell::Missing, |passes| Cell::Count(number(passes)))
            };
            let seconds = seconds.map_or(Cell::Missing, Cell::Seconds);
            vec![name.into(), count(|p| p.forwards), count(|p| p.backwards), seconds]
        };
        let attack = |a: &AttackRecord| row(&a.name, Some(a.passes), Some(a.seconds));
        let mut rows: Vec<_> = record.attacks.iter().map(attack).collect();
        rows.push(row("judging", Some(record.scoring), None));
        let certificates = record.certificates.as_ref();
        rows.extend(certificates.map(|c| row("certificates", Some(c.passes), Some(c.seconds))));
        let shared = record.audit.as_ref().and_then(|audit| audit.shared);
        let checks = &record.checks;
        rows.extend(shared.map(|s| row("shared by checks", Some(s.passes), Some(s.seconds))));
        for check in checks {
            let name = format!("check: {}", check.name);
            rows.push(row(&name, Some(check.passes), Some(check.seconds)));
        }
        // The seconds of a record are those of its attacks, of judging and of certificates; checks
        // have their own. Records of earlier versions do not tell what the checks shared.
        let all = if checks.is_empty() { "evaluation in all" } else { "evaluation without checks" };
        rows.push(row(all, None, Some(record.seconds)));
        rows.extend(shared.map(|shared| {
            let add = |sum: Passes, check: &Check| sum + check.passes;
            let passes = checks.iter().fold(shared.passes, add);
            let seconds = checks.iter().map(|check| check.seconds).sum::<f64>() + shared.seconds;
            row("checks in all", Some(passes), Some(seconds))
        }));
        let columns = ["work", "forward passes", "backward passes", "time"].map(String::from);
        Block::Table(Table {
            caption: format!("Passes of single images, and time{}", of(models, model)),
            columns: columns.to_vec(),
            rows,
        })
    };
    models.iter().map(table).collect()
}
