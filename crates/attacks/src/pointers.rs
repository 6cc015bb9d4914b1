//! `Attack` for pointers to attacks: a box, an `Arc` or a reference can stand wherever an attack
//! can.

use crate::attack::{Access, Attack};
use crate::{AttackBatch, AttackError, Knob, Knobs, ModelAccess, Passes, Threat};
use burn::tensor::Tensor;
use cni_noise::Key;
use std::sync::Arc;

macro_rules! behind_a_pointer {
    ($($pointer:ty),*) => {$(
        impl<A: Attack + ?Sized> Attack for $pointer {
            fn name(&self) -> String {
                (**self).name()
            }

            fn threat(&self) -> Threat {
                (**self).threat()
            }

            fn access(&self) -> Access {
                (**self).access()
            }

            fn spec(&self) -> serde_json::Value {
                (**self).spec()
            }

            fn gradient_draws(&self) -> Option<usize> {
                (**self).gradient_draws()
            }

            fn min_classes(&self) -> usize {
                (**self).min_classes()
            }

            fn is_minimum_norm(&self) -> bool {
                (**self).is_minimum_norm()
            }

            fn answers_every_radius(&self) -> bool {
                (**self).answers_every_radius()
            }

            fn check(&self) -> Result<(), AttackError> {
                (**self).check()
            }

            fn knobs(&self) -> Knobs {
                (**self).knobs()
            }

            fn with_knob(&self, knob: Knob) -> Result<Arc<dyn Attack>, AttackError> {
                (**self).with_knob(knob)
            }

            fn cost(&self, classes: usize, stochastic: bool) -> Option<Passes> {
                (**self).cost(classes, stochastic)
            }

            fn continued_cost(&self, more: Knob) -> Option<Passes> {
                (**self).continued_cost(more)
            }

            fn continued(
                &self,
                access: &mut ModelAccess<'_>,
                batch: &AttackBatch,
                key: Key,
                found: Tensor<4>,
                more: Knob,
            ) -> Result<Tensor<4>, AttackError> {
                (**self).continued(access, batch, key, found, more)
            }

            fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
                (**self).deciding_draws(key)
            }

            fn run(
                &self,
                access: &mut ModelAccess<'_>,
                batch: &AttackBatch,
                key: Key,
            ) -> Result<Tensor<4>, AttackError> {
                (**self).run(access, batch, key)
            }
        }
    )*};
}

behind_a_pointer!(&A, Box<A>, Arc<A>);
