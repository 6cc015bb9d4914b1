//! Membership attacks on trained models: canaries are digits with labels drawn at random, which a
//! model can only know if it was trained on them.

use crate::support::config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cni_attacks::FrozenModel;
use cni_data::{ImageData, Split, digits};
use cni_layers::keyed_init;
use cni_noise::{Key, host_uniform};
use cni_privacy::membership::{
    LikelihoodRatio, MembershipReport, MembershipScores, ShadowModel, Verdict, confidences,
    fair_members,
};
use cni_privacy::{Budget, PrivateSgd};
use cni_training::{Progress, Schedule, Trainer};

#[derive(Module, Debug)]
struct Mlp {
    hidden: Linear,
    out: Linear,
}

impl Mlp {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.out.forward(relu(self.hidden.forward(images.flatten::<2>(1, 3))))
    }
}

const CANARIES: usize = 240;

fn canaries() -> ImageData {
    let labels = host_uniform(Key::new(5), 0..CANARIES as u64);
    let labels: Vec<u16> = labels.iter().map(|u| (u * 10.0) as u16).collect();
    digits(Split::Train).take(CANARIES).with_labels(labels).unwrap()
}

/// The memberships of a training, and the confidences of its model in all canaries.
fn trained(key: Key, private: Option<PrivateSgd>) -> ShadowModel {
    let (data, members) = (canaries(), fair_members(key, CANARIES));
    let train = data.filter(|i| members[i]);
    let folder = tempfile::tempdir().unwrap();
    let linear = |i, o| LinearConfig::new(i, o).init(&Device::flex());
    let net = keyed_init(Mlp { hidden: linear(64, 48), out: linear(48, 10) }, key.named("weights"));
    let mut config = config(if private.is_some() { 5 } else { 120 }, 20);
    (config.key, config.schedule) = (key.named("training"), Schedule::constant(0.3));
    let trainer = match private {
        None => Trainer::new(config, folder.path()).unwrap(),
        Some(private) => private.plan(config, train.len()).unwrap().trainer(folder.path()).unwrap(),
    };
    let model = trainer.with_progress(Progress::Quiet).run(net, Mlp::forward, train).unwrap().model;
    let frozen = FrozenModel::new(&model, Mlp::forward);
    let confidences = confidences(&frozen, &data, 1, key, &Device::flex()).unwrap();
    ShadowModel { members, confidences }
}

fn by_loss(target: &ShadowModel, budget: Budget) -> MembershipReport {
    let scores = MembershipScores::new(&target.confidences, &target.members).unwrap();
    scores.report("loss-threshold", Some(budget), 0.95).unwrap()
}

/// About 60 members and 60 others measured: enough to refute epsilon 1, by intervals at 95 %.
#[test]
fn an_overfitted_model_beats_the_bound_of_epsilon_one_and_a_private_one_stays_under_it() {
    let budget = Budget::new(1.0, 1e-5).unwrap();
    let plain = by_loss(&trained(Key::new(1), None), budget);
    assert!(plain.members > 40 && plain.others > 40);
    assert_eq!(plain.verdict, Some(Verdict::Beaten), "{plain:?}");
    assert!(plain.epsilon_at_least > 1.0 && plain.auc.low > 0.9, "{plain:?}");
    let private = by_loss(&trained(Key::new(1), Some(PrivateSgd::new(budget, 0.5))), budget);
    assert_eq!(private.verdict, Some(Verdict::Under), "{private:?}");
    assert!(private.epsilon_at_least < 1.0 && private.auc.low < 0.6, "{private:?}");
}

#[test]
fn shadow_models_attack_a_trained_model() {
    let budget = Budget::new(1.0, 1e-5).unwrap();
    let target = trained(Key::new(1), None);
    let shadows: Vec<_> = (0..16).map(|i| trained(Key::new(2).child(i), None)).collect();
    let attack = LikelihoodRatio::online().pooled();
    let scores = attack.scores(&target.confidences, &shadows).unwrap();
    let scores = MembershipScores::new(&scores, &target.members).unwrap();
    let report = scores.report(attack.name(), Some(budget), 0.95).unwrap();
    assert_eq!(report.verdict, Some(Verdict::Beaten), "{report:?}");
}
