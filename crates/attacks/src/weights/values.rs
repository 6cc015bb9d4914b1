//! One flat tensor for each of some layers of a model.

use super::layer::{Layer, layers};
use super::walk::{MapFloat, VisitFloat, flat, map_floats, visit_floats, with_weights};
use burn::module::{Module, Param};
use burn::tensor::{Gradients, Tensor};
use std::collections::BTreeMap;

/// A flat tensor `[n]` without a graph for each of some layers of a model: weights, gradients, or a
/// perturbation. The layers are in the order of the model's fields.
#[derive(Clone, Debug)]
pub struct LayerValues(Vec<(Layer, Tensor<1>)>);

impl LayerValues {
    /// The weights of a model's layers for which `keep` is true, before any noise.
    pub fn of_weights<M: Module>(model: &M, keep: impl Fn(&Layer) -> bool) -> Self {
        struct Read(BTreeMap<String, Tensor<1>>);
        impl VisitFloat for Read {
            fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
                self.0.insert(path.to_string(), without_graph(flat(param.base())));
            }
        }
        let mut read = Read(BTreeMap::new());
        visit_floats(model, &mut read);
        let kept = layers(model).into_iter().filter(|layer| keep(layer));
        let with_weight = |layer: Layer| {
            let weight = read.0.remove(&layer.path)?;
            Some((layer, weight))
        };
        Self(kept.filter_map(with_weight).collect())
    }

    /// The gradients of a model's [tracked](Self::tracked) weights, of these layers; zero for a
    /// layer that the loss does not depend on.
    pub fn of_gradients<M: Module>(&self, model: &M, gradients: &Gradients) -> Self {
        struct Read<'a>(&'a Gradients, BTreeMap<String, Tensor<1>>);
        impl VisitFloat for Read<'_> {
            fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
                let base = param.base();
                if base.is_require_grad()
                    && let Some(gradient) = base.grad(self.0)
                {
                    self.1.insert(path.to_string(), flat(gradient));
                }
            }
        }
        let mut read = Read(gradients, BTreeMap::new());
        visit_floats(model, &mut read);
        let gradient = |(layer, weight): &(Layer, Tensor<1>)| {
            let found = read.1.remove(&layer.path);
            (layer.clone(), found.unwrap_or_else(|| weight.zeros_like()))
        };
        Self(self.0.iter().map(gradient).collect())
    }

    /// The layers with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&Layer, &Tensor<1>)> {
        self.0.iter().map(|(layer, value)| (layer, value))
    }

    /// The value of the layer at a path.
    pub fn get(&self, path: &str) -> Option<&Tensor<1>> {
        self.iter().find_map(|(layer, value)| (layer.path == path).then_some(value))
    }

    /// The number of layers.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no layer.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A function of each layer's value and of the value that `other` has for it, of the same
    /// length.
    ///
    /// # Panics
    ///
    /// If `other` lacks a layer.
    pub fn zip(
        self,
        other: &Self,
        mut function: impl FnMut(&Layer, Tensor<1>, &Tensor<1>) -> Tensor<1>,
    ) -> Self {
        let both = |(layer, value): (Layer, Tensor<1>)| {
            let with = other.get(&layer.path);
            let with = with.unwrap_or_else(|| panic!("layers: got none at {}", layer.path));
            let value = function(&layer, value, with);
            (layer, value)
        };
        Self(self.0.into_iter().map(both).collect())
    }

    /// The sum of two values of each layer. Panics as [`zip`](Self::zip).
    pub fn plus(self, other: &Self) -> Self {
        self.zip(other, |_, value, with| value + with.clone())
    }

    /// Every value times a number.
    pub fn times(self, factor: f64) -> Self {
        let scaled = |(layer, value): (Layer, Tensor<1>)| (layer, value.mul_scalar(factor));
        Self(self.0.into_iter().map(scaled).collect())
    }

    /// The model with these values in place of its weights.
    pub fn in_place_of<M: Module>(&self, model: M) -> M {
        with_weights(model, |path| self.get(path).cloned())
    }

    /// The model in which the weights of these layers, and nothing else, require a gradient.
    ///
    /// `model` is in inference, as by [`Module::valid`]: its batch norm keeps to its running
    /// statistics, which a pass then leaves alone.
    pub fn tracked<M: Module>(&self, model: M) -> M {
        struct Track<'a>(&'a LayerValues);
        impl MapFloat for Track<'_> {
            fn map<const D: usize>(
                &mut self,
                path: &str,
                param: Param<Tensor<D>>,
            ) -> Param<Tensor<D>> {
                match self.0.get(path) {
                    Some(_) => param.map(|old| without_graph(old).autodiff().require_grad()),
                    None => param,
                }
            }
        }
        map_floats(model, &mut Track(self))
    }
}

fn without_graph<const D: usize>(value: Tensor<D>) -> Tensor<D> {
    if value.is_autodiff() { value.inner() } else { value }
}
