//! Intervals and tests: the only user of a statistics crate.

pub(crate) mod binomial;
pub(crate) mod estimate;
pub(crate) mod intervals;
