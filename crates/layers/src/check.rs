//! Checks of settings that several layers share.

use crate::NoiseError;
use burn::nn::conv::Conv2dConfig;

/// Refuses what Burn would divide by.
pub(crate) fn check_conv2d(conv: &Conv2dConfig) -> Result<(), NoiseError> {
    let wrong = |field, got, wanted| Err(NoiseError::Model { field, got, wanted });
    let Conv2dConfig { channels, kernel_size, stride, dilation, groups, .. } = conv;
    for (field, sizes) in [
        ("channels", channels),
        ("kernel_size", kernel_size),
        ("stride", stride),
        ("dilation", dilation),
    ] {
        if sizes.contains(&0) {
            return wrong(field, format!("{sizes:?}"), "numbers above zero");
        }
    }
    if *groups == 0 || channels.iter().any(|channels| channels % groups > 0) {
        let got = format!("{groups} for {channels:?} channels");
        return wrong("groups", got, "a divisor of both numbers of channels");
    }
    Ok(())
}
