//! Training with private SGD, on the trainer of `cni-training`.
//!
//! | module | holds |
//! | --- | --- |
//! | `settings` | what a run is to be: budget, clipping, noise |
//! | `run` | such a run: its sampler, its gradient rule |
//! | `folder` | what its folder tells: settings, ledger, what is spent |
//! | `gradient` | the rule of the gradient slot: clip, sum, add noise |
//! | `sampler` | Poisson sampling for so many examples |
//! | `randomness` | keyed, or from the operating system |
//! | `noisy_weights` | a published rule whose epsilon does not hold for what it stores |

mod folder;
mod gradient;
mod noisy_weights;
mod randomness;
mod run;
mod sampler;
mod settings;

pub use self::folder::{LEDGER_FILE, PRIVACY_FILE, SPENT_FILE, ledger_of_run, spent_of_run};
pub use self::gradient::PrivateGradient;
pub use self::noisy_weights::NoisyWeights;
pub use self::randomness::Randomness;
pub use self::run::PrivateRun;
pub use self::settings::PrivateSgd;
