//! A thousand mutations of each kind of file that this library reads, the same ones in every run.
//!
//! None may panic or take more than 1 GiB of memory. A file of our own must be refused, by an error
//! that names it, or give the result that it gave before the mutation: a changed bit is an error,
//! never a result. The formats of others have no checksum, so there a mutated file may also give
//! something else, which must be sane: whole shapes, finite values, labels that are classes.
//!
//! A new reader is a row of the table below.

mod bombs;
mod evaluations;
mod images;
mod import;
mod kind;
mod mutation;
#[cfg(feature = "binary")]
mod packed;
mod runs;
mod world;

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A test for each row: its name, and what makes a [`kind::Kind`] for it.
macro_rules! kinds {
    ($($(#[$only:meta])? $name:ident: $kind:expr;)*) => {
        $(
            $(#[$only])?
            #[test]
            fn $name() {
                kind::survives_mutations(stringify!($name), $kind);
            }
        )*
    };
}

kinds! {
    cifar10: images::cifar10();
    cifar100: images::cifar100();
    png: images::folder("png");
    jpeg: images::folder("jpg");
    bmp: images::folder("bmp");
    progressive_jpeg: images::progressive_jpeg();
    pytorch_zip: import::pytorch("plain_zip.pth");
    pytorch_legacy: import::pytorch("plain_legacy.pth");
    checkpoint_weights: runs::weights();
    checkpoint_resumed: runs::resumed();
    manifest: evaluations::record("manifest.json");
    record: evaluations::record("record.json");
    rows: evaluations::record("rows.jsonl");
    gallery: evaluations::record("gallery.safetensors");
    flatness: evaluations::flatness();
    evaluation_state: evaluations::evaluation_state();
    cascade_state: evaluations::cascade_state();
    audit_state: evaluations::audit_state();
    shard: evaluations::shard();
    adversarial_images: evaluations::adversarial_images();
    #[cfg(feature = "binary")] packed_model: packed::packed_model();
}
