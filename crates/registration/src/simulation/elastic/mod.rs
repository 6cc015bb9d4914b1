//! Linear elasticity in 2-D by finite elements: bilinear quadrilaterals of unit thickness, two by
//! two quadrature points, supports, loads, and a sparse Cholesky factor in double precision.
//!
//! Strains are small ones: a displacement proportional to its load, and no contact. Fully
//! integrated bilinear elements are too stiff in bending on coarse meshes, and near a Poisson's
//! ratio of 0.5 in plane strain (locking).
//!
//! ```
//! use cni_registration::simulation::elastic::{Body, Material, Mesh, Plane};
//!
//! // A bar of length 2 and height 1, pulled at its end by a traction of 1.
//! let mesh = Mesh::grid([3, 2], [1.0, 1.0])?;
//! let steel = Material { young: 200.0, poisson: 0.3 };
//! let mut body = Body::new(mesh, Plane::Stress, &[steel; 2])?;
//! body.hold(0, 0, 0.0)?.hold(1, 0, 0.0)?.hold(0, 1, 0.0)?;
//! body.traction([4, 5], [[1.0, 0.0]; 2])?;
//! let displacement = body.solve()?;
//! assert!((displacement[4][0] - 2.0 / 200.0).abs() < 1e-12);
//! # Ok::<(), cni_registration::RegistrationError>(())
//! ```

mod body;
mod element;
mod mesh;

pub use body::Body;
pub use element::{Material, Plane};
pub use mesh::Mesh;
