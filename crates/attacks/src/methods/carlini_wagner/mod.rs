//! The attacks of Carlini and Wagner: distance and margin in one loss, lowered by Adam.

mod l2;
mod linf;
mod variable;

pub use self::l2::CarliniWagner;
pub use self::linf::CarliniWagnerLinf;

use crate::methods::shared::minimum_norm::{Evaluated, NearestSearch};
use crate::rows::at_least_single;
use crate::rows::per_row;
use crate::{AttackError, InputGradient, ModelAccess};
use burn::tensor::Tensor;

/// The gradient of `c · max(κ − m, 0)` with respect to the pixels, with `m` the margin, at images
/// with a known gradient of the margin and a known evaluation.
fn slope_of_shortfall(
    access: &mut ModelAccess<'_>,
    search: &NearestSearch,
    found: InputGradient,
    evaluated: &Evaluated,
    confidence: f64,
    constants: impl Iterator<Item = f64>,
) -> Result<Tensor<4>, AttackError> {
    // For a stochastic model, the margins are those of the gradient's own draws.
    let margins = match search.stochastic {
        true => access.read([found.score])?.concat(),
        false => evaluated.scores.clone(),
    };
    let short = margins.into_iter().map(|margin| margin < confidence);
    let weights: Vec<f64> =
        constants.zip(short).map(|(c, short)| if short { -c } else { 0.0 }).collect();
    let gradient = at_least_single(found.gradient);
    let weights = per_row(&weights, &gradient);
    Ok(gradient * weights)
}
