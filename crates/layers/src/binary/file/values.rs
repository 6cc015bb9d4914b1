//! The values of a model, by path.

use super::{Floats, PackedError};
use crate::binary::numbers;
use crate::parameters::{AtPlace, Found, Place, VisitParameter, map_parameters, visit_parameters};
use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor, TensorData, f16};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Signs of a word.
const WORD: usize = 64;

/// The place of values in a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// The path of the parameter.
    pub path: String,
    pub shape: Vec<usize>,
    /// True if layers read its signs alone.
    pub signs: bool,
}

impl Entry {
    /// The number of values, if it can be counted.
    pub fn len(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |len, &axis| len.checked_mul(axis))
    }
}

/// `32 signs [4, 8]`
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.signs { "signs" } else { "numbers" };
        write!(f, "{kind} {:?}", self.shape)
    }
}

/// Values as they are stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    /// A bit for each value, set where it is negative; bits behind the last are zero.
    Signs(Vec<u64>),
    F32(Vec<f32>),
    F16(Vec<f16>),
}

/// Values with their place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub entry: Entry,
    pub data: Data,
}

impl Stored {
    pub fn bytes_of_signs(&self) -> usize {
        match &self.data {
            Data::Signs(words) => 8 * words.len(),
            _ => 0,
        }
    }

    fn numbers(&self) -> Vec<f32> {
        match &self.data {
            Data::Signs(words) => {
                let len = self.entry.len().unwrap_or(0);
                let negative = |at: usize| words[at / WORD] >> (at % WORD) & 1 == 1;
                (0..len).map(|at| if negative(at) { -1.0 } else { 1.0 }).collect()
            }
            Data::F32(values) => values.clone(),
            Data::F16(values) => values.iter().map(|value| value.to_f32()).collect(),
        }
    }
}

/// The parameters of a model, in its order.
fn entries<M: Module>(model: &M) -> Result<Vec<Entry>, PackedError> {
    let Found { parameters, signs, others, .. } = Found::of(model);
    if let Some((name, got)) = others.into_iter().next() {
        let (got, wanted) = (got.to_string(), "floating-point numbers".to_string());
        return Err(PackedError::Value { name, got, wanted });
    }
    let entry = |found: crate::Parameter| Entry {
        signs: signs.iter().any(|(path, _)| *path == found.path),
        path: found.path,
        shape: found.shape,
    };
    Ok(parameters.into_iter().map(entry).collect())
}

/// The values of a model.
pub(super) fn of<M: Module>(model: &M, floats: Floats) -> Result<Vec<Stored>, PackedError> {
    struct Collect(Floats, std::vec::IntoIter<Entry>, Result<Vec<Stored>, PackedError>);
    impl VisitParameter for Collect {
        fn visit<const D: usize>(&mut self, _path: &str, param: &Param<Tensor<D>>) {
            let (Some(entry), Ok(all)) = (self.1.next(), &mut self.2) else { return };
            match of_parameter(entry, param.base(), self.0) {
                Ok(stored) => all.push(stored),
                Err(error) => self.2 = Err(error),
            }
        }
    }
    let mut collect = Collect(floats, entries(model)?.into_iter(), Ok(Vec::new()));
    visit_parameters(model, &mut collect);
    collect.2
}

/// The values of a parameter, none of which has more digits than single precision.
fn of_parameter<const D: usize>(
    entry: Entry,
    tensor: Tensor<D>,
    floats: Floats,
) -> Result<Stored, PackedError> {
    match tensor.dtype() {
        DType::F32 | DType::Flex32 | DType::F16 | DType::BF16 => {
            pack(entry, numbers(tensor), floats)
        }
        other => {
            let (got, wanted) = (format!("{other:?}"), "single or half precision".to_string());
            Err(PackedError::Value { name: entry.path, got, wanted })
        }
    }
}

fn pack(entry: Entry, values: Vec<f32>, floats: Floats) -> Result<Stored, PackedError> {
    let refused = |value: f32, wanted: &str| {
        let (name, got) = (entry.path.clone(), value.to_string());
        Err(PackedError::Value { name, got, wanted: wanted.to_string() })
    };
    let data = match (entry.signs, floats) {
        (true, _) => {
            if let Some(&value) = values.iter().find(|value| !value.is_finite()) {
                return refused(value, "finite latent weights, which have a sign");
            }
            let bit = |(at, value): (usize, &f32)| u64::from(*value < 0.0) << at;
            let word = |values: &[f32]| values.iter().enumerate().map(bit).sum();
            Data::Signs(values.chunks(WORD).map(word).collect())
        }
        (false, Floats::F32) => Data::F32(values),
        (false, Floats::F16) => {
            let rounded: Vec<f16> = values.iter().map(|value| f16::from_f32(*value)).collect();
            let lost = values
                .iter()
                .zip(&rounded)
                .find(|(value, rounded)| value.is_finite() && !rounded.to_f32().is_finite());
            if let Some((value, _)) = lost {
                return refused(*value, "a number that half precision holds, at most 65504");
            }
            Data::F16(rounded)
        }
    };
    Ok(Stored { entry, data })
}

/// A model with these values in place of its own.
pub(super) fn fill<M: Module>(values: &[Stored], model: M) -> Result<M, PackedError> {
    let own = entries(&model)?;
    for at in 0..own.len().max(values.len()) {
        let (got, wanted) = (values.get(at).map(|stored| &stored.entry), own.get(at));
        if got != wanted {
            let name = wanted.or(got).map_or(String::new(), |entry| entry.path.clone());
            let told = |entry: Option<&Entry>| match entry {
                None => "nothing".to_string(),
                Some(entry) if entry.path == name => entry.to_string(),
                Some(entry) => format!("{}: {entry}", entry.path),
            };
            let (got, wanted) = (told(got), format!("{} of the model", told(wanted)));
            return Err(PackedError::Value { name, got, wanted });
        }
    }
    Ok(map_parameters(model, Fill(values.iter())))
}

/// Gives the parameters their values, in the order in which both lists have them.
struct Fill<'a>(std::slice::Iter<'a, Stored>);

impl AtPlace for Fill<'_> {
    fn map<const D: usize>(&mut self, _place: &Place, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(stored) = self.0.next() else { return param };
        let tracked = param.is_require_grad();
        param.map(|old| {
            let data = TensorData::new(stored.numbers(), old.shape());
            let new = Tensor::from_data(data, (&old.device().inner(), old.dtype()));
            match old.is_autodiff() {
                true => new.autodiff().set_require_grad(tracked),
                false => new,
            }
        })
    }
}
