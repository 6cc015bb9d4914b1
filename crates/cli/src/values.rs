//! Values of the flags. Each function reads the text of one flag; clap adds the name of the flag to
//! the error.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use cni_burn::attacks::{AttackError, Epsilon};
use cni_burn::layers::band_limited::Band;
use cni_burn::prelude::Shard;
use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;

/// The deepest of the CIFAR ResNets (He et al., CVPR 2016, table 6).
const DEEPEST: usize = 1202;

/// The largest count that is accepted: more than any useful run or record has.
const MOST: usize = 1_000_000;

/// A whole number of at least 1.
pub fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MOST).contains(&count) => Ok(count),
        _ => Err(format!("got {text:?}, wanted a whole number of at least 1 and at most {MOST}")),
    }
}

/// The radius of a ball in L∞, in units of the pixel range.
pub fn epsilon(text: &str) -> Result<f64, String> {
    let epsilon = match text.parse::<Epsilon>() {
        Ok(epsilon) => epsilon.value(),
        Err(AttackError::Epsilon { got }) => got,
        Err(error) => return Err(error.to_string()),
    };
    if epsilon > 0.0 && epsilon < 1.0 {
        return Ok(epsilon);
    }
    let levels = (1.0..=255.0).contains(&epsilon);
    let hint = if levels { format!("; {text} of 255 levels is {text}/255") } else { String::new() };
    Err(format!("got {text}, wanted a share of the pixel range, above 0 and below 1{hint}"))
}

/// A text of one line.
pub fn line(text: &str) -> Result<String, String> {
    match text.trim().is_empty() || text.contains(char::is_control) {
        true => Err(format!("got {text:?}, wanted a line of text")),
        false => Ok(text.to_string()),
    }
}

/// A confidence of intervals.
pub fn confidence(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err(format!("got {text:?}, wanted a number above 0 and below 1, such as 0.95")),
    }
}

/// A shard, such as 3/8.
pub fn shard(text: &str) -> Result<Shard, String> {
    text.parse::<Shard>().map_err(|error| error.to_string())
}

/// A finite number above 0.
pub fn above_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err(format!("got {text:?}, wanted a finite number above 0")),
    }
}

/// The divisor of a number of channels.
pub fn reduction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 1.0 => Ok(value),
        _ => Err(format!("got {text:?}, wanted a finite number of at least 1")),
    }
}

/// A band of frequencies, as text.
pub fn band(text: &str) -> Result<String, String> {
    text.parse::<Band>().map(|band| band.to_string()).map_err(|error| error.to_string())
}

/// The depth of a CIFAR ResNet or of a wide one.
pub fn depth(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(depth) if (8..=DEEPEST).contains(&depth) && [2, 4].contains(&(depth % 6)) => Ok(depth),
        _ => Err(format!(
            "got {text:?}, wanted 6n + 2 from 8 to {DEEPEST}, such as 20 or 56, or for wide ones \
             6n + 4, such as 28"
        )),
    }
}

/// The factor of the channels. With more than 64 times the published widths, the model fits into no
/// machine.
pub fn width(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(width) if width > 0.0 && width <= 64.0 => Ok(width),
        _ => Err(format!("got {text:?}, wanted a number above 0 and at most 64")),
    }
}

/// One of some names.
pub fn one_of(names: &'static [&'static str]) -> PossibleValuesParser {
    PossibleValuesParser::new(names)
}

/// A value of a setting by its name. `--help` lists them.
pub fn named<T>(values: &[T]) -> impl TypedValueParser<Value = T> + use<T>
where
    T: Display + FromStr + Clone + Send + Sync + 'static,
    T::Err: Error + Send + Sync + 'static,
{
    let names = values.iter().map(|value| PossibleValue::new(value.to_string()));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}
