//! The trainer, the slots of its steps, and the folder of a run.

mod averages;
mod awp;
mod beginning;
mod configuration;
mod devices;
mod disk;
mod folders;
mod identity;
mod noise_laws;
mod objectives;
mod overfitting;
mod parity;
mod recipes;
mod rules;
mod run;
mod slots;
mod support;
