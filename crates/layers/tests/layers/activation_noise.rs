//! What activation noise and the noisy layers promise. One file, because all tests are about one
//! promise: where the noise is added, and by which standard deviation.

use burn::module::{Module, ModuleVisitor, ParamGroup};
use burn::nn::LinearConfig;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2dConfig;
use burn::tensor::{Device, Tensor, Tolerance};
use cni_layers::{
    ActivationNoise, ActivationNoiseConfig, Granularity, LayerNoise, LearnedNoise, NoiseScale,
    NoiseSummary, NoisyConv2dConfig, NoisyLinearConfig, Per, WeightNoise,
};
use cni_noise::{Key, Noise, normal, scope, scope_at};

const GRANULARITIES: [Granularity; 3] =
    [Granularity::Layer, Granularity::Channel, Granularity::Element];

fn every_noise() -> Vec<ActivationNoiseConfig> {
    let laws = GRANULARITIES.map(ActivationNoiseConfig::white).into_iter();
    laws.chain([0, 1, 3].map(ActivationNoiseConfig::colored)).collect()
}

fn noise(config: &ActivationNoiseConfig, features: &[usize], device: &Device) -> ActivationNoise {
    config.clone().with_name("noise").with_features(features).init(device)
}

fn batch(device: &Device) -> Tensor<4> {
    normal(Key::new(1), [6, 3, 4, 4], device)
}

#[test]
fn noise_is_drawn_per_batch_or_per_example_as_configured() {
    let device = Device::flex();
    // Rows that are equal show whether their noise is.
    let x = batch(&device).slice(0..1).repeat_dim(0, 2);
    for config in every_noise() {
        for (per, same) in [(Per::Batch, true), (Per::Example, false)] {
            let noise = noise(&config.clone().with_draw_per(per), &[3, 4, 4], &device);
            let out: Vec<f32> = noise.forward(x.clone()).try_to_vec_as().unwrap();
            assert_eq!(out[..48] == out[48..], same, "{config:?}, {per:?}");
        }
    }
}

#[test]
fn visitors_hear_of_noise_that_a_whole_batch_scales() {
    struct Heard(usize);
    impl ModuleVisitor for Heard {
        fn enter_module(&mut self, _name: &str, container: &str) {
            self.0 += usize::from(container == "cni_layers::BatchStd");
        }
    }
    let heard = |config: ActivationNoiseConfig| {
        let noise = noise(&config, &[3, 4, 4], &Device::flex());
        let mut heard = Heard(0);
        for noise in [noise.clone(), noise.clone().train(), noise.valid()] {
            noise.visit(&mut heard);
        }
        heard.0
    };
    let white = || ActivationNoiseConfig::white(Granularity::Layer);
    assert_eq!(heard(white()), 3);
    assert_eq!(heard(white().with_std_per(Per::Example)), 0);
    assert_eq!(heard(white().with_scale(NoiseScale::Absolute)), 0);
}

#[test]
fn noise_per_example_does_not_depend_on_the_split_into_batches() {
    let device = Device::flex();
    let x = batch(&device);
    for config in every_noise() {
        let config = config.with_draw_per(Per::Example).with_std_per(Per::Example);
        let noise = noise(&config, &[3, 4, 4], &device);
        let run = |rows: std::ops::Range<usize>| {
            let first = rows.start as u64;
            let x = x.clone().slice([rows]);
            scope_at(Noise::Keyed(Key::new(2)), first, || noise.forward(x))
        };
        let parts = Tensor::cat(vec![run(0..1), run(1..4), run(4..6)], 0);
        // The same draws; the standard deviation of a row is summed in another order.
        let tolerance = Tolerance::absolute(1e-5);
        parts.into_data().assert_approx_eq::<f32>(&run(0..6).into_data(), tolerance);
    }
}

#[test]
fn off_removes_activation_noise_exactly_and_keyed_replays_it() {
    let device = Device::flex().autodiff();
    let x = batch(&device);
    for config in every_noise() {
        let noise = noise(&config, &[3, 4, 4], &device);
        for noise in [noise.clone(), noise.valid(), noise.freeze()] {
            let off = scope(Noise::Off, || noise.forward(x.clone()));
            off.into_data().assert_eq(&x.to_data(), true);
            let draw = || scope(Noise::Keyed(Key::new(3)), || noise.forward(x.clone())).into_data();
            assert_eq!(draw(), draw());
            assert_ne!(draw(), x.to_data());
        }
    }
}

#[test]
fn activations_of_any_rank_from_2_on_are_taken() {
    let device = Device::flex();
    for config in every_noise() {
        let run = |dims: &[usize]| noise(&config, dims, &device);
        run(&[4]).forward(Tensor::<2>::ones([2, 4], &device));
        run(&[4, 3]).forward(Tensor::<3>::ones([2, 4, 3], &device));
        run(&[4, 3, 2]).forward(Tensor::<4>::ones([2, 4, 3, 2], &device));
        // Volumes.
        let volumes = normal::<5>(Key::new(1), [2, 4, 3, 2, 3], &device);
        let noisy = run(&[4, 3, 2, 3]).forward(volumes.clone());
        assert_ne!(noisy.into_data(), volumes.into_data());
    }
}

#[test]
#[should_panic(
    expected = "hidden: got an input of shape [2, 3, 5, 5], wanted [batch, features..] with features [3, 4, 4]"
)]
fn an_input_of_other_features_is_refused() {
    let device = Device::flex();
    let config = ActivationNoiseConfig::colored(1).with_name("hidden");
    let noise = config.with_features([3, 4, 4]).init(&device);
    noise.forward(Tensor::<4>::ones([2, 3, 5, 5], &device));
}

#[test]
fn activation_noise_that_does_not_fit_is_refused_by_name() {
    let device = Device::flex();
    let try_init = |config: ActivationNoiseConfig, features: &[usize]| {
        let config = config.with_name("hidden").with_features(features);
        config.try_init(&device).unwrap_err().to_string()
    };
    let colored = ActivationNoiseConfig::colored;
    assert_eq!(try_init(colored(5), &[4]), "rank: got 5 for hidden, wanted at most its 4 elements");
    assert_eq!(
        try_init(colored(0), &[3, 0]),
        "features: got [3, 0] for hidden, wanted one or more sizes above zero"
    );
    assert!(try_init(colored(0), &[]).starts_with("features: got []"));
}

#[test]
fn noisy_layers_take_noise_in_every_combination() {
    let device = Device::flex();
    let x = batch(&device);
    let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
    let conv = Conv2dConfig::new([3, 5], [3, 3]).with_stride([2, 2]).with_padding(padding);
    for placement in 0..8 {
        let mut noise = LayerNoise::none();
        if placement & 1 > 0 {
            noise = noise.with_weight(WeightNoise::colored(2));
        }
        if placement & 2 > 0 {
            noise = noise.with_input(ActivationNoiseConfig::colored(2));
        }
        if placement & 4 > 0 {
            noise = noise.with_output(ActivationNoiseConfig::white(Granularity::Element));
        }
        let config = NoisyConv2dConfig::new(conv.clone(), [4, 4]).with_noise(noise.clone());
        let layer = config.init(&device);
        assert_eq!(layer.forward(x.clone()).dims(), [6, 5, 2, 2]);
        let noisy = (placement as u32).count_ones() as usize;
        assert_eq!(NoiseSummary::of(&layer).entries().len(), noisy);
        let off = scope(Noise::Off, || layer.forward(x.clone())).into_data();
        let plain = scope(Noise::Off, || cni_ops::conv2d(&layer.conv, x.clone())).into_data();
        off.assert_eq(&plain, true);

        let linear = NoisyLinearConfig::new(LinearConfig::new(4, 2)).with_noise(noise);
        let linear = linear.init(&device);
        assert_eq!(linear.forward(Tensor::ones([6, 4], &device)).dims(), [6, 2]);
        assert_eq!(NoiseSummary::of(&linear).entries().len(), noisy);
    }
}

/// The output of a noisy convolution has the size that Burn gives it, whatever the padding.
#[test]
fn noise_on_the_output_fits_every_kind_of_padding() {
    let device = Device::flex();
    let noise = LayerNoise::none().with_output(ActivationNoiseConfig::colored(1));
    let x = Tensor::<4>::ones([2, 3, 7, 10], &device);
    let same = Conv2dConfig::new([3, 4], [3, 4]).with_padding(PaddingConfig2d::Same);
    let explicit = PaddingConfig2d::Explicit(0, 1, 2, 3);
    for conv in [
        same.clone(),
        same.clone().with_stride([2, 3]),
        // Burn leaves the dilation out of what `Same` pads.
        same.with_dilation([2, 1]),
        Conv2dConfig::new([3, 4], [3, 4]).with_padding(explicit),
        Conv2dConfig::new([3, 4], [3, 4]),
    ] {
        let config = NoisyConv2dConfig::new(conv, [7, 10]).with_noise(noise.clone());
        let out = config.init(&device).forward(x.clone());
        assert_eq!(out.dims()[2..], config.output_size());
    }
}

#[test]
fn a_convolution_that_no_input_fits_is_refused_by_name() {
    let device = Device::flex();
    let conv = || Conv2dConfig::new([4, 6], [3, 3]);
    let try_size = |conv| NoisyConv2dConfig::new(conv, [4, 4]).try_output_size();
    let field = |conv: Conv2dConfig| {
        let size = try_size(conv.clone()).unwrap_err().to_string();
        let noise = LayerNoise::none().with_output(ActivationNoiseConfig::colored(0));
        let config = NoisyConv2dConfig::new(conv, [4, 4]).with_noise(noise);
        assert_eq!(config.try_init(&device).unwrap_err().to_string(), size);
        size.split(": got ").next().unwrap().to_string()
    };
    assert_eq!(field(conv().with_stride([0, 1])), "stride");
    assert_eq!(field(conv().with_stride([0, 1]).with_padding(PaddingConfig2d::Same)), "stride");
    assert_eq!(field(conv().with_dilation([1, 0])), "dilation");
    assert_eq!(field(Conv2dConfig::new([4, 6], [0, 3])), "kernel_size");
    assert_eq!(field(Conv2dConfig::new([0, 6], [3, 3])), "channels");
    assert_eq!(field(conv().with_groups(4)), "groups");
    assert_eq!(field(conv().with_groups(0)), "groups");
    assert_eq!(field(Conv2dConfig::new([4, 6], [5, 3])), "kernel_size");
    assert_eq!(field(conv().with_dilation([2, 2])), "kernel_size");
    // Without noise on the output the size of the images is not asked for.
    let large = NoisyConv2dConfig::new(Conv2dConfig::new([4, 6], [5, 5]), [4, 4]);
    assert!(large.try_init(&device).is_ok());
}

#[test]
fn a_layers_weight_noise_keeps_its_own_group_and_prefix() {
    let device = Device::flex();
    let config = |noise| {
        let noise = LayerNoise::none().with_weight(noise);
        NoisyLinearConfig::new(LinearConfig::new(3, 2)).with_noise(noise.with_name("fc"))
    };
    let bias = WeightNoise::colored(0).with_group(ParamGroup::from_path("bias"));
    let layer = config(bias.with_prefix("left.")).init(&device);
    let bias = layer.linear.bias.as_ref().unwrap();
    assert_eq!(bias.reparameterization::<LearnedNoise>().unwrap().name(), "left.fc.bias");
    assert!(layer.linear.weight.reparameterization::<LearnedNoise>().is_none());
    let nothing = WeightNoise::colored(0).with_group(ParamGroup::from_path("fc.weight"));
    assert!(config(nothing).try_init(&device).is_err());
}

#[test]
fn layers_of_other_names_draw_other_noise() {
    let device = Device::flex();
    let config = |name: &str| {
        let noise = LayerNoise::none().with_weight(WeightNoise::colored(0)).with_name(name);
        NoisyLinearConfig::new(LinearConfig::new(3, 3).with_bias(false)).with_noise(noise)
    };
    let x = Tensor::<2>::eye(3, &device);
    let noise = |name: &str| {
        let layer = config(name).init(&device);
        let run = |noise| scope(noise, || layer.forward(x.clone()));
        (run(Noise::Keyed(Key::new(1))) - run(Noise::Off)).sign().into_data()
    };
    assert_ne!(noise("a"), noise("b"));
}
