//! The decision boundary of the linearized model.

use super::NearestSearch;
use crate::rows::where_rows;
use crate::{AttackError, Eot, ModelAccess, Objective};
use burn::tensor::Tensor;
use cni_noise::Key;

/// The hyperplane, for each image, at which the linearized model reaches the goal.
pub(crate) struct Plane {
    pub normal: Tensor<4>,
    /// The value of the linear function at the image; it is zero on the plane.
    pub offsets: Vec<f64>,
    /// The distance of the plane, without regard to the box.
    pub distances: Vec<f64>,
}

impl NearestSearch {
    /// The nearest, for each image, of the planes on which the linearized objectives are zero.
    pub fn nearest_plane(
        &self,
        access: &mut ModelAccess<'_>,
        images: &Tensor<4>,
        objectives: &[Objective],
        eot: Eot,
        key: Key,
    ) -> Result<Plane, AttackError> {
        let dual = self.threat.norm().dual();
        let mut nearest: Option<Plane> = None;
        for objective in objectives {
            let found = access.gradient(images, objective, &self.batch.examples, eot, key)?;
            let slopes = dual.length(found.gradient.clone());
            let [offsets, slopes] = access.read([found.score, slopes])?;
            // A gradient of zero leads nowhere: its plane is the farthest.
            let distances = offsets.iter().zip(&slopes).map(|(z, slope)| z.abs() / (slope + 1e-12));
            let distances: Vec<f64> = distances.collect();
            nearest = Some(match nearest {
                None => Plane { normal: found.gradient, offsets, distances },
                Some(best) => {
                    let nearer = distances.iter().zip(&best.distances).map(|(new, old)| new < old);
                    let nearer: Vec<bool> = nearer.collect();
                    let of = |new: &[f64], old: &[f64]| -> Vec<f64> {
                        let pick = |row: usize| if nearer[row] { new[row] } else { old[row] };
                        (0..nearer.len()).map(pick).collect()
                    };
                    Plane {
                        offsets: of(&offsets, &best.offsets),
                        distances: of(&distances, &best.distances),
                        normal: where_rows(&nearer, best.normal, &found.gradient),
                    }
                }
            });
        }
        Ok(nearest.expect("a model has at least two classes"))
    }
}
