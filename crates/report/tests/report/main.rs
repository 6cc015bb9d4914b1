//! Reports of records that are made up, and of old ones.

mod certificates;
mod chromium;
mod flatness;
mod pictures;
mod properties;
mod reader;
mod support;
mod training;
