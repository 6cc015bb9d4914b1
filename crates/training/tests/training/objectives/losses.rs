//! The penalty of ELLE against its formula.

use super::{first_batch, largest};
use crate::support::linear_net::Net;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use cni_attacks::{Loss, Norm, Pgd, Threat};
use cni_noise::{ExampleIds, uniform_rows};
use cni_training::{Objective, Step};

/// The squares by hand, at the points that the keys of the step give.
#[test]
fn the_penalty_of_elle_is_its_formula_and_a_score() {
    let (batch, net) = (first_batch(), Net::new().train());
    let step = Step::new(&net, Net::forward, batch.clone());
    let attack = Pgd::fgsm(Threat::linf(0.1).unwrap());
    let [plain, elle] = [Objective::madry(attack.clone()), Objective::elle(attack)]
        .map(|objective| objective.losses(&step).unwrap());
    let (clean, key) = (batch.images.clone().inner(), batch.key.named("nonlinearity"));
    let examples = ExampleIds::from(batch.first_example);
    let [a, b] = ["a", "b"].map(|name| {
        let change = Norm::Linf.random_start(key.named(name), &clean, 0.1, &examples);
        (clean.clone() + change).clamp(0.0, 1.0)
    });
    let shares = uniform_rows(key.named("share"), &examples, 64, 1);
    let share = Tensor::<1>::from_data(shares.as_slice(), &Device::flex());
    let at = share.clone().reshape([64, 1, 1, 1]);
    let c = a.clone() * (-at.clone() + 1.0) + b.clone() * at;
    let plain_net = Net::new();
    let [a, b, c] = [a, b, c]
        .map(|images| Loss::CrossEntropy.per_example(plain_net.forward(images), &batch.labels));
    let wanted = (c - a * (-share.clone() + 1.0) - b * share).square();
    let score = elle.score("nonlinearity").unwrap().clone();
    assert!(largest(wanted.clone()) > 0.0);
    assert!(largest(score - wanted.clone()) < 1e-6);
    let penalty = elle.loss().clone().inner() - plain.loss().clone().inner();
    assert!(largest(penalty - wanted * 5000.0) < 1e-2);
}
