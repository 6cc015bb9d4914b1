//! Statistics: intervals and tests. This module is the only user of a statistics crate.

pub(crate) mod binomial;
pub(crate) mod error;
pub(crate) mod estimate;
pub(crate) mod intervals;
pub(crate) mod laws;
pub(crate) mod multiple;
pub(crate) mod shares;

pub use self::error::StatisticsError;
