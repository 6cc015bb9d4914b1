//! Device checks: does a device compute what another does?
//!
//! A backend can be wrong without a sound: a kernel that reads past its tile, a fused operation
//! that drops a factor, a convolution that is chosen at run time and fits all shapes but one. What
//! is trained and judged there is then no number of this library's. [`DeviceCheck`] computes the
//! same on two devices, draws, noise, convolutions of each kind, batch norm, gradients, a training
//! step and attacks, and names what differs and by how much. GPUs may round the operands of matrix
//! products to TF32: that is measured first, and products may then differ by it.
//!
//! ```
//! use burn::tensor::Device;
//! use cni_burn::device_check::{Comparison, DeviceCheck, Tolerance, values};
//! # let (device, cpu) = (Device::flex(), Device::flex());
//! // What is computed besides: a module of one's own, on values that are the same everywhere.
//! let own = Comparison::new("product", Tolerance::Relative(5e-5), |device| {
//!     let x = values::<2>(0, [8, 8], device);
//!     Ok(vec![("product".to_string(), x.clone().matmul(x).try_to_vec_as()?)])
//! });
//! let check = DeviceCheck::of(vec![own]); // `DeviceCheck::new().with(own)` for all of them
//! let findings = check.run(&device, &cpu, &mut |finding| println!("{finding}"));
//! assert!(findings.iter().all(|finding| finding.agrees()));
//! ```

mod attacks;
mod comparison;
mod draws;
mod finding;
mod layers;
mod models;
mod products;

pub use comparison::{Comparison, Parts, Tolerance, values};
pub use finding::{Difference, Finding, Outcome};

use burn::tensor::Device;

/// Everything that is compared between two devices.
pub struct DeviceCheck {
    comparisons: Vec<Comparison>,
}

impl Default for DeviceCheck {
    fn default() -> Self {
        Self::new()
    }
}

impl DeviceCheck {
    /// All comparisons that there are. They are small: a CPU takes seconds for them.
    pub fn new() -> Self {
        let parts = [draws::all(), layers::all(), models::all(), attacks::all()];
        Self::of(parts.into_iter().flatten().collect())
    }

    /// These comparisons alone.
    pub fn of(comparisons: Vec<Comparison>) -> Self {
        Self { comparisons }
    }

    /// One more.
    pub fn with(mut self, comparison: Comparison) -> Self {
        self.comparisons.push(comparison);
        self
    }

    /// The names of the comparisons, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.comparisons.iter().map(Comparison::name)
    }

    /// Computes everything on both devices, and calls `progress` after each comparison. Where
    /// products are among them, the first finding is how the device rounds them.
    ///
    /// A panic of a backend is a finding like any other; while it runs, the hook of the process
    /// that prints panics is replaced.
    pub fn run(
        &self,
        device: &Device,
        reference: &Device,
        progress: &mut dyn FnMut(&Finding),
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut found = |finding| {
            progress(&finding);
            findings.push(finding);
        };
        let mut rounding = 0.0;
        if self.comparisons.iter().any(Comparison::multiplies) {
            let (measured, finding) = products::rounding(device);
            rounding = measured;
            found(finding);
        }
        for comparison in &self.comparisons {
            found(comparison.run(device, reference, rounding));
        }
        findings
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_every_comparison_has_something_to_compare() {
        let mut empty = Vec::new();
        for comparison in DeviceCheck::new().comparisons {
            let parts = comparison.on(&Device::flex()).unwrap();
            assert!(!parts.is_empty(), "{}", comparison.name());
            let zeros = parts.into_iter().filter(|(_, all)| all.iter().all(|v| *v == 0.0));
            empty.extend(zeros.map(|(part, _)| format!("{}: {part}", comparison.name())));
        }
        assert!(empty.is_empty(), "nothing but zeros: {empty:?}");
    }
}
