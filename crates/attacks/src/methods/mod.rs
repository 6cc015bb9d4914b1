//! The attacks, one file or folder each.
//!
//! Every attack supports misclassification. All but DeepFool and the untargeted FAB support target
//! classes, and all but these two and the targeted APGD support custom goals. Every attack has
//! `with_draws` for EOT on a stochastic model; a suite has the draws of its attacks. Attacks of
//! minimum norm return the nearest adversarial image if it is within ε, otherwise the original, and
//! may have an [unbounded](crate::Threat::unbounded) threat. The column "access" says what an
//! attack asks of the model: gradients, scores (logits), decisions (predicted classes), the
//! adversarial images of another model (transfer), or nothing.
//!
//! | attack | norms | access | defaults | source |
//! | --- | --- | --- | --- | --- |
//! | [`Pgd::fgsm`] | L∞ L2 L1 | gradients | one step of ε | arXiv 1412.6572 |
//! | [`Pgd::random_fgsm`] | L∞ L2 L1 | gradients | random start, one step of 1.25 ε | arXiv 2001.03994 |
//! | [`Pgd::n_fgsm`] | L∞ L2 L1 | gradients | random start in 2ε, one step of ε; its threat is 3ε | arXiv 2202.01181 |
//! | [`Pgd::two_steps`] | L∞ L2 L1 | gradients | random start, 2 steps of ε/2 | arXiv 2007.02617 |
//! | [`Pgd::bim`] | L∞ L2 L1 | gradients | 10 steps of ε/4 | arXiv 1607.02533 |
//! | [`Pgd::mi_fgsm`] | L∞ L2 L1 | gradients | 10 steps of ε/10, momentum 1 | arXiv 1710.06081 |
//! | [`Pgd::di_fgsm`] | L∞ L2 L1 | gradients | 10 steps of ε/4, resized to 0.9 or more with probability 0.5 | arXiv 1803.06978 |
//! | [`Pgd::ti_fgsm`] | L∞ L2 L1 | gradients | 10 steps of ε/4, Gaussian kernel of length 15 | arXiv 1904.02884 |
//! | [`Pgd::new`] | L∞ L2 L1 | gradients | random start, 10 steps of ε/4; in L1 sparse steps | arXiv 1706.06083, 1904.13000 |
//! | [`Apgd::cross_entropy`] | L∞ L2 L1 | gradients | 100 iterations, ρ 0.75 | arXiv 2003.01690, 2103.01208 |
//! | [`Apgd::dlr`] | L∞ L2 L1 | gradients | as above; three classes or more | arXiv 2003.01690 |
//! | [`Apgd::targeted`] | L∞ L2 L1 | gradients | as above, 9 targets; four classes or more | arXiv 2003.01690 |
//! | [`Fab::new`] | L∞ L2 L1 | gradients | 100 iterations, α 0.1, η 1.05, β 0.9; minimum norm | arXiv 1907.02044 |
//! | [`Fab::targeted`] | L∞ L2 L1 | gradients | as above, 9 targets | arXiv 1907.02044 |
//! | [`DeepFool::new`] | L∞ L2 | gradients | 50 iterations, overshoot 0.02, 10 classes; minimum norm | arXiv 1511.04599 |
//! | [`Ddn::new`] | L2 | gradients | 100 iterations, γ 0.05; minimum norm | arXiv 1811.09600 |
//! | [`Fmn::new`] | L∞ L2 L1 | gradients | 100 iterations, γ 0.05; minimum norm | arXiv 2102.12827 |
//! | [`CarliniWagner::new`] | L2 | gradients | 9 searches of 1000 iterations, Adam 0.01; minimum norm | arXiv 1608.04644 |
//! | [`CarliniWagnerLinf::new`] | L∞ | gradients | 1000 iterations a bound, Adam 0.005; minimum norm | arXiv 1608.04644 |
//! | [`Ead::elastic_net`] | L1 | gradients | 9 searches of 1000 iterations, step 0.01, β 0.01; minimum norm | arXiv 1709.04114 |
//! | [`Ead::l1`] | L1 | gradients | as above, the nearest in L1 | arXiv 1709.04114 |
//! | [`AdversarialPatch::new`] | L∞ | gradients | 100 steps of 0.05 and moves of 2 pixels; a square patch | arXiv 2005.02313 |
//! | [`Square::new`] | L∞ L2 L1 | scores | 5000 queries, p 0.8 | arXiv 1912.00049, 2103.01208 |
//! | [`Spsa::new`] | L∞ L2 L1 | scores | 100 iterations of 128 samples, Adam 0.01 | arXiv 1802.05666 |
//! | [`NAttack::new`] | L∞ | scores | 500 iterations of 300 samples, σ 0.1 | arXiv 1905.00441 |
//! | [`HopSkipJump::new`] | L∞ L2 | decisions | 40 iterations; minimum norm | arXiv 1904.02144 |
//! | [`BoundaryAttack::new`] | L2 | decisions | 25 000 steps; minimum norm | arXiv 1712.04248 |
//! | [`Transfer::new`] | L∞ L2 L1 | transfer | those of its attack; one candidate | arXiv 1605.07277 |
//! | [`RandomNoise::new`] | L∞ L2 L1 | none | one point, uniform in the ball | arXiv 1902.06705 |
//! | [`RandomNoise::gaussian`] | L∞ L2 L1 | none | one Gaussian point | arXiv 1902.06705 |
//! | [`Suite::standard`] | L∞ L2 L1 | gradients | AutoAttack's | arXiv 2003.01690 |
//! | [`Suite::plus`] | L∞ L2 L1 | gradients | AutoAttack's | arXiv 2003.01690 |
//! | [`Suite::rand`] | L∞ L2 L1 | gradients | AutoAttack's, 20 draws | arXiv 2003.01690 |
//! | [`Suite::rand_plus`] | L∞ L2 L1 | gradients | `rand` and EOT-Square | arXiv 2003.01690 |
//!
//! [`Suite::standard`]: crate::Suite::standard
//! [`Suite::plus`]: crate::Suite::plus
//! [`Suite::rand`]: crate::Suite::rand
//! [`Suite::rand_plus`]: crate::Suite::rand_plus

mod apgd;
mod boundary;
mod carlini_wagner;
mod ddn;
mod deepfool;
mod ead;
mod fab;
mod fmn;
mod hop_skip_jump;
mod nattack;
mod patch;
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
pub use self::ead::Ead;
pub use self::fab::Fab;
pub use self::fmn::Fmn;
pub use self::hop_skip_jump::HopSkipJump;
pub use self::nattack::NAttack;
pub use self::patch::{AdversarialPatch, LocationSearch};
pub use self::pgd::{GradientKernel, InputDiversity, Pgd, RandomStart};
pub use self::random_noise::{NoiseLaw, RandomNoise};
pub use self::spsa::Spsa;
pub use self::square::Square;
pub use self::transfer::Transfer;
pub use self::universal::{Fooling, Universal, UniversalPerturbation};

use crate::spec::{FromSpec, Spec};
use crate::{Attack, AttackError};

type Loader = fn(Spec) -> Result<Box<dyn Attack>, AttackError>;

/// The functions that read each attack from its settings, by its name.
pub(crate) const LOADERS: &[(&str, Loader)] = &[
    (AdversarialPatch::NAME, load::<AdversarialPatch>),
    (Apgd::NAME, load::<Apgd>),
    (BoundaryAttack::NAME, load::<BoundaryAttack>),
    (CarliniWagner::NAME, load::<CarliniWagner>),
    (CarliniWagnerLinf::NAME, load::<CarliniWagnerLinf>),
    (Ddn::NAME, load::<Ddn>),
    (DeepFool::NAME, load::<DeepFool>),
    (Ead::NAME, load::<Ead>),
    (Fab::NAME, load::<Fab>),
    (Fmn::NAME, load::<Fmn>),
    (HopSkipJump::NAME, load::<HopSkipJump>),
    (NAttack::NAME, load::<NAttack>),
    (Pgd::NAME, load::<Pgd>),
    (RandomNoise::NAME, load::<RandomNoise>),
    (Spsa::NAME, load::<Spsa>),
    (Square::NAME, load::<Square>),
];

fn load<A: FromSpec + Attack + 'static>(spec: Spec) -> Result<Box<dyn Attack>, AttackError> {
    Ok(Box::new(A::from_spec(spec)?))
}
