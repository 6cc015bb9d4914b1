//! Bad pictures, weights that are damaged or missing, and browsers that lack something.

use crate::server::{Fault, serve};
use crate::visitor::{Visitor, page_and_browser};
use std::fs;

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
        // The sentence of the picture before would do for this one.
        visitor.value("document.getElementById('alert').replaceChildren(), true");
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

    // 50 megapixels, grey.
    let huge = scratch.path().join("huge.png");
    image::GrayImage::from_fn(7_100, 7_100, |x, _| image::Luma([(x / 28) as u8]))
        .save(&huge)
        .unwrap();
    visitor.choose_file("file", &huge);
    visitor.wait("document.getElementById('file-notes').innerText.includes('7100')");
    visitor.wait_until_ready();
    assert_eq!(visitor.value("document.getElementById('alert').innerText.trim()"), "");

    // More than 100 megapixels.
    let larger = scratch.path().join("larger.png");
    image::GrayImage::new(10_100, 10_000).save(&larger).unwrap();
    visitor.choose_file("file", &larger);
    visitor.wait("document.getElementById('alert').innerText.includes('101 megapixels')");
    visitor.wait_until_ready();

    // Weights that were cut short, are not there, or are not for everybody.
    for (file, fault, told) in [
        ("digits-cni-w/model.bpk", Fault::Cut, "SHA-256"),
        ("digits-cni-w/state.json", Fault::Cut, "SHA"),
        ("digits-cni-w/model.bpk", Fault::Status(404), "model.bpk is not on the server (HTTP 404)"),
        ("digits-cni-w/model.bpk", Fault::Status(403), "model.bpk (HTTP 403)"),
    ] {
        let visitor = Visitor::open(&browser, &serve(&page, &[(file, fault)]), 375, "");
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
