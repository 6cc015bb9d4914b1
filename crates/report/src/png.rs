//! Images as PNG and as part of a page.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::RgbImage;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use std::io::Cursor;

pub(crate) fn encode(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let encoder =
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
    image.write_with_encoder(encoder).expect("memory takes an image");
    bytes.into_inner()
}

/// The data URI of a PNG, for a page.
pub(crate) fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}
