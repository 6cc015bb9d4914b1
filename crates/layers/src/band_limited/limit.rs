//! Activations without their high frequencies.

use super::Band;
use super::basis::limited;
use crate::{NoiseError, Per};
use burn::config::Config;
use burn::tensor::{Tensor, TensorData};
use cni_noise::{current_examples, layer_key, uniform_rows};
use serde::{Deserialize, Serialize};

/// Configures [`BandLimit2d`].
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use cni_layers::band_limited::{Band, BandLimit2dConfig};
/// # let device = Device::flex();
/// let limit = BandLimit2dConfig::new(Band::Rate(0.5)).init();
/// let images = Tensor::<4>::ones([2, 3, 32, 32], &device); // the mean passes
/// let error = (limit.forward(images.clone()) - images).abs().max().into_scalar::<f32>();
/// assert!(error < 1e-5);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandLimit2dConfig {
    /// The frequencies that are kept.
    pub band: Band,
    /// One draw of a random band for the batch, or one for each example.
    #[serde(default = "per_example")]
    pub draw_per: Per,
    /// The name that keys the draws of a random band, as with
    /// [`ActivationNoiseConfig::with_name`](crate::ActivationNoiseConfig::with_name).
    #[serde(default)]
    pub name: String,
}

fn per_example() -> Per {
    Per::Example
}

impl Config for BandLimit2dConfig {}

impl BandLimit2dConfig {
    /// A band; a random one is drawn for each example.
    pub fn new(band: Band) -> Self {
        Self { band, draw_per: Per::Example, name: String::new() }
    }

    /// Sets what one draw of a random band is for.
    pub fn with_draw_per(mut self, per: Per) -> Self {
        self.draw_per = per;
        self
    }

    /// Sets the name that keys the draws of a random band.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The layer.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init(&self) -> BandLimit2d {
        self.try_init().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] for a rate out of [0, 1), no frequency, or a random band whose ends
    /// are not two such rates in their order.
    pub fn try_init(&self) -> Result<BandLimit2d, NoiseError> {
        self.band.check()?;
        let Self { band, draw_per, name } = self.clone();
        Ok(BandLimit2d { band, draw_per, name })
    }
}

/// An activation, projected on the low frequencies of its rows and columns. Made by
/// [`BandLimit2dConfig`].
///
/// Without parameters, and for images of any size: at a model's input, or before any layer. The
/// projection is linear, symmetric and idempotent, and its gradient is itself.
#[derive(Clone, Debug)]
pub struct BandLimit2d {
    band: Band,
    draw_per: Per,
    name: String,
}

/// The place of an activation on a larger grid, and how much of that is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// Rows and columns of the grid.
    pub size: [usize; 2],
    /// Rows above and columns left of the activation, which are zero.
    pub before: [usize; 2],
    /// Rows and columns of the result, from the grid's first.
    pub out: [usize; 2],
}

impl BandLimit2d {
    /// The low frequencies of images or of an activation.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let size = [height, width];
        self.on_grid(x, Grid { size, before: [0, 0], out: size })
    }

    /// The band.
    pub fn band(&self) -> Band {
        self.band
    }

    /// The low frequencies of an activation that lies on a grid between zeros.
    pub(super) fn on_grid(&self, x: Tensor<4>, grid: Grid) -> Tensor<4> {
        let kept = self.kept(&x, grid.size);
        let rows = |q: &[usize; 2]| q[0];
        let columns = |q: &[usize; 2]| q[1];
        let x = along_last(x, 1, grid, &kept.iter().map(columns).collect::<Vec<_>>());
        let x = along_last(x.swap_dims(2, 3), 0, grid, &kept.iter().map(rows).collect::<Vec<_>>());
        x.swap_dims(2, 3)
    }

    /// The kept frequencies of both axes: one entry for all examples, or one for each.
    pub(super) fn kept(&self, x: &Tensor<4>, grid: [usize; 2]) -> Vec<[usize; 2]> {
        let key = self.band.is_random().then(|| layer_key(&self.name, &x.device())).flatten();
        let Some(key) = key else {
            return vec![self.band.kept(grid, None)];
        };
        let drawn = match self.draw_per {
            Per::Batch => uniform_rows(key, &0.into(), 1, 1),
            Per::Example => uniform_rows(key, &current_examples(), x.dims()[0], 1),
        };
        drawn.into_iter().map(|u| self.band.kept(grid, Some(f64::from(u)))).collect()
    }
}

/// Maps the last axis of `x` by the projection of an axis of the grid, on as many frequencies as
/// each example, or all of them, keeps.
fn along_last(x: Tensor<4>, axis: usize, grid: Grid, kept: &[usize]) -> Tensor<4> {
    let [batch, channels, others, len] = x.dims();
    let Grid { size, before, out } = grid;
    let (n, out) = (size[axis], out[axis]);
    let (groups, rows) = match kept {
        [_] => (1, batch * channels * others),
        _ => (batch, channels * others),
    };
    let values = kept.iter().flat_map(|&q| limited(n, q, [before[axis], len], out).values);
    let matrices = TensorData::new(values.collect::<Vec<f64>>(), [groups, len, out]);
    let matrices = Tensor::<3>::from_data(matrices, (&x.device().inner(), x.dtype()));
    x.reshape([groups, rows, len]).matmul(matrices).reshape([batch, channels, others, out])
}
