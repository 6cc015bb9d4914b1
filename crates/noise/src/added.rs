//! Noise that is drawn, scaled and added in one operation.

use crate::laws::{Draws, NoiseLaw, NoiseParameters, Rows};
use crate::{ExampleIds, Key, normal_rows};
use burn::tensor::Tensor;
use cni_ops::{FusedNoise, NoiseLaunch, NoiseRows};

/// Keyed noise for a tensor that is a batch of rows: [`add_to`](Self::add_to) draws it by a
/// [law](crate::laws) and adds it, forward and backward without a draw in memory if the device
/// has a kernel for the law.
///
/// A row is one example's elements, flattened. A tensor that is no batch, such as a weight, is one
/// row.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use cni_noise::laws::{Granularity, NoiseParameters, NoiseScale, TensorShape, White};
/// use cni_noise::{AddedNoise, Key};
///
/// let device = Device::flex();
/// let parameters = NoiseParameters {
///     scale: NoiseScale::Absolute,
///     shape: TensorShape::new(&[6], 0),
///     vectors: vec![Tensor::from_floats([0.1], &device)],
///     factor: None,
/// };
/// let law = White::new(Granularity::Layer);
/// let noise = AddedNoise::new(&law, parameters, Key::new(1)).with_rows(4);
/// let noisy = noise.add_to(Tensor::<2>::zeros([4, 6], &device)); // four rows with one draw
/// assert_eq!(noisy.dims(), [4, 6]);
/// ```
#[derive(Clone, Debug)]
pub struct AddedNoise<'a> {
    law: &'a dyn NoiseLaw,
    parameters: NoiseParameters,
    key: Key,
    rows: usize,
    /// The numbers of the rows, if each has a draw of its own.
    examples: Option<ExampleIds>,
    std_per_row: bool,
}

impl<'a> AddedNoise<'a> {
    /// Noise for a tensor of one row. Stream `k` of the law is drawn by `key.child(k)`.
    pub fn new(law: &'a dyn NoiseLaw, parameters: NoiseParameters, key: Key) -> Self {
        Self { law, parameters, key, rows: 1, examples: None, std_per_row: false }
    }

    /// Sets the number of rows, which share one draw and one standard deviation.
    pub fn with_rows(mut self, rows: usize) -> Self {
        self.rows = rows;
        self
    }

    /// Draws for each row by itself, by its number within the stream of draws.
    pub fn with_draw_per_row(mut self, examples: ExampleIds) -> Self {
        self.examples = Some(examples);
        self
    }

    /// Takes the standard deviation of each row by itself instead of one over all.
    pub fn with_std_per_row(mut self) -> Self {
        self.std_per_row = true;
        self
    }

    /// The tensor plus its noise.
    ///
    /// Values and gradients are those of the law's [`NoiseLaw::mean`] and [`NoiseLaw::noise`] to
    /// float rounding, on every device: gradients flow to the tensor, through its standard
    /// deviation too if the law and its scale say so, and to the parameters.
    ///
    /// # Panics
    ///
    /// If the number of elements is not that of the rows, if the parameters are not those of the
    /// law, and if the law takes another number of draws than it asks for or gives noise, a mean or
    /// a fused form of a wrong shape.
    pub fn add_to<const D: usize>(self, tensor: Tensor<D>) -> Tensor<D> {
        let total = tensor.shape().num_elements();
        if total == 0 {
            return tensor;
        }
        self.check(total);
        if let Some((noise, rows)) = self.for_kernels()
            && let Some(launch) = NoiseLaunch::new(&noise, &rows, &tensor)
        {
            return launch.add(noise, tensor);
        }
        self.add_by_tensor_operations(tensor)
    }

    /// The form and the rows by which kernels add the noise, `None` if the law has no form for them
    /// or draws of rows do not follow one another.
    ///
    /// # Panics
    ///
    /// As [`add_to`](Self::add_to).
    pub fn for_kernels(&self) -> Option<(FusedNoise, NoiseRows)> {
        self.check(self.parameters.shape.elements() * self.rows);
        Some((self.fused()?, self.kernel_rows()?))
    }

    /// The tensor without the noise: the law's mean of it.
    ///
    /// # Panics
    ///
    /// As [`add_to`](Self::add_to).
    pub fn mean_of<const D: usize>(self, tensor: Tensor<D>) -> Tensor<D> {
        let (shape, total) = (tensor.shape(), tensor.shape().num_elements());
        if total == 0 || !self.law.has_mean() {
            return tensor;
        }
        self.check(total);
        let rows = tensor.reshape([self.rows, total / self.rows]);
        self.mean(rows).reshape(shape)
    }

    /// The law's mean of the rows, `[rows, elements]`.
    fn mean(&self, rows: Tensor<2>) -> Tensor<2> {
        let wanted = rows.dims();
        let mean = self.law.mean(&self.parameters, rows);
        assert!(
            mean.dims() == wanted,
            "{}: got a mean of shape {:?}, wanted {wanted:?}",
            self.law.name(),
            mean.dims()
        );
        mean
    }

    /// The law's form for kernels, which add noise to the tensor itself.
    fn fused(&self) -> Option<FusedNoise> {
        let noise = self.law.fused(&self.parameters).filter(|_| !self.law.has_mean())?;
        if let Some(fault) = noise.fault(self.parameters.shape.elements()) {
            panic!("{}: {fault}", self.law.name());
        }
        Some(noise)
    }

    fn check(&self, total: usize) {
        let elements = self.parameters.shape.elements();
        assert!(
            total == elements * self.rows,
            "rows: got {} of {elements} elements, wanted the tensor's {total} elements",
            self.rows
        );
        let fault = self.parameters.fault(&self.law.parameters(&self.parameters.shape));
        if let Some(fault) = fault {
            panic!("parameters of {}: {fault}", self.law.name());
        }
    }

    /// The rows as kernels count them: their draws follow one another.
    fn kernel_rows(&self) -> Option<NoiseRows> {
        let first = match &self.examples {
            None => 0,
            Some(examples) => match *examples.parts(self.rows).as_slice() {
                [(first, _)] => first,
                _ => return None,
            },
        };
        Some(NoiseRows {
            rows: self.rows,
            draw_per_row: self.examples.is_some(),
            std_per_row: self.std_per_row,
            independent: self.key.child(0).words(),
            shared: self.key.child(1).words(),
            first,
        })
    }

    /// The same by Burn's own operations: for laws, backends and element types without a kernel.
    fn add_by_tensor_operations<const D: usize>(self, tensor: Tensor<D>) -> Tensor<D> {
        let (shape, elements) = (tensor.shape(), self.parameters.shape.elements());
        let count = if self.examples.is_some() { self.rows } else { 1 };
        let examples = self.examples.clone().unwrap_or_default();
        let options = (&tensor.device().inner(), tensor.dtype());
        let draw = |(stream, columns): (usize, usize)| {
            let like = Tensor::<2>::empty([count, columns], options);
            normal_rows(self.key.child(stream as u64), &examples, &like)
        };
        let draws = self.law.draws(elements).into_iter().enumerate().map(draw).collect();
        let values = tensor.reshape([self.rows, elements]);
        let rows = Rows::new(values.clone(), self.std_per_row);
        let draws = Draws::of(&self.law.name(), draws);
        let noise = self.law.noise(&self.parameters, &rows, draws);
        let [got, columns] = noise.dims();
        assert!(
            columns == elements && (got == 1 || got == self.rows),
            "{}: got noise of shape {:?}, wanted [{}, {elements}]",
            self.law.name(),
            noise.dims(),
            self.rows
        );
        let mean = match self.law.has_mean() {
            true => self.mean(values),
            false => values,
        };
        (mean + noise).reshape(shape)
    }
}
