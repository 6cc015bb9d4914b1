//! PyTorch checkpoints of the reference models: plain, PNI and CNI.

use super::{Normalize, ResNet};
use crate::ImportError;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::store::{ModuleStore, PytorchStore, bridge};
use burn::tensor::{Tensor, TensorData};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

impl ResNet {
    /// The model with the weights of a PyTorch checkpoint, a state dict or a dictionary that holds one as `state_dict`.
    ///
    /// Known are the names of CNI's code (`layer1.0.conv1.alphad_w`), of PNI's (`stage_1.0.conv_a.alpha_w`) and of common
    /// ResNet-18 files (`shortcut.0`, `linear`), in zip and legacy files. The prefixes `module.` and `1.` are dropped. Where
    /// a file brings its own normalization (`0.mean`, `0.std`) the model takes that.
    ///
    /// # Errors
    ///
    /// [`ImportError`] where the file cannot be read, or holds other tensors or shapes than the model, with their names.
    /// Nothing is written before everything has been checked, so that clones of the model keep their values.
    pub fn load_pytorch(self, path: impl AsRef<Path>) -> Result<Self, ImportError> {
        let path = path.as_ref();
        let mut file = read(path)?;
        let normalization = ["normalize.mean", "normalize.std"].map(|name| file.remove(name));

        let mut plan = Plan::default();
        self.visit(&mut plan);
        let (mut missing, mut shapes, mut values) = (Vec::new(), Vec::new(), HashMap::new());
        for (name, wanted) in plan.parameters {
            let Some(found) = file.remove(&name) else {
                missing.push(name);
                continue;
            };
            match fit(&name, found.data, &wanted) {
                Ok(data) => {
                    values.insert(name, data);
                }
                Err(got) => shapes.push(format!("{name}: got {got:?}, wanted {wanted:?}")),
            }
        }
        let unused: Vec<String> = file.into_values().map(|entry| entry.name).collect();
        if !(missing.is_empty() && shapes.is_empty() && unused.is_empty()) {
            return Err(ImportError::Mismatch {
                path: path.to_path_buf(),
                missing,
                shapes,
                unused,
            });
        }
        let mut model = self.map(&mut Fill { values, path: Vec::new() });
        if let [Some(mean), Some(std)] = normalization {
            let [mean, std] = [mean, std].map(|entry| entry.data.iter::<f64>().collect::<Vec<_>>());
            model.normalize = Normalize::new(&mean, &std);
        }
        Ok(model)
    }
}

/// A tensor of the file, under the file's own name.
struct Entry {
    name: String,
    data: TensorData,
}

/// The tensors of a file by the model's paths.
fn read(path: &Path) -> Result<BTreeMap<String, Entry>, ImportError> {
    let unreadable = |reason: String| ImportError::Unreadable { path: path.to_path_buf(), reason };
    let collect = |mut store: PytorchStore| -> Result<BTreeMap<String, Entry>, String> {
        let mut entries = BTreeMap::new();
        for (name, tensor) in store.get_all_tensors().map_err(|e| e.to_string())? {
            if name.ends_with("num_batches_tracked") {
                continue;
            }
            let data = bridge::to_data(tensor).map_err(|e| e.to_string())?;
            entries.insert(model_path(name), Entry { name: name.clone(), data });
        }
        Ok(entries)
    };
    if !path.is_file() {
        return Err(unreadable("got no such file, wanted a PyTorch checkpoint".to_string()));
    }
    let store = || PytorchStore::from_file(path).map_indices_contiguous(false);
    // A bare state dict has no such key; its reader's message is the one to show if both fail.
    collect(store().with_top_level_key("state_dict"))
        .or_else(|_| collect(store()))
        .map_err(unreadable)
}

/// The model's path of a tensor, from its name in the file.
fn model_path(name: &str) -> String {
    let name = name.strip_prefix("module.").unwrap_or(name);
    let name = name.strip_prefix("1.").unwrap_or(name);
    if let Some(constant) = name.strip_prefix("0.") {
        return format!("normalize.{constant}");
    }
    let parts: Vec<&str> = name.split('.').collect();
    let Some((tensor, modules)) = parts.split_last() else {
        return name.to_string();
    };
    let mut path: Vec<String> = Vec::new();
    for module in modules {
        path.push(match *module {
            "conv_1_3x3" => "conv1".to_string(),
            "bn_1" => "bn1".to_string(),
            "conv_a" => "conv1".to_string(),
            "conv_b" => "conv2".to_string(),
            "bn_a" => "bn1".to_string(),
            "bn_b" => "bn2".to_string(),
            "classifier" | "linear" => "fc".to_string(),
            "shortcut" => "downsample".to_string(),
            other => match other.strip_prefix("stage_") {
                Some(stage) => format!("layer{stage}"),
                None => other.to_string(),
            },
        });
    }
    if let [.., parent, index] = path.as_mut_slice()
        && parent == "downsample"
    {
        *index = if index == "0" { "conv" } else { "bn" }.to_string();
    }
    let kind = path.last().map_or("", String::as_str);
    let is_norm = kind.starts_with("bn");
    let inner = if kind == "fc" { "linear" } else { "conv" };
    let rest = match (*tensor, is_norm) {
        ("weight", true) => "gamma".to_string(),
        ("bias", true) => "beta".to_string(),
        (statistic, true) => statistic.to_string(),
        ("weight" | "bias", false) => format!("{inner}.{tensor}"),
        ("alpha_w" | "alpha", false) => format!("{inner}.weight.noise.alpha"),
        ("alphad_w", false) => format!("{inner}.weight.noise.diagonal"),
        ("alphaf_w", false) => format!("{inner}.weight.noise.factor"),
        ("alpha_i", false) => "input.noise.alpha".to_string(),
        ("alphad_i", false) => "input.noise.diagonal".to_string(),
        ("alphaf_i", false) => "input.noise.factor".to_string(),
        ("alpha_o", false) => "output.noise.alpha".to_string(),
        ("alphad_o", false) => "output.noise.diagonal".to_string(),
        ("alphaf_o", false) => "output.noise.factor".to_string(),
        (other, false) => other.to_string(),
    };
    path.push(rest);
    path.join(".")
}

/// The data in the model's layout, or the file's shape where it does not fit.
fn fit(name: &str, data: TensorData, wanted: &[usize]) -> Result<TensorData, Vec<usize>> {
    let shape = data.shape().to_vec();
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    let linear = name.starts_with("fc.");
    let data = match shape[..] {
        // Burn keeps linear weights [in, out], PyTorch [out, in]; element-wise α follows its weight.
        [out, input] if linear => transpose(&data, out, input),
        _ => data,
    };
    let shape_in_model = data.shape().to_vec();
    if shape_in_model == wanted {
        return Ok(data);
    }
    // The references give noise parameters axes of size one and the axes of their tensor.
    let flat = name.contains(".noise.") && count(&shape) == count(wanted);
    let factor = !name.ends_with(".factor") || shape.last() == wanted.last();
    if flat && factor {
        return Ok(TensorData::new(data.iter::<f32>().collect::<Vec<_>>(), wanted.to_vec()));
    }
    Err(shape)
}

fn transpose(data: &TensorData, rows: usize, columns: usize) -> TensorData {
    let values: Vec<f32> = data.iter::<f32>().collect();
    let turned = (0..rows * columns).map(|i| values[(i % rows) * columns + i / rows]).collect();
    TensorData::new::<f32, _>(turned, [columns, rows])
}

/// The paths and shapes of a model's parameters.
#[derive(Default)]
struct Plan {
    path: Vec<String>,
    parameters: Vec<(String, Vec<usize>)>,
}

impl ModuleVisitor for Plan {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.parameters.push((self.path.join("."), param.lazy_shape().to_vec()));
    }
}

struct Fill {
    values: HashMap<String, TensorData>,
    path: Vec<String>,
}

impl ModuleMapper for Fill {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(data) = self.values.remove(&self.path.join(".")) else {
            return param;
        };
        let tracked = param.is_require_grad();
        param.map(|old| {
            let new = Tensor::from_data(data, (&old.device().inner(), old.dtype()));
            if old.is_autodiff() { new.autodiff().set_require_grad(tracked) } else { new }
        })
    }
}
