//! The slots of a step: custom rules work, their state resumes exactly, and a broken contract is
//! named.

mod augmentations;
mod averages;
mod contracts;
mod empty_batches;
mod gradients;
mod objectives;
mod samplers;
mod updates;
