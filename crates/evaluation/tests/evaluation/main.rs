//! The evaluation on models whose robust accuracy is known.

mod accuracy;
mod audited;
mod certified;
mod compared;
mod intervals;
mod noise;
mod records;
mod refused;
mod resume;
mod schema;
mod threshold;
mod warned;
