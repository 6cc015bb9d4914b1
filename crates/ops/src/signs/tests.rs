//! Packed signs against plain ones, and products against the definition.

use super::*;
use crate::testing::{numbers, values};

fn sign(value: f32) -> f32 {
    if value < 0.0 { -1.0 } else { 1.0 }
}

#[test]
fn signs_come_back_and_foreign_words_are_refused() {
    for shape in [[2, 3, 4, 5], [1, 64, 2, 2], [3, 65, 1, 1], [1, 200, 3, 1]] {
        let values = values(shape.iter().product(), 1);
        let packed = PackedSigns::pack(&values, shape);
        let signs: Vec<f32> = values.iter().map(|&value| sign(value)).collect();
        assert_eq!(packed.values(), signs);
        let words = packed.words().to_vec();
        assert_eq!(PackedSigns::from_words(words.clone(), shape), Some(packed));
        assert_eq!(PackedSigns::from_words(words[1..].to_vec(), shape), None);
        if shape[1] % WORD > 0 {
            let mut other = words;
            *other.last_mut().unwrap() |= 1 << 63;
            assert_eq!(PackedSigns::from_words(other, shape), None);
        }
    }
    assert_eq!(PackedSigns::pack(&[-0.0, 0.0], [1, 2, 1, 1]).words(), [0]);
}

#[test]
fn products_are_those_of_the_definition_exactly() {
    let mut from = numbers(5);
    for case in 0..60 {
        let channels = [from(1, 140), from(1, 70)];
        let kernel = [from(1, 4), from(1, 4)];
        let (stride, dilation) = ([from(1, 3), from(1, 2)], [from(1, 2), from(1, 3)]);
        let padding = [0, 1].map(|_| (from(0, 2), from(0, 2)));
        let input = [0, 1].map(|axis| from(1, 5) + dilation[axis] * (kernel[axis] - 1));
        let pad = [None, Some(false), Some(true)][case % 3];
        let geometry = SignGeometry { stride, dilation, padding, pad };
        let x = values(2 * channels[0] * input[0] * input[1], case as u32);
        let weight = values(channels[0] * channels[1] * kernel[0] * kernel[1], 99);
        let packed = PackedSigns::pack(&x, [2, channels[0], input[0], input[1]]);
        let of_weight =
            PackedSigns::pack(&weight, [channels[1], channels[0], kernel[0], kernel[1]]);
        let got = sign_conv2d(&packed, &PackedKernel::new(&of_weight), geometry);
        let [rows, columns] = geometry.output(input, kernel).unwrap();
        let around = pad.map_or(0.0, |negative| if negative { -1.0 } else { 1.0 });
        for (at, got) in got.into_iter().enumerate() {
            let (row, column) = (at / columns % rows, at % columns);
            let (o, n) = (at / (rows * columns) % channels[1], at / (rows * columns * channels[1]));
            let mut wanted = 0.0;
            for c in 0..channels[0] {
                for i in 0..kernel[0] {
                    for j in 0..kernel[1] {
                        let y = (row * stride[0] + i * dilation[0]).wrapping_sub(padding[0].0);
                        let z = (column * stride[1] + j * dilation[1]).wrapping_sub(padding[1].0);
                        let value = match y < input[0] && z < input[1] {
                            true => sign(x[((n * channels[0] + c) * input[0] + y) * input[1] + z]),
                            false => around,
                        };
                        let w = weight[((o * channels[0] + c) * kernel[0] + i) * kernel[1] + j];
                        wanted += value * sign(w);
                    }
                }
            }
            assert_eq!(got, wanted, "case {case}, {at}: {geometry:?}");
        }
    }
}

#[test]
fn a_stage_is_what_its_units_are_one_after_the_other() {
    let mut from = numbers(11);
    for case in 0..12 {
        let (batch, inputs, height, width) = (from(1, 3), from(1, 90), from(1, 7), from(1, 12));
        let pixels = height * width;
        let x = values(batch * inputs * pixels, case);
        let pad = [None, Some(false), Some(true)][case as usize % 3];
        let mut parts = Vec::new();
        let mut channels = inputs;
        for unit in 0..from(1, 3) as u32 {
            let outputs = from(1, 40);
            let weight = PackedSigns::pack(
                &values(outputs * channels * 9, 100 + unit),
                [outputs, channels, 3, 3],
            );
            let affine = [200, 300].map(|seed| values(channels, seed + unit));
            parts.push((affine, PackedKernel::new(&weight)));
            channels += outputs;
        }
        let geometry =
            SignGeometry { stride: [1, 1], dilation: [1, 1], padding: [(1, 1), (1, 1)], pad };
        let units: Vec<SignUnit> = parts
            .iter()
            .map(|([scale, shift], kernel)| SignUnit { scale, shift, kernel, geometry })
            .collect();
        let got = sign_stage(&x, [batch, inputs, height, width], &units);
        // Image by image and unit by unit.
        for (image, got) in got.chunks(channels * pixels).enumerate() {
            let mut wanted = x[image * inputs * pixels..][..inputs * pixels].to_vec();
            for SignUnit { scale, shift, kernel, .. } in &units {
                let of = |(at, x): (usize, &f32)| x * scale[at / pixels] + shift[at / pixels];
                let mapped: Vec<f32> = wanted.iter().enumerate().map(of).collect();
                let signs = PackedSigns::pack(&mapped, [1, scale.len(), height, width]);
                wanted.extend(sign_conv2d(&signs, kernel, geometry));
            }
            assert_eq!(got, wanted, "case {case}, image {image}");
        }
    }
}

#[test]
#[should_panic(expected = "channels of a unit")]
fn a_unit_of_other_channels_is_refused() {
    let kernel = PackedKernel::new(&PackedSigns::pack(&[1.0; 9 * 2], [1, 2, 3, 3]));
    let geometry =
        SignGeometry { stride: [1, 1], dilation: [1, 1], padding: [(1, 1), (1, 1)], pad: None };
    let unit = SignUnit { scale: &[1.0; 3], shift: &[0.0; 3], kernel: &kernel, geometry };
    sign_stage(&[0.0; 3 * 4], [1, 3, 2, 2], &[unit]);
}
