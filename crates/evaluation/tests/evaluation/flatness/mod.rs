//! Flatness: closed values, invariance, records, and what a run leaves alone.

mod closed;
mod measured;
mod recorded;
mod world;
