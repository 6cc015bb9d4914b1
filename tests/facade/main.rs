//! Whole runs by the facade, the numbers of the README, and the weights that come with the library.

#[cfg(all(feature = "flex", feature = "binary"))]
mod binary;
#[cfg(feature = "flex")]
mod half_precision_runs;
mod isolation;
mod readme;
mod weights;

/// The root of the repository.
fn root() -> &'static std::path::Path {
    std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
