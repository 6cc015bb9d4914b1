use super::{BlurKernel, blurred, check_sigma};
use crate::RegistrationError;
use crate::fields::grid::{check_image, check_same};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The soft Dice loss of labels at several scales (Hu et al., arXiv 1807.03361, eq. 2 to 4):
/// the mean of `1 − 2 Σ a b / (Σ a + Σ b + 10⁻⁶)` over the blurs of both labels by each σ.
///
/// The blurs let labels that do not meet attract each other. At equal labels the loss is 0 only
/// where they are 0 or 1: the Dice of what is blurred is below 1. Beyond the image there is 0. This
/// is label-reg's loss; DeepReg's has a weight for the background too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiScaleDice {
    /// The standard deviations σ of the blurs, in voxels, at most 10⁴; 0 is no blur.
    pub sigmas: Vec<f64>,
    /// The kernel of the blurs.
    #[serde(default)]
    pub kernel: BlurKernel,
}

impl Default for MultiScaleDice {
    /// label-reg's scales: σ of 0, 1, 2, 4, 8 and 16 voxels, Gaussian.
    fn default() -> Self {
        Self { sigmas: vec![0.0, 1.0, 2.0, 4.0, 8.0, 16.0], kernel: BlurKernel::Gaussian }
    }
}

impl MultiScaleDice {
    /// Refuses a list of scales that is empty or has a σ below 0.
    pub(crate) fn check(&self) -> Result<(), RegistrationError> {
        crate::error::at_least("sigmas", self.sigmas.len(), 1)?;
        self.sigmas.iter().try_for_each(|&sigma| check_sigma("sigmas", sigma))
    }

    /// The loss, the mean over examples, labels and scales: `[1]`, in [0, 1].
    ///
    /// # Shapes
    ///
    /// - fixed, warped: `[batch, labels, ..spatial]`, values in [0, 1]
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Shape`] for labels of different shapes,
    /// [`RegistrationError::Count`] and [`RegistrationError::Value`] for no scale or a σ below 0.
    pub fn loss<const R: usize>(
        &self,
        fixed: Tensor<R>,
        warped: Tensor<R>,
    ) -> Result<Tensor<1>, RegistrationError> {
        self.check()?;
        check_image("fixed", &fixed)?;
        check_same("warped", &warped, &fixed)?;
        let at = |sigma: f64| {
            let blur = |x: Tensor<R>| match sigma {
                0.0 => x,
                sigma => blurred(x, self.kernel, sigma),
            };
            soft_dice(blur(fixed.clone()), blur(warped.clone())).neg().add_scalar(1.0)
        };
        let sum = self.sigmas[1..].iter().fold(at(self.sigmas[0]), |sum, &sigma| sum + at(sigma));
        Ok(sum.div_scalar(self.sigmas.len() as f64))
    }
}

/// The mean soft Dice of all labels.
fn soft_dice<const R: usize>(a: Tensor<R>, b: Tensor<R>) -> Tensor<1> {
    let dims = a.dims();
    let rows = |x: Tensor<R>| {
        x.reshape([dims[0] * dims[1], dims[2..].iter().product::<usize>()]).sum_dim(1)
    };
    let both = rows(a.clone() * b.clone()).mul_scalar(2.0);
    (both / (rows(a) + rows(b)).add_scalar(1e-6)).mean()
}

/// The Dice overlap of labels, `2 |a ∩ b| / (|a| + |b|)`, of the voxels above 0.5: in [0, 1], for
/// each example its labels.
///
/// # Shapes
///
/// - fixed, warped: `[batch, labels, ..spatial]`, values in [0, 1]
///
/// # Errors
///
/// [`RegistrationError::Shape`] for labels of different shapes, [`RegistrationError::EmptyLabel`]
/// for a fixed label without a voxel above 0.5.
pub fn dice<const R: usize>(
    fixed: &Tensor<R>,
    warped: &Tensor<R>,
) -> Result<Vec<Vec<f64>>, RegistrationError> {
    check_image("fixed", fixed)?;
    check_same("warped", warped, fixed)?;
    let dims = fixed.dims();
    let (labels, voxels) = (dims[1], dims[2..].iter().product::<usize>());
    let masks = |x: &Tensor<R>| -> Vec<bool> {
        x.clone().detach().into_data().iter::<f32>().map(|value| value > 0.5).collect()
    };
    let (a, b) = (masks(fixed), masks(warped));
    let count = |mask: &[bool]| mask.iter().filter(|voxel| **voxel).count();
    let overlap = |(row, (a, b)): (usize, (&[bool], &[bool]))| {
        let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count();
        match count(a) {
            0 => {
                let (example, label) = (row / labels, row % labels);
                Err(RegistrationError::EmptyLabel { field: "fixed", example, label })
            }
            of_a => Ok(2.0 * both as f64 / (of_a + count(b)) as f64),
        }
    };
    let rows = a.chunks(voxels).zip(b.chunks(voxels)).enumerate();
    let all = rows.map(overlap).collect::<Result<Vec<f64>, _>>()?;
    Ok(all.chunks(labels).map(<[f64]>::to_vec).collect())
}
