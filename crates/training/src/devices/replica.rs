//! Copies of a model that several devices train at once.
//!
//! Burn's copies of a model share its running statistics. Their threads would update them in the
//! order in which they happen to run, and each would normalise its attacks with what the others
//! have written so far. So every step of a device uses a copy with statistics of its own, and their
//! new values travel with the gradients.

use super::Parallel;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsAccumulator, GradientsParams, MultiGradientsParams};
use burn::tensor::{Device, Tensor};
#[cfg(feature = "experimental-ddp")]
use burn::train::ModuleSharder;
use std::collections::HashSet;

/// A copy in training, with running statistics of its own, on a device.
pub(crate) fn replica<M: Module>(model: &M, device: &Device, parallel: Parallel) -> M {
    let copy = model.valid().to_device(&device.clone().inner()).train();
    match parallel {
        Parallel::Multi => copy,
        // The mark that makes the backward pass reduce a gradient over the devices.
        #[cfg(feature = "experimental-ddp")]
        Parallel::Ddp => copy.map(&mut ModuleSharder),
    }
}

/// Adds the running statistics of `model`, times `weight`, to its gradients.
pub(crate) fn attach_statistics<M: Module>(
    model: &M,
    weight: f64,
    gradients: &mut GradientsParams,
) {
    struct Attach<'a> {
        ids: HashSet<ParamId>,
        weight: f64,
        gradients: &'a mut GradientsParams,
    }
    impl ModuleVisitor for Attach<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.ids.contains(&param.id) {
                self.gradients.register(param.id, param.val().mul_scalar(self.weight));
            }
        }
    }
    // A statistic is behind by one update until its model is asked for its inference form.
    model.valid().visit(&mut Attach { ids: statistics(model), weight, gradients });
}

/// Takes the running statistics out of the gradients, into a model that shares them with no other.
pub(crate) fn detach_statistics<M: Module>(
    model: M,
    mut gradients: GradientsParams,
    parallel: Parallel,
) -> (M, GradientsParams) {
    struct Detach<'a> {
        ids: HashSet<ParamId>,
        gradients: &'a mut GradientsParams,
    }
    impl ModuleMapper for Detach<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if !self.ids.contains(&param.id) {
                return param;
            }
            match self.gradients.remove::<D>(param.id) {
                Some(value) => param.map(|old| Tensor::from_inner(value.to_device(&old.device()))),
                None => param,
            }
        }
    }
    let ids = statistics(&model);
    if ids.is_empty() {
        return (model, gradients);
    }
    let device = model.devices()[0].clone();
    let model = replica(&model, &device, parallel);
    let model = model.map(&mut Detach { ids, gradients: &mut gradients });
    (model, gradients)
}

/// The sum of the devices' gradients, on the first device and in the order of the devices.
pub(crate) fn sum<M: Module>(model: &M, gradients: MultiGradientsParams) -> GradientsParams {
    let mut parts = gradients.grads.into_iter();
    let Some((first, device)) = parts.next() else {
        return GradientsParams::new();
    };
    let mut sum = GradientsAccumulator::new();
    sum.accumulate(model, first);
    parts.for_each(|(part, _)| sum.accumulate(model, part.to_device(&device, model)));
    sum.grads()
}

/// What is no parameter of a model but a running statistic: all that cannot be made to require a
/// gradient.
pub(crate) fn statistics<M: Module>(model: &M) -> HashSet<ParamId> {
    struct Collect(HashSet<ParamId>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !param.is_require_grad() {
                self.0.insert(param.id);
            }
        }
    }
    let mut collect = Collect(HashSet::new());
    model.valid().train().set_require_grad(true).visit(&mut collect);
    collect.0
}
