//! A visit, by each part of the page.

use crate::server::serve;
use crate::visitor::{Visitor, page_and_browser, text_of};
use crate::{near, session};
use cni_browser::{AttackSettings, Method, Summary};
use serde_json::json;
use std::fs;
use std::path::Path;

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
