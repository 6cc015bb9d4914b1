//! What several tests share.

pub mod noises;
pub mod reference;
pub mod torch;
