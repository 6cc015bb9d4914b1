//! Packed layers against those that they are made of.

use super::{device, numbers};
use burn::nn::conv::Conv2dConfig;
use burn::nn::{LinearConfig, PaddingConfig2d};
use cni_layers::binary::{
    BinaryConv2dConfig, BinaryLinearConfig, PackedConv2d, PackedLinear, PadValue,
};
use cni_layers::keyed_init;
use cni_noise::{Key, normal};

#[test]
fn packed_layers_equal_the_float_ones_exactly() {
    for (pad, channels) in [(PadValue::Zero, 70), (PadValue::Minus, 64), (PadValue::Plus, 3)] {
        let conv = Conv2dConfig::new([channels, 40], [3, 3])
            .with_stride([1, 2])
            .with_dilation([2, 1])
            .with_padding(PaddingConfig2d::Explicit(2, 1, 1, 0));
        let layer = BinaryConv2dConfig::new(conv).with_pad(pad).init(&device());
        let layer = keyed_init(layer, Key::new(1));
        let packed = PackedConv2d::of(&layer).unwrap();
        let x = normal::<4>(Key::new(2), [3, channels, 9, 8], &device());
        let (got, wanted) = (packed.forward(x.clone()), layer.forward(x));
        assert_eq!(got.dims(), wanted.dims());
        assert_eq!(numbers(got), numbers(wanted), "{pad}");
    }
    let layer = BinaryLinearConfig::new(LinearConfig::new(130, 33)).init(&device());
    let layer = keyed_init(layer, Key::new(1));
    let x = normal::<3>(Key::new(2), [2, 5, 130], &device());
    let packed = PackedLinear::of(&layer).unwrap();
    assert_eq!(packed.forward(x.clone()).dims(), [2, 5, 33]);
    assert_eq!(numbers(packed.forward(x.clone())), numbers(layer.forward(x)));
    let open = BinaryConv2dConfig::new(Conv2dConfig::new([3, 4], [3, 3])).with_input(None);
    let error = PackedConv2d::of(&open.init(&device())).unwrap_err().to_string();
    assert!(error.starts_with("input: got none, wanted a quantizer"), "{error}");
    let grouped = Conv2dConfig::new([4, 4], [3, 3]).with_groups(2);
    let grouped = BinaryConv2dConfig::new(grouped).init(&device());
    assert!(PackedConv2d::of(&grouped).unwrap_err().to_string().starts_with("groups: got 2"));
}
