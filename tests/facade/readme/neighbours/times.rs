//! Times and memory of the neighbouring systems.

use crate::readme::docs::{assert_page_says, assert_page_shows};
use crate::readme::json;
use serde_json::Value;

/// The median milliseconds of a row of timings.
fn milliseconds(timings: &Value, name: &str) -> f64 {
    let mut all = timings.as_array().unwrap().iter();
    let timing = all.find(|timing| timing["name"] == name);
    1e3 * timing.unwrap_or_else(|| panic!("no {name}"))["median"].as_f64().unwrap()
}

#[test]
fn what_a_band_takes_is_that_of_its_record() {
    let page = "band-limited.md";
    let bands = &json("results/neighbours.json")["tasks"]["bands"];
    let time = |name: &str| milliseconds(&bands["timings"], name);
    let memory = |name: &str| {
        let mut all = bands["memory"].as_array().unwrap().iter();
        all.find(|row| row["name"] == name).unwrap()["mebibytes"].as_f64().unwrap()
    };
    for rate in [0, 30, 50, 70] {
        let [direct, spectra, peer] = ["ours, direct", "ours, spectra", "PyTorch, spectra"]
            .map(|way| format!("{way}, {rate} % left out"));
        assert_page_shows(
            page,
            &format!(
                "| {rate} % | {:.1} | {:.0} MiB | {:.1} | {:.0} MiB | {:.1} |",
                time(&direct),
                memory(&direct),
                time(&spectra),
                memory(&spectra),
                time(&peer)
            ),
        );
        // No time is saved, the default is the faster way, and the other one is slow.
        assert!(time(&direct) > time("PyTorch convolution"));
        assert!(time(&direct) < 0.65 * time(&peer) && time(&spectra) > time(&peer));
    }
    assert_page_says(
        page,
        &format!(
            "takes PyTorch {:.1} ms, and {:.1} ms in channels-last memory.",
            time("PyTorch convolution"),
            time("PyTorch convolution, channels-last")
        ),
    );
    let transform = |name: &str| milliseconds(&bands["transforms"], name);
    assert_page_says(
        page,
        &format!(
            "The projection alone takes {:.1} ms, both ways; Burn's FFT of the same images takes \
             {:.1} ms, one way.",
            transform("our projection, 50 % left out"),
            transform("Burn's FFT, one way")
        ),
    );
}

#[test]
fn how_fast_signs_are_is_that_of_their_record() {
    let record = json("results/neighbours.json");
    let signs = &record["tasks"]["signs"];
    let units = signs["units"].as_array().unwrap();
    let ratio = |of: &Value, peer: &str| {
        let mut all = of["ratios"].as_array().unwrap().iter();
        all.find(|row| row["peer"] == peer).unwrap()["of_medians"].as_f64().unwrap()
    };
    let range = |values: Vec<f64>| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        format!("{least:.1} to {:.1}", values.iter().copied().fold(0.0, f64::max))
    };
    let of_units = |peer| range(units.iter().map(|unit| ratio(&unit["times"], peer)).collect());
    let packed = |of: &Value| milliseconds(&of["timings"], "packed");
    assert_eq!(record["machine"]["half_precision"], "amx");
    assert_page_says(
        "binary.md",
        &format!(
            "on {} images, takes a packed layer {} ms on two cores of a Xeon, a float one {} times \
             as long, and one in bf16, by that processor's matrix units, {} times. The whole \
             network of 224 x 224 pixels takes {:.0} ms for {} images, {:.1} times as long in \
             single precision and {:.1} times in bf16",
            signs["batches"][0],
            range(units.iter().map(|unit| packed(&unit["times"])).collect()),
            of_units("f32"),
            of_units("bf16"),
            packed(&signs["network"]),
            signs["batches"][1],
            ratio(&signs["network"], "f32"),
            ratio(&signs["network"], "bf16"),
        ),
    );
}
