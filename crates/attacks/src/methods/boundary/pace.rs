//! The sizes of the random steps, adapted to how often they succeed.

use std::collections::VecDeque;

/// The number of steps across, and of whole steps, over which rates of success are measured.
const WINDOWS: [usize; 2] = [100, 30];

/// The rates of success of steps across, below which steps shrink and above which they grow: if the
/// boundary is flat at the scale of these steps, half of them succeed.
const ACROSS: [f64; 2] = [0.2, 0.5];
const WHOLE: [f64; 2] = [0.1, 0.25];

/// The sizes of an example's steps, as shares of the distance.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Across the line to the original.
    pub across: f64,
    /// Towards the original.
    pub towards: f64,
    rates: [Rate; 2],
}

impl Pace {
    pub fn new(across: f64, towards: f64) -> Self {
        Self { across, towards, rates: WINDOWS.map(Rate::new) }
    }

    /// Records whether the step across stayed adversarial, and whether the whole step did.
    pub fn update(&mut self, across: bool, whole: bool, factor: f64) {
        let [of_across, of_whole] = &mut self.rates;
        if let Some(change) = of_across.add(across, ACROSS) {
            change.apply(&mut self.across, factor);
            change.apply(&mut self.towards, factor);
        }
        if let Some(change) = of_whole.add(whole, WHOLE) {
            change.apply(&mut self.towards, factor);
        }
    }
}

/// The change of a step size.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Grow,
    Shrink,
}

impl Change {
    fn apply(self, size: &mut f64, factor: f64) {
        match self {
            Self::Grow => *size *= factor,
            Self::Shrink => *size /= factor,
        }
    }
}

/// True if the last steps of a kind succeeded.
#[derive(Clone, Debug)]
struct Rate {
    last: VecDeque<bool>,
    window: usize,
}

impl Rate {
    fn new(window: usize) -> Self {
        Self { last: VecDeque::with_capacity(window), window }
    }

    /// Records a step. Returns the change that a full window asks for, and then empties the window,
    /// since its successes belong to another step size.
    fn add(&mut self, success: bool, [low, high]: [f64; 2]) -> Option<Change> {
        if self.last.len() == self.window {
            self.last.pop_front();
        }
        self.last.push_back(success);
        if self.last.len() < self.window {
            return None;
        }
        let share = self.last.iter().filter(|yes| **yes).count() as f64 / self.window as f64;
        let change = match share {
            share if share > high => Change::Grow,
            share if share < low => Change::Shrink,
            _ => return None,
        };
        self.last.clear();
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_changes_the_steps_and_begins_anew() {
        let mut pace = Pace::new(0.01, 0.02);
        // Whole steps succeed one time in six, which is neither rare nor frequent.
        let mut steps = |count: usize, across: bool| {
            (0..count).for_each(|step| pace.update(across, step % 6 == 0, 2.0));
            (pace.across, pace.towards)
        };
        assert_eq!(steps(99, true), (0.01, 0.02));
        assert_eq!(steps(1, true), (0.02, 0.04));
        assert_eq!(steps(99, false), (0.02, 0.04));
        assert_eq!(steps(1, false), (0.01, 0.02));
    }

    #[test]
    fn whole_steps_change_the_way_towards_the_original_alone() {
        let of = |whole: fn(usize) -> bool| {
            let mut pace = Pace::new(0.01, 0.02);
            // Steps across succeed one time in three.
            (0..30).for_each(|step| pace.update(step % 3 == 0, whole(step), 2.0));
            (pace.across, pace.towards)
        };
        assert_eq!(of(|step| step < 8), (0.01, 0.04));
        assert_eq!(of(|step| step < 7), (0.01, 0.02));
        assert_eq!(of(|step| step < 3), (0.01, 0.02));
        assert_eq!(of(|step| step < 2), (0.01, 0.01));
    }
}
