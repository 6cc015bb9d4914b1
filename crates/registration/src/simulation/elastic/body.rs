use super::cholesky::Banded;
use super::element::stiffness;
use super::{Material, Mesh, Plane};
use crate::RegistrationError;
use crate::error::within;
use std::collections::BTreeMap;

/// An elastic body with its supports and loads.
#[derive(Clone, Debug)]
pub struct Body {
    mesh: Mesh,
    plane: Plane,
    materials: Vec<Material>,
    /// Displacements by node and axis.
    held: BTreeMap<[usize; 2], f64>,
    /// Forces by node.
    loads: Vec<[f64; 2]>,
}

impl Body {
    /// A body without supports and loads, with a material for each quadrilateral.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Count`] for another number of materials than quadrilaterals,
    /// [`RegistrationError::Value`] for a material out of its range.
    pub fn new(
        mesh: Mesh,
        plane: Plane,
        materials: &[Material],
    ) -> Result<Self, RegistrationError> {
        if materials.len() != mesh.quads().len() {
            let wanted = format!("one for each quadrilateral, {}", mesh.quads().len());
            let got = materials.len();
            return Err(RegistrationError::Count { field: "materials", got, wanted });
        }
        materials.iter().try_for_each(Material::check)?;
        let loads = vec![[0.0; 2]; mesh.nodes().len()];
        Ok(Self { mesh, plane, materials: materials.to_vec(), held: BTreeMap::new(), loads })
    }

    fn check_node(&self, got: usize) -> Result<(), RegistrationError> {
        match got < self.loads.len() {
            true => Ok(()),
            false => {
                let wanted = format!("below the number of nodes, {}", self.loads.len());
                Err(RegistrationError::Count { field: "node", got, wanted })
            }
        }
    }

    /// Holds a node at a displacement along an axis, 0 or 1; the last one given counts.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Count`] for no such node or axis, [`RegistrationError::Value`] for a
    /// displacement that is not finite.
    pub fn hold(
        &mut self,
        node: usize,
        axis: usize,
        displacement: f64,
    ) -> Result<&mut Self, RegistrationError> {
        self.check_node(node)?;
        if axis > 1 {
            let wanted = "0 or 1".into();
            return Err(RegistrationError::Count { field: "axis", got: axis, wanted });
        }
        within("displacement", displacement, |_| true, "a finite number")?;
        self.held.insert([node, axis], displacement);
        Ok(self)
    }

    /// Adds a force on a node, per unit of thickness.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Count`] for no such node, [`RegistrationError::Value`] for a force that
    /// is not finite.
    pub fn force(&mut self, node: usize, force: [f64; 2]) -> Result<&mut Self, RegistrationError> {
        self.check_node(node)?;
        for (axis, force) in force.into_iter().enumerate() {
            self.loads[node][axis] += within("force", force, |_| true, "a finite number")?;
        }
        Ok(self)
    }

    /// Adds a traction, force per area, on the line between two nodes: from its value at the first
    /// one linearly to that at the second, as the forces on the two that do the same work.
    ///
    /// # Errors
    ///
    /// Those of [`force`](Self::force).
    pub fn traction(
        &mut self,
        [a, b]: [usize; 2],
        [at_a, at_b]: [[f64; 2]; 2],
    ) -> Result<&mut Self, RegistrationError> {
        self.check_node(a)?;
        self.check_node(b)?;
        let [[a0, a1], [b0, b1]] = [a, b].map(|node| self.mesh.nodes()[node]);
        let length = (b0 - a0).hypot(b1 - a1);
        let share = |near: [f64; 2], far: [f64; 2]| {
            [0, 1].map(|axis| length / 6.0 * (2.0 * near[axis] + far[axis]))
        };
        self.force(a, share(at_a, at_b))?.force(b, share(at_b, at_a))
    }

    /// Adds a pressure on the line from node `a` to node `b`, along the normal
    /// `(b₁ − a₁, a₀ − b₀)`: on a line along the second axis it pushes along the first.
    ///
    /// # Errors
    ///
    /// Those of [`force`](Self::force).
    pub fn pressure(
        &mut self,
        [a, b]: [usize; 2],
        pressure: f64,
    ) -> Result<&mut Self, RegistrationError> {
        self.check_node(a)?;
        self.check_node(b)?;
        let [[a0, a1], [b0, b1]] = [a, b].map(|node| self.mesh.nodes()[node]);
        let half = pressure / 2.0;
        let force = [half * (b1 - a1), half * (a0 - b0)];
        self.force(a, force)?.force(b, force)
    }

    /// The displacements of all nodes, along both axes.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Unsupported`] for a body that its supports do not hold in place.
    pub fn solve(&self) -> Result<Vec<[f64; 2]>, RegistrationError> {
        let quads = self.mesh.quads();
        let span = |quad: &[usize; 4]| {
            let (low, high) = (quad.iter().min(), quad.iter().max());
            high.zip(low).map_or(0, |(high, low)| high - low)
        };
        let reach = 2 * quads.iter().map(span).max().unwrap_or(0) + 1;
        let mut matrix = Banded::zeros(2 * self.loads.len(), reach);
        let mut right = self.loads.concat();
        for (number, quad) in quads.iter().enumerate() {
            let of = stiffness(self.mesh.corners(number), self.materials[number], self.plane);
            let unknown = |at: usize| 2 * quad[at / 2] + at % 2;
            for (row, of_row) in of.iter().enumerate() {
                for (column, stiffness) in of_row.iter().enumerate() {
                    if unknown(row) >= unknown(column) {
                        *matrix.at(unknown(row), unknown(column)) += stiffness;
                    }
                }
            }
        }
        // A held displacement goes to the right-hand side, and its own equation becomes trivial.
        for ([node, axis], &displacement) in &self.held {
            let held = 2 * node + axis;
            for row in matrix.below(held).skip(1) {
                right[row] -= std::mem::take(matrix.at(row, held)) * displacement;
            }
            for column in matrix.before(held) {
                right[column] -= std::mem::take(matrix.at(held, column)) * displacement;
            }
            *matrix.at(held, held) = 1.0;
            right[held] = displacement;
        }
        // Those that were held before must keep their values.
        for ([node, axis], &displacement) in &self.held {
            right[2 * node + axis] = displacement;
        }
        let solved = matrix.solve(right).ok_or(RegistrationError::Unsupported)?;
        Ok(solved.chunks(2).map(|both| [both[0], both[1]]).collect())
    }
}
