//! The audit of an attack: is the attack behind a number strong enough against this model?
//!
//! Most robust accuracies that had to be withdrawn were measured with attacks that could not
//! succeed: gradients were masked, the attack averaged the model's noise over too few draws, or it
//! took too few steps (Athalye et al., arXiv 1802.00420; Carlini et al., arXiv 1902.06705; Tramèr
//! et al., arXiv 2002.08347; Zimmermann et al., arXiv 2206.13991). An [`Audit`] runs the checks
//! that these authors ask for, and further checks for models with noise. Each result is a
//! [`Check`](crate::Check): a verdict, the measurement, the rule, and advice.
//!
//! ```
//! # use burn::{nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
//! # use cni_attacks::{Pgd, Threat, FrozenModel};
//! use cni_evaluation::audit::Audit;
//! # let device = Device::flex();
//! # let model = LinearConfig::new(12, 2).init(&device);
//! # let forward = |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3));
//! # let frozen = FrozenModel::new(&model, forward);
//! # let images = Tensor::full([5, 3, 2, 2], 0.5, &device);
//! # let labels = Tensor::from_ints([0, 1, 0, 1, 0], &device);
//! let audit = Audit::new(Pgd::new(Threat::linf(8.0 / 255.0)?));
//! println!("{} passes", audit.plan(2, false).passes().forwards);
//! for check in audit.run(&frozen, images, labels, 0, &mut |_| {})? {
//!     println!("{:8} {:18} {}", check.verdict, check.name, check.measured);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The checks
//!
//! Accuracies are compared on the same examples under the same draws, which no attack has used.
//! Images that the model misclassifies in every draw count as wrong and are not attacked. A check
//! raises a difference only if it exceeds the bound of the rule, *b* points, and two of its
//! standard errors. So the audit raises few false alarms.
//!
//! A check that found nothing has [passed](crate::Verdict::Pass) only if it could have seen what
//! its rule names. Each check states the smallest difference that it could have told from chance.
//! If that is larger than the bound, the check is [inconclusive](crate::Verdict::Inconclusive) and
//! states how many examples it would need. If the upper confidence limit of the robust accuracy
//! under the audited attack is below the bound, no other attack can win that much, and the check
//! has passed.
//!
//! \x01 effort | *b* | sees *b* from |
//! | --- | --- | --- |
//! | quick | 3 points | 133 examples |
//! | standard | 2 points | 200 examples |
//! | thorough | 1 point | 400 examples |
//!
//! These numbers of examples hold if all other examples are classified alike on both sides.
//! Otherwise more are needed.
//!
//! # Attacks
//!
//! Every [`Attack`](cni_attacks::Attack) can be audited. Checks that vary a setting make their
//! variants with the attack's [knobs](cni_attacks::Knob). If the attack lacks the knob, the check
//! is skipped and says so. Other checks ask about the model, or compare the attack with attacks of
//! the audit in the same threat: FGSM, random points, Square and APGD. These use the loss and the
//! draws of the audited attack. If it has no loss, they use the cross-entropy; if it has no number
//! of draws, they use 20.
//!
//! Checks of gradients ask the model, whatever the attack is: without sound gradients the
//! comparison with FGSM and APGD is no evidence either.
//!
//! | without | is skipped |
//! | --- | --- |
//! | gradients of the model in the attack | `gradient-noise` |
//! | the knob `draws` | `draw-sweep` |
//! | the knob `epsilon` | `epsilon-sweep` |
//! | the knob `steps` | `steps-sweep` |
//! | the knob `restarts` | `restarts-sweep` |
//! | the knob `step_size` | `step-size-sweep` |
//! | the knob `loss`, and for a noisy model `expectation` | `loss-choice` |
//! | the knob `iterate`, at the last iterate | `silent-success` |
//! | an attack that learns from the model; a surrogate, or noise | `transfer` |
//! \x01 an attack that works with two classes | `active-test` |
//! | an attack that can do with two classes | `active-test` |
//!
//! Checks of noise are skipped for a model without noise. An attack that [cannot tell its
//! cost](cni_attacks::Attack::cost) is assumed to cost a thousand forward passes for each example.
//!
//! # Rules
//!
//! | check | raised if |
//! | --- | --- |
//! | `determinism` | equal keys give unequal logits, or the model has noise and was taken for one without (fails); fewer than 10 draws judge |
//! | `logits` | outputs are not negative and sum to one: probabilities (fails) |
//! | `gradient-health` | an image that is classified correctly has a gradient of zero, or 20 % are saturated (fails if over 5 % are zero, or any is NaN or infinite) |
//! | `finite-difference` | gradients and differences of the loss differ by over 1 % (fails over 10 %) |
//! | `gradient-noise` | the mean gradient over the audited draws is shorter than its error |
//! | `draw-sweep` | draws past the audited number cost over *b* points of accuracy (fails over 5) |
//! | `fixed-noise` | with one draw held, a random point does as much as the attack (fails), or accuracy is over *b* points higher (fails over 10) |
//! | `noise-off` | with the noise off, a random point does as much as the attack (fails), or accuracy is over *b* points higher (fails over 10) |
//! | `epsilon-sweep` | accuracy rises with ε by over *b* points (fails over 5), or ends above 1 / classes (fails) |
//! | `steps-sweep` | doubling the steps costs over *b* points of accuracy (fails over 5) |
//! | `restarts-sweep` | doubling the restarts costs over *b* points of accuracy (fails over 5) |
//! | `step-size-sweep` | another step size costs over *b* points of accuracy (fails over 5) |
//! | `one-step` | FGSM beats the audited attack by over *b* points (fails over 5) |
//! | `random-noise` | random points break two images or more that the audited attack does not (fails over 5 %) |
//! | `black-box` | Square breaks over 0.2 % and two images that the audited attack does not (fails over 5 %, or if APGD does not) |
//! | `transfer` | examples of a surrogate beat the audited attack by over *b* points (fails over 5) |
//! | `draw-transfer` | accuracy is over *b* points higher in other draws than in the attack's own (fails over 10) |
//! | `loss-choice` | another loss or expectation costs over *b* points of accuracy (fails over 10) |
//! | `stronger-attack` | APGD costs over *b* points of accuracy beyond the audited attack (fails over 10) |
//! | `silent-success` | over 1 % and two images are adversarial on the way, but not at the end |
//! | `eight-bit` | rounding to 8 bits gives back over *b* points of accuracy (fails over half of the damage) |
//! | `label-leakage` | accuracy is over *b* points higher under attacks by true labels than by predicted ones, or than unattacked (fails) |
//! | `loss-surface` | the loss rises less along the gradient than along a random direction |
//! | `active-test` | the attack misses over 5 % of planted adversarial images (fails over 20 %) |
//!
//! [`case_study`] works through a defence that these checks expose.
//!
//! Further advice of these authors needs training or a person: several seeds of training, selection
//! of the model on held-out data, and attacks adapted to the defence.

mod active;
mod baselines;
mod context;
mod continued;
mod difference;
mod draws;
mod effort;
mod estimate;
mod finite_difference;
mod gradients;
mod judgement;
mod labelled;
mod model;
mod noise;
mod pictures;
mod plan;
mod progress;
mod radii;
mod result;
mod run;
mod sample;
mod settings;
mod setup;
mod state;
mod strength;
mod surface;
mod sweeps;
mod table;

#[doc = include_str!("case.md")]
pub mod case_study {}

pub use crate::record::{Effort, ParseEffortError};
pub use plan::{Plan, PlannedCheck};
pub use progress::AuditProgress;
pub use settings::Audit;
