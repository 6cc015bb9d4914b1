use crate::RegistrationError;
use crate::error::{positive, within};
use serde::{Deserialize, Serialize};

/// What is zero across the plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plane {
    /// The stress: a thin plate.
    Stress,
    /// The strain: a slice of a long body.
    Strain,
}

/// An isotropic material.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Material {
    /// Young's modulus, above 0, in any unit of force per area; loads have the same.
    pub young: f64,
    /// Poisson's ratio, in (−1, 0.5).
    pub poisson: f64,
}

impl Material {
    pub(super) fn check(&self) -> Result<(), RegistrationError> {
        positive("young", self.young)?;
        let wanted = "a number between -1 and 0.5, ends excluded";
        within("poisson", self.poisson, |nu| nu > -1.0 && nu < 0.5, wanted).map(|_| ())
    }

    /// Stresses along both axes and shear, from strains along both axes and the shear angle.
    fn stiffness(&self, plane: Plane) -> [[f64; 3]; 3] {
        let Self { young, poisson: nu } = *self;
        let shear = young / (2.0 * (1.0 + nu));
        let (along, across) = match plane {
            Plane::Stress => {
                let factor = young / (1.0 - nu * nu);
                (factor, factor * nu)
            }
            Plane::Strain => {
                let factor = young / ((1.0 + nu) * (1.0 - 2.0 * nu));
                (factor * (1.0 - nu), factor * nu)
            }
        };
        [[along, across, 0.0], [across, along, 0.0], [0.0, 0.0, shear]]
    }
}

/// The signs of the corners in the coordinates of the element, which go from −1 to 1.
const CORNERS: [[f64; 2]; 4] = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];

/// The derivatives of the four shape functions along the axes, and the Jacobian, at a point in the
/// coordinates of the element.
fn derivatives(corners: [[f64; 2]; 4], point: [f64; 2]) -> ([[f64; 2]; 4], f64) {
    let local =
        CORNERS.map(|[a, b]| [0.25 * a * (1.0 + b * point[1]), 0.25 * b * (1.0 + a * point[0])]);
    // d place / d point: by axis, then by coordinate of the element.
    let mut j = [[0.0; 2]; 2];
    for (of, at) in local.iter().zip(&corners) {
        for axis in 0..2 {
            for coordinate in 0..2 {
                j[axis][coordinate] += at[axis] * of[coordinate];
            }
        }
    }
    let det = j[0][0] * j[1][1] - j[0][1] * j[1][0];
    let along =
        local.map(|[a, b]| [(a * j[1][1] - b * j[1][0]) / det, (b * j[0][0] - a * j[0][1]) / det]);
    (along, det)
}

/// The quadrature points, each with a weight of 1.
fn points() -> [[f64; 2]; 4] {
    CORNERS.map(|corner| corner.map(|sign| sign / 3.0_f64.sqrt()))
}

/// The Jacobians at the corners, where a quadrilateral has the smallest and the largest.
pub(super) fn jacobians(corners: [[f64; 2]; 4]) -> [f64; 4] {
    CORNERS.map(|corner| derivatives(corners, corner).1)
}

/// The stiffness of an element: forces at its corners, from displacements there. Both have the
/// first axis of the first corner, the second axis of it, the first of the next, and so on.
pub(super) fn stiffness(corners: [[f64; 2]; 4], material: Material, plane: Plane) -> [[f64; 8]; 8] {
    let law = material.stiffness(plane);
    let mut sum = [[0.0; 8]; 8];
    for point in points() {
        let (along, det) = derivatives(corners, point);
        // Strains from displacements.
        let mut b = [[0.0; 8]; 3];
        for (corner, [first, second]) in along.into_iter().enumerate() {
            b[0][2 * corner] = first;
            b[1][2 * corner + 1] = second;
            b[2][2 * corner] = second;
            b[2][2 * corner + 1] = first;
        }
        for row in 0..8 {
            for column in 0..8 {
                for stress in 0..3 {
                    for strain in 0..3 {
                        sum[row][column] +=
                            b[stress][row] * law[stress][strain] * b[strain][column] * det;
                    }
                }
            }
        }
    }
    sum
}
