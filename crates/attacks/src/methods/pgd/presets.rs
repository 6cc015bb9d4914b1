//! The settings of PGD that have names of their own.

use super::{GradientKernel, InputDiversity, Pgd, RandomStart};
use crate::Threat;

impl Pgd {
    /// The fast gradient sign method (Goodfellow et al., arXiv 1412.6572): one step of ε from the
    /// image itself.
    pub fn fgsm(threat: Threat) -> Self {
        Self {
            steps: 1,
            step_size: threat.epsilon(),
            random_start: RandomStart::none(),
            ..Self::new(threat)
        }
    }

    /// FGSM from a random start (Wong et al., arXiv 2001.03994): one step of 1.25 ε.
    pub fn random_fgsm(threat: Threat) -> Self {
        Self { steps: 1, step_size: 1.25 * threat.epsilon(), ..Self::new(threat) }
    }

    /// N-FGSM (de Jorge et al., arXiv 2202.01181, algorithm 1): from a start uniform in the ball of
    /// 2ε one step of ε, with no projection to a ball, only to the box. For training against the
    /// radius ε of `threat`, where it does not overfit catastrophically as other attacks of one
    /// step do.
    ///
    /// Its images leave the ball of ε by design. So the threat of the attack itself is the ball of
    /// 3ε, which no image leaves, and sweeps, records and checks speak of that radius.
    ///
    /// ```
    /// use cni_attacks::{Attack, Pgd, Threat};
    /// let attack = Pgd::n_fgsm(Threat::linf(8.0 / 255.0)?);
    /// assert_eq!(attack.threat(), Threat::linf(3.0 * (8.0 / 255.0))?);
    /// assert_eq!(attack.knobs().step_size, Some(8.0 / 255.0));
    /// # Ok::<(), cni_attacks::AttackError>(())
    /// ```
    pub fn n_fgsm(threat: Threat) -> Self {
        let epsilon = threat.epsilon();
        Self {
            steps: 1,
            step_size: epsilon,
            random_start: RandomStart::within_unchecked(2.0 * epsilon),
            ..Self::new(threat.times(3.0))
        }
    }

    /// PGD-2, the cheapest attack of several steps to train against (Andriushchenko and Flammarion,
    /// arXiv 2007.02617, section 5): two steps of ε/2 from a random start.
    pub fn two_steps(threat: Threat) -> Self {
        Self { steps: 2, step_size: threat.epsilon() / 2.0, ..Self::new(threat) }
    }

    /// The basic iterative method (Kurakin et al., arXiv 1607.02533): ten steps of ε/4 from the
    /// image itself.
    pub fn bim(threat: Threat) -> Self {
        Self { random_start: RandomStart::none(), ..Self::new(threat) }
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

    /// The attack that TRADES (Zhang et al., arXiv 1901.08573) and MART (Wang et al., ICLR 2020)
    /// train against: ten steps of ε/4, from the image with normal values of standard deviation
    /// 0.001 added. The authors round the step to 0.007 for ε = 0.031.
    pub fn trades(threat: Threat) -> Self {
        Self { random_start: RandomStart::gaussian_of_trades(), ..Self::new(threat) }
    }

    /// The attack that PNI (CVPR 2019) and CNI (arXiv 2003.02188) train against: seven steps of
    /// ε/4, random start.
    pub fn training(threat: Threat) -> Self {
        Self { steps: 7, ..Self::new(threat) }
    }
}
