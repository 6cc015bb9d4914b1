//! Progress of a measurement.

/// A step of a measurement of flatness, as its `progress` callback gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlatnessStep {
    /// The part of the measurement: `reference`, `average`, `worst case` or `landscape`.
    pub part: &'static str,
    /// Units of it that are done: perturbations, attempts or points.
    pub done: usize,
    /// All units of it.
    pub of: usize,
}

/// A callback, which may be none.
pub(super) struct Watch<'a>(Option<&'a mut dyn FnMut(&FlatnessStep)>);

impl<'a> Watch<'a> {
    pub fn new(progress: &'a mut dyn FnMut(&FlatnessStep)) -> Self {
        Self(Some(progress))
    }

    pub fn silent() -> Self {
        Self(None)
    }

    pub fn step(&mut self, part: &'static str, done: usize, of: usize) {
        if let Some(progress) = &mut self.0 {
            progress(&FlatnessStep { part, done, of });
        }
    }
}
