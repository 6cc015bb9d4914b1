//! Published weights, those that come with the library, and their cards.

use crate::program::{evaluate, plain, record, refused, root, scratch, trained, works};
use std::fs;
use std::path::Path;

#[test]
fn published_weights_stand_for_their_run() {
    let (run, folder) = (trained(), scratch("published"));
    let [whole, half] = ["whole", "half"].map(|name| folder.join(name));
    let publish = |flags: &str, out: &Path| {
        let (run, out) = (run.display(), out.display());
        plain(&format!("publish --run {run} --out {out} {flags}"))
    };
    let said = works(publish("", &whole));
    assert!(said.contains("after epoch 1, ") && said.contains("cni evaluate --run "), "{said}");
    works(publish("--checkpoint 1 --half", &half));
    let evaluated = |of: &Path, name: &str| {
        let out = folder.join(name);
        works(evaluate(of, &out, "--suite quick --name same"));
        record(&out)
    };
    let [of_run, of_whole, of_half] =
        [(run, "a"), (&whole, "b"), (&half, "c")].map(|(of, name)| evaluated(of, name));
    assert_eq!(of_run["model"], of_whole["model"]);
    assert_eq!(of_run["clean"], of_whole["clean"]);
    assert_ne!(of_run["model"]["fingerprint"], of_half["model"]["fingerprint"]);
    assert_eq!(of_run["model"]["history"], of_half["model"]["history"]);
    let named = works(evaluate(&half, &folder.join("d"), "--suite quick"));
    assert!(named.contains("half (epoch 1, f16)"), "{named}");
    let said = works(plain(&format!("info --run {}", half.display())));
    assert!(said.contains("parameters"), "{said}");

    for (flags, wanted) in [
        ("", "in it, wanted a new or empty folder"),
        ("--checkpoint first", "--checkpoint: got first, wanted best, last or a number"),
        ("--checkpoint 7", "got no checkpoint of epoch 7, wanted one of 1"),
    ] {
        let said = refused(publish(flags, &half));
        assert!(said.contains(wanted), "{flags}: {said}");
    }
    let said = refused(plain("publish --run nowhere --out here"));
    assert!(said.contains("nowhere"), "{said}");
}

#[test]
fn weights_that_come_with_the_library_are_judged_by_name() {
    let (weights, folder) = (root().join("weights"), scratch("pretrained"));
    let (from, out) = (weights.display(), folder.join("out"));
    let named = |flags: &str| {
        let out = out.display();
        plain(&format!(
            "evaluate --pretrained digits-pni-w --weights {from} --out {out} --examples 20 --draws 3 \
             --suite quick --eot-steps 2 --eot-draws 2 --checks none {flags}"
        ))
    };
    works(named(""));
    let judged = record(&out);
    assert_eq!(judged["model"]["name"], "digits-pni-w");
    // Nothing is written beside the weights.
    let by_path = folder.join("by-path");
    works(evaluate(&weights.join("digits-pni-w"), &by_path, "--suite quick --draws 3"));
    assert_eq!(record(&by_path)["model"]["fingerprint"], judged["model"]["fingerprint"]);
    let wanted = "wanted it left out, since --pretrained names the weights";
    for (arguments, wanted) in [
        (named("--run elsewhere"), format!("--run: got elsewhere, {wanted}")),
        (named("--checkpoint last"), format!("--checkpoint: got last, {wanted}")),
        (named("--noise cni"), "--noise: got cni, wanted pni".into()),
        (plain("evaluate --weights here"), "--weights: got here, wanted it left out".into()),
        (
            plain("evaluate --pretrained digits-cni-w --weights here"),
            "here/digits-cni-w/state.json: ".into(),
        ),
        (plain("flatness --pretrained digits"), "digits-clean, digits-adversarial".into()),
    ] {
        let said = refused(arguments);
        assert!(said.contains(&wanted), "{said}\nlacks {wanted}");
    }
}

/// Each card under `weights` is what the command prints of the weights and the record beside it.
#[test]
fn the_cards_of_weights_are_those_that_the_command_prints() {
    for entry in fs::read_dir(root().join("weights")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let [at, of] =
            [folder.clone(), folder.join("record.json")].map(|p| p.display().to_string());
        let printed = works(plain(&format!("card --run {at} --record {of} --licence MIT")));
        let written = fs::read_to_string(folder.join("README.md")).unwrap();
        assert_eq!(written, printed, "{at}");
    }
    // Of a run without a record, and with that of other weights.
    let run = trained().display();
    let printed = works(plain(&format!("card --run {run} --name mine")));
    assert!(printed.starts_with("# mine\n") && printed.contains("| epoch | 1 of 1, "), "{printed}");
    assert!(!printed.contains("attacks leave"), "{printed}");
    // Flags have changed the recipe, so that what it said of itself no longer holds.
    assert!(printed.contains("reference-cni with other settings."), "{printed}");
    let other = root().join("weights/digits-pni-w/record.json");
    let said = refused(plain(&format!("card --run {run} --record {}", other.display())));
    assert!(said.contains("--record: got the record of weights of fingerprint"), "{said}");
    for (flags, wanted) in [("--run nowhere", "nowhere"), ("--record nowhere", "--record: nowhere")]
    {
        let flags =
            if flags.contains("--run") { flags.into() } else { format!("--run {run} {flags}") };
        let said = refused(plain(&format!("card {flags}")));
        assert!(said.contains(wanted), "{said}");
    }
    let mut odd = plain(&format!("card --run {run} --name"));
    odd.push("a|b <c>".into());
    assert!(works(odd.clone()).starts_with("# a\\|b &lt;c>\n"));
    for text in ["", "two\nlines"] {
        odd.pop();
        odd.push(text.into());
        let said = refused(odd.clone());
        assert!(said.contains("wanted a line of text"), "{said}");
    }
}
