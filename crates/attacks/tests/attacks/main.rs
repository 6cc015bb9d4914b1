//! Attacks, threats and norms, on models whose answers are known.

mod apgd;
mod autoattack;
mod black_box;
mod di_ti_fgsm;
mod every_attack;
mod frozen_model;
mod geometry;
mod judgement;
mod linear;
mod minimum_norm;
mod noisy;
mod norm;
mod parity;
mod patch;
mod pgd;
mod random_noise;
mod rejected;
mod stochastic;
mod support;
mod universal;
