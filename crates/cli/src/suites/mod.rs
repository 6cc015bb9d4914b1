//! The attacks of an evaluation, and how much its checks spend.

mod entry;
mod file;
mod transfer;

pub use file::{AttackFile, Attacks};
pub use transfer::Target;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use cni_burn::attacks::AttackError;
use cni_burn::evaluation::EvaluationError;
use cni_burn::evaluation::audit::Effort;
use cni_burn::prelude::{Attack, Evaluation, Pgd, RandomNoise, Suite, Threat};

/// Suites of attacks. The attacks of AutoAttack run in a cascade: each gets the images that those
/// before it did not break. In all other suites each attack gets all images.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
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

/// The maker of a suite.
type Make = fn(Threat) -> Result<Suite, AttackError>;

/// The versions of AutoAttack by their own names.
const VERSIONS: [(&str, Suites, Make); 4] = [
    ("standard", Suites::Autoattack, Suite::standard),
    ("plus", Suites::Plus, Suite::plus),
    ("rand", Suites::Rand, Suite::rand),
    ("rand-plus", Suites::RandPlus, Suite::rand_plus),
];

impl Suites {
    /// True if the EOT attack, which the flags describe, is one of the attacks.
    pub fn has_eot(self) -> bool {
        VERSIONS.iter().all(|(_, suite, _)| *suite != self)
    }

    /// The evaluation by the attacks. `eot` is one of them, unless they are AutoAttack's.
    pub fn evaluation(self, eot: Pgd) -> Result<Evaluation, EvaluationError> {
        let threat = eot.threat();
        if let Some((.., suite)) = VERSIONS.iter().find(|(_, suite, _)| *suite == self) {
            return Evaluation::of(suite(threat)?);
        }
        let (random, fgsm) = (RandomNoise::new(threat), Pgd::fgsm(threat));
        let mut attacks: Vec<Box<dyn Attack>> = vec![Box::new(random), Box::new(fgsm)];
        let training = Pgd::training(threat);
        // With seven steps and one draw the EOT attack is PGD-7.
        if self == Self::Standard && training.spec() != eot.spec() {
            attacks.push(Box::new(training));
        }
        attacks.push(Box::new(eot));
        Evaluation::new(attacks)
    }
}

/// The effort of the checks of an evaluation, or none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Checks(pub Option<Effort>);

impl Checks {
    pub const NONE: Self = Self(None);
    pub const QUICK: Self = Self(Some(Effort::Quick));
}

/// A parser of `none` or the name of an effort.
pub fn checks() -> impl TypedValueParser<Value = Checks> {
    let names = PossibleValuesParser::new(["none", "quick", "standard", "thorough"]);
    names.try_map(|name| match name.as_str() {
        "none" => Ok(Checks::NONE),
        effort => effort.parse().map(|effort| Checks(Some(effort))),
    })
}
