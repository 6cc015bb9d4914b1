use super::element::jacobians;
use crate::RegistrationError;
use crate::error::positive;

/// A mesh of quadrilaterals.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesh {
    nodes: Vec<[f64; 2]>,
    quads: Vec<[usize; 4]>,
}

impl Mesh {
    /// A mesh from its nodes, and the numbers of the four corners of each quadrilateral, in the
    /// order that leads from the first axis to the second.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Count`] for no quadrilateral or a number without a node,
    /// [`RegistrationError::Quad`] for a quadrilateral that is not convex or goes the other way
    /// round.
    pub fn new(nodes: Vec<[f64; 2]>, quads: Vec<[usize; 4]>) -> Result<Self, RegistrationError> {
        crate::error::at_least("quads", quads.len(), 1)?;
        if let Some(&got) = quads.iter().flatten().find(|&&node| node >= nodes.len()) {
            let wanted = format!("below the number of nodes, {}", nodes.len());
            return Err(RegistrationError::Count { field: "quads", got, wanted });
        }
        let mesh = Self { nodes, quads };
        for quad in 0..mesh.quads.len() {
            let wrong = |j: &f64| j.is_nan() || *j <= 0.0;
            if let Some(got) = jacobians(mesh.corners(quad)).into_iter().find(wrong) {
                return Err(RegistrationError::Quad { quad, got });
            }
        }
        Ok(mesh)
    }

    /// A grid of `rows` by `columns` nodes at these distances along the first and the second axis.
    /// The node of a row and column has the number `row · columns + column`, and the quadrilateral
    /// after it `row · (columns − 1) + column`.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Count`] for fewer than two rows or columns,
    /// [`RegistrationError::Value`] for a distance that is not above 0.
    pub fn grid([rows, columns]: [usize; 2], spacing: [f64; 2]) -> Result<Self, RegistrationError> {
        crate::error::at_least("rows", rows, 2)?;
        crate::error::at_least("columns", columns, 2)?;
        for distance in spacing {
            positive("spacing", distance)?;
        }
        let place = |node: usize| {
            [(node / columns) as f64 * spacing[0], (node % columns) as f64 * spacing[1]]
        };
        let quad = |quad: usize| {
            let first = quad / (columns - 1) * columns + quad % (columns - 1);
            [first, first + columns, first + columns + 1, first + 1]
        };
        let quads = (0..(rows - 1) * (columns - 1)).map(quad).collect();
        Self::new((0..rows * columns).map(place).collect(), quads)
    }

    /// The places of the nodes.
    pub fn nodes(&self) -> &[[f64; 2]] {
        &self.nodes
    }

    /// The corners of the quadrilaterals, as numbers of nodes.
    pub fn quads(&self) -> &[[usize; 4]] {
        &self.quads
    }

    /// The places of a quadrilateral's corners.
    pub(super) fn corners(&self, quad: usize) -> [[f64; 2]; 4] {
        self.quads[quad].map(|node| self.nodes[node])
    }
}
