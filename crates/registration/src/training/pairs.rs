use crate::RegistrationError;
use crate::fields::grid::{check_fits, check_image, check_same, index};
use burn::tensor::Tensor;
use cni_noise::{Key, host_uniform, permutation};

/// Pairs of a moving and a fixed image with labels of corresponding structures.
#[derive(Clone, Debug)]
pub struct Pairs<const R: usize> {
    moving: Tensor<R>,
    fixed: Tensor<R>,
    moving_labels: Tensor<R>,
    fixed_labels: Tensor<R>,
}

/// Pairs with one label each.
#[derive(Clone, Debug)]
pub struct Batch<const R: usize> {
    /// Moving images, `[batch, channels, ..spatial]`.
    pub moving: Tensor<R>,
    /// Fixed images, of the same shape.
    pub fixed: Tensor<R>,
    /// Labels of the moving images, `[batch, 1, ..spatial]`.
    pub moving_labels: Tensor<R>,
    /// Labels of the fixed images, of the same shape.
    pub fixed_labels: Tensor<R>,
}

impl<const R: usize> Pairs<R> {
    /// Pairs from their tensors.
    ///
    /// # Shapes
    ///
    /// - moving, fixed: `[pairs, channels, ..spatial]`
    /// - moving_labels, fixed_labels: `[pairs, labels, ..spatial]`, values in [0, 1]; the label `l`
    ///   of both shows the same structure
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Shape`] for tensors that do not fit together,
    /// [`RegistrationError::Value`] for labels out of [0, 1], [`RegistrationError::EmptyLabel`] for
    /// a label without a voxel above 0.
    pub fn new(
        moving: Tensor<R>,
        fixed: Tensor<R>,
        moving_labels: Tensor<R>,
        fixed_labels: Tensor<R>,
    ) -> Result<Self, RegistrationError> {
        check_image("moving", &moving)?;
        check_same("fixed", &fixed, &moving)?;
        check_image("moving_labels", &moving_labels)?;
        check_fits("moving_labels", &moving_labels, &moving)?;
        check_same("fixed_labels", &fixed_labels, &moving_labels)?;
        check_labels("moving_labels", &moving_labels)?;
        check_labels("fixed_labels", &fixed_labels)?;
        Ok(Self { moving, fixed, moving_labels, fixed_labels })
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.moving.dims()[0]
    }

    /// False: there is no empty set of pairs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The moving images, `[pairs, channels, ..spatial]`.
    pub fn moving(&self) -> Tensor<R> {
        self.moving.clone()
    }

    /// The fixed images, `[pairs, channels, ..spatial]`.
    pub fn fixed(&self) -> Tensor<R> {
        self.fixed.clone()
    }

    /// The labels of the moving images, `[pairs, labels, ..spatial]`.
    pub fn moving_labels(&self) -> Tensor<R> {
        self.moving_labels.clone()
    }

    /// The labels of the fixed images, `[pairs, labels, ..spatial]`.
    pub fn fixed_labels(&self) -> Tensor<R> {
        self.fixed_labels.clone()
    }

    /// The batch of a step: the next pairs in an order that is drawn for each epoch, each with a
    /// label drawn by chance. A batch may go on into the next epoch.
    pub fn batch(&self, key: Key, step: usize, batch_size: usize) -> Batch<R> {
        let (pairs, labels) = (self.len(), self.moving_labels.dims()[1]);
        let first = step * batch_size;
        let epoch = |place: usize| place / pairs;
        let order = |epoch: usize| permutation(key.named("order").child(epoch as u64), pairs);
        let mut current = (epoch(first), order(epoch(first)));
        let examples = (first..first + batch_size).map(|place| {
            if current.0 != epoch(place) {
                current = (epoch(place), order(epoch(place)));
            }
            current.1[place % pairs]
        });
        let examples: Vec<usize> = examples.collect();
        let drawn = host_uniform(key.named("labels"), first as u64..(first + batch_size) as u64);
        let rows = examples.iter().zip(drawn).map(|(example, drawn)| {
            let label = (f64::from(drawn) * labels as f64) as usize;
            example * labels + label
        });
        let rows: Vec<usize> = rows.collect();
        let of = |images: &Tensor<R>| images.clone().select(0, index(&examples, images));
        let of_label = |all: &Tensor<R>| {
            let mut dims = all.dims();
            (dims[0], dims[1]) = (dims[0] * dims[1], 1);
            all.clone().reshape(dims).select(0, index(&rows, all))
        };
        Batch {
            moving: of(&self.moving),
            fixed: of(&self.fixed),
            moving_labels: of_label(&self.moving_labels),
            fixed_labels: of_label(&self.fixed_labels),
        }
    }
}

/// Refuses labels out of [0, 1] and empty ones.
fn check_labels<const R: usize>(
    field: &'static str,
    labels: &Tensor<R>,
) -> Result<(), RegistrationError> {
    let dims = labels.dims();
    let values: Vec<f64> = labels.to_data().iter::<f64>().collect();
    if let Some(&got) = values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        return Err(RegistrationError::Value { field, got, wanted: "numbers in [0, 1]" });
    }
    let voxels = dims[2..].iter().product::<usize>();
    match values.chunks(voxels).position(|label| label.iter().all(|value| *value == 0.0)) {
        Some(row) => {
            let (example, label) = (row / dims[1], row % dims[1]);
            Err(RegistrationError::EmptyLabel { field, example, label })
        }
        None => Ok(()),
    }
}
