use crate::{Granularity, Law};
use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::{Device, Tensor};
use cni_noise::law::Colored;
use cni_noise::{Convention, Parameters};
use serde::{Deserialize, Serialize};

/// What a [`LearnedNoise`](crate::LearnedNoise) is besides its parameters and its name.
///
/// Visitors of a module see parameters and the names of fields, nothing else. So that one can tell
/// what noise the parameters are of, the specification is a module without parameters that passes
/// as a name: its own JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub law: Law,
    pub convention: Convention,
    /// The shape of the weight, or of one example of the activation.
    pub shape: Vec<usize>,
    pub channel_axis: usize,
}

impl Spec {
    const CONTAINER: &'static str = "cni_layers::Spec";

    /// For a visitor that enters a module of this name and container: the specification, where it
    /// is one.
    pub fn heard(name: &str, container: &str) -> Option<Self> {
        if container == Self::CONTAINER { serde_json::from_str(name).ok() } else { None }
    }

    /// The path of what is noisy, for a visitor that hears of the specification: the path there
    /// ends in the fields `noise` and `spec`.
    pub fn owner(path: &[String]) -> String {
        path[..path.len().saturating_sub(2)].join(".")
    }

    /// The parameters of the law for a tensor of this shape.
    pub fn parameters(
        &self,
        alpha: Option<Tensor<1>>,
        diagonal: Option<Tensor<1>>,
        factor: Option<Tensor<2>>,
        shape: &[usize],
    ) -> Parameters {
        let convention = self.convention;
        match (alpha, diagonal) {
            (Some(alpha), _) => {
                let stride = match self.law {
                    Law::White { granularity: Granularity::Channel, .. } => {
                        shape[self.channel_axis + 1..].iter().product()
                    }
                    _ => 1,
                };
                Parameters::White { alpha, stride, convention }
            }
            (None, Some(diagonal)) => Parameters::Colored(Colored { diagonal, factor, convention }),
            (None, None) => unreachable!("a law has either an alpha or a diagonal"),
        }
    }
}

impl Module for Spec {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        let name = serde_json::to_string(self).expect("a specification is plain data");
        visitor.enter_module(&name, Self::CONTAINER);
        visitor.exit_module(&name, Self::CONTAINER);
    }

    fn map<M: ModuleMapper>(self, _mapper: &mut M) -> Self {
        self
    }

    fn to_device(self, _device: &Device) -> Self {
        self
    }

    fn fork(self, _device: &Device) -> Self {
        self
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn materialize(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn train(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for Spec {
    fn content(&self, content: Content) -> Option<Content> {
        content.optional()
    }
}

impl ModuleDisplay for Spec {}
