//! Evaluations, audits, predictions and flatness of models whose robust accuracy is known.

mod accuracy;
mod adversarial;
mod audit;
mod audited;
mod batches;
mod binomial;
mod cascade;
mod cascade_state;
mod cascade_warned;
mod certified;
mod compared;
mod curves;
mod flatness;
mod interrupted;
mod intervals;
mod noise;
mod noise_covariance;
mod precision;
mod prediction;
mod records;
mod refused;
mod resume;
mod schema;
mod shards;
mod smoothing;
mod spectrum;
#[allow(dead_code, reason = "the tests of attacks use the rest")]
#[path = "../../../attacks/tests/attacks/support/mod.rs"]
mod support;
mod threshold;
mod toy;
mod warned;
mod zoo;
