use super::FieldSource;
use super::elastic::{Body, Material, Mesh, Plane};
use crate::RegistrationError;
use crate::error::{at_least, not_negative, positive, within};
use burn::config::Config;
use burn::tensor::{Device, Tensor, TensorData};
use cni_noise::{Key, host_uniform};
use serde::{Deserialize, Serialize};

/// Random motion of an elastic body in 2-D with a stiffer gland in it, an ellipse: a stand-in for
/// the finite-element simulations of the prostate that the published study took, and no model of an
/// organ.
///
/// The body is the image, in plane strain, with a node at each voxel. Its first row is held, the
/// sides slide, and a probe moves the last row by a bump of random place, width and size, inwards
/// or outwards, and a little sideways. A random pressure on the gland's outline swells or shrinks
/// it. All random numbers are uniform in their range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlandMotion {
    /// Rows and columns of the image, at least 8.
    pub size: [usize; 2],
    /// The smallest and the largest half-axis of the gland, in voxels, above 0.
    pub radii: [f64; 2],
    /// The largest distance of the gland's center from that of the image along each axis, in
    /// voxels.
    pub shift: f64,
    /// The smallest and the largest Young's modulus of the gland over that of what is around it,
    /// in [10⁻⁶, 10⁶].
    pub stiffness: [f64; 2],
    /// Poisson's ratio of both, in [0, 0.49].
    pub poisson: f64,
    /// The largest displacement by the probe along the first axis, in voxels; along the second,
    /// half of it.
    pub probe: f64,
    /// The largest pressure on the gland's outline, over the Young's modulus of what is around it.
    pub pressure: f64,
}

impl Config for GlandMotion {}

impl GlandMotion {
    /// A gland with half-axes of a fifth to a third of the image's shorter side, 1.5 to 4 times as
    /// stiff as what is around it, and a probe that moves by up to an eighth of that side.
    pub fn new(size: [usize; 2]) -> Self {
        let extent = size[0].min(size[1]) as f64;
        Self {
            size,
            radii: [extent / 5.0, extent / 3.0],
            shift: extent / 16.0,
            stiffness: [1.5, 4.0],
            poisson: 0.45,
            probe: extent / 8.0,
            pressure: 0.1,
        }
    }

    fn check(&self) -> Result<(), RegistrationError> {
        self.size.iter().try_for_each(|&size| at_least("size", size, 8).map(|_| ()))?;
        let range = |field, [low, high]: [f64; 2]| {
            positive(field, low)?;
            within(field, high, |high| high >= low, "two finite numbers above 0 in their order")
        };
        range("radii", self.radii)?;
        range("stiffness", self.stiffness)?;
        // Beyond it the displacements are lost in rounding.
        for stiffness in self.stiffness {
            let holds = |ratio| (1e-6..=1e6).contains(&ratio);
            within("stiffness", stiffness, holds, "two numbers in [10⁻⁶, 10⁶] in their order")?;
        }
        not_negative("shift", self.shift)?;
        within("poisson", self.poisson, |nu| (0.0..=0.49).contains(&nu), "a number in [0, 0.49]")?;
        not_negative("probe", self.probe)?;
        not_negative("pressure", self.pressure).map(|_| ())
    }

    /// A gland with its motion, as a function of the key.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Count`] and [`RegistrationError::Value`] for settings out of their
    /// range.
    pub fn gland(&self, key: Key) -> Result<Gland, RegistrationError> {
        self.check()?;
        let drawn: Vec<f64> = host_uniform(key, 0..10).into_iter().map(f64::from).collect();
        let within = |at: usize, [low, high]: [f64; 2]| low + drawn[at] * (high - low);
        let both = |at: usize, most: f64| within(at, [-most, most]);
        let center = |axis: usize| (self.size[axis] as f64 - 1.0) / 2.0 + both(axis, self.shift);
        let columns = self.size[1] as f64 - 1.0;
        Ok(Gland {
            motion: *self,
            center: [center(0), center(1)],
            radii: [within(2, self.radii), within(3, self.radii)],
            stiffness: within(4, self.stiffness),
            probe_place: within(5, [0.25 * columns, 0.75 * columns]),
            probe_width: within(6, [0.15 * columns, 0.4 * columns]),
            probe: [both(7, self.probe), both(8, self.probe / 2.0)],
            pressure: both(9, self.pressure),
        })
    }
}

/// A gland with its motion. Made by [`GlandMotion::gland`].
#[derive(Clone, Debug, PartialEq)]
pub struct Gland {
    motion: GlandMotion,
    center: [f64; 2],
    radii: [f64; 2],
    stiffness: f64,
    probe_place: f64,
    probe_width: f64,
    probe: [f64; 2],
    pressure: f64,
}

impl Gland {
    /// True within the gland, at a place in voxels before its motion.
    pub fn contains(&self, place: [f64; 2]) -> bool {
        let at = |axis: usize| (place[axis] - self.center[axis]) / self.radii[axis];
        at(0).powi(2) + at(1).powi(2) <= 1.0
    }

    /// The pressure on its outline, over the Young's modulus of what is around it; above 0 it
    /// swells.
    pub fn pressure(&self) -> f64 {
        self.pressure
    }

    /// The gland before its motion, 1 within and 0 elsewhere: `[1, 1, rows, columns]`.
    pub fn label(&self, device: &Device) -> Tensor<4> {
        let [rows, columns] = self.motion.size;
        let voxel = |voxel: usize| [(voxel / columns) as f64, (voxel % columns) as f64];
        let values = (0..rows * columns).map(|at| f32::from(self.contains(voxel(at))));
        let values: Vec<f32> = values.collect();
        Tensor::from_data(TensorData::new(values, [1, 1, rows, columns]), device)
    }

    /// The displacements of the voxels, row by row, along both axes.
    ///
    /// # Errors
    ///
    /// Those of [`Body`], which settings in their range do not meet.
    pub fn displacements(&self) -> Result<Vec<[f64; 2]>, RegistrationError> {
        let [rows, columns] = self.motion.size;
        let mesh = Mesh::grid([rows, columns], [1.0, 1.0])?;
        let in_gland: Vec<bool> = mesh
            .quads()
            .iter()
            .map(|quad| self.contains(mesh.nodes()[quad[0]].map(|corner| corner + 0.5)))
            .collect();
        let material = |&within: &bool| Material {
            young: if within { self.stiffness } else { 1.0 },
            poisson: self.motion.poisson,
        };
        let materials: Vec<Material> = in_gland.iter().map(material).collect();
        let mut body = Body::new(mesh, Plane::Strain, &materials)?;
        for row in 0..rows {
            body.hold(row * columns, 1, 0.0)?.hold((row + 1) * columns - 1, 1, 0.0)?;
        }
        let last = (columns - 1) as f64;
        for column in 0..columns {
            body.hold(column, 0, 0.0)?.hold(column, 1, 0.0)?;
            let place = column as f64;
            let bump = (-0.5 * ((place - self.probe_place) / self.probe_width).powi(2)).exp();
            // The sides do not move sideways.
            let sideways = (std::f64::consts::PI * place / last).sin();
            let node = (rows - 1) * columns + column;
            body.hold(node, 0, self.probe[0] * bump)?;
            body.hold(node, 1, self.probe[1] * bump * sideways)?;
        }
        // The outline: edges between an element of the gland and one that is none. Pressure pushes
        // outwards.
        let within = |row: usize, column: usize| in_gland[row * (columns - 1) + column];
        let node = |row: usize, column: usize| row * columns + column;
        for row in 0..rows - 1 {
            for column in 0..columns - 1 {
                let here = within(row, column);
                if row + 1 < rows - 1 && here != within(row + 1, column) {
                    let edge = [node(row + 1, column), node(row + 1, column + 1)];
                    body.pressure(edge, if here { self.pressure } else { -self.pressure })?;
                }
                if column + 1 < columns - 1 && here != within(row, column + 1) {
                    let edge = [node(row + 1, column + 1), node(row, column + 1)];
                    body.pressure(edge, if here { self.pressure } else { -self.pressure })?;
                }
            }
        }
        body.solve()
    }

    /// The displacement field of the motion, `[1, 2, rows, columns]` in voxels: where each voxel
    /// goes.
    ///
    /// # Errors
    ///
    /// Those of [`displacements`](Self::displacements).
    pub fn field(&self, device: &Device) -> Result<Tensor<4>, RegistrationError> {
        let [rows, columns] = self.motion.size;
        let displacements = self.displacements()?;
        let along = |axis: usize| displacements.iter().map(move |both| both[axis] as f32);
        let values: Vec<f32> = along(0).chain(along(1)).collect();
        Ok(Tensor::from_data(TensorData::new(values, [1, 2, rows, columns]), device))
    }
}

impl FieldSource<4> for GlandMotion {
    /// The fields of the glands of `key.child(0)`, `key.child(1)`, ..
    fn draw(
        &self,
        key: Key,
        count: usize,
        device: &Device,
    ) -> Result<Tensor<4>, RegistrationError> {
        let field = |child: u64| self.gland(key.child(child))?.field(device);
        let fields = (0..count as u64).map(field).collect::<Result<Vec<_>, _>>()?;
        match fields.is_empty() {
            true => Ok(Tensor::zeros([0, 2, self.size[0], self.size[1]], device)),
            false => Ok(Tensor::cat(fields, 0)),
        }
    }
}
