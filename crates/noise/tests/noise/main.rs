//! Keyed draws, noise that is added, and the laws of noise.

mod added;
mod custom_law;
mod draws;
mod laws;
