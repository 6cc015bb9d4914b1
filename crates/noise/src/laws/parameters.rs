//! The parameters of a law: what they are, and their values on a device and on the host.

use super::{NoiseScale, TensorShape};
use burn::tensor::Tensor;

/// The learnable parameters of a law, with their initial values.
#[derive(Clone, Debug, PartialEq)]
pub struct LawParameters {
    /// Vectors, in the law's order.
    pub vectors: Vec<VectorSpec>,
    /// A matrix with a row for each element, named `factor`.
    pub factor: Option<FactorSpec>,
}

/// A vector of parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VectorSpec {
    /// The name, which is the last part of the parameter's path.
    pub name: &'static str,
    /// The number of entries.
    pub len: usize,
    /// The initial value of every entry.
    pub initial: f64,
}

/// A matrix of parameters with a row for each element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FactorSpec {
    /// The number of columns, above 0.
    pub rank: usize,
    /// The initial value of every entry.
    pub initial: f64,
}

/// The values of a law's parameters, for a tensor of one shape.
#[derive(Clone, Debug)]
pub struct NoiseParameters {
    /// How the size of the noise follows the tensor.
    pub scale: NoiseScale,
    /// The tensor that the noise is for.
    pub shape: TensorShape,
    /// The vectors, in the law's order.
    pub vectors: Vec<Tensor<1>>,
    /// The factor, `[elements, rank]`.
    pub factor: Option<Tensor<2>>,
}

impl NoiseParameters {
    /// The vectors, as many as the law has.
    ///
    /// # Panics
    ///
    /// If there are others.
    #[track_caller]
    pub fn vectors<const N: usize>(&self) -> [Tensor<1>; N] {
        exactly("vectors", self.vectors.clone())
    }

    /// Vector number `index` as a row, `[1, elements]`, or `[1, 1]` for one entry. With one entry
    /// for each channel every element gets that of its channel.
    pub fn spread(&self, vector: Tensor<1>) -> Tensor<2> {
        let (elements, stride, [n]) = (self.shape.elements(), self.shape.stride(), vector.dims());
        if n == 1 || n == elements {
            return vector.reshape([1, n]);
        }
        let outer = elements / (n * stride);
        vector.reshape([1, n, 1]).expand([outer, n, stride]).reshape([1, elements])
    }

    /// How these are not the parameters of a law, if they are not.
    pub(crate) fn fault(&self, specs: &LawParameters) -> Option<String> {
        let wanted: Vec<usize> = specs.vectors.iter().map(|vector| vector.len).collect();
        let got: Vec<usize> = self.vectors.iter().map(|vector| vector.dims()[0]).collect();
        if got != wanted {
            return Some(format!("got vectors of {got:?} entries, wanted {wanted:?}"));
        }
        let wanted = specs.factor.map(|factor| [self.shape.elements(), factor.rank]);
        let got = self.factor.as_ref().map(|factor| factor.dims());
        let text = |shape: Option<[usize; 2]>| match shape {
            Some(shape) => format!("of shape {shape:?}"),
            None => "none".to_string(),
        };
        (got != wanted).then(|| format!("got factor {}, wanted {}", text(got), text(wanted)))
    }

    /// The values on the host.
    ///
    /// # Errors
    ///
    /// The device's own message if it fails.
    pub fn read(&self) -> Result<HostParameters, String> {
        Ok(HostParameters {
            scale: self.scale,
            shape: self.shape.clone(),
            vectors: self.vectors.iter().map(read).collect::<Result<_, _>>()?,
            factor: self.factor.as_ref().map_or(Ok(Vec::new()), read)?,
            rank: self.factor.as_ref().map_or(0, |factor| factor.dims()[1]),
        })
    }
}

/// The values of a law's parameters on the host, in double precision.
#[derive(Clone, Debug, PartialEq)]
pub struct HostParameters {
    /// How the size of the noise follows the tensor.
    pub scale: NoiseScale,
    /// The tensor that the noise is for.
    pub shape: TensorShape,
    /// The vectors, in the law's order.
    pub vectors: Vec<Vec<f64>>,
    /// The factor, `[elements, rank]` in row-major order; empty for rank 0.
    pub factor: Vec<f64>,
    /// Columns of the factor.
    pub rank: usize,
}

impl HostParameters {
    /// The vectors, as many as the law has.
    ///
    /// # Panics
    ///
    /// If there are others.
    #[track_caller]
    pub fn vectors<const N: usize>(&self) -> [&[f64]; N] {
        exactly("vectors", self.vectors.iter().map(Vec::as_slice).collect())
    }

    /// The entry of a vector that belongs to an element.
    pub fn entry(&self, vector: &[f64], element: usize) -> f64 {
        let stride = if vector.len() == self.shape.elements() { 1 } else { self.shape.stride() };
        vector[element / stride.max(1) % vector.len()]
    }
}

/// The entries of a list of a law, whose number the law knows.
#[track_caller]
pub(super) fn exactly<T, const N: usize>(what: &str, list: Vec<T>) -> [T; N] {
    let got = list.len();
    // No closure: the place in the message is that in the law.
    match list.try_into() {
        Ok(list) => list,
        Err(_) => panic!("{what}: got {got}, wanted {N}"),
    }
}

fn read<const D: usize>(tensor: &Tensor<D>) -> Result<Vec<f64>, String> {
    tensor.clone().inner().try_to_vec_as().map_err(|error| format!("{error:?}"))
}
