//! Fields against closed forms, finite differences and PyTorch; losses against naive sums; the
//! adversary against quadrature; elastic bodies against closed forms; networks, training and what
//! is refused.

mod adversary;
mod elastic;
mod fields;
mod inverse;
mod losses;
mod networks;
mod overlap;
mod reference;
mod refused;
mod simulation;
mod support;
mod training;
mod warp;
