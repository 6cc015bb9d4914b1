//! Every attack of the crate: a new one is a new row here and in the table of `methods`.

use cni_attacks::{
    Access, AdversarialPatch, Apgd, Attack, AttackError, BoundaryAttack, CarliniWagner,
    CarliniWagnerLinf, Ddn, DeepFool, Ead, Fab, Fmn, HopSkipJump, NAttack, Norm, Pgd, RandomNoise,
    Spsa, Square, Suite, Threat, Transfer,
};

/// An attack, small enough for a test.
pub struct Row {
    /// The constructor, as in the table of the documentation.
    pub name: &'static str,
    pub norms: &'static [Norm],
    pub access: Access,
    /// Whether it can seek a class.
    pub targeted: bool,
    pub make: fn(Threat) -> Result<Box<dyn Attack>, AttackError>,
}

const ALL: &[Norm] = &[Norm::Linf, Norm::L2, Norm::L1];
const TWO: &[Norm] = &[Norm::Linf, Norm::L2];

macro_rules! row {
    ($name:literal, $norms:expr, $access:ident, $targeted:literal, $make:expr) => {
        Row {
            name: $name,
            norms: $norms,
            access: Access::$access,
            targeted: $targeted,
            make: |threat| {
                let make: fn(Threat) -> Result<_, AttackError> = $make;
                Ok(Box::new(make(threat)?))
            },
        }
    };
}

pub fn registry() -> Vec<Row> {
    vec![
        row!("Pgd::fgsm", ALL, Gradients, true, |t| Ok(Pgd::fgsm(t))),
        row!("Pgd::random_fgsm", ALL, Gradients, true, |t| Ok(Pgd::random_fgsm(t))),
        row!("Pgd::n_fgsm", ALL, Gradients, true, |t| Ok(Pgd::n_fgsm(t))),
        row!("Pgd::two_steps", ALL, Gradients, true, |t| Ok(Pgd::two_steps(t))),
        row!("Pgd::bim", ALL, Gradients, true, |t| Ok(Pgd::bim(t))),
        row!("Pgd::mi_fgsm", ALL, Gradients, true, |t| Ok(Pgd::mi_fgsm(t))),
        row!("Pgd::di_fgsm", ALL, Gradients, true, |t| Ok(Pgd::di_fgsm(t))),
        row!("Pgd::ti_fgsm", ALL, Gradients, true, |t| Ok(Pgd::ti_fgsm(t))),
        row!("Pgd::new", ALL, Gradients, true, |t| Pgd::new(t).with_restarts(2)),
        row!("Apgd::cross_entropy", ALL, Gradients, true, |t| {
            Apgd::cross_entropy(t).with_steps(10)
        }),
        row!("Apgd::dlr", ALL, Gradients, true, |t| Apgd::dlr(t).with_steps(10)?.with_restarts(2)),
        row!("Apgd::targeted", ALL, Gradients, true, |t| {
            Ok(Apgd::targeted(t).with_steps(10)?.with_enlarged_start(true))
        }),
        row!("Fab::new", ALL, Gradients, false, |t| Fab::new(t).with_steps(10)?.with_restarts(2)),
        row!("Fab::targeted", ALL, Gradients, true, |t| Fab::targeted(t).with_steps(10)),
        row!("DeepFool::new", TWO, Gradients, false, DeepFool::new),
        row!("Ddn::new", &[Norm::L2], Gradients, true, |t| Ddn::new(t)?.with_steps(20)),
        row!("Fmn::new", ALL, Gradients, true, |t| Fmn::new(t).with_steps(20)),
        row!("CarliniWagner::new", &[Norm::L2], Gradients, true, |t| {
            let attack = CarliniWagner::new(t)?.with_steps(20)?.with_search_steps(3)?;
            attack.with_initial_constant(1.0)?.with_step_size(0.05)
        }),
        row!("CarliniWagnerLinf::new", &[Norm::Linf], Gradients, true, |t| {
            let attack = CarliniWagnerLinf::new(t)?.with_steps(20)?.with_step_size(0.05)?;
            attack.with_constants(0.5, 9.0)?.with_tau_factor(0.7)
        }),
        row!("Ead::elastic_net", &[Norm::L1], Gradients, true, |t| {
            let attack = Ead::elastic_net(t)?.with_steps(20)?.with_search_steps(3)?;
            attack.with_initial_constant(1.0)
        }),
        row!("Ead::l1", &[Norm::L1], Gradients, true, |t| {
            let attack = Ead::l1(t)?.with_steps(20)?.with_search_steps(3)?;
            attack.with_initial_constant(1.0)
        }),
        row!("AdversarialPatch::new", &[Norm::Linf], Gradients, true, |t| {
            AdversarialPatch::new(1)?.with_threat(t)?.with_steps(10)?.with_stride(1)
        }),
        row!("Square::new", ALL, Scores, true, |t| Square::new(t).with_queries(100)),
        row!("Spsa::new", ALL, Scores, true, |t| {
            Spsa::new(t).with_steps(10)?.with_samples(8)?.with_learning_rate(0.1)
        }),
        row!("NAttack::new", &[Norm::Linf], Scores, true, |t| {
            NAttack::new(t)?.with_steps(10)?.with_population(10)
        }),
        row!("HopSkipJump::new", TWO, Decisions, true, |t| {
            HopSkipJump::new(t)?.with_steps(3)?.with_samples(10, 20)
        }),
        row!("BoundaryAttack::new", &[Norm::L2], Decisions, true, |t| {
            BoundaryAttack::new(t)?.with_steps(60)?.with_interval(1)
        }),
        row!("Transfer::new", ALL, Transfer, true, |t| {
            let surrogate = |x: burn::tensor::Tensor<4>| {
                super::Toy::new(4, burn::tensor::DType::F32).cast_to(&x).logits(x)
            };
            Transfer::new("twin", surrogate, Pgd::new(t)).with_candidates(2)
        }),
        row!("RandomNoise::new", ALL, None, true, |t| RandomNoise::new(t).with_samples(20)),
        row!("RandomNoise::gaussian", ALL, None, true, |t| {
            RandomNoise::gaussian(t).with_samples(20)
        }),
        row!("Suite::standard", ALL, Gradients, true, |t| {
            let attacks: Vec<Box<dyn Attack>> = vec![
                Box::new(Apgd::cross_entropy(t).with_steps(5)?),
                Box::new(Fab::targeted(t).with_steps(5)?),
                Box::new(Square::new(t).with_queries(20)?),
            ];
            Suite::custom("small", attacks)?.with_judging_draws(3)
        }),
    ]
}
