//! How candidates are compared, results checked, and noise told from rounding.

mod candidates;
mod half;
mod noise;
mod outside;
