//! The command of `examples/cifar_resnet`, as its users run it: a flag that is given is used or
//! refused, in a sentence.
//!
//! Cargo builds examples for `cargo test --workspace`; a single test wants `cargo build --workspace
//! --example cifar_resnet` before it.

mod classes;
mod flags;
mod imports;
mod program;
mod runs;
mod values;
