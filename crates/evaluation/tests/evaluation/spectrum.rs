//! The spectrum of what attacks add to images.

use crate::threshold::{Threshold, batches, suite};
use cni_evaluation::{Evaluated, Evaluation, Record};

#[test]
fn an_attack_on_the_mean_of_an_image_lies_at_its_frequency_zero() {
    let evaluation = Evaluation::new(suite(2)).unwrap();
    let evaluated: Evaluated = evaluation.run(&Threshold { sigma: 0.1 }, batches(9, 4)).unwrap();
    let [random, fgsm, pgd] = evaluated.record.attacks.as_slice() else { panic!("three attacks") };
    for attack in [fgsm, pgd] {
        let spectrum = attack.spectrum.as_ref().unwrap();
        assert_eq!(spectrum.changed, 9, "{}", attack.name);
        assert!(spectrum.shares[0] > 1.0 - 1e-6, "{}: {:?}", attack.name, spectrum.shares);
        // Of two by two frequencies one is zero, two are half of the corner, one is the corner.
        assert_eq!(spectrum.white, [0.25, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.25]);
    }
    let shares = &random.spectrum.as_ref().unwrap().shares;
    assert!(shares[5] > 0.1 && shares[0] < 0.9, "{shares:?}");
}

#[test]
fn images_without_a_change_have_no_spectrum() {
    // Without noise wrong images are not attacked: with labels turned round that is all of them.
    let turned = batches(6, 6).into_iter().map(|(images, labels)| (images, 1 - labels));
    let evaluation = Evaluation::new(suite(1)).unwrap();
    let record: Record = evaluation.run(&Threshold { sigma: 0.0 }, turned).unwrap().record;
    assert!(record.attacks.iter().all(|attack| attack.spectrum.is_none()));
}

#[test]
fn shares_that_cannot_be_are_refused() {
    let evaluation = Evaluation::new(suite(1)).unwrap();
    let record = evaluation.run(&Threshold { sigma: 0.0 }, batches(6, 6)).unwrap().record;
    for (shares, said) in [(vec![0.5, 0.4], "sum of 1"), (vec![1.5, -0.5], "shares from 0 to 1")] {
        let mut wrong = record.clone();
        wrong.attacks[1].spectrum.as_mut().unwrap().shares = shares;
        let error = wrong.check().unwrap_err().to_string();
        assert!(error.starts_with("spectrum of FGSM: got") && error.contains(said), "{error}");
    }
}
