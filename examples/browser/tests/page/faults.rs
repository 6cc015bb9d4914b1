//! Bad pictures, damaged weights, and browsers that lack something.

use crate::server::serve;
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
