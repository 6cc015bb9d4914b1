//! Images, in memory and on disk.

mod images;
mod on_disk;
