//! The gallery: examples as images.

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// An example of the gallery: a clean image, and its image under the worst attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExampleImage {
    /// The number of the example within the data.
    pub index: usize,
    /// The label of the example.
    pub label: i64,
    /// The class that most draws give the clean image.
    pub predicted_clean: i64,
    /// The class that most draws give the adversarial image.
    pub predicted_adversarial: i64,
    /// The shape: channels, height and width.
    pub shape: [usize; 3],
    /// The clean pixels in [0, 1], channel by channel, row by row.
    pub clean: Vec<f32>,
    /// The adversarial pixels in the same order. They equal the clean ones if no attack did harm.
    pub adversarial: Vec<f32>,
}

/// The name of the file in an evaluation's folder.
pub(crate) const FILE: &str = "gallery.safetensors";

/// The bytes of a gallery whose images have equal shapes; `None` if it is empty.
pub(crate) fn bytes(gallery: &[ExampleImage]) -> Option<Vec<u8>> {
    let first = gallery.first()?;
    let bytes = |part: fn(&ExampleImage) -> &[f32]| -> Vec<u8> {
        gallery.iter().flat_map(part).flat_map(|pixel| pixel.to_le_bytes()).collect()
    };
    let facts = |s: &ExampleImage| {
        [s.index as i64, s.label, s.predicted_clean, s.predicted_adversarial]
            .map(i64::to_le_bytes)
            .concat()
    };
    let [clean, adversarial] = [bytes(|s| &s.clean), bytes(|s| &s.adversarial)];
    let facts: Vec<u8> = gallery.iter().flat_map(facts).collect();
    let [channels, height, width] = first.shape;
    let shape = vec![gallery.len(), channels, height, width];
    let view = |dtype, shape: &[usize], bytes| {
        TensorView::new(dtype, shape.to_vec(), bytes).expect("as many bytes as the shape says")
    };
    let tensors = [
        ("clean", view(Dtype::F32, &shape, &clean)),
        ("adversarial", view(Dtype::F32, &shape, &adversarial)),
        ("index_label_predicted", view(Dtype::I64, &[gallery.len(), 4], &facts)),
    ];
    let bytes = serialize(tensors, None::<HashMap<String, String>>);
    Some(bytes.expect("three tensors of different names"))
}

/// Reads a gallery; an error says why it cannot be read.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<ExampleImage>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let tensor = |name| file.tensor(name).map_err(|error| error.to_string());
    let floats = |view: &TensorView| -> Vec<f32> {
        let four = view.data().as_chunks::<4>().0.iter();
        four.map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let (clean, adversarial, facts) =
        (tensor("clean")?, tensor("adversarial")?, tensor("index_label_predicted")?);
    let &[n, channels, height, width] = clean.shape() else {
        return Err(format!("clean: got shape {:?}, wanted four dimensions", clean.shape()));
    };
    let (size, wanted) = (channels * height * width, [clean.shape(), &[n, 4]]);
    let types = [clean.dtype(), adversarial.dtype(), facts.dtype()];
    if [adversarial.shape(), facts.shape()] != wanted
        || types != [Dtype::F32, Dtype::F32, Dtype::I64]
        || size == 0
    {
        return Err("tensors that do not fit together".to_string());
    }
    let numbers: Vec<i64> =
        facts.data().as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
    let (clean, adversarial) = (floats(&clean), floats(&adversarial));
    let pixels = clean.chunks(size).zip(adversarial.chunks(size));
    let example = |(facts, (clean, adversarial)): (&[i64], (&[f32], &[f32]))| ExampleImage {
        index: facts[0] as usize,
        label: facts[1],
        predicted_clean: facts[2],
        predicted_adversarial: facts[3],
        shape: [channels, height, width],
        clean: clean.to_vec(),
        adversarial: adversarial.to_vec(),
    };
    Ok(numbers.chunks(4).zip(pixels).map(example).collect())
}
