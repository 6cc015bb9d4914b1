//! The attacks, one file or folder each, and what several of them share.

mod apgd;
mod boundary;
mod carlini_wagner;
mod ddn;
mod deepfool;
mod fab;
mod hop_skip_jump;
mod nattack;
mod pgd;
mod random_noise;
mod shared;
mod spsa;
mod square;
mod transfer;
mod universal;

pub use self::apgd::Apgd;
pub use self::boundary::BoundaryAttack;
pub use self::carlini_wagner::{CarliniWagner, CarliniWagnerLinf};
pub use self::ddn::Ddn;
pub use self::deepfool::DeepFool;
pub use self::fab::Fab;
pub use self::hop_skip_jump::HopSkipJump;
pub use self::nattack::NAttack;
pub use self::pgd::{GradientKernel, InputDiversity, Pgd};
pub use self::random_noise::{NoiseLaw, RandomNoise};
pub use self::spsa::Spsa;
pub use self::square::Square;
pub use self::transfer::Transfer;
pub use self::universal::{Fooling, Universal, UniversalPerturbation};
