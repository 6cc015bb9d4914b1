//! The reference values of the repository's `tests/reference`, and the hash that its scripts share
//! with these tests.

pub mod resnet20;

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;
use std::path::PathBuf;

pub fn reference(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data")).join(name)
}

pub fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(reference(name)).unwrap()).unwrap()
}

pub fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// `hash_uniform` of `tests/reference/hashing.py`.
pub fn hash_uniform(stream: u32, n: usize) -> Vec<f64> {
    let hash = |i: usize| {
        let mut x = (i as u32).wrapping_mul(0x9E37_79B9);
        x = x.wrapping_add(stream.wrapping_mul(0x85EB_CA6B));
        x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        (f64::from(x ^ (x >> 16)) + 0.5) / 4_294_967_296.0
    };
    (0..n).map(hash).collect()
}

pub fn images(batch: usize, device: &Device) -> Tensor<4> {
    images_of(1, batch, device)
}

/// Images of noise, of a stream of the hash.
pub fn images_of(stream: u32, batch: usize, device: &Device) -> Tensor<4> {
    let values = hash_uniform(stream, batch * 3072).into_iter().map(|v| v as f32);
    let values: Vec<f32> = values.collect();
    Tensor::from_data(TensorData::new(values, [batch, 3, 32, 32]), device)
}
