//! The module computes what the library does natively.

use crate::server::serve;
use crate::visitor::{Visitor, page_and_browser};
use crate::{near, session};
use cni_browser::{AttackSettings, Method, Moved, Summary};
use serde_json::{Value, json};

/// The share of the numbers that are alike: a sign that rounding turns moves a pixel by a step.
fn alike(got: &Value, wanted: &[f32]) -> f64 {
    let got = got.as_array().expect("numbers");
    assert_eq!(got.len(), wanted.len());
    let pairs = got.iter().map(|value| value.as_f64().unwrap()).zip(wanted);
    let same = pairs.filter(|(got, wanted)| near(*got, f64::from(**wanted))).count();
    same as f64 / wanted.len() as f64
}

#[test]
fn the_module_computes_what_the_library_does_natively() {
    let Some((page, browser)) = page_and_browser() else { return };
    let visitor = Visitor::open(&browser, &serve(&page, &[]), 1280, "");
    visitor.value(
        "(async () => { const cni = await import('./pkg/cni_browser.js'); await cni.default();
           window.cni = cni;
           window.bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
           window.open_ = async (name) => new cni.Session(name,
               await bytes(`weights/${name}/state.json`), await bytes(`weights/${name}/model.bpk`));
         })()",
    );
    for name in ["digits-cni-w", "digits-pni-w", "digits-clean"] {
        let native = session(&page, name);
        let (pixels, label) = (native.image(3).unwrap(), native.describe().images[3].label);
        let described = visitor.value(&format!(
            "(async () => {{ window.session = await open_('{name}');
                             return JSON.parse(session.describe()); }})()"
        ));
        assert_eq!(described, serde_json::to_value(native.describe()).unwrap());
        let image = visitor.value("Array.from(window.pixels = session.image(3))");
        assert_eq!(alike(&image, &pixels), 1.0);
        let predicted = visitor.value("Array.from(session.predict(pixels, 5, 0, 20))");
        assert_eq!(alike(&predicted, &native.predict(&pixels, 5, 0, 20).unwrap()), 1.0, "{name}");

        let settings =
            AttackSettings { method: Method::Pgd, epsilon: 0.1, steps: 8, draws: 3, key: 5 };
        let text = json!({
            "method": "pgd", "epsilon": 0.1, "steps": 8, "draws": 3, "key": 5,
        });
        let mut moved: Vec<Moved> = Vec::new();
        let found = native.attack(&settings, &pixels, label, &mut |step| moved.push(step)).unwrap();
        let attacked = visitor.value(&format!(
            "(() => {{ window.steps = [];
               window.found = session.attack(JSON.stringify({text}), pixels, {label},
                   (step) => steps.push(step));
               return Array.from(found); }})()"
        ));
        // A pixel whose gradient is near zero may go the other way; nearly all go the same.
        assert!(alike(&attacked, &found) > 0.9, "{name}: {}", alike(&attacked, &found));
        let steps = visitor.value("steps.map((step) => [step.step, step.loss, step.forwards])");
        for (step, moved) in steps.as_array().unwrap().iter().zip(&moved) {
            assert_eq!(step[0], moved.step);
            assert_eq!(step[2], moved.forwards as f64);
            assert!(near(step[1].as_f64().unwrap(), moved.loss), "{name}: {step} {moved:?}");
        }
        assert_eq!(steps.as_array().unwrap().len(), moved.len());

        let classes = native.classes(&pixels, 5, 0, 100).unwrap();
        let judged = visitor.value("Array.from(session.classes(pixels, 5, 0, 100))");
        let votes: Vec<u32> = serde_json::from_value(judged).unwrap();
        assert_eq!(votes, classes, "{name}");
        let summary = visitor.value(&format!(
            "JSON.parse(session.summary(Uint32Array.from({votes:?}), {label}, 5))"
        ));
        let wanted = serde_json::to_value(Summary::of(&classes, label, 5).unwrap()).unwrap();
        assert_eq!(summary["right"], wanted["right"]);
        assert!(near(summary["low"].as_f64().unwrap(), wanted["low"].as_f64().unwrap()));
        if native.is_stochastic() {
            let noise = visitor.value("JSON.parse(session.noise(1))");
            let wanted = native.noise(1).unwrap();
            assert!(near(noise["size"].as_f64().unwrap(), wanted.size), "{name}");
            assert_eq!(noise["side"], wanted.side);
        }
        assert_eq!(
            visitor.value(&format!("session.code(JSON.stringify({text}), pixels, {label})")),
            Value::String(native.code(&settings, &pixels, label).unwrap())
        );
    }
    let refused = visitor.value(
        "(() => { try { session.predict(new Float32Array(3), 1, 0, 1) }
                  catch (error) { return error.message } })()",
    );
    assert_eq!(refused, "pixels: got 3, wanted 64 of them");
}
