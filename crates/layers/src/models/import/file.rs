//! The weights of a PyTorch file, whatever they are wrapped in.

use super::names::{STEMS, common_wrapper, is_average, is_counter, model_path, split};
use crate::ImportError;
use crate::models::NormalizeConfig;
use crate::models::normalize::spread;
use burn::store::bridge;
use burn::store::pytorch_reader::{DType, PickleValue, PytorchReader, Tensor};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file, taken apart: the weights of one model, its normalization, and the rest.
pub struct File {
    path: PathBuf,
    /// The beginning of the names of the weights.
    pub wrapper: String,
    /// True if the wrapper was found by the names of a ResNet.
    known: bool,
    /// Tensors by the model's paths, each under the file's own name.
    pub weights: BTreeMap<String, Tensor>,
    /// Tensors beside the weights that nothing says could be left out.
    unused: Vec<String>,
    /// By what their names begin with: the tensors named `mean` and `std`.
    constants: BTreeMap<String, [Option<Tensor>; 2]>,
    pub left_out: Vec<String>,
}

impl File {
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let unreadable =
            |reason: String| ImportError::Unreadable { path: path.to_path_buf(), reason };
        if !path.is_file() {
            return Err(unreadable("got no such file, wanted a PyTorch checkpoint".to_string()));
        }
        let reader = PytorchReader::new(path).map_err(|error| unreadable(error.to_string()))?;
        let mut tensors: BTreeMap<String, Tensor> = reader.into_tensors().into_iter().collect();
        tensors.retain(|name, _| !is_counter(name));
        let root = PytorchReader::read_pickle_data(path, None)
            .map_err(|error| unreadable(error.to_string()))?;
        let (wrapper, known, averages) = Self::find(path, &tensors)?;
        let outside = Outside::new(&root, &wrapper);

        let mut file = Self {
            path: path.to_path_buf(),
            wrapper,
            known,
            weights: BTreeMap::new(),
            unused: Vec::new(),
            constants: BTreeMap::new(),
            left_out: Vec::new(),
        };
        for (name, tensor) in tensors {
            let (parent, own) = split(&name);
            let constant = ["mean", "std"].iter().position(|&constant| constant == own);
            let average = averages.iter().find(|average| name.starts_with(average.as_str()));
            let average = average.map(|average| average.trim_end_matches('.'));
            // A normalization may lie beside the weights' dictionary; all else there is left out.
            let above = constant.is_some() && outside.above(parent);
            if let Some(entry) = outside.entry(&name).or(average).filter(|_| !above) {
                if !file.left_out.iter().any(|known| known == entry) {
                    file.left_out.push(entry.to_string());
                }
            } else if let Some(at) = constant {
                file.constants.entry(parent.to_string()).or_default()[at] = Some(tensor);
            } else {
                file.take(name, tensor);
            }
        }
        Ok(file)
    }

    /// The wrapper of the weights, whether it is that of a ResNet, and the wrappers of averages
    /// that are left out for it.
    fn find(
        path: &Path,
        tensors: &BTreeMap<String, Tensor>,
    ) -> Result<(String, bool, Vec<String>), ImportError> {
        let has = |prefix: &str| {
            let next = tensors.range(prefix.to_string()..).next();
            next.is_some_and(|(name, _)| name.starts_with(prefix))
        };
        let of_resnet = |name: &str| {
            STEMS.iter().find_map(|[stem, stage]| {
                let wrapper = name.strip_suffix(stem)?;
                let whole = wrapper.is_empty() || wrapper.ends_with('.');
                (whole && has(&format!("{wrapper}{stage}"))).then(|| wrapper.to_string())
            })
        };
        let found: BTreeSet<String> = tensors.keys().filter_map(|name| of_resnet(name)).collect();
        let (mut averages, mut found): (Vec<String>, Vec<String>) =
            found.into_iter().partition(|wrapper| is_average(wrapper));
        if found.is_empty() {
            std::mem::swap(&mut found, &mut averages);
        }
        match found.as_slice() {
            [wrapper] => Ok((wrapper.clone(), true, averages)),
            [] => {
                let weights = tensors.keys().map(String::as_str);
                let weights = weights.filter(|name| !matches!(split(name).1, "mean" | "std"));
                Ok((common_wrapper(weights).to_string(), false, averages))
            }
            _ => Err(ImportError::Ambiguous { path: path.to_path_buf(), found }),
        }
    }

    /// Files a tensor under the model's path, or as unused: another wrapper's, or a second one for
    /// the same path.
    fn take(&mut self, name: String, tensor: Tensor) {
        let path = name.strip_prefix(&self.wrapper).map(model_path);
        match path.filter(|path| !self.weights.contains_key(path)) {
            Some(path) => {
                self.weights.insert(path, tensor);
            }
            None => self.unused.push(name),
        }
    }

    /// True if every tensor has been taken.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty() && self.unused.is_empty()
    }

    /// The numbers of a tensor in single precision.
    pub fn numbers(&self, tensor: &Tensor) -> Result<Vec<f32>, ImportError> {
        let name = tensor.name.clone();
        let dtype = tensor.dtype();
        if !matches!(dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16) {
            let got = format!("elements of type {dtype:?}");
            return Err(self.tensor_error(&name, got, "floating-point numbers"));
        }
        let data = bridge::into_data(bridge::from_pytorch(tensor.clone())).map_err(|error| {
            ImportError::Unreadable { path: self.path.clone(), reason: error.to_string() }
        })?;
        let numbers: Vec<f32> = data.iter::<f32>().collect();
        match numbers.iter().find(|number| !number.is_finite()) {
            Some(number) => {
                let wanted = "numbers that are finite in single precision";
                Err(self.tensor_error(&name, number.to_string(), wanted))
            }
            None => Ok(numbers),
        }
    }

    /// The normalization that the file brings for images of `channels`, and the names of its
    /// tensors.
    pub fn normalization(
        &self,
        channels: usize,
    ) -> Result<Option<(NormalizeConfig, [String; 2])>, ImportError> {
        if self.constants.len() > 1 {
            let found = self.constants.keys().map(|wrapper| format!("{wrapper}mean")).collect();
            return Err(ImportError::Ambiguous { path: self.path.clone(), found });
        }
        let (mean, std) = match self.constants.values().next() {
            None => return Ok(None),
            Some([Some(mean), Some(std)]) => (mean, std),
            Some([Some(alone), None] | [None, Some(alone)]) => {
                let got = "no other constant beside it".to_string();
                return Err(self.tensor_error(&alone.name, got, "both a mean and a std"));
            }
            Some([None, None]) => return Ok(None),
        };
        let constants = |tensor: &Tensor| {
            // Before it is read: a tensor of a few bytes can claim any shape.
            if ![1, channels].contains(&tensor.num_elements()) {
                let got = format!("shape {:?} for {channels} channels", tensor.shape());
                let wanted = "one number for each channel, or one for all";
                return Err(self.tensor_error(&tensor.name, got, wanted));
            }
            // The decimals that were meant, not the digits of their single-precision neighbours.
            let exact = |number: f32| number.to_string().parse().unwrap_or(f64::from(number));
            Ok(spread(self.numbers(tensor)?.into_iter().map(exact).collect(), channels))
        };
        let (means, stds) = (constants(mean)?, constants(std)?);
        if !means.iter().all(|mean| (0.0..=1.0).contains(mean)) {
            let wanted = "means in [0, 1], as the pixels are";
            return Err(self.tensor_error(&mean.name, format!("{means:?}"), wanted));
        }
        let names = [mean.name.clone(), std.name.clone()];
        match NormalizeConfig::try_new(&means, &stds) {
            Ok(config) => Ok(Some((config, names))),
            Err(_) => Err(self.tensor_error(&std.name, format!("{stds:?}"), "numbers above zero")),
        }
    }

    pub fn tensor_error(&self, name: &str, got: String, wanted: &'static str) -> ImportError {
        ImportError::Tensor { path: self.path.clone(), name: name.to_string(), got, wanted }
    }

    /// The error for a file that lacks the `missing` parameters and has those of `shapes` in other
    /// shapes; what has not been taken is what the model does not have.
    pub fn mismatch(self, missing: Vec<String>, shapes: Vec<String>) -> ImportError {
        let found = match (self.known, self.wrapper.as_str()) {
            (false, _) => "found no ResNet's conv1.weight beside layer1".to_string(),
            (true, "") => "found weights without a wrapper".to_string(),
            (true, wrapper) => format!("found weights under {wrapper}"),
        };
        let mut unused = self.unused;
        unused.extend(self.weights.into_values().map(|tensor| tensor.name));
        ImportError::Mismatch { path: self.path, found, missing, shapes, unused }
    }
}

/// The entries of a file's dictionaries beside the one that leads to the weights.
struct Outside {
    /// The dictionaries on the way, by what the names below them begin with.
    above: Vec<String>,
    entries: Vec<String>,
}

impl Outside {
    /// Follows the wrapper down the dictionaries that it names. A state dict is flat: the dots of
    /// its names are no steps.
    fn new(root: &PickleValue, wrapper: &str) -> Self {
        let mut outside = Self { above: Vec::new(), entries: Vec::new() };
        let (mut at, mut prefix, mut rest) = (root, String::new(), wrapper);
        while let PickleValue::Dict(entries) = at {
            let step = entries.iter().find_map(|(key, value)| {
                let rest = rest.strip_prefix(key.as_str())?.strip_prefix('.')?;
                matches!(value, PickleValue::Dict(_)).then_some((key, value, rest))
            });
            let Some((key, value, after)) = step else {
                break;
            };
            let others = entries.keys().filter(|other| *other != key);
            outside.entries.extend(others.map(|other| format!("{prefix}{other}")));
            outside.above.push(prefix.clone());
            prefix = format!("{prefix}{key}.");
            (at, rest) = (value, after);
        }
        outside
    }

    /// True for one of the dictionaries on the way.
    fn above(&self, prefix: &str) -> bool {
        self.above.iter().any(|above| above == prefix)
    }

    /// The entry that a name is in.
    fn entry(&self, name: &str) -> Option<&str> {
        let holds = |entry: &&String| {
            let rest = name.strip_prefix(entry.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.entries.iter().find(holds).map(String::as_str)
    }
}
