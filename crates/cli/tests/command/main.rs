//! The command `cni` as its users run it: a flag that is given is used or refused, in a sentence.

mod classes;
mod flags;
mod imports;
mod program;
mod runs;
mod values;
