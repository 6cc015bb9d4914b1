//! Attacks of every kind on a linear model.

use super::comparison::{list, part};
use super::{Comparison, Parts, Tolerance, values};
use burn::tensor::{Device, Tensor};
use cni_attacks::{
    Apgd, Attack, AttackError, CarliniWagner, Fab, Goal, HopSkipJump, Square, Threat,
};
use cni_noise::{Key, host_uniform};
use std::error::Error;

const EXAMPLES: usize = 16;

/// Rounding may turn a choice among nearly equal points, and so who is broken: one example of those
/// there are.
const BROKEN: Tolerance = Tolerance::Share(1.0 / EXAMPLES as f64);

type Make = fn() -> Result<Box<dyn Attack>, AttackError>;

const ATTACKS: [(&str, Make); 6] = [
    ("APGD-DLR", || Ok(Box::new(Apgd::dlr(Threat::linf(0.05)?).with_steps(10)?))),
    ("APGD-T in L1", || Ok(Box::new(Apgd::targeted(Threat::l1(0.5)?).with_steps(5)?))),
    ("FAB-T in L2", || Ok(Box::new(Fab::targeted(Threat::l2(0.3)?).with_steps(5)?))),
    ("Carlini-Wagner", || {
        Ok(Box::new(CarliniWagner::new(Threat::l2(0.3)?)?.with_steps(20)?.with_search_steps(2)?))
    }),
    ("Square", || Ok(Box::new(Square::new(Threat::linf(0.05)?).with_queries(30)?))),
    ("HopSkipJump", || Ok(Box::new(HopSkipJump::new(Threat::l2(0.3)?)?.with_steps(2)?))),
];

pub fn all() -> Vec<Comparison> {
    let of = |(name, make): (&str, Make)| {
        Comparison::new(format!("attack {name}"), BROKEN, move |device| attacked(device, make))
    };
    ATTACKS.into_iter().map(of).collect()
}

/// The examples that the attack broke.
fn attacked(device: &Device, make: Make) -> Result<Parts, Box<dyn Error>> {
    let attack = make()?;
    let weight = values::<2>(20, [12, 4], device);
    let model = |x: Tensor<4>| x.sub_scalar(0.5).flatten::<2>(1, 3).matmul(weight.clone());
    let pixels = host_uniform(Key::new(21), 0..EXAMPLES as u64 * 12);
    let images = Tensor::<1>::from_floats(pixels.as_slice(), device).reshape([EXAMPLES, 3, 2, 2]);
    let goal = Goal::Misclassify(model(images.clone()).argmax(1).squeeze_dim(1));
    let found = attack.on(&model).with_key(Key::new(22)).perturb(images.clone(), &goal)?.images;
    let distances = list(attack.threat().norm().distance(&found, &images))?;
    let farthest = distances.into_iter().fold(0.0f32, f32::max);
    if f64::from(farthest) > attack.threat().epsilon() * 1.0001 {
        return Err(
            format!("an image has moved by {farthest}, out of {:?}", attack.threat()).into()
        );
    }
    Ok(vec![part("who is broken", goal.reached(&model(found)).float())?])
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn every_attack_of_the_check_breaks_some_images_and_not_all() {
        let broken = ATTACKS.map(|(name, make)| {
            let parts = attacked(&Device::flex(), make).unwrap();
            (name, parts[0].1.iter().filter(|broken| **broken == 1.0).count())
        });
        assert!(broken.iter().all(|(_, count)| (1..EXAMPLES).contains(count)), "{broken:?}");
    }
}
