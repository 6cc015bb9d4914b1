//! The evaluation on models whose robust accuracy is known.

mod accuracy;
mod adversarial;
mod audited;
mod batches;
mod cascade;
mod cascade_state;
mod cascade_warned;
mod certified;
mod compared;
mod curves;
mod interrupted;
mod intervals;
mod noise;
mod precision;
mod records;
mod refused;
mod resume;
mod schema;
mod shards;
mod threshold;
mod toy;
mod warned;
