//! The gallery: examples as images.

use super::Model;
use super::classes::name;
use crate::document::{Block, ExampleView};
use crate::png;
use cni_evaluation::{DataCard, ExampleImage};
use image::imageops::thumbnail;
use image::{Rgb, RgbImage};

/// The largest number of examples of a model.
const SHOWN: usize = 12;
/// The largest side of an image in pixels; larger images are shown smaller.
const SIDE: u32 = 160;
/// The factor that magnifies the difference image.
const MAGNIFIED: f32 = 10.0;

pub(super) fn blocks(models: &[Model]) -> Vec<Block> {
    let mut blocks = Vec::new();
    for model in models.iter().filter(|model| !model.evaluated.gallery.is_empty()) {
        if blocks.is_empty() {
            blocks.push(Block::Text(format!(
                "Each image as it is, under the attack that hurts it most, and the difference \
                 magnified {MAGNIFIED} times around gray."
            )));
        }
        if models.len() > 1 {
            blocks.push(Block::Text(format!("{}:", model.name)));
        }
        let data = &model.record().data;
        let some = model.evaluated.gallery.iter().take(SHOWN);
        blocks.push(Block::Gallery(some.map(|example| view(data, example)).collect()));
    }
    blocks
}

fn view(data: &DataCard, example: &ExampleImage) -> ExampleView {
    let label = name(data, example.label);
    let [clean, adversarial] =
        [example.predicted_clean, example.predicted_adversarial].map(|class| {
            format!(
                "{}{}",
                name(data, class),
                if class == example.label { "\u{a0}✓" } else { "\u{a0}✗" }
            )
        });
    let difference: Vec<f32> = (example.clean.iter().zip(&example.adversarial))
        .map(|(clean, adversarial)| 0.5 + MAGNIFIED * (adversarial - clean))
        .collect();
    ExampleView {
        title: format!("Example {}: {label}", example.index),
        images: [
            (picture(example, &example.clean), format!("clean: {clean}")),
            (picture(example, &example.adversarial), format!("attacked: {adversarial}")),
            (picture(example, &difference), format!("difference × {MAGNIFIED}")),
        ],
    }
}

/// The PNG of pixels: three channels in color, any other number as their mean in gray.
fn picture(example: &ExampleImage, pixels: &[f32]) -> Vec<u8> {
    let [channels, height, width] = example.shape;
    let byte = |value: f32| (255.0 * value.clamp(0.0, 1.0)).round() as u8;
    let image = RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = |channel: usize| pixels[(channel * height + y as usize) * width + x as usize];
        let gray = || (0..channels).map(at).sum::<f32>() / channels as f32;
        Rgb(match channels {
            3 => [0, 1, 2].map(|channel| byte(at(channel))),
            _ => [byte(gray()); 3],
        })
    });
    let largest = image.width().max(image.height());
    let smaller = |side: u32| (side * SIDE / largest).max(1);
    let image = match largest > SIDE {
        true => thumbnail(&image, smaller(image.width()), smaller(image.height())),
        false => image,
    };
    png::encode(&image)
}
