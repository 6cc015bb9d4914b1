//! The command `cni` as its users run it: a flag that is given is used or refused, in a sentence.

mod ablation;
mod attacks;
mod bands;
mod binary;
mod classes;
mod completions;
mod earlier;
mod epsilon;
mod flags;
mod flatness;
mod folders;
mod imports;
mod json;
mod paths;
mod precision;
mod privacy;
mod program;
mod recipes;
mod replaced;
mod runs;
mod shards;
mod values;
mod weights;
