//! The networks at first, and their shapes.

use crate::support::{device, farthest, numbers, random};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};
use cni_layers::keyed_init;
use cni_noise::{Key, normal_like};
use cni_registration::RegistrationError;
use cni_registration::fields::{affine_field, compose, warp};
use cni_registration::networks::{
    CompositeNet, CompositeNetConfig, GlobalNet, GlobalNetConfig, LocalNet, LocalNetConfig, Pyramid,
};

fn small(levels: usize) -> Pyramid {
    Pyramid { channels: 4, levels, groups: 2, first_kernel: 5, ..Pyramid::default() }
}

fn images<const R: usize>(seed: u64, dims: [usize; R]) -> [Tensor<R>; 2] {
    [seed, seed + 1].map(|seed| random(seed, dims).cast(DType::F32))
}

/// Adds noise to every parameter, so that nothing is zero.
struct Shake(u64);

impl ModuleMapper for Shake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1;
        let key = Key::new(self.0);
        let tracked = param.is_require_grad();
        param.map(|t| {
            let plain = if t.is_autodiff() { t.clone().inner() } else { t.clone() };
            let noise = normal_like(key, &plain, 0).mul_scalar(0.1);
            let shaken = plain + noise;
            if t.is_autodiff() { shaken.autodiff().set_require_grad(tracked) } else { shaken }
        })
    }
}

fn assert_no_motion<M: Module, const R: usize>(
    network: M,
    dims: [usize; R],
    forward: impl Fn(&M, Tensor<R>, Tensor<R>) -> Result<Tensor<R>, RegistrationError>,
) {
    let [moving, fixed] = images(1, dims);
    let keyed = keyed_init(network.clone(), Key::new(1));
    for network in [&network, &keyed] {
        let field = forward(network, moving.clone(), fixed.clone()).unwrap();
        let mut wanted = dims;
        wanted[1] = R - 2;
        assert_eq!(field.dims(), wanted);
        let zeros = vec![0.0; numbers(&field).len()];
        assert!(farthest(&numbers(&field), &zeros) < 1e-6);
    }
    // With weights of any kind it moves something.
    let shaken = keyed.map(&mut Shake(1));
    let field = forward(&shaken, moving, fixed).unwrap();
    assert!(numbers(&field).iter().any(|by| by.abs() > 1e-3));
    assert!(numbers(&field).iter().all(|by| by.is_finite()));
}

#[test]
fn networks_predict_no_motion_at_first_at_sizes_of_any_kind() {
    for (levels, size) in [(4, [19, 30]), (3, [5, 8]), (2, [1, 3]), (5, [16, 16])] {
        let [rows, columns] = size;
        let (dims, pyramid) = ([2, 1, rows, columns], small(levels));
        assert_no_motion(LocalNetConfig { pyramid }.init::<4>(&device()), dims, LocalNet::forward);
        let global = GlobalNetConfig { size: size.to_vec(), pyramid };
        assert_no_motion(global.init::<4>(&device()), dims, GlobalNet::forward);
        let config = CompositeNetConfig { global, local: LocalNetConfig { pyramid } };
        assert_no_motion(config.init::<4>(&device()), dims, CompositeNet::forward);
    }
}

#[test]
fn networks_in_three_dimensions_are_the_same_code() {
    let (size, pyramid) = ([5, 9, 6], small(3));
    let dims = [1, 1, 5, 9, 6];
    assert_no_motion(LocalNetConfig { pyramid }.init::<5>(&device()), dims, LocalNet::forward);
    let global = GlobalNetConfig { size: size.to_vec(), pyramid };
    assert_no_motion(global.init::<5>(&device()), dims, GlobalNet::forward);
    let config = CompositeNetConfig { global, local: LocalNetConfig { pyramid } };
    assert_no_motion(config.init::<5>(&device()), dims, CompositeNet::forward);
}

#[test]
fn a_prediction_does_not_depend_on_the_rest_of_the_batch() {
    let network =
        keyed_init(LocalNetConfig { pyramid: small(3) }.init::<4>(&device()), Key::new(2));
    let network = network.map(&mut Shake(5));
    let [moving, fixed] = images(3, [3, 1, 11, 10]);
    let all = network.forward(moving.clone(), fixed.clone()).unwrap();
    let of = |x: &Tensor<4>| x.clone().narrow(0, 1, 1);
    let alone = network.forward(of(&moving), of(&fixed)).unwrap();
    assert!(farthest(&numbers(&of(&all)), &numbers(&alone)) < 1e-4);
}

/// Counts the parameters without a gradient.
struct Missing<'a>(&'a GradientsParams, usize, usize);

impl ModuleVisitor for Missing<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let found = self.0.get::<D>(param.id);
        self.1 += 1;
        self.2 += usize::from(found.is_none_or(|g| g.abs().max().into_scalar::<f32>() == 0.0));
    }
}

#[test]
fn gradients_reach_every_parameter_of_a_composite_network() {
    let mut config = CompositeNetConfig::new([12, 9]);
    (config.global.pyramid, config.local.pyramid) = (small(3), small(3));
    let network = keyed_init(config.init::<4>(&device()), Key::new(3)).map(&mut Shake(9)).train();
    let [moving, fixed] = images(5, [2, 1, 12, 9]);
    let field = network.forward(moving.clone(), fixed).unwrap();
    let loss =
        (warp(moving, field.clone(), Default::default()).unwrap() + field.narrow(1, 0, 1)).square();
    let gradients = GradientsParams::from_grads(loss.sum().backward(), &network);
    let mut missing = Missing(&gradients, 0, 0);
    network.visit(&mut missing);
    assert!(missing.1 > 40 && missing.2 == 0, "{} of {}", missing.2, missing.1);
}

/// The composite field warps the moving image by the global one, and that by the local one.
#[test]
fn a_composite_network_composes_its_two_fields() {
    let mut config = CompositeNetConfig::new([12, 9]);
    (config.global.pyramid, config.local.pyramid) = (small(2), small(2));
    let network = keyed_init(config.init::<4>(&device()), Key::new(3)).map(&mut Shake(2));
    let [moving, fixed] = images(7, [1, 1, 12, 9]);
    let matrix = network.global.matrix(moving.clone(), fixed.clone()).unwrap();
    let global = affine_field(matrix, &[12, 9]).unwrap();
    let warped = warp(moving.clone(), global.clone(), Default::default()).unwrap();
    let local = network.local.forward(warped, fixed.clone()).unwrap();
    let wanted = compose(global, local).unwrap();
    let found = network.forward(moving, fixed).unwrap();
    assert!(farthest(&numbers(&found), &numbers(&wanted)) < 1e-6);
}

#[test]
fn configurations_are_values() {
    let config = CompositeNetConfig::new([12, 9]);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<CompositeNetConfig>(&text).unwrap(), config);
    let short: LocalNetConfig = serde_json::from_str("{\"pyramid\":{\"levels\":3}}").unwrap();
    assert_eq!(short.pyramid, Pyramid { levels: 3, ..Pyramid::default() });
    let wrong = serde_json::from_str::<LocalNetConfig>("{\"pyramid\":{\"level\":3}}").unwrap_err();
    assert!(wrong.to_string().contains("unknown field `level`"), "{wrong}");
}
