//! The optimizers of Burn as values.

use super::Sgd;
use crate::TrainingError;
use crate::parameters::Groups;
use burn::module::ParamGroup;
use burn::optim::{
    AdaGradConfig, AdafactorConfig, AdamConfig, AdamWConfig, AdanConfig, LambConfig, LionConfig,
    ModuleOptimizer, MuonConfig, RmsPropConfig,
};
use cni_data::reading::refuse_unknown;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

macro_rules! optimizers {
    ($($(#[$doc:meta])* $variant:ident($config:ident)),* $(,)?) => {
        /// The optimizer of a run: [`Sgd`] in PyTorch's terms, or any of Burn's.
        ///
        /// A configuration of Burn's is an optimizer: `AdamConfig::new().into()`.
        #[derive(Clone, Debug, Serialize)]
        #[serde(tag = "optimizer", rename_all = "snake_case")]
        #[allow(clippy::large_enum_variant, reason = "a run has one of them")]
        pub enum Optimizer {
            /// Stochastic gradient descent as in PyTorch.
            Sgd(Sgd),
            $($(#[$doc])* $variant($config),)*
            /// An optimizer that is built in code: [`Optimizer::custom`].
            Custom(CustomOptimizer),
        }

        /// An optimizer as a file has it, before fields that it does not have are refused.
        #[derive(Deserialize)]
        #[serde(tag = "optimizer", rename_all = "snake_case")]
        #[allow(clippy::large_enum_variant, reason = "it is there for a moment")]
        enum Read {
            Sgd(Sgd),
            $($(#[$doc])* $variant($config),)*
        }

        impl Read {
            /// The optimizer, if these settings of a file are all among its own.
            fn of(self, settings: &Value) -> Result<Optimizer, String> {
                match self {
                    // It refuses others itself.
                    Self::Sgd(sgd) => Ok(sgd.into()),
                    $(Self::$variant(config) => {
                        refuse_unknown(settings, &config)?;
                        Ok(config.into())
                    })*
                }
            }
        }

        $(impl From<$config> for Optimizer {
            fn from(config: $config) -> Self {
                Self::$variant(config)
            }
        })*

        impl Optimizer {
            /// Burn's optimizer for a model with these groups, which `prefix` leads to.
            pub(super) fn init(&self, groups: &Groups, prefix: &str) -> ModuleOptimizer {
                match self {
                    Self::Sgd(sgd) => sgd.init(groups, prefix),
                    $(Self::$variant(config) => config.init(),)*
                    Self::Custom(custom) => (custom.build)(),
                }
            }

            /// `all` with this optimizer for a group.
            pub(super) fn add_to(&self, all: ModuleOptimizer, group: ParamGroup) -> ModuleOptimizer {
                match self {
                    Self::Sgd(sgd) => {
                        all.with_group(group, sgd.config(sgd.weight_decay).build(), None)
                    }
                    $(Self::$variant(config) => all.with_group(group, config.build(), None),)*
                    // Refused before.
                    Self::Custom(_) => all,
                }
            }
        }
    };
}

optimizers! {
    /// Adam (Kingma and Ba, arXiv 1412.6980).
    Adam(AdamConfig),
    /// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101).
    #[serde(rename = "adamw")]
    AdamW(AdamWConfig),
    /// Adagrad.
    #[serde(rename = "adagrad")]
    AdaGrad(AdaGradConfig),
    /// Adafactor.
    Adafactor(AdafactorConfig),
    /// Adan.
    Adan(AdanConfig),
    /// LAMB.
    Lamb(LambConfig),
    /// Lion.
    Lion(LionConfig),
    /// Muon.
    Muon(MuonConfig),
    /// RMSprop.
    #[serde(rename = "rmsprop")]
    RmsProp(RmsPropConfig),
}

impl Optimizer {
    /// An optimizer that is built in code, such as one of a custom `burn::optim::Optimizer`.
    ///
    /// `spec` describes it with all its settings, as a JSON object; it is part of what identifies a
    /// run. The optimizer can be written to a configuration file, and not read back.
    pub fn custom(
        spec: Value,
        build: impl Fn() -> ModuleOptimizer + Send + Sync + 'static,
    ) -> Self {
        Self::Custom(CustomOptimizer { spec, build: Arc::new(build) })
    }

    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        match self {
            Self::Sgd(sgd) => sgd.check(),
            Self::Custom(custom) if !custom.spec.is_object() => {
                let wanted = "a JSON object with all its settings";
                Err(TrainingError::setting("optimizer", &custom.spec, wanted))
            }
            _ => Ok(()),
        }
    }

    /// Checks the optimizer of a group, where Burn applies no clipping of the configuration.
    pub(crate) fn check_in_group(&self) -> Result<(), TrainingError> {
        self.check()?;
        let settings = serde_json::to_value(self).unwrap_or_default();
        let clips = ["grad_clipping", "gradient_clipping"];
        if clips.iter().any(|name| settings.get(name).is_some_and(|clip| !clip.is_null())) {
            let wanted = "no clipping in a group; max_grad_norm is that of the run";
            return Err(TrainingError::setting("groups", "an optimizer that clips", wanted));
        }
        let alone = "it in the optimizer of the run alone";
        let (got, wanted) = match self {
            Self::Custom(_) => ("a custom optimizer", "Sgd or one of Burn's configurations"),
            Self::Sgd(Sgd { decay_noise: true, .. }) => ("decay_noise", alone),
            Self::Sgd(Sgd { decay_vectors: false, .. }) => ("no decay_vectors", alone),
            _ => return Ok(()),
        };
        Err(TrainingError::setting("groups", got, wanted))
    }
}

/// The configurations of Burn's ignore unknown fields themselves.
impl<'de> Deserialize<'de> for Optimizer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut settings = Value::deserialize(deserializer)?;
        let read = Read::deserialize(&settings).map_err(de::Error::custom)?;
        let name = settings.as_object_mut().and_then(|fields| fields.remove("optimizer"));
        let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
        let named = |reason: String| de::Error::custom(format!("optimizer {name}: {reason}"));
        read.of(&settings).map_err(named)
    }
}

impl From<Sgd> for Optimizer {
    fn from(sgd: Sgd) -> Self {
        Self::Sgd(sgd)
    }
}

/// An optimizer that is built in code: [`Optimizer::custom`].
#[derive(Clone)]
pub struct CustomOptimizer {
    spec: Value,
    build: Arc<dyn Fn() -> ModuleOptimizer + Send + Sync>,
}

impl Serialize for CustomOptimizer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spec.serialize(serializer)
    }
}

impl fmt::Debug for CustomOptimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomOptimizer({})", self.spec)
    }
}
