//! Threats in weight space.

use super::relative::{relative, within_ball};
use super::values::LayerValues;
use crate::AttackError;
use crate::error::within;
use burn::tensor::Tensor;
use cni_noise::{Key, host_uniform, normal_like};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The perturbations of a layer that a [`WeightThreat`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeightRegion {
    /// Those of at most the radius.
    Ball,
    /// Those of exactly the radius.
    Sphere,
}

cni_noise::named_values!(WeightRegion, AttackError, refused, [Ball, Sphere]);

fn refused(got: &str, names: &str) -> AttackError {
    let reason = format!("got {got:?}, wanted one of {names}");
    AttackError::Spec { attack: "region".to_string(), reason }
}

/// A threat in weight space: the weights of each layer may move by a share ξ of their norm (Stutz
/// et al., ICCV 2021, section 3): `‖ν_l‖₂ ≤ ξ ‖w_l‖₂` for every layer l, or `=` on the sphere.
///
/// A rescaling of the layers that leaves a ReLU network as it is leaves the perturbed networks as
/// they are, too. Layers of norm zero are not perturbed.
///
/// ```
/// # use burn::nn::LinearConfig;
/// # use burn::tensor::Device;
/// use cni_attacks::weights::{Layer, LayerValues, WeightRegion, WeightThreat};
/// use cni_noise::Key;
/// let model = LinearConfig::new(4, 2).init(&Device::flex());
/// let threat = WeightThreat::new(0.5, WeightRegion::Sphere)?;
/// let weights = LayerValues::of_weights(&model, Layer::is_perturbed);
/// let change = threat.random(Key::new(1), &weights);
/// let perturbed = weights.clone().plus(&change).in_place_of(model);
/// # let _ = perturbed;
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WeightThreat {
    radius: f64,
    region: WeightRegion,
}

impl WeightThreat {
    /// The threat of radius ξ, a share of each layer's norm; an error unless it is finite and above
    /// 0.
    pub fn new(radius: f64, region: WeightRegion) -> Result<Self, AttackError> {
        let radius = within("radius", radius, |radius| radius > 0.0, "a finite number above 0")?;
        Ok(Self { radius, region })
    }

    /// The radius ξ.
    pub fn radius(&self) -> f64 {
        self.radius
    }

    /// The allowed perturbations.
    pub fn region(&self) -> WeightRegion {
        self.region
    }

    /// A random perturbation of these weights, uniform in the region of each layer.
    ///
    /// The values of a layer are a function of `key`, the layer's path and its size, whatever the
    /// device and the other layers are.
    pub fn random(&self, key: Key, weights: &LayerValues) -> LayerValues {
        weights.clone().zip(weights, |layer, like, weight| {
            let key = key.named(&layer.path);
            let direction = normal_like(key, &like, 0);
            relative(direction, weight, self.radius * self.share(key, weight))
        })
    }

    /// The share of the radius of a random point of the region.
    fn share(&self, key: Key, weight: &Tensor<1>) -> f64 {
        match self.region {
            WeightRegion::Sphere => 1.0,
            WeightRegion::Ball => {
                let [n] = weight.dims();
                let uniform = host_uniform(key.named("radius"), 0..1)[0];
                f64::from(uniform).powf(1.0 / n as f64)
            }
        }
    }

    /// The nearest perturbation of each layer within the region. On the sphere a change of zero
    /// stays zero, since it has no direction.
    ///
    /// # Panics
    ///
    /// If `weights` lacks a layer of `change`.
    pub fn project(&self, change: LayerValues, weights: &LayerValues) -> LayerValues {
        change.zip(weights, |_, change, weight| match self.region {
            WeightRegion::Ball => within_ball(change, weight, self.radius),
            WeightRegion::Sphere => relative(change, weight, self.radius),
        })
    }
}

/// The step of each layer along its gradient, of the length `size · ‖w_l‖₂`. A gradient of zero
/// gives a step of zero.
///
/// # Panics
///
/// If `weights` lacks a layer of `gradient`.
pub fn relative_step(gradient: LayerValues, weights: &LayerValues, size: f64) -> LayerValues {
    gradient.zip(weights, |_, gradient, weight| relative(gradient, weight, size))
}

#[cfg(test)]
mod tests {
    use super::super::{Layer, norm};
    use super::*;
    use burn::module::Module;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    fn net() -> (Linear, LayerValues) {
        let mut net = LinearConfig::new(30, 4).init(&Device::flex());
        net.bias = net.bias.map(|bias| bias.map(|bias| bias.zeros_like()));
        let weights = LayerValues::of_weights(&net, Layer::is_perturbed);
        (net, weights)
    }

    #[test]
    fn random_perturbations_keep_to_the_radius_and_leave_a_zero_bias() {
        let (_, weights) = net();
        let wanted = norm(weights.get("weight").unwrap()).into_scalar::<f64>();
        for region in [WeightRegion::Sphere, WeightRegion::Ball] {
            let threat = WeightThreat::new(0.3, region).unwrap();
            for seed in 0..5 {
                let change = threat.random(Key::new(seed), &weights);
                let length = norm(change.get("weight").unwrap()).into_scalar::<f64>() / wanted;
                assert!(length <= 0.3 + 1e-6, "{length}");
                if region == WeightRegion::Sphere {
                    assert!((length - 0.3).abs() < 1e-6, "{length}");
                }
                let bias: Vec<f64> = change.get("bias").unwrap().try_to_vec_as().unwrap();
                assert_eq!(bias, [0.0; 4]);
            }
        }
    }

    /// The mean of the radius in a ball of n dimensions is n / (n + 1) of the whole. n = 120 values
    /// and 400 draws: a standard error of 1 / (121 · 20) = 0.0004.
    #[test]
    fn points_of_the_ball_fill_it() {
        let (_, weights) = net();
        let threat = WeightThreat::new(1.0, WeightRegion::Ball).unwrap();
        let whole = norm(weights.get("weight").unwrap()).into_scalar::<f64>();
        let radius = |seed| {
            let change = threat.random(Key::new(seed), &weights);
            norm(change.get("weight").unwrap()).into_scalar::<f64>() / whole
        };
        let mean = (0..400).map(radius).sum::<f64>() / 400.0;
        assert!((mean - 120.0 / 121.0).abs() < 4.0 * 0.0004, "{mean}");
    }

    #[test]
    fn a_layer_draws_the_same_without_its_neighbours() {
        let (net, weights) = net();
        let alone = LayerValues::of_weights(&net, |layer| layer.path == "weight");
        let threat = WeightThreat::new(0.3, WeightRegion::Sphere).unwrap();
        let [all, alone] = [&weights, &alone].map(|of| threat.random(Key::new(1), of));
        let read = |of: &LayerValues| of.get("weight").unwrap().to_data();
        assert_eq!((alone.len(), all.len()), (1, 2));
        assert_eq!(read(&all), read(&alone));
    }

    #[test]
    fn weights_are_tracked_alone_and_their_gradients_are_read() {
        let (net, weights) = net();
        let tracked = weights.tracked(net.valid());
        let images = Tensor::<2>::ones([1, 30], &Device::flex());
        let gradients = tracked.forward(images).sum().backward();
        let found = weights.of_gradients(&tracked, &gradients);
        let read = |path: &str| -> Vec<f64> { found.get(path).unwrap().try_to_vec_as().unwrap() };
        assert_eq!((read("weight"), read("bias")), (vec![1.0; 120], vec![1.0; 4]));
    }

    #[test]
    fn radii_that_are_none_are_refused() {
        for radius in [0.0, -0.1, f64::NAN, f64::INFINITY] {
            let error = WeightThreat::new(radius, WeightRegion::Ball).unwrap_err().to_string();
            assert!(error.starts_with("radius: got") && error.contains("above 0"), "{error}");
        }
    }
}
