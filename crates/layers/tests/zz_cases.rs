use burn::tensor::{Device, Tensor, TensorData};
use cni_layers::models::{Architecture, ResNetConfig, Shortcut};
#[test]
fn all_cases() {
    let device = Device::flex();
    let dir = std::path::Path::new("/tmp/e/ck");
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("expected.json")).unwrap()).unwrap();
    let pixels: Vec<f32> =
        (0..4 * 3 * 32 * 32).map(|i| ((i * 37 + 11) % 256) as f32 / 255.0).collect();
    let x = Tensor::<4>::from_data(TensorData::new(pixels, [4, 3, 32, 32]), &device);
    let mut bad = 0;
    for (file, want) in expected.as_object().unwrap() {
        let shortcut = match (want["shortcut"].as_str().unwrap(), file.contains("both")) {
            ("pad", true) => Shortcut::PadBoth,
            ("pad", false) => Shortcut::Pad,
            _ => Shortcut::Projection,
        };
        let config =
            ResNetConfig::new(Architecture::Cifar { depth: 8, shortcut }, 10).with_width(0.25);
        match config.init(&device).import_pytorch(dir.join(file)) {
            Ok((model, report)) => {
                let got: Vec<f64> = model.forward(x.clone()).try_to_vec_as().unwrap();
                let Some(rows) = want["logits"].as_array() else {
                    println!("{file}: taken: {report}");
                    continue;
                };
                let rows = rows.iter().flat_map(|r| r.as_array().unwrap().clone());
                let worst = got
                    .iter()
                    .zip(rows)
                    .map(|(g, w)| (g - w.as_f64().unwrap()).abs())
                    .fold(0.0, f64::max);
                println!("{file}: {worst:.2e}: {report}");
                bad += usize::from(worst.is_nan() || worst > 1e-4);
            }
            Err(error) => {
                println!("{file}: {error}");
                bad += usize::from(want["logits"].is_array());
            }
        }
    }
    assert_eq!(bad, 0);
}
