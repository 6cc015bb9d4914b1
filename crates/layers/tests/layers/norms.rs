//! Group norm in place of batch norm in the models.

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cni_layers::models::{Architecture, Norm, NormKind, ResNet, ResNetConfig};
use cni_layers::{NoiseError, keyed_init};
use cni_noise::{Key, uniform};

fn images(n: usize) -> Tensor<4> {
    uniform(Key::new(2), [n, 3, 16, 16], &Device::flex())
}

fn small(architecture: Architecture) -> ResNetConfig {
    let mut config = ResNetConfig::new(architecture, 10).with_width(0.25);
    config.image_size = [16, 16];
    config
}

fn all() -> [ResNetConfig; 5] {
    [
        Architecture::cifar(8),
        "cifar-8-pad-end".parse().unwrap(),
        Architecture::PreActResNet18,
        Architecture::WideResNet { depth: 10 },
        Architecture::Airbench,
    ]
    .map(small)
}

#[test]
fn every_family_has_group_norm_and_its_examples_do_not_depend_on_each_other_in_training() {
    for config in all() {
        let logits = |config: &ResNetConfig, images: Tensor<4>| {
            let model = keyed_init(config.init(&Device::flex()), Key::new(1)).train();
            model.forward(images.autodiff())
        };
        let off = |config: &ResNetConfig| {
            let together = logits(config, images(4));
            assert_eq!(together.dims(), [4, 10]);
            let alone = logits(config, images(4).narrow(0, 1, 1));
            (together.narrow(0, 1, 1) - alone).abs().max().into_scalar::<f64>()
        };
        let group = config.clone().without_batch_norm();
        assert!(off(&group) < 1e-5, "{}", config.architecture);
        assert!(off(&config) > 1e-3, "{}", config.architecture);
        // All parameters of the norms are there, and all reach the output.
        let [group, batch] = [group, config]
            .map(|config| keyed_init(config.init(&Device::flex()), Key::new(1)).num_params());
        assert!(group < batch && group > batch / 2, "{group} {batch}");
    }
}

#[test]
fn a_block_is_the_composition_of_its_layers() {
    let config = small(Architecture::cifar(8)).with_norm(NormKind::Group { groups: 2 });
    let model: ResNet = keyed_init(config.init(&Device::flex()), Key::new(1));
    let block = &model.layer1[0];
    let x = uniform(Key::new(3), [2, 4, 8, 8], &Device::flex());
    let norm = |norm: &Norm, x: Tensor<4>| match norm {
        Norm::Group(norm) => {
            assert_eq!((norm.num_groups, norm.num_channels), (2, 4));
            norm.forward(x)
        }
        Norm::Batch(_) => panic!("batch norm"),
    };
    let between = relu(norm(&block.bn1, block.conv1.forward(x.clone())));
    let wanted = relu(norm(&block.bn2, block.conv2.forward(between)) + x.clone());
    let off = (block.forward(x) - wanted).abs().max().into_scalar::<f64>();
    assert!(off < 1e-5, "{off}");
}

#[test]
fn the_kind_of_norms_is_a_part_of_the_file_and_batch_norm_leaves_none() {
    let batch = small(Architecture::cifar(8));
    let text = serde_json::to_string(&batch).unwrap();
    assert!(!text.contains("\"norm\""), "{text}");
    let group = batch.clone().without_batch_norm();
    let text = serde_json::to_string(&group).unwrap();
    assert!(text.contains(r#""norm":{"group":{"groups":32}}"#), "{text}");
    assert_eq!(serde_json::from_str::<ResNetConfig>(&text).unwrap(), group);
    // Fewer channels than groups are a group each.
    let model = group.init(&Device::flex());
    assert!(matches!(&model.bn1, Some(Norm::Group(norm)) if norm.num_groups == 4));
}

#[test]
fn the_groups_of_a_network_need_not_divide_the_channels_of_a_stem_that_has_no_norm() {
    // 24 channels of the stem, 32, 128 and 128 of the blocks.
    let config = ResNetConfig::new(Architecture::Airbench, 10);
    let config = config.with_norm(NormKind::Group { groups: 16 });
    let logits = config.init(&Device::flex()).forward(images(2));
    assert_eq!(logits.dims(), [2, 10]);
    // The 16 channels of a wide network's stem go to the norm of its first block.
    let wide = ResNetConfig::wide(10, 3.0, 10).with_norm(NormKind::Group { groups: 12 });
    let error = wide.try_init(&Device::flex()).unwrap_err().to_string();
    assert!(error.contains("for 16 channels"), "{error}");
}

#[test]
fn groups_that_do_not_divide_channels_are_refused() {
    for groups in [0, 3] {
        let config = small(Architecture::cifar(8)).with_norm(NormKind::Group { groups });
        let error = config.try_init(&Device::flex()).err().unwrap();
        assert!(matches!(error, NoiseError::Model { field: "norm", .. }), "{error}");
        let says = format!("Group {{ groups: {groups} }} for 4 channels");
        assert!(error.to_string().contains(&says), "{error}");
    }
}
