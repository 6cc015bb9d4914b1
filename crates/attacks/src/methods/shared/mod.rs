//! Parts that several attacks share.

pub(crate) mod adam;
pub(crate) mod best;
pub(crate) mod decision;
pub(crate) mod minimum_norm;
pub(crate) mod separable;
pub(crate) mod targets;
