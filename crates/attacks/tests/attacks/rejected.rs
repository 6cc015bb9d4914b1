//! Every input that is refused, with its message. One file, because it is one table.

use crate::support::{Toy, images};
use burn::tensor::{DType, Device, Int, Tensor};
use cni_attacks::{
    Adversarial, AdversarialPatch, AnyRank, Apgd, Attack, AttackError, BoundaryAttack,
    CarliniWagnerLinf, Eot, Expectation, Fab, Goal, GradientKernel, InputDiversity, Knob,
    LocationSearch, Loss, Norm, Objective, PairLoss, Pgd, RandomNoise, RandomStart, Rows, Suite,
    Threat, Transfer, UniversalPerturbation, input_gradient, score,
};
use cni_noise::{ExampleIds, Key};

fn labels(values: &[i64]) -> Goal {
    Goal::Misclassify(Tensor::<1, Int>::from_data(values, &Device::flex()))
}

fn pixel(value: f64) -> Tensor<4> {
    let images = Tensor::<4>::full([2, 3, 2, 2], 0.5, &Device::flex());
    images.slice_fill([1..2, 2..3, 0..1, 1..2], value)
}

fn attack(images: Tensor<4>, goal: &Goal) -> Result<Adversarial, AttackError> {
    let toy = Toy::new(3, DType::F32);
    Pgd::new(Threat::linf(0.1)?).on(&toy.classifier()).with_key(Key::new(1)).run(images, goal)
}

fn model(logits: impl Fn(Tensor<4>) -> Tensor<2>) -> Result<Adversarial, AttackError> {
    let attack = Pgd::new(Threat::l2(0.1)?).with_random_start(false);
    attack.on(&logits).with_key(Key::new(1)).run(pixel(0.5), labels(&[0, 1]))
}

fn message<T>(result: Result<T, AttackError>) -> String {
    result.err().map_or_else(|| "accepted".to_string(), |error| error.to_string())
}

#[test]
fn bad_settings_are_refused() {
    let threat = Threat::linf(0.1).unwrap();
    let pgd = || Pgd::new(threat);
    let model = |x: Tensor<4>| x.flatten::<2>(1, 3);
    let sparse = || Pgd::new(Threat::l1(1.0).unwrap());
    let random = || RandomNoise::new(threat);
    let apgd = || Apgd::targeted(threat);
    let walk = || BoundaryAttack::new(Threat::l2(0.1).unwrap()).unwrap();
    let bounded = || CarliniWagnerLinf::new(threat).unwrap();
    let universal = || UniversalPerturbation::new(threat).unwrap();
    let patch = || AdversarialPatch::new(5).unwrap();
    let transfer = || Transfer::new("twin", |x: Tensor<4>| x.flatten::<2>(1, 3), pgd());
    for epsilon in [-0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let wanted = format!("epsilon: got {epsilon}, wanted a finite number of at least 0");
        assert_eq!(message(Threat::linf(epsilon)), wanted);
        assert_eq!(message(Threat::l2(epsilon)), wanted);
    }
    for step_size in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        let wanted = format!("step_size: got {step_size}, wanted a finite number above 0");
        assert_eq!(message(pgd().with_step_size(step_size)), wanted);
        assert_eq!(message(universal().with_step_size(step_size)), wanted);
        assert_eq!(message(patch().with_step_size(step_size)), wanted);
    }
    for std in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        let wanted = format!("random_start: got {std}, wanted a finite number above 0");
        assert_eq!(message(RandomStart::gaussian(std)), wanted);
        assert_eq!(message(RandomStart::uniform_within(std)), wanted);
    }
    let wide = RandomStart::uniform_within(0.2).unwrap();
    let wide = pgd().with_random_start(wide).on(&model).run(pixel(0.5), labels(&[0, 1]));
    let wanted = "random_start: got 0.2, wanted a radius of at most that of the threat";
    assert_eq!(message(wide), wanted);
    for clip in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        let wanted = format!("clip: got {clip}, wanted above 0");
        assert_eq!(message(universal().with_clip(clip)), wanted);
    }
    let l1 = UniversalPerturbation::new(Threat::l1(1.0).unwrap());
    assert_eq!(message(l1), "norm: got L1, wanted one of [Linf, L2]");
    let l2 = patch().with_threat(Threat::l2(1.0).unwrap());
    assert_eq!(message(l2), "norm: got L2, wanted one of [Linf]");
    for got in [f64::NAN, -0.1, 1.1] {
        let wanted = |field: &str| format!("{field}: got {got}, wanted 0 to 1");
        assert_eq!(message(pgd().with_momentum(got)), wanted("momentum"));
        assert_eq!(message(apgd().with_rho(got)), wanted("rho"));
    }
    for sparsity in [f64::NAN, 0.0, -0.1, 1.1] {
        let wanted = format!("sparsity: got {sparsity}, wanted above 0 to 1");
        assert_eq!(message(sparse().with_sparsity(sparsity)), wanted);
    }
    for (field, got, wanted) in [
        ("across", message(walk().with_step_sizes(0.0, 0.1)), "0, wanted above 0"),
        ("towards", message(walk().with_step_sizes(0.1, 1.0)), "1, wanted above 0 and below 1"),
        ("adaptation", message(walk().with_adaptation(1.0)), "1, wanted above 1"),
        ("initial_constant", message(bounded().with_constants(0.0, 1.0)), "0, wanted above 0"),
        (
            "largest_constant",
            message(bounded().with_constants(1.0, 1.0)),
            "1, wanted above the initial constant",
        ),
        ("tau_factor", message(bounded().with_tau_factor(1.0)), "1, wanted above 0 and below 1"),
        ("least_tau", message(bounded().with_least_tau(0.0)), "0, wanted above 0"),
        ("confidence", message(bounded().with_confidence(-1.0)), "-1, wanted at least 0"),
        ("convergence", message(walk().with_convergence(-1.0)), "-1, wanted at least 0"),
    ] {
        assert_eq!(got, format!("{field}: got {wanted}"));
    }
    for got in [f64::NAN, 0.0, -0.1, 1.1] {
        let wanted = format!("probability: got {got}, wanted above 0 to 1");
        assert_eq!(message(InputDiversity::new(got, 0.9)), wanted);
    }
    for got in [f64::NAN, 0.0, -0.1, 1.0] {
        let wanted = format!("resize_rate: got {got}, wanted above 0 to below 1");
        assert_eq!(message(InputDiversity::new(0.5, got)), wanted);
    }
    for length in [0, 1, 2, 14] {
        let wanted = format!("length: got {length}, wanted an odd number of at least 3");
        assert_eq!(message(GradientKernel::gaussian(length, 3.0)), wanted);
        assert_eq!(message(GradientKernel::linear(length)), wanted);
        assert_eq!(message(GradientKernel::uniform(length)), wanted);
    }
    for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let wanted = format!("radius: got {radius}, wanted above 0");
        assert_eq!(message(GradientKernel::gaussian(15, radius)), wanted);
    }
    for (field, got) in [
        ("steps", message(pgd().with_steps(0))),
        ("restarts", message(pgd().with_restarts(0))),
        ("draws", message(pgd().with_draws(0))),
        ("draws", message(random().with_draws(0))),
        ("samples", message(random().with_samples(0))),
        ("steps", message(apgd().with_steps(0))),
        ("restarts", message(apgd().with_restarts(0))),
        ("targets", message(apgd().with_targets(0))),
        ("draws", message(apgd().with_draws(0))),
        ("score_draws", message(apgd().with_score_draws(0))),
        ("steps", message(walk().with_steps(0))),
        ("steps", message(bounded().with_steps(0))),
        ("draws", message(bounded().with_draws(0))),
        ("interval", message(walk().with_interval(0))),
        ("tries", message(walk().with_tries(0))),
        ("draws", message(walk().with_draws(0))),
        ("candidates", message(transfer().with_candidates(0))),
        ("draws", message(transfer().with_draws(0))),
        ("judging_draws", message(Suite::rand(threat).unwrap().with_judging_draws(0))),
        ("chunk", message(pgd().on(&model).with_chunk(0))),
        ("judging_draws", message(pgd().on(&model).with_judging_draws(0))),
        ("epochs", message(universal().with_epochs(0))),
        ("draws", message(universal().with_draws(0))),
        ("judging_draws", message(universal().with_judging_draws(0))),
        ("side", message(AdversarialPatch::new(0))),
        ("steps", message(patch().with_steps(0))),
        ("stride", message(patch().with_stride(0))),
        ("period", message(patch().with_period(0))),
        ("restarts", message(patch().with_restarts(0))),
        ("draws", message(patch().with_draws(0))),
    ] {
        assert_eq!(got, format!("{field}: got 0, wanted at least 1"));
    }
}

#[test]
fn settings_without_effect_are_refused() {
    let [linf, l1] = [Threat::linf(0.1).unwrap(), Threat::l1(1.0).unwrap()];
    let patch = AdversarialPatch::new(5).unwrap().with_location_search(LocationSearch::None);
    for (got, wanted) in [
        (
            message(Apgd::cross_entropy(linf).with_targets(5)),
            "targets: got 5, wanted none: only a targeted APGD has target classes",
        ),
        (
            message(Apgd::targeted(linf).with_loss(Loss::Margin)),
            "loss: got Margin, wanted none: a targeted APGD raises the targeted DLR loss",
        ),
        (
            message(Apgd::cross_entropy(l1).with_rho(0.5)),
            "rho: got 0.5, wanted none: in the L1 norm steps do not depend on how often the score \
             rises",
        ),
        (
            message(Fab::new(linf).with_targets(5)),
            "targets: got 5, wanted none: only a targeted FAB has target classes",
        ),
        (
            message(Pgd::new(linf).with_sparsity(0.1)),
            "sparsity: got 0.1, wanted none: only steps in the L1 norm are sparse",
        ),
        (
            message(patch.clone().with_stride(3)),
            "stride: got 3, wanted none: without a location search no patch moves",
        ),
        (
            message(patch.with_period(3)),
            "period: got 3, wanted none: without a location search no patch moves",
        ),
    ] {
        assert_eq!(got, wanted);
    }
    assert!(Apgd::targeted(linf).with_targets(5).is_ok());
    assert!(Fab::targeted(linf).with_targets(5).is_ok());
    assert!(Pgd::new(l1).with_sparsity(0.1).is_ok());
}

/// Draws that would have no effect are refused before the first pass, by a suite as well.
#[test]
fn draws_without_a_choice_among_candidates_are_refused_at_the_first_run() {
    let threat = Threat::linf(0.1).unwrap();
    let model = |_: Tensor<4>| -> Tensor<2> { unreachable!("refused before any pass") };
    let surrogate = |x: Tensor<4>| x.flatten::<2>(1, 3);
    let random = || RandomNoise::new(threat).with_draws(20).unwrap();
    let transfer = Transfer::new("own", surrogate, Pgd::new(threat)).with_draws(20).unwrap();
    let attacks: [Box<dyn Attack>; 3] = [
        Box::new(random()),
        Box::new(transfer),
        Box::new(Suite::custom("suite", vec![Box::new(random())]).unwrap()),
    ];
    for attack in attacks {
        let run = attack.on(&model).run(pixel(0.5), labels(&[0, 1]));
        let wanted = "draws: got 20, wanted 1: a single ";
        assert!(message(run).starts_with(wanted), "{}", attack.name());
    }
    assert!(random().with_samples(2).unwrap().check().is_ok());
}

/// A suite gives draws to those of its attacks that have a use for them.
#[test]
fn draws_of_a_suite_pass_by_a_single_random_point() {
    let threat = Threat::linf(0.1).unwrap();
    let attacks: Vec<Box<dyn Attack>> =
        vec![Box::new(RandomNoise::new(threat)), Box::new(Pgd::new(threat))];
    let suite = Suite::custom("quick", attacks).unwrap();
    let turned = suite.with_knob(Knob::Draws(20)).unwrap();
    turned.check().unwrap();
    assert_eq!((turned.knobs().draws, turned.gradient_draws()), (Some(20), Some(20)));
}

#[test]
fn numbers_of_examples_that_are_not_one_for_each_image_are_refused() {
    let toy = Toy::new(3, DType::F32);
    let pgd = Pgd::new(Threat::linf(0.1).unwrap());
    for numbers in [vec![4], vec![4, 5, 6]] {
        let examples = ExampleIds::Each(numbers.clone().into());
        let goal = labels(&[0, 1]);
        let wanted =
            format!("examples: got {} numbers, wanted 2, one for each image", numbers.len());
        let model = toy.classifier();
        let run = pgd.on(&model).with_examples(examples.clone()).run(pixel(0.5), &goal);
        assert_eq!(message(run), wanted);
        let objective = Objective::new(Loss::Margin, &goal);
        let (images, key) = (pixel(0.5), Key::new(1));
        let found = score(&model, &images, &objective, Eot::ONE, key, &examples);
        assert_eq!(message(found), wanted);
        let found = input_gradient(&model, &images, &objective, Eot::ONE, key, &examples);
        assert_eq!(message(found), wanted);
    }
}

#[test]
#[should_panic = "classes: got 2, wanted at least 3 for this loss"]
fn a_ratio_of_two_logits_is_a_panic_that_says_so() {
    let logits = Tensor::<2>::zeros([2, 2], &Device::flex());
    Loss::Dlr.per_example(logits, labels(&[0, 1]).labels());
}

#[test]
#[should_panic = "shares: got 1, wanted 2, one for each image"]
fn a_sparse_step_wants_a_share_for_each_image() {
    Norm::sparse_step(pixel(0.5), &[3]);
}

#[test]
#[should_panic = "rows: got row 2, wanted rows in 0..2"]
fn rows_that_are_not_there_are_a_panic_that_says_so() {
    Rows::new(vec![0, 2], &pixel(0.5)).of(&pixel(0.5));
}

#[test]
#[should_panic = "part: got 2 rows, wanted 1"]
fn rows_are_replaced_by_as_many() {
    Rows::new(vec![0], &pixel(0.5)).replace(&pixel(0.5), &pixel(0.1));
}

#[test]
#[should_panic = "images: got 12 values each, wanted 3 as [3]"]
fn images_of_another_size_are_no_inputs() {
    let model = AnyRank::new([3], |x: Tensor<2>| x).unwrap();
    model.to_inputs(pixel(0.5));
}

#[test]
#[should_panic = "classes: got 3, wanted at least 4 for this loss"]
fn a_targeted_ratio_of_three_logits_is_a_panic_that_says_so() {
    let logits = Tensor::<2>::zeros([2, 3], &Device::flex());
    let goal = labels(&[0, 1]);
    PairLoss::Dlr.per_example(logits, goal.labels(), goal.labels());
}

#[test]
fn what_makes_no_suite_is_refused() {
    let suite = |radii: &[f64]| {
        let attack =
            |&epsilon| Box::new(Pgd::new(Threat::linf(epsilon).unwrap())) as Box<dyn Attack>;
        message(Suite::custom("odd", radii.iter().map(attack).collect()))
    };
    assert_eq!(suite(&[]), "suite odd: got no attack, wanted at least one");
    assert_eq!(
        suite(&[0.1, 0.2]),
        "suite odd: got Threat { norm: Linf, epsilon: 0.2 } of PGD-10, \
         wanted Threat { norm: Linf, epsilon: 0.1 } as of the first"
    );
    let twice: Vec<Box<dyn Attack>> = vec![
        Box::new(Pgd::new(Threat::linf(0.1).unwrap())),
        Box::new(Pgd::new(Threat::linf(0.1).unwrap()).with_step_size(0.01).unwrap()),
    ];
    assert_eq!(
        message(Suite::custom("odd", twice)),
        "suite odd: got two attacks of the name PGD-10, wanted a name for each"
    );
    // The model of three classes has too few for the targeted loss of `standard`.
    let toy = Toy::new(3, DType::F32);
    let suite = Suite::standard(Threat::linf(1e-4).unwrap()).unwrap();
    let clean = images(4, DType::F32);
    let labels = toy.predictions(&clean);
    let goal = Goal::Misclassify(labels);
    let run = || message(suite.on(&toy.classifier()).with_key(Key::new(1)).run(clean, &goal));
    let wanted = "classes: got 3, wanted at least 4 for APGD-T-100, which `Suite::for_classes(3)` \
                  leaves out";
    assert_eq!(run(), wanted);
}

#[test]
fn bad_images_and_labels_are_refused() {
    let ok = labels(&[0, 1]);
    let empty = |shape: [usize; 4]| Tensor::<4>::zeros(shape, &Device::flex());
    for (images, goal, wanted) in [
        (
            empty([0, 3, 2, 2]),
            labels(&[]),
            "images: got an empty batch of shape [0, 3, 2, 2], wanted at least one pixel",
        ),
        (
            empty([2, 3, 0, 2]),
            ok.clone(),
            "images: got an empty batch of shape [2, 3, 0, 2], wanted at least one pixel",
        ),
        (pixel(0.5), labels(&[0, 1, 0]), "labels: got 3, wanted 2, one for each image"),
        (pixel(0.5), labels(&[0, 3]), "labels: got 3, wanted a class in 0..3"),
        (pixel(0.5), labels(&[-1, 0]), "labels: got -1, wanted a class in 0..3"),
        (pixel(255.0), ok.clone(), "images: got the pixel value 255, wanted values in [0, 1]"),
        (pixel(-0.5), ok.clone(), "images: got the pixel value -0.5, wanted values in [0, 1]"),
        (
            pixel(f64::NAN),
            ok.clone(),
            "images: got NaN or infinite values for 1 examples, the first of them number 1, wanted \
             finite values",
        ),
        (
            pixel(f64::INFINITY),
            ok,
            "images: got NaN or infinite values for 1 examples, the first of them number 1, wanted \
             finite values",
        ),
    ] {
        assert_eq!(message(attack(images, &goal)), wanted);
    }
}

#[test]
fn pixels_outside_by_rounding_are_clipped() {
    for value in [-5e-7, 1.0 + 5e-7] {
        let found = attack(pixel(value), &labels(&[0, 1])).unwrap();
        assert!(found.images.min().into_scalar::<f32>() >= 0.0);
    }
}

#[test]
fn models_that_do_not_fit_are_refused() {
    let toy = Toy::new(3, DType::F32);
    let logits = |x: Tensor<4>| toy.logits(x);
    let nan = |field: &str, got: usize, example: u64| {
        format!(
            "{field}: got NaN or infinite values for {got} examples, the first of them number \
             {example}, wanted finite values"
        )
    };
    for (got, wanted) in [
        (
            message(model(|x| logits(x).slice(0..1))),
            "logits: got shape [1, 3], wanted [2, classes] with at least 2 classes".to_string(),
        ),
        (
            message(model(|x| logits(x).slice([0..2, 0..1]))),
            "logits: got shape [2, 1], wanted [2, classes] with at least 2 classes".to_string(),
        ),
        (message(model(|x| logits(x).div_scalar(0.0))), nan("logits", 2, 0)),
        (message(model(|x| logits(x).slice_fill([1..2, 0..1], f64::NAN))), nan("logits", 1, 1)),
        // A root: at zero it is finite, and its slope is not.
        (message(model(|x| x.sub_scalar(0.5).sqrt().flatten(1, 3))), nan("gradient", 2, 0)),
        (
            message(model(|x| logits(x.inner()))),
            "gradient: got logits that do not depend on the images, wanted a differentiable model"
                .to_string(),
        ),
    ] {
        assert_eq!(got, wanted);
    }
}

#[test]
fn gradient_and_loss_check_what_they_are_given() {
    let toy = Toy::new(3, DType::F32);
    let (images, key) = (images(4, DType::F32), Key::new(1));
    for (goal, draws, wanted) in [
        (labels(&[0, 1, 2, 0]), 0, "draws: got 0, wanted at least 1"),
        (labels(&[0, 1]), 1, "labels: got 2, wanted 4, one for each image"),
        (labels(&[0, 1, 2, 7]), 1, "labels: got 7, wanted a class in 0..3"),
    ] {
        for (loss, expectation) in [
            (Loss::CrossEntropy, Expectation::Loss),
            (Loss::Margin, Expectation::Logits),
            (Loss::Dlr, Expectation::Probabilities),
        ] {
            let objective = Objective::new(loss, &goal);
            let (eot, examples) = (Eot { draws, expectation }, ExampleIds::default());
            let gradient =
                input_gradient(&toy.classifier(), &images, &objective, eot, key, &examples);
            assert_eq!(message(gradient), wanted);
            let score = score(&toy.classifier(), &images, &objective, eot, key, &examples);
            assert_eq!(message(score), wanted);
        }
    }
}
