//! State that rules keep from step to step.

use burn::tensor::{DType, Device, Tensor, TensorData};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use std::collections::{BTreeMap, HashMap};

/// The memory of one rule: named tensors `[n]` and named numbers.
///
/// The trainer keeps it, saves it in every checkpoint, and gives it back exactly when a run
/// resumes.
#[derive(Clone, Debug, Default)]
pub struct RuleState {
    tensors: BTreeMap<String, Tensor<1>>,
    numbers: BTreeMap<String, f64>,
}

impl RuleState {
    /// The tensor by a name, such as the path of a parameter; `None` before the first
    /// [`set_tensor`](Self::set_tensor).
    pub fn tensor(&self, name: &str) -> Option<Tensor<1>> {
        self.tensors.get(name).cloned()
    }

    /// Remembers a tensor, without its graph.
    pub fn set_tensor(&mut self, name: impl Into<String>, tensor: Tensor<1>) {
        let plain = if tensor.is_autodiff() { tensor.inner() } else { tensor };
        self.tensors.insert(name.into(), plain);
    }

    /// The number by a name.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.numbers.get(name).copied()
    }

    /// Remembers a number.
    pub fn set_number(&mut self, name: impl Into<String>, number: f64) {
        self.numbers.insert(name.into(), number);
    }
}

/// The memories of all rules of a run: the gradient rule's first, then those of the update rules,
/// then the objective's.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleStates(pub Vec<RuleState>);

impl RuleStates {
    /// The empty memories of so many rules.
    pub fn new(rules: usize) -> Self {
        Self(vec![RuleState::default(); rules])
    }

    /// The bytes of a safetensors file; `None` without a memory.
    ///
    /// Tensors are saved in single precision, the one that parameters have.
    pub fn to_bytes(&self) -> Result<Option<Vec<u8>>, String> {
        let mut tensors = BTreeMap::new();
        let mut numbers = HashMap::new();
        for (rule, state) in self.0.iter().enumerate() {
            for (name, tensor) in &state.tensors {
                let values: Vec<f32> =
                    tensor.try_to_vec_as().map_err(|error| format!("{name}: {error}"))?;
                let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                tensors.insert(format!("{rule}/{name}"), bytes);
            }
            for (name, number) in &state.numbers {
                // The bits, so that every number comes back as it was.
                numbers.insert(format!("{rule}/{name}"), number.to_bits().to_string());
            }
        }
        if tensors.is_empty() && numbers.is_empty() {
            return Ok(None);
        }
        let views = tensors.iter().map(|(name, bytes)| {
            TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes).map(|view| (name, view))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        serialize(views, Some(numbers)).map(Some).map_err(|error| error.to_string())
    }

    /// The memories of `rules` rules in such a file.
    pub fn from_bytes(bytes: &[u8], rules: usize, device: &Device) -> Result<Self, String> {
        let text = |error: safetensors::SafeTensorError| error.to_string();
        let mut states = vec![RuleState::default(); rules];
        let of = |name: &str| {
            let (rule, name) = name.split_once('/').ok_or(format!("{name}: of no rule"))?;
            let rule: usize = rule.parse().map_err(|error| format!("{name}: {error}"))?;
            match rule < rules {
                true => Ok((rule, name.to_string())),
                false => Err(format!("{name}: of rule {rule}, of which there are {rules}")),
            }
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(text)?;
        for (name, bits) in header.metadata().iter().flatten() {
            let (rule, name) = of(name)?;
            let bits: u64 = bits.parse().map_err(|error| format!("{name}: {error}"))?;
            states[rule].numbers.insert(name, f64::from_bits(bits));
        }
        for (name, view) in SafeTensors::deserialize(bytes).map_err(text)?.tensors() {
            let (rule, name) = of(&name)?;
            if view.dtype() != Dtype::F32 || view.shape().len() != 1 {
                return Err(format!("{name}: got {:?} {:?}", view.dtype(), view.shape()));
            }
            let values = view.data().chunks_exact(4);
            let values: Vec<f32> =
                values.map(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]])).collect();
            let count = values.len();
            let tensor = Tensor::from_data(TensorData::new(values, [count]), (device, DType::F32));
            states[rule].tensors.insert(name, tensor);
        }
        Ok(Self(states))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_back_bit_for_bit_and_those_of_other_rules_are_refused() {
        let device = Device::flex();
        let mut state = RuleState::default();
        let values = [1.0_f32, -0.1, f32::MIN_POSITIVE, 1e-45];
        state.set_tensor("a/b", Tensor::from_data(values, &device));
        state.set_number("steps", 0.1 + 0.2);
        let states = RuleStates(vec![RuleState::default(), state]);
        let bytes = states.to_bytes().unwrap().unwrap();
        let again = RuleStates::from_bytes(&bytes, 2, &device).unwrap();
        let tensor: Vec<f32> = again.0[1].tensor("a/b").unwrap().try_to_vec_as().unwrap();
        assert_eq!(tensor.map_bits(), values.to_vec().map_bits());
        assert_eq!(again.0[1].number("steps"), Some(0.1 + 0.2));
        assert!(RuleStates::from_bytes(&bytes, 1, &device).unwrap_err().contains("of rule 1"));
        assert!(RuleStates::from_bytes(&bytes[..40], 2, &device).is_err());
        assert!(RuleStates(vec![RuleState::default()]).to_bytes().unwrap().is_none());
    }

    trait MapBits {
        fn map_bits(&self) -> Vec<u32>;
    }

    impl MapBits for Vec<f32> {
        fn map_bits(&self) -> Vec<u32> {
            self.iter().map(|v| v.to_bits()).collect()
        }
    }
}
