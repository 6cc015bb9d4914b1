//! Adversarial robustness for [Burn](https://burn.dev): noisy models, the attacks that test them,
//! the training that makes them work, and an evaluation that does not fool its user.
//!
//! The [book] leads from a first noisy model to attacks, judgement, clusters and rules of your own.
//!
//! [book]: https://github.com/cni-burn/cni-burn/tree/main/docs/book/src/introduction.md
//!
//! ```
//! # use cni_burn::prelude::*;
//! # use burn::nn::{Linear, LinearConfig};
//! # use burn::tensor::{Device, Tensor};
//! # let device = Device::flex();
//! # let model = LinearConfig::new(64, 10).init(&device);
//! # let forward = |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3));
//! # let images = Tensor::full([4, 1, 8, 8], 0.5, &device);
//! # let labels = Tensor::from_ints([0, 1, 2, 3], &device);
//! let model = WeightNoise::colored(5).inject(model); // any Burn module
//! let attack = Pgd::new(Threat::linf(8.0 / 255.0)?).with_draws(5)?;
//! let evaluation = Evaluation::new(vec![Box::new(attack)])?;
//! let result = evaluation.run(&FrozenModel::new(&model, forward), [(images, labels)])?;
//! println!("{}", table(&[&result.record]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Crates
//!
//! Each is of use alone; this one gives them together, and is the only one that names backends. In
//! the order of the data:
//!
//! - [`noise`] (`cni-noise`): keys, keyed draws, the noise scope, white and colored Gaussian laws;
//! - [`ops`] (`cni-ops`): convolution and batch norm with kernels of their own on the CPU;
//! - [`layers`] (`cni-layers`): noise on the weights of any module, a layer of noise on
//!   activations, noisy layers, ResNets;
//! - [`attacks`] (`cni-attacks`): threat model, attacks and suites of them;
//! - [`evaluation`] (`cni-evaluation`): the robust accuracy of stochastic models with intervals,
//!   certificates, records, and the audit of the attack behind a number;
//! - [`data`] (`cni-data`): labelled images, where they come from, augmentation, keyed batches;
//! - [`training`] (`cni-training`): objectives, schedules, training that resumes exactly;
//! - `report` (`cni-report`): HTML, Markdown and plots from the records of evaluations.
//!
//! [`prelude`] has what an application uses of them. [`run`] gives the model of a run from its
//! folder, [`pretrained`] the weights in the library's repository, [`cards`] describes models and
//! data for records, [`device`] finds devices by the name of their backend, and [`device_check`]
//! compares what two devices compute.
//!
//! # Features
//!
//! - Backends of Burn: `flex` (CPU, pure Rust; the default), `vulkan`, `wgpu`, `metal`, `webgpu`,
//!   `cuda`, `cpu`, `rocm`;
//! - `fusion`, `autotune`: Burn's, for the GPU backends. On a real GPU take both;
//! - `report`: reports made from records; on by default;
//! - `training`: training and the folders of its runs; on by default. Without it the library builds
//!   for `wasm32-unknown-unknown`, with `default-features = false` and `flex`;
//! - `tui`: Burn's terminal dashboard in place of the plain progress lines;
//! - `band-limited`: convolutions of low frequencies (`layers::band_limited`);
//! - `binary`: layers of binary weights and inputs, and dense networks of them (`layers::binary`);
//! - `privacy`: private training, its accountants and membership attacks (`privacy`);
//! - `registration`: image registration with an adversary on the deformation;
//! - `download`: fetches the CIFAR archives over HTTPS;
//! - `experimental-ddp`: training on several CUDA devices by Burn's collective operations.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doctest)]
mod book;
pub mod cards;
pub mod device;
pub mod device_check;
mod panics;
pub mod pretrained;
#[cfg(feature = "training")]
pub mod run;

pub use cni_attacks as attacks;
pub use cni_data as data;
pub use cni_evaluation as evaluation;
pub use cni_layers as layers;
pub use cni_noise as noise;
pub use cni_ops as ops;
#[cfg(feature = "privacy")]
pub use cni_privacy as privacy;
#[cfg(feature = "registration")]
pub use cni_registration as registration;
#[cfg(feature = "report")]
pub use cni_report as report;
#[cfg(feature = "training")]
pub use cni_training as training;

/// The names that an application uses, to be imported whole.
pub mod prelude {
    pub use crate::cards::{data_card, model_card};
    pub use crate::pretrained::Pretrained;
    #[cfg(feature = "training")]
    pub use crate::run::load_run;

    pub use cni_noise::{Key, Noise, NoiseKind, NoiseScale, scope};

    pub use cni_ops::{Precision, autocast};

    pub use cni_layers::models::{
        Activation, Architecture, ImportReport, ModelNoise, Normalize, NormalizeConfig, ResNet,
        ResNetConfig, Shortcut,
    };
    pub use cni_layers::{
        ActivationNoise, ActivationNoiseConfig, Granularity, LayerNoise, NoiseSummary, Noisy,
        NoisyConv2d, NoisyConv2dConfig, NoisyLinear, NoisyLinearConfig, Per, WeightNoise,
        amplify_noise, count_parameters, keyed_init, noise_amplitudes, noise_covariances,
    };

    pub use cni_attacks::{
        Adversarial, AdversarialPatch, Apgd, Attack, BoundaryAttack, Budget, CarliniWagner,
        CarliniWagnerLinf, Classifier, Ddn, DeepFool, Ead, Epsilon, Fab, FixedNoise, Fmn,
        FrozenModel, Goal, HopSkipJump, Iterate, Knob, Loss, LossFn, NAttack, Norm, Pgd,
        RandomNoise, Runner, Spsa, Square, Suite, Targets, Threat, Transfer, UniversalPerturbation,
    };
    pub use cni_evaluation::audit::{Audit, Effort};
    pub use cni_evaluation::{
        DataCard, Evaluated, Evaluation, ModelCard, NoiseCovariance, Record, Shard, Shards, table,
    };
    pub use cni_evaluation::{Prediction, Predictor, Smoothing};

    #[cfg(feature = "report")]
    pub use cni_report::Report;

    #[cfg(feature = "training")]
    pub use cni_training::{Objective, Schedule, Sgd, Trainer, TrainingConfig};
}

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
