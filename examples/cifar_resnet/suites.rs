//! The attacks of an evaluation, and how much its checks spend.

use clap::ValueEnum;
use cni_burn::attacks::AttackError;
use cni_burn::evaluation::audit::Effort;
use cni_burn::prelude::{Attack, Pgd, RandomNoise, Suite};

/// Suites of attacks. The attacks of AutoAttack are judged as one, all others each by itself.
#[derive(Clone, Copy, ValueEnum)]
pub enum Suites {
    /// Random noise, FGSM, the EOT attack.
    Quick,
    /// The same, and PGD-7, which does not know of noise.
    Standard,
    /// AutoAttack's standard: APGD-CE, APGD-T, FAB-T, Square.
    Autoattack,
    /// AutoAttack's plus: more restarts, and the untargeted forms.
    Plus,
    /// AutoAttack's rand, for noisy models: APGD-CE and APGD-DLR over 20 draws.
    Rand,
    /// The same and EOT-Square.
    RandPlus,
}

impl Suites {
    /// Whether the EOT attack, which the flags describe, is one of the attacks.
    pub fn has_eot(self) -> bool {
        matches!(self, Self::Quick | Self::Standard)
    }

    /// The attacks, of which `eot` is one where they are judged by themselves.
    pub fn attacks(self, eot: Pgd, draws: usize) -> Result<Vec<Box<dyn Attack>>, AttackError> {
        let threat = eot.threat();
        let suite = match self {
            Self::Quick => {
                let (random, fgsm) = (RandomNoise::new(threat), Pgd::fgsm(threat));
                return Ok(vec![Box::new(random), Box::new(fgsm), Box::new(eot)]);
            }
            Self::Standard => {
                let (random, fgsm) = (RandomNoise::new(threat), Pgd::fgsm(threat));
                let training = Pgd::training(threat);
                let mut attacks: Vec<Box<dyn Attack>> = vec![Box::new(random), Box::new(fgsm)];
                // By seven steps of one draw the EOT attack is PGD-7.
                if training.spec() != eot.spec() {
                    attacks.push(Box::new(training));
                }
                attacks.push(Box::new(eot));
                return Ok(attacks);
            }
            Self::Autoattack => Suite::standard(threat),
            Self::Plus => Suite::plus(threat),
            Self::Rand => Suite::rand(threat),
            Self::RandPlus => Suite::rand_plus(threat),
        };
        Ok(vec![Box::new(suite?.with_judging_draws(draws)?)])
    }
}

/// How much the checks may spend.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Checks {
    /// No checks.
    None,
    /// Minutes.
    Quick,
    /// Part of an hour.
    Standard,
    /// Hours.
    Thorough,
}

impl Checks {
    pub fn effort(self) -> Option<Effort> {
        match self {
            Self::None => None,
            Self::Quick => Some(Effort::Quick),
            Self::Standard => Some(Effort::Standard),
            Self::Thorough => Some(Effort::Thorough),
        }
    }
}
