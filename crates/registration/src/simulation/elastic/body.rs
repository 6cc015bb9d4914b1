use super::element::stiffness;
use super::{Material, Mesh, Plane};
use crate::RegistrationError;
use crate::error::within;
use nalgebra::DMatrix;
use nalgebra_sparse::factorization::CscCholesky;
use nalgebra_sparse::{CooMatrix, CscMatrix};
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
        self.add_forces([(node, force)])
    }

    /// Adds forces on nodes that there are, all of them or, if one is not finite, none.
    fn add_forces<const N: usize>(
        &mut self,
        forces: [(usize, [f64; 2]); N],
    ) -> Result<&mut Self, RegistrationError> {
        for force in forces.iter().flat_map(|(_, force)| force) {
            within("force", *force, |_| true, "a finite number")?;
        }
        for (node, force) in forces {
            for (load, force) in self.loads[node].iter_mut().zip(force) {
                *load += force;
            }
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
        self.add_forces([(a, share(at_a, at_b)), (b, share(at_b, at_a))])
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
        self.add_forces([(a, force), (b, force)])
    }

    /// The displacements of all nodes, along both axes.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Unsupported`] for a body that its supports do not hold in place.
    pub fn solve(&self) -> Result<Vec<[f64; 2]>, RegistrationError> {
        let mut all = vec![0.0; 2 * self.loads.len()];
        for ([node, axis], &displacement) in &self.held {
            all[2 * node + axis] = displacement;
        }
        // The unknowns are the displacements that are not held.
        let is_free = |at: &usize| !self.held.contains_key(&[at / 2, at % 2]);
        let free: Vec<usize> = (0..all.len()).filter(is_free).collect();
        if free.is_empty() {
            return Ok(pairs(&all));
        }
        let mut number = vec![None; all.len()];
        let mut matrix = CooMatrix::new(free.len(), free.len());
        for (unknown, &at) in free.iter().enumerate() {
            number[at] = Some(unknown);
            // An entry on the diagonal, also of a node in no quadrilateral.
            matrix.push(unknown, unknown, 0.0);
        }
        let load = |unknown: usize, _| self.loads[free[unknown] / 2][free[unknown] % 2];
        let mut right = DMatrix::from_fn(free.len(), 1, load);
        for (quad, corners) in self.mesh.quads().iter().enumerate() {
            let of = stiffness(self.mesh.corners(quad), self.materials[quad], self.plane);
            let place = |at: usize| 2 * corners[at / 2] + at % 2;
            for (row, entries) in of.iter().enumerate() {
                let Some(row) = number[place(row)] else { continue };
                for (column, &entry) in entries.iter().enumerate() {
                    match number[place(column)] {
                        Some(column) => matrix.push(row, column, entry),
                        None => right[row] -= entry * all[place(column)],
                    }
                }
            }
        }
        let matrix = CscMatrix::from(&matrix);
        let factor = CscCholesky::factor(&matrix).map_err(|_| RegistrationError::Unsupported)?;
        // What exact numbers make zero, rounding leaves as little.
        let pivots = factor.l().diagonal_as_csc();
        let diagonal = matrix.diagonal_as_csc();
        if !pivots.values().iter().zip(diagonal.values()).all(|(l, k)| l * l > 1e-12 * k) {
            return Err(RegistrationError::Unsupported);
        }
        for (&at, &displacement) in free.iter().zip(factor.solve(&right).iter()) {
            all[at] = displacement;
        }
        Ok(pairs(&all))
    }
}

/// The displacements of nodes, along both axes.
fn pairs(all: &[f64]) -> Vec<[f64; 2]> {
    all.chunks(2).map(|both| [both[0], both[1]]).collect()
}
