//! Noise around layers of any kind and activations of any number of axes.

use burn::module::{Module, ModuleDisplay};
use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv3d, Conv3dConfig};
use burn::nn::{Embedding, EmbeddingConfig, LinearConfig};
use burn::tensor::{Device, Int, Tensor, Tolerance};
use cni_layers::{
    ActivationNoiseConfig, Granularity, LayerNoise, NoiseSummary, Noisy, NoisyLinearConfig, Per,
    WeightNoise, keyed_init, noise_amplitudes,
};
use cni_noise::{Key, Noise, normal, scope, scope_at};

/// Noise on weight, input and output in each of the eight combinations.
fn placements(input: &[usize], output: &[usize]) -> Vec<LayerNoise> {
    let place = |bits: u32| {
        let mut noise = LayerNoise::none().with_name("layer");
        if bits & 1 > 0 {
            noise = noise.with_weight(WeightNoise::colored(2));
        }
        if bits & 2 > 0 {
            noise = noise.with_input(ActivationNoiseConfig::colored(2).with_features(input));
        }
        if bits & 4 > 0 {
            let white = ActivationNoiseConfig::white(Granularity::Channel);
            noise = noise.with_output(white.with_features(output));
        }
        noise
    };
    (0..8).map(place).collect()
}

/// What every noisy layer promises: noise in all its places, replayed by a key, absent when off,
/// with gradients for all its parameters, and saved and loaded.
fn promises<L: Module + ModuleDisplay, const D: usize>(
    layer: L,
    x: &Tensor<D>,
    output: &[usize],
    forward: impl Fn(&L, Tensor<D>) -> Tensor<D>,
) {
    let device = x.device();
    let plain = forward(&layer, x.clone()).into_data();
    let parameters = Module::num_params(&layer);
    for (bits, noise) in placements(&x.dims()[1..], output).into_iter().enumerate() {
        let places = bits.count_ones() as usize;
        let noisy = noise.wrap(layer.clone(), &device);
        assert_eq!(NoiseSummary::of(&noisy).entries().len(), places);
        let run = |noisy: &Noisy<L>, noise| {
            scope(noise, || noisy.forward(x.clone(), |layer, x| forward(layer, x))).into_data()
        };
        run(&noisy, Noise::Off).assert_eq(&plain, true);
        let keyed = Noise::Keyed(Key::new(3));
        assert_eq!(run(&noisy, keyed), run(&noisy, keyed));
        assert_eq!(run(&noisy, keyed) == plain, places == 0);
        let loss = noisy.forward(x.clone(), |layer, x| forward(layer, x)).powi_scalar(2).sum();
        let gradients = loss.backward();
        let gradients = burn::optim::GradientsParams::from_grads(gradients, &noisy);
        let wanted = Module::num_params(&noisy) - parameters;
        assert_eq!(NoiseSummary::of(&noisy).parameters(), wanted);
        assert_eq!(gradients.len(), with_gradient(&noisy));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("layer.bpk");
        noisy.clone().save_file(&path).unwrap();
        let other = noise.wrap(keyed_init(layer.clone(), Key::new(9)), &device);
        if places > 0 {
            assert_ne!(run(&other, keyed), run(&noisy, keyed));
        }
        assert_eq!(run(&other.load_file(&path), keyed), run(&noisy, keyed));
    }
}

/// The number of parameters.
fn with_gradient<M: Module>(module: &M) -> usize {
    struct Count(usize);
    impl burn::module::ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, _param: &burn::module::Param<Tensor<D>>) {
            self.0 += 1;
        }
    }
    let mut count = Count(0);
    module.visit(&mut count);
    count.0
}

#[test]
fn a_1d_convolution_takes_noise_in_every_place() {
    let device = Device::flex().autodiff();
    let conv = Conv1dConfig::new(3, 4, 3).init(&device);
    let x = normal(Key::new(1), [2, 3, 9], &device);
    promises(conv, &x, &[4, 7], Conv1d::forward);
}

#[test]
fn a_3d_convolution_takes_noise_in_every_place() {
    let device = Device::flex().autodiff();
    let conv = Conv3dConfig::new([2, 3], [2, 3, 2]).init(&device);
    let x = normal(Key::new(1), [2, 2, 4, 5, 3], &device);
    promises(conv, &x, &[3, 3, 3, 2], Conv3d::forward);
}

#[test]
fn attention_takes_noise_on_all_its_projections() {
    let device = Device::flex().autodiff();
    let attention = MultiHeadAttentionConfig::new(8, 2).with_dropout(0.0).init(&device);
    let x = normal(Key::new(1), [2, 5, 8], &device);
    let forward = |attention: &MultiHeadAttention, x: Tensor<3>| {
        attention.forward(MhaInput::self_attn(x)).context
    };
    let noisy = LayerNoise::none().with_weight(WeightNoise::colored(1)).wrap(attention, &device);
    let paths: Vec<String> = noise_amplitudes(&noisy).into_iter().map(|(path, _)| path).collect();
    let wanted = ["query", "key", "value", "output"].map(|name| format!("layer.{name}.weight"));
    assert_eq!(paths, wanted);
    let run = |noise| scope(noise, || noisy.forward(x.clone(), forward)).into_data();
    assert_ne!(run(Noise::Off), run(Noise::Keyed(Key::new(1))));
}

/// The ranks of input and output differ, and the layer is one without a kernel.
#[test]
fn a_layer_of_another_rank_and_type_of_input_takes_noise() {
    let device = Device::flex();
    let embedding = EmbeddingConfig::new(10, 4).init(&device);
    let output = ActivationNoiseConfig::white(Granularity::Element).with_features([5, 4]);
    let noise = LayerNoise::none().with_weight(WeightNoise::colored(0)).with_output(output);
    let noisy = noise.wrap(embedding, &device);
    let words = Tensor::<1>::ones([5], &device).unsqueeze::<2>();
    let forward = |layer: &Embedding, x: Tensor<2>| {
        let words: Tensor<2, Int> = x.int();
        layer.forward(words)
    };
    assert_eq!(noisy.forward(words, forward).dims(), [1, 5, 4]);
}

#[test]
fn noise_that_does_not_fit_a_layer_is_refused_by_name() {
    let device = Device::flex();
    let conv = || Conv1dConfig::new(3, 4, 3).init(&device);
    let refuse = |noise: LayerNoise| {
        noise.with_name("encoder").try_wrap(conv(), &device).unwrap_err().to_string()
    };
    let activation = ActivationNoiseConfig::colored(0);
    assert_eq!(
        refuse(LayerNoise::none().with_output(activation)),
        "features: got [] for encoder.output, wanted one or more sizes above zero"
    );
    assert_eq!(
        refuse(LayerNoise::none().with_weight(WeightNoise::colored(37))),
        "rank: got 37 for encoder.weight, wanted at most its 36 elements"
    );
}

/// Every position of a sequence is a row, whatever the axes before it.
#[test]
fn a_noisy_linear_layer_takes_inputs_of_any_rank() {
    let device = Device::flex();
    let white = ActivationNoiseConfig::white(Granularity::Element);
    let noise = LayerNoise::none()
        .with_name("fc")
        .with_weight(WeightNoise::colored(1))
        .with_input(ActivationNoiseConfig::colored(1).with_draw_per(Per::Example))
        .with_output(white.with_std_per(Per::Example));
    let layer = NoisyLinearConfig::new(LinearConfig::new(4, 3)).with_noise(noise).init(&device);
    let x: Tensor<4> = normal(Key::new(1), [2, 3, 5, 4], &device);
    let keyed = Noise::Keyed(Key::new(2));
    let whole = scope(keyed, || layer.forward(x.clone()));
    assert_eq!(whole.dims(), [2, 3, 5, 3]);
    let rows = scope(keyed, || layer.forward(x.clone().reshape([30, 4])));
    rows.into_data().assert_eq(&whole.clone().reshape([30, 3]).into_data(), true);
    let sequence = scope(keyed, || layer.forward(x.clone().reshape([2, 15, 4])));
    sequence.into_data().assert_eq(&whole.reshape([2, 15, 3]).into_data(), true);
}

/// The noise of a sequence drawn per example depends on the number of its example alone.
#[test]
fn noise_of_a_sequence_does_not_depend_on_the_split_into_batches() {
    let device = Device::flex();
    let per_example =
        |noise: ActivationNoiseConfig| noise.with_draw_per(Per::Example).with_std_per(Per::Example);
    let noise = LayerNoise::none()
        .with_input(per_example(ActivationNoiseConfig::colored(1)))
        .with_output(per_example(ActivationNoiseConfig::white(Granularity::Channel)));
    let layer = NoisyLinearConfig::new(LinearConfig::new(4, 3)).with_noise(noise).init(&device);
    let x: Tensor<3> = normal(Key::new(1), [6, 5, 4], &device);
    let keyed = Noise::Keyed(Key::new(2));
    let run = |numbers: Vec<u64>| {
        let rows: Vec<i64> = numbers.iter().map(|&n| n as i64 - 100).collect();
        let x = x.clone().select(0, Tensor::<1, Int>::from_ints(rows.as_slice(), &device));
        let examples = cni_noise::ExampleIds::Each(numbers.into());
        scope_at(keyed, examples, || layer.forward(x))
    };
    let whole = scope_at(keyed, 100, || layer.forward(x.clone()));
    let parts = Tensor::cat(vec![run(vec![100, 101, 103]), run(vec![102, 105, 104])], 0);
    let order = Tensor::<1, Int>::from_ints([0, 1, 3, 2, 5, 4], &device);
    let tolerance = Tolerance::absolute(1e-5);
    parts.into_data().assert_approx_eq::<f32>(&whole.select(0, order).into_data(), tolerance);
}

#[test]
#[should_panic(
    expected = "fc.input: got an input of shape [2, 5, 4], wanted [batch, .., features..] with features [3, 4]"
)]
fn a_sequence_of_another_length_than_the_features_say_is_refused() {
    let device = Device::flex();
    let input = ActivationNoiseConfig::colored(0).with_features([3, 4]);
    let noise = LayerNoise::none().with_input(input).with_name("fc");
    let layer = NoisyLinearConfig::new(LinearConfig::new(4, 2)).with_noise(noise).init(&device);
    assert_eq!(layer.forward(Tensor::<3>::ones([2, 3, 4], &device)).dims(), [2, 3, 2]);
    layer.forward(Tensor::<3>::ones([2, 5, 4], &device));
}
