use crate::parameters::{VisitFloat, squared_norm, visit_floats};
use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The gradients scaled so that their norm over all parameters together is at most `max`, and that
/// norm before: PyTorch's `clip_grad_norm_`. Burn's own clipping takes the norm of each parameter
/// alone.
///
/// Without `max` the gradients stay as they are. A gradient that is not finite gives a norm that is
/// not finite.
pub fn clip_by_norm<M: Module>(
    module: &M,
    mut gradients: GradientsParams,
    max: Option<f64>,
) -> (GradientsParams, f64) {
    struct Scale<'a> {
        gradients: &'a mut GradientsParams,
        scale: f64,
    }
    impl VisitFloat for Scale<'_> {
        fn visit<const D: usize>(&mut self, _path: &str, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.remove::<D>(param.id) {
                self.gradients.register(param.id, gradient.mul_scalar(self.scale));
            }
        }
    }
    let norm = squared_norm(module, &gradients);
    let norm = norm.map_or(0.0, |sum| sum.sqrt().into_scalar::<f64>());
    let scale = max.map_or(1.0, |max| max / (norm + 1e-6));
    if scale < 1.0 {
        visit_floats(module, &mut Scale { gradients: &mut gradients, scale });
    }
    (gradients, norm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use serde_json::Value;

    #[derive(Module, Debug)]
    struct Pair {
        a: Param<Tensor<2>>,
        b: Param<Tensor<1>>,
    }

    fn list(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }

    /// `clip_grad_norm_` on gradients above and below the norm; `tests/reference/optim.py` made the
    /// values.
    #[test]
    fn clipping_is_pytorchs() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/optim.json");
        let values: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let device = Device::flex();
        let leaf = |n: [usize; 1]| Tensor::<1>::zeros(n, &device).autodiff();
        for case in ["long", "short"] {
            let case = &values["clip"][case];
            let pair = Pair {
                a: Param::from_tensor(leaf([6]).reshape([2, 3]).detach()),
                b: Param::from_tensor(leaf([4])),
            };
            let before = [0, 1].map(|i| {
                let data = TensorData::from(&list(&case["before"][i])[..]);
                Tensor::<1>::from_data(data, &device)
            });
            // The gradient of a product with a constant is that constant.
            let [a, b] = before;
            let loss = (pair.a.val().reshape([6]) * a).sum() + (pair.b.val() * b).sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &pair);
            let (gradients, norm) = clip_by_norm(&pair, gradients, case["max_norm"].as_f64());
            assert!((norm - case["norm"].as_f64().unwrap()).abs() < 1e-5);
            let a: Vec<f64> = gradients.get::<2>(pair.a.id).unwrap().try_to_vec_as().unwrap();
            let b: Vec<f64> = gradients.get::<1>(pair.b.id).unwrap().try_to_vec_as().unwrap();
            for (i, got) in [a, b].into_iter().enumerate() {
                for (got, wanted) in got.into_iter().zip(list(&case["after"][i])) {
                    assert!((got - wanted).abs() < 1e-6, "{got} ≠ {wanted}");
                }
            }
        }
    }
}
