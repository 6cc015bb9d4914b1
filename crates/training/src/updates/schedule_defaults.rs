//! Settings of schedules that a file leaves out: PyTorch's defaults.

pub fn gamma() -> f64 {
    0.1
}

pub fn pct_start() -> f64 {
    0.3
}

pub fn div_factor() -> f64 {
    25.0
}

pub fn final_div_factor() -> f64 {
    1e4
}

pub fn cycles() -> usize {
    1
}
