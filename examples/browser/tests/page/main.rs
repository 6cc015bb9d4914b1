//! The page in Chromium, driven as a visitor would. `tests/browser.sh` builds the page and runs
//! this; without a page or a browser each test says so and passes.

mod visitor;

use cni_browser::{AttackSettings, Method, Moved, Session, Summary};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use visitor::{Visitor, page_and_browser, serve, text_of};

/// Logits of another processor differ by rounding, and a step of an attack by its sign.
const TOLERANCE: f64 = 2e-3;

fn session(page: &Path, name: &str) -> Session {
    let file = |file: &str| fs::read(page.join("weights").join(name).join(file)).unwrap();
    Session::new(name, &file("state.json"), file("model.bpk")).unwrap()
}

fn near(got: f64, wanted: f64) -> bool {
    (got - wanted).abs() <= TOLERANCE * (1.0 + wanted.abs())
}

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

#[test]
fn a_visitor_attacks_cancels_judges_and_changes_the_model_on_a_phone_and_a_desk() {
    let Some((page, browser)) = page_and_browser() else { return };
    let address = serve(&page, &[]);
    for width in [375, 1280] {
        let visitor = Visitor::open(&browser, &address, width, "");
        visitor.wait_until_ready();
        visitor.wait("Number(document.getElementById('prediction').dataset.draws) >= 10");

        // An attack, to its end, by the numbers of the native library.
        let native = session(&page, "digits-cni-w");
        visitor.click("#images button:nth-of-type(4)");
        visitor.wait_until_ready();
        for (id, value) in [("method", "pgd"), ("steps", "6"), ("draws", "4")] {
            visitor.set(id, value);
        }
        visitor.click("#start");
        visitor.wait("document.getElementById('attack-result').dataset.done === 'true'");
        visitor.wait_until_ready();
        let settings =
            AttackSettings { method: Method::Pgd, epsilon: 0.1, steps: 6, draws: 4, key: 1 };
        let (pixels, label) = (native.image(3).unwrap(), native.describe().images[3].label);
        let mut last = None;
        native.attack(&settings, &pixels, label, &mut |moved| last = Some(moved)).unwrap();
        let wanted = last.unwrap();
        assert_eq!(visitor.number("#attack-result", "step"), 6.0);
        let loss = visitor.number("#attack-result", "loss");
        assert!(near(loss, wanted.loss), "{loss}, natively {}", wanted.loss);

        // A judgement by all its draws; the weak attack is beside it.
        visitor.set("tries", "3");
        visitor.click("#judge");
        visitor.wait("document.querySelectorAll('#judgement tr[data-draws]').length === 3");
        visitor.wait(
            "Number(document.querySelector('#judgement tr[data-image=clean]').dataset.draws) >= 40",
        );
        visitor.click("#stop");
        visitor.wait_until_ready();
        for image in ["clean", "attacked", "weak"] {
            let row = format!("#judgement tr[data-image={image}]");
            let [draws, right] = ["draws", "right"].map(|name| visitor.number(&row, name));
            let [low, high] = ["low", "high"].map(|name| visitor.number(&row, name));
            assert!(low <= right / draws && right / draws <= high && high - low < 0.5, "{image}");
        }
        let row = "#judgement tr[data-image=clean]";
        let draws = visitor.number(row, "draws") as usize;
        let classes = native.classes(&pixels, 1, 0, draws).unwrap();
        let right = Summary::of(&classes, label, 3).unwrap().right;
        assert_eq!(visitor.number(row, "right"), right as f64);

        if let Some(folder) = std::env::var_os("CNI_BROWSER_PICTURES") {
            let path = Path::new(&folder).join(format!("page-{width}.png"));
            fs::write(path, visitor.picture(width)).unwrap();
        }

        // A long attack is cancelled, and the page goes on.
        visitor.set("steps", "100");
        visitor.set("draws", "20");
        visitor.click("#start");
        visitor.wait("Number(document.getElementById('attack-result').dataset.step) >= 1");
        assert_eq!(visitor.value("document.body.dataset.state"), "busy");
        visitor.click("#cancel");
        visitor.wait_until_ready();
        assert_ne!(visitor.value("document.getElementById('attack-result').dataset.done"), "true");
        visitor.set("steps", "2");
        visitor.click("#start");
        visitor.wait("document.getElementById('attack-result').dataset.done === 'true'");
        visitor.wait_until_ready();

        // Noise off, and another model, without noise.
        visitor.set("scale", "0");
        visitor.wait_until_ready();
        visitor.set("model", "digits-clean");
        visitor.wait_until_ready();
        assert_eq!(visitor.value("document.getElementById('draws').disabled"), true);
        visitor.set("method", "square");
        visitor.set("steps", "200");
        visitor.click("#start");
        visitor.wait("document.getElementById('attack-result').dataset.done === 'true'");
        visitor.wait_until_ready();
        visitor.click("#judge");
        visitor.wait("document.querySelectorAll('#judgement tr[data-draws]').length === 2");
        visitor.wait_until_ready();
        assert_eq!(visitor.value("document.getElementById('alert').innerText.trim()"), "");
        visitor.click("#copy");
        visitor.wait("document.getElementById('code').innerText.includes('Square::new(threat)')");

        // A model of photographs, on a drawn picture.
        visitor.set("model", "cifar10-adversarial");
        visitor.wait_until_ready();
        visitor.wait("document.querySelectorAll('#images button').length === 4");
        visitor.set("method", "pgd");
        visitor.set("steps", "3");
        visitor.click("#start");
        visitor.wait("document.getElementById('attack-result').dataset.done === 'true'");
        visitor.wait_until_ready();
        assert!(visitor.number("#attack-result", "loss") > 0.0);

        let overflow = "document.documentElement.scrollWidth <= window.innerWidth";
        assert_eq!(visitor.value(overflow), true, "no scrolling to the side at {width}");
        if let Some(axe) = text_of("CNI_AXE") {
            visitor.value(&axe);
            let found = visitor.value(
                "(async () => (await axe.run()).violations.map((found) =>
                    `${found.impact}: ${found.id}: ${found.nodes[0].html}`))()",
            );
            assert_eq!(found, json!([]), "accessibility at {width}");
        }
        assert_eq!(visitor.complaints(), Vec::<String>::new());
    }
}

#[test]
fn what_goes_wrong_is_a_sentence_on_the_page() {
    let Some((page, browser)) = page_and_browser() else { return };
    let address = serve(&page, &[]);

    // Pictures.
    let scratch = tempfile::tempdir().unwrap();
    let visitor = Visitor::open(&browser, &address, 1280, "");
    visitor.wait_until_ready();
    for (name, bytes) in [("none.png", &b"this is no picture"[..]), ("empty.png", &b""[..])] {
        let path = scratch.path().join(name);
        fs::write(&path, bytes).unwrap();
        visitor.choose_file("file", &path);
        visitor.wait("document.getElementById('alert').innerText.trim() !== ''");
        assert!(visitor.alert().ends_with('.'), "{}", visitor.alert());
        visitor.wait_until_ready();
    }
    let picture = scratch.path().join("transparent.png");
    let half = image::RgbaImage::from_fn(100, 60, |x, _| image::Rgba([0, 0, 0, (x * 2) as u8]));
    half.save(&picture).unwrap();
    visitor.choose_file("file", &picture);
    visitor.wait("document.getElementById('file-notes').innerText.includes('ransparent')");
    visitor.wait_until_ready();
    visitor.wait("Number(document.getElementById('prediction').dataset.draws) >= 10");

    // Weights that were cut short, and none.
    for (file, told) in [("digits-cni-w/model.bpk", "SHA-256"), ("digits-cni-w/state.json", "SHA")]
    {
        let broken: &'static [&'static str] = Box::leak(Box::new([file]));
        let visitor = Visitor::open(&browser, &serve(&page, broken), 375, "");
        visitor.wait("document.getElementById('alert').innerText.trim() !== ''");
        assert!(visitor.alert().contains(told), "{}", visitor.alert());
    }

    // Browsers that lack something.
    for (before, told) in [
        ("delete window.WebAssembly", "WebAssembly"),
        ("WebAssembly.validate = () => false", "SIMD"),
        ("delete window.Worker", "orker"),
    ] {
        let visitor = Visitor::open(&browser, &address, 375, before);
        visitor.wait("document.getElementById('alert').innerText.trim() !== ''");
        assert!(visitor.alert().contains(told), "{before}: {}", visitor.alert());
    }
}
