//! The settings of PGD that have names of their own.

use super::{GradientKernel, InputDiversity, Pgd};
use crate::Threat;

impl Pgd {
    /// The fast gradient sign method (Goodfellow et al., arXiv 1412.6572): one step of ε from the
    /// image itself.
    pub fn fgsm(threat: Threat) -> Self {
        Self { steps: 1, step_size: threat.epsilon(), random_start: false, ..Self::new(threat) }
    }

    /// FGSM from a random start (Wong et al., arXiv 2001.03994): one step of 1.25 ε.
    pub fn random_fgsm(threat: Threat) -> Self {
        Self { steps: 1, step_size: 1.25 * threat.epsilon(), ..Self::new(threat) }
    }

    /// The basic iterative method (Kurakin et al., arXiv 1607.02533): ten steps of ε/4 from the
    /// image itself.
    pub fn bim(threat: Threat) -> Self {
        Self { random_start: false, ..Self::new(threat) }
    }

    /// The momentum iterative method (Dong et al., arXiv 1710.06081): ten steps of ε/10 from the
    /// image itself, momentum 1.
    pub fn mi_fgsm(threat: Threat) -> Self {
        Self { step_size: threat.epsilon() / 10.0, momentum: 1.0, ..Self::bim(threat) }
    }

    /// DI²-FGSM (Xie et al., arXiv 1803.06978): ten steps of ε/4 from the image itself, with the
    /// default [`InputDiversity`]. With momentum 1 it is the authors' M-DI²-FGSM.
    pub fn di_fgsm(threat: Threat) -> Self {
        Self { input_diversity: Some(InputDiversity::default()), ..Self::bim(threat) }
    }

    /// TI-FGSM (Dong et al., arXiv 1904.02884): ten steps of ε/4 from the image itself, with the
    /// default [`GradientKernel`]. In `torchattacks` it includes input diversity; here
    /// [`with_input_diversity`](Self::with_input_diversity) adds that, and with momentum 1 the
    /// result is the authors' TI-DIM.
    pub fn ti_fgsm(threat: Threat) -> Self {
        Self { kernel: Some(GradientKernel::default()), ..Self::bim(threat) }
    }

    /// The attack that PNI (CVPR 2019) and CNI (arXiv 2003.02188) train against: seven steps of
    /// ε/4, random start.
    pub fn training(threat: Threat) -> Self {
        Self { steps: 7, ..Self::new(threat) }
    }
}
