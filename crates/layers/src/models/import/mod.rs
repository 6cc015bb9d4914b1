//! PyTorch checkpoints of the reference models: plain, PNI and CNI.

mod file;
mod fit;
mod names;

use super::{NormalizeConfig, ResNet};
use crate::ImportError;
use crate::parameters::{AtPlace, Parameter, Place, map_parameters, parameters};
use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use file::File;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// Names of the normalization's constants in the model.
const NORMALIZATION: [&str; 2] = ["normalize.mean", "normalize.std"];

/// A record of where an import found what it took. Made by [`ResNet::import_pytorch`]; its text is
/// a sentence for the user.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportReport {
    /// The wrapper of the weights, the part that all their names begin with, such as
    /// `state_dict.module.`; empty for a bare state dict.
    pub wrapper: String,
    /// The normalization of the imported model.
    pub normalization: NormalizeConfig,
    /// The names of the tensors that brought the normalization; `None` if the file has none, so
    /// that it is the one that the model had.
    pub normalization_from: Option<[String; 2]>,
    /// The entries beside the weights that were left out, such as an optimizer's state or averaged
    /// weights.
    pub left_out: Vec<String>,
}

/// `weights under state_dict.; normalization of the model, the file has none: mean .., std ..`
impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wrapper.as_str() {
            "" => f.write_str("weights without a wrapper")?,
            wrapper => write!(f, "weights under {wrapper}")?,
        }
        match &self.normalization_from {
            Some([mean, std]) => write!(f, "; normalization of the file ({mean}, {std})")?,
            None => f.write_str("; normalization of the model, the file has none")?,
        }
        write!(f, ": {}", self.normalization)?;
        match self.left_out.as_slice() {
            [] => Ok(()),
            names => write!(f, "; left out: {}", names.join(", ")),
        }
    }
}

impl ResNet {
    /// The model with the weights of a PyTorch checkpoint, as by
    /// [`import_pytorch`](Self::import_pytorch), without its report.
    ///
    /// # Errors
    ///
    /// [`ImportError`], as there.
    pub fn load_pytorch(self, path: impl AsRef<Path>) -> Result<Self, ImportError> {
        self.import_pytorch(path).map(|(model, _)| model)
    }

    /// The model with the weights of a PyTorch checkpoint, and what was found in the file.
    ///
    /// A checkpoint is what `torch.save` wrote, in zip and legacy files: a state dict, a dictionary
    /// that holds one beside other things, or a whole model. The names of layers are those of CNI's
    /// code (`layer1.0.conv1.alphad_w`), of PNI's (`stage_1.0.conv_a.alpha_w`) and of common
    /// ResNet files (`shortcut.0`, `linear`). Whatever all names begin with is dropped
    /// (`module.`, `_orig_mod.`, `1.`, `model.` ..). Of several sets of weights the one counts that
    /// is no exponential moving average (`ema` in its name).
    ///
    /// If a file brings its own normalization, tensors named `mean` and `std`, the model takes it;
    /// a standard deviation of one number counts for all channels. If not, the model keeps its own:
    /// the logits are those of PyTorch only if that is what the weights were trained with.
    ///
    /// No name or shape in a file tells how a [`Shortcut`](super::Shortcut) without parameters
    /// pads.
    ///
    /// # Errors
    ///
    /// [`ImportError`] if the file cannot be read; if it holds several sets of weights, other
    /// tensors or other shapes than the model; or if a tensor has numbers that are not finite, or
    /// is no usable normalization. Nothing is written before everything has been checked, so that
    /// clones of the model keep their values.
    pub fn import_pytorch(
        self,
        path: impl AsRef<Path>,
    ) -> Result<(Self, ImportReport), ImportError> {
        let mut file = File::open(path.as_ref())?;
        let parameters = parameters(&self);
        let mut values = HashMap::new();
        let (mut missing, mut shapes) = (Vec::new(), Vec::new());
        for Parameter { path: name, shape: wanted, .. } in &parameters {
            if NORMALIZATION.contains(&name.as_str()) {
                continue;
            }
            let Some(found) = file.weights.remove(name) else {
                missing.push(name.clone());
                continue;
            };
            let got = found.shape().to_vec();
            match fit::layout(name, &got, wanted, |weight| shape(&parameters, weight)) {
                Some(layout) => {
                    let numbers = layout.apply(file.numbers(&found)?);
                    if name.ends_with("running_var") && numbers.iter().any(|&v| v < 0.0) {
                        let got = "a negative variance".to_string();
                        return Err(file.tensor_error(&found.name, got, "numbers of at least 0"));
                    }
                    values.insert(name.clone(), TensorData::new(numbers, wanted.clone()));
                }
                None => shapes.push(format!("{name}: got {got:?}, wanted {wanted:?}")),
            }
        }
        if !(missing.is_empty() && shapes.is_empty() && file.is_empty()) {
            return Err(file.mismatch(missing, shapes));
        }
        let channels = self.conv1.conv.weight.lazy_shape()[1];
        let own = file.normalization(channels)?;
        if let Some((own, _)) = &own {
            for (name, constants) in NORMALIZATION.into_iter().zip([own.mean(), own.std()]) {
                let data = TensorData::new(constants.to_vec(), [channels]);
                values.insert(name.to_string(), data);
            }
        }
        let normalization = match &own {
            Some((own, _)) => own.clone(),
            None => self.normalize.config().map_err(|error| {
                let wanted = "a model whose own constants can normalize";
                file.tensor_error("normalize", error.to_string(), wanted)
            })?,
        };
        let model = map_parameters(self, Fill(values));
        let report = ImportReport {
            wrapper: file.wrapper,
            normalization,
            normalization_from: own.map(|(_, names)| names),
            left_out: file.left_out,
        };
        Ok((model, report))
    }
}

/// The shape of the parameter of this name.
fn shape<'a>(parameters: &'a [Parameter], name: &str) -> Option<&'a [usize]> {
    let found = parameters.iter().find(|parameter| parameter.path == name);
    found.map(|parameter| parameter.shape.as_slice())
}

/// Gives the parameters at these paths these values.
struct Fill(HashMap<String, TensorData>);

impl AtPlace for Fill {
    fn map<const D: usize>(&mut self, place: &Place, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(data) = self.0.remove(&place.path()) else {
            return param;
        };
        let tracked = param.is_require_grad();
        param.map(|old| {
            let new = Tensor::from_data(data, (&old.device().inner(), old.dtype()));
            if old.is_autodiff() { new.autodiff().set_require_grad(tracked) } else { new }
        })
    }
}
