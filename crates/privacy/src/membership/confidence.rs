use crate::PrivacyError;
use burn::tensor::Device;
use cni_attacks::Classifier;
use cni_data::ImageData;
use cni_noise::{Key, Noise, scope_at};

/// The confidence of logits in a label, ln(p / (1 − p)) of its probability p under softmax: without
/// bounds, and for a trained network roughly normal over trainings (Carlini et al., S&P 2022, arXiv
/// 2112.03570, section IV-C).
///
/// # Panics
///
/// If the label is not a position of the logits.
pub fn logit_confidence(logits: &[f64], label: usize) -> f64 {
    let others = || logits.iter().enumerate().filter(|(class, _)| *class != label).map(|(_, z)| *z);
    let most = others().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = others().map(|z| (z - most).exp()).sum();
    logits[label] - most - sum.ln()
}

/// The [`logit_confidence`] of a model in the label of each example.
///
/// For a stochastic model it is the mean over `draws` of its noise, the same at every call with the
/// same key; a model without noise needs one.
///
/// # Errors
///
/// [`PrivacyError::Count`] without a draw; [`PrivacyError::Data`] for images that cannot be read.
pub fn confidences(
    model: &dyn Classifier,
    data: &ImageData,
    draws: usize,
    key: Key,
    device: &Device,
) -> Result<Vec<f64>, PrivacyError> {
    if draws == 0 {
        return Err(PrivacyError::Count { field: "draws", got: 0, wanted: "at least 1".into() });
    }
    let mut found = Vec::with_capacity(data.len());
    for batch in data.batches(256, device) {
        let (images, labels) = batch?;
        let first = found.len() as u64;
        let labels: Vec<i64> = labels.into_data().convert::<i64>().iter::<i64>().collect();
        let mut sums = vec![0.0; labels.len()];
        for draw in 0..draws as u64 {
            let noise = Noise::Keyed(key.child(draw));
            let logits = scope_at(noise, first, || model.logits(images.clone()));
            let [_, classes] = logits.dims();
            let logits: Vec<f64> = logits.into_data().convert::<f64>().iter::<f64>().collect();
            for ((sum, row), label) in sums.iter_mut().zip(logits.chunks(classes)).zip(&labels) {
                *sum += logit_confidence(row, *label as usize);
            }
        }
        found.extend(sums.into_iter().map(|sum| sum / draws as f64));
    }
    Ok(found)
}
