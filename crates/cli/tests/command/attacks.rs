//! Attacks from a file.

use crate::program::{
    evaluate, record, refused, root, scratch, trained, trained_without_noise, works,
};
use std::fs;
use std::path::Path;

/// Small forms of all kinds of entries.
const FILE: &str = r#"
attacks = 1

[[attack]]
attack = "transfer"
from = "itself, held"
of = { attack = "pgd", steps = 2 }

[[attack]]
attack = "pgd"
steps = 2
draws = 2
audit = true

[[attack]]
attack = "apgd"
loss = "cross_entropy"
steps = 3
draws = 2

[[attack]]
attack = "apgd"
targets = 2
steps = 2
threat = { norm = "linf", epsilon = "5/255" }

[[attack]]
attack = "square"
queries = 4
draws = 2

[[attack]]
attack = "transfer"
from = "itself, off"
of = { attack = "pgd", steps = 2 }
candidates = 2
draws = 3

[[attack]]
attack = "transfer"
from = "RUN"
of = { attack = "pgd", steps = 2 }
"#;

fn written(folder: &Path, text: &str) -> String {
    let path = folder.join("attacks.toml");
    fs::write(&path, text.replace("RUN", &trained_without_noise().display().to_string())).unwrap();
    path.display().to_string()
}

#[test]
fn attacks_of_a_file_are_those_of_the_record() {
    let folder = scratch("attacks-of-a-file");
    let flags = format!("--attacks {} --checks quick", written(&folder, FILE));
    let out = folder.join("noisy");
    works(evaluate(trained(), &out, &flags));
    let of_noisy = record(&out);
    let attacks = of_noisy["attacks"].as_array().unwrap();
    let names: Vec<&str> = attacks.iter().map(|attack| attack["name"].as_str().unwrap()).collect();
    let from_run = names[6];
    assert_eq!(
        names[..6],
        [
            "PGD-2-from-itself-held",
            "EOT-PGD-2x2",
            "EOT-APGD-CE-3x2",
            "APGD-T-2",
            "EOT-Square-4x2",
            "PGD-2-from-itself-off-of2",
        ]
    );
    // The name is that of the weights.
    assert!(from_run.starts_with("PGD-2-from-") && from_run.len() == 19, "{from_run}");
    assert_eq!(of_noisy["audit"]["attack"], "EOT-PGD-2x2");
    // Every threat is that of the evaluation but for the attack that has its own.
    let epsilon = |i: usize| {
        let spec = &attacks[i]["spec"];
        let threat = spec.pointer("/threat").or(spec.pointer("/of/threat")).unwrap();
        threat["epsilon"].as_f64().unwrap()
    };
    let wanted = |i| if i == 3 { 5.0 / 255.0 } else { 0.05 };
    for i in 0..attacks.len() {
        assert!((epsilon(i) - wanted(i)).abs() < 1e-12, "{i}: {}", epsilon(i));
    }

    // With its noise switched off a model is no surrogate of itself.
    let out = folder.join("silent");
    let said = refused(evaluate(trained(), &out, &format!("{flags} --noise-off")));
    assert!(said.contains("attack 1: from: got \"itself, held\", wanted another model"), "{said}");
    // A model without noise is the same in every state, and has one draw of each.
    works(evaluate(trained_without_noise(), &out, &flags));
    let of_silent = record(&out);
    assert_eq!((&of_silent["stochastic"], &of_silent["draws"]), (&false.into(), &1.into()));
    assert_eq!(of_silent["attacks"].as_array().unwrap().len(), attacks.len());
}

#[test]
fn a_file_that_cannot_be_used_is_refused_by_the_place_in_it() {
    let folder = scratch("refused-attacks");
    let out = folder.join("out");
    let refused = |text: &str, flags: &str, wanted: &str| {
        let flags = format!("--attacks {} {flags}", written(&folder, text));
        let said = refused(evaluate(trained(), &out, &flags));
        assert!(said.contains(wanted), "{said}\nlacks {wanted}");
        said
    };
    for (from, to, wanted) in [
        ("attacks = 1", "attacks = 2", "attacks: got 2, wanted 1, the version of the format"),
        ("attacks = 1", "", "attacks: got nothing, wanted a value"),
        ("attacks = 1", "attacks = [", "TOML parse error at line "),
        ("attacks = 1", "attacks = 1\nname = 3", "name: there is no such setting, wanted one of"),
        (
            "\"square\"",
            "\"sqare\"",
            "attack 5: sqare: this crate has no attack of that name; the ne",
        ),
        ("queries = 4", "querys = 4", "attack 5: square: querys: there is no such setting"),
        ("queries = 4", "queries = 0", "attack 5: queries: got 0, wanted at least 1"),
        ("5/255", "five", "attack 4: threat: epsilon: got \"five\", wanted a number"),
        ("audit = true", "audit = 3", "attack 2: audit: got 3, wanted true or false"),
        ("targets = 2", "targets = 2\naudit = true", "attack 4: audit: got a second one, wanted"),
        ("itself, off", "nowhere", "attack 6: from: got \"nowhere\", wanted a run's folder, "),
        ("\"5/255\"", "5", "attack 4: epsilon: got 5, wanted less than 1"),
        ("\"5/255\"", "nan", "attack.3.threat.epsilon: got NaN, wanted a finite number"),
        ("\"5/255\"", "0.1, x = 1", "attack 4: threat: x: there is no such setting"),
        ("steps = 3", "steps = \"3\"", "attack 3: steps: got \"3\", wanted a whole number"),
        ("candidates = 2", "candidates = 1", "attack 6: draws: got 3, wanted 1"),
        ("candidates = 2", "candidate = 2", "attack 6: candidate: there is no such setting"),
        (
            "\"square\"",
            "\"autoattack\"",
            "attack 5: draws: there is no such setting, wanted version",
        ),
    ] {
        assert!(FILE.contains(from), "{from}");
        let said = refused(&FILE.replacen(from, to, 1), "", wanted);
        assert!(said.contains("attacks.toml: "), "{said}");
    }
    for (flags, wanted) in [
        ("--suite quick", "--suite: got quick, wanted it left out, since --attacks says what"),
        ("--eot-steps 3", "--eot-steps: got 3, wanted it left out, since --attacks says what"),
    ] {
        refused(FILE, flags, wanted);
    }
    let without = FILE.replace("audit = true", "");
    let wanted = "the attack with `audit = true`, and --attacks has none";
    refused(&without, "--checks quick", wanted);
    let threat = "attacks = 1\n[[attack]]\nattack = \"pgd\"\nsteps = 1\n\
                  threat = { norm = \"linf\", epsilon = \"2/255\" }";
    let wanted = "--epsilon: got 0.1, wanted it left out, since every attack of --attacks has a";
    refused(threat, "--epsilon 0.1", wanted);
    assert!(!out.join("record.json").exists());
}

#[test]
fn the_examples_are_files_of_attacks() {
    let folder = scratch("example-attacks");
    // The same in little time.
    let noise = [
        ("steps = 100", "steps = 3"),
        ("draws = 20", "draws = 2"),
        ("targets = 9", "targets = 1\nsteps = 4"),
        ("\"cross_entropy\"", "\"cross_entropy\"\nsteps = 4"),
        ("queries = 1000", "queries = 5"),
    ];
    let protocols = [("steps = 7", "steps = 3"), ("steps = 20", "steps = 4"), ("= 10", "= 2")];
    let surrogate = format!("{:?}", trained_without_noise());
    let full = [
        ("steps = 100", "steps = 3"),
        ("draws = 20", "draws = 2"),
        ("draws = 40", "draws = 3"),
        ("targets = 9", "targets = 1"),
        ("\"cross_entropy\"", "\"cross_entropy\"\nsteps = 4"),
        ("queries = 1000", "queries = 5"),
        ("\"weights/cifar10-adversarial\"", &surrogate),
    ];
    let targeted = [("steps = 20", "steps = 2"), ("draws = 20", "draws = 2"), full[3]];
    let examples = [
        ("noise", &noise[..]),
        ("protocols", &protocols),
        ("full", &full),
        ("targeted", &targeted),
    ];
    for (name, shorter) in examples {
        let example = root().join(format!("examples/attacks/{name}.toml"));
        let mut text = fs::read_to_string(example).unwrap();
        for (from, to) in shorter {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        let flags = format!("--attacks {}", written(&folder, &text));
        for (model, run) in [("noisy", trained()), ("silent", trained_without_noise())] {
            let out = folder.join(name).join(model);
            works(evaluate(run, &out, &flags));
            let attacks = record(&out)["attacks"].as_array().unwrap().len();
            assert_eq!(attacks, text.matches("[[attack]]").count());
        }
    }
}
