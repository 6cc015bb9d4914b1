//! When APGD shortens its steps and goes back to its best point: decisions on scores alone.

/// The rows' step sizes and what they depend on.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    rho: f64,
    /// Iterations from one checkpoint to the next.
    gap: usize,
    shrink: usize,
    least: usize,
    since: usize,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    step: f64,
    /// The score of the last iterate, the best score, and the best at the last checkpoint.
    last: f64,
    best: f64,
    best_at_check: f64,
    /// The number of rises of the score since the last checkpoint.
    rises: usize,
    halved: bool,
}

/// The share of the iterations up to the first checkpoint, by which the gaps shrink, and that they
/// keep at least.
const SHARES: [f64; 3] = [0.22, 0.03, 0.06];

impl Schedule {
    /// For runs of `steps` iterations that begin with these scores and step size.
    pub fn new(steps: usize, rho: f64, step: f64, scores: &[f64]) -> Self {
        let [gap, shrink, least] = SHARES.map(|share| ((share * steps as f64) as usize).max(1));
        let row = |&score: &f64| Row {
            step,
            last: score,
            best: score,
            best_at_check: score,
            rises: 0,
            // The authors start like this, so that no row halves at the first checkpoint because
            // its best score is unchanged.
            halved: true,
        };
        Self { rho, gap, shrink, least, since: 0, rows: scores.iter().map(row).collect() }
    }

    pub fn steps(&self) -> Vec<f64> {
        self.rows.iter().map(|row| row.step).collect()
    }

    /// Records the scores of an iteration. Returns which of them are the best so far.
    pub fn record(&mut self, scores: &[f64]) -> Vec<bool> {
        self.since += 1;
        let each = self.rows.iter_mut().zip(scores).map(|(row, &score)| {
            row.rises += usize::from(score > row.last);
            row.last = score;
            let better = score > row.best;
            row.best = row.best.max(score);
            better
        });
        each.collect()
    }

    /// The rows that halve their step and go back to their best point; `None` between checkpoints.
    ///
    /// These are the rows whose score rose in at most the share ρ of the iterations since the last
    /// checkpoint, and the rows that did not halve at the last one and have no better score since
    /// (Croce and Hein, arXiv 2003.01690, section 3.2, conditions 1 and 2).
    pub fn check(&mut self) -> Option<Vec<bool>> {
        if self.since < self.gap {
            return None;
        }
        let enough = self.rho * self.gap as f64;
        let each = self.rows.iter_mut().map(|row| {
            let stuck = !row.halved && row.best_at_check >= row.best;
            row.halved = row.rises as f64 <= enough || stuck;
            row.best_at_check = row.best;
            row.rises = 0;
            if row.halved {
                row.step /= 2.0;
            }
            row.halved
        });
        let halved = each.collect();
        self.since = 0;
        self.gap = self.gap.saturating_sub(self.shrink).max(self.least);
        Some(halved)
    }

    pub fn select(&mut self, rows: &[usize]) {
        self.rows = rows.iter().map(|&row| self.rows[row].clone()).collect();
    }
}

/// As [`Schedule`], for the L1 norm: how many coordinates a step moves, and by how much (Croce and
/// Hein, arXiv 2103.01208, section 4.2).
#[derive(Clone, Debug)]
pub(super) struct SparseSchedule {
    gap: usize,
    since: usize,
    /// The longest step.
    full: f64,
    pixels: usize,
    rows: Vec<SparseRow>,
}

#[derive(Clone, Debug)]
struct SparseRow {
    step: f64,
    /// The share of coordinates that a step moves.
    share: f64,
    /// The number of coordinates that the best point had moved at the last checkpoint.
    moved: f64,
    best: f64,
}

impl SparseSchedule {
    /// `moved` holds the coordinates that each start has moved; a fresh start counts as having
    /// moved all.
    pub fn new(
        steps: usize,
        step: f64,
        pixels: usize,
        scores: &[f64],
        moved: Option<&[f64]>,
    ) -> Self {
        let row = |(row, &best): (usize, &f64)| {
            let (share, moved) = match moved {
                None => (0.2, pixels as f64),
                Some(moved) => (moved[row] / pixels as f64 / 1.5, moved[row]),
            };
            SparseRow { step, share, moved, best }
        };
        let rows = scores.iter().enumerate().map(row).collect();
        let gap = ((0.04 * steps as f64) as usize).max(1);
        Self { gap, since: 0, full: step, pixels, rows }
    }

    pub fn steps(&self) -> Vec<f64> {
        self.rows.iter().map(|row| row.step).collect()
    }

    /// The number of coordinates that a step of each row moves.
    pub fn shares(&self) -> Vec<usize> {
        let count = |row: &SparseRow| {
            let left =
                ((1.0 - row.share) * self.pixels as f64).clamp(0.0, self.pixels as f64 - 1.0);
            self.pixels - left as usize
        };
        self.rows.iter().map(count).collect()
    }

    /// As [`Schedule::record`].
    pub fn record(&mut self, scores: &[f64]) -> Vec<bool> {
        self.since += 1;
        let each = self.rows.iter_mut().zip(scores).map(|(row, &score)| {
            let better = score > row.best;
            row.best = row.best.max(score);
            better
        });
        each.collect()
    }

    pub fn is_due(&self) -> bool {
        self.since >= self.gap
    }

    /// At a checkpoint, the rows that go back to their best point, given how many coordinates that
    /// point has moved in each row.
    pub fn check(&mut self, moved: &[f64]) -> Vec<bool> {
        self.since = 0;
        let (full, pixels) = (self.full, self.pixels as f64);
        let each = self.rows.iter_mut().zip(moved).map(|(row, &moved)| {
            let sparser = moved / row.moved < 0.95;
            row.share = moved / pixels / 1.5;
            row.step = if sparser { full } else { (row.step / 1.5).max(full / 10.0) };
            row.moved = moved;
            sparser
        });
        each.collect()
    }

    pub fn select(&mut self, rows: &[usize]) {
        self.rows = rows.iter().map(|&row| self.rows[row].clone()).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The iterations, from 1, at which a run of `steps` has its checkpoints.
    fn checkpoints(steps: usize) -> Vec<usize> {
        let mut schedule = Schedule::new(steps, 0.75, 1.0, &[0.0]);
        let mut at = |step| {
            schedule.record(&[0.0]);
            schedule.check().map(|_| step)
        };
        (1..=steps).filter_map(&mut at).collect()
    }

    #[test]
    fn checkpoints_are_the_published_ones() {
        assert_eq!(checkpoints(100), [22, 41, 57, 70, 80, 87, 93, 99]);
        assert_eq!(checkpoints(50), [11, 21, 30, 38, 45]);
        assert_eq!(checkpoints(20)[..5], [4, 7, 9, 10, 11]);
    }

    /// Runs a loss by hand: rows halve by the first condition, by the second, and not at all.
    #[test]
    fn steps_halve_by_either_condition() {
        // 100 iterations; the first window has 22. Row 0 rises always, row 1 in 16 of 22, row 2 in
        // 17 of 22.
        let mut schedule = Schedule::new(100, 0.75, 2.0, &[0.0; 3]);
        let mut scores = [0.0; 3];
        for step in 0..22 {
            scores[0] += 1.0;
            scores[1] += if step < 16 { 1.0 } else { -0.01 };
            scores[2] += if step < 17 { 1.0 } else { -0.01 };
            let better = schedule.record(&scores);
            assert_eq!(better, [true, step < 16, step < 17]);
            assert_eq!(schedule.check().is_some(), step == 21);
        }
        // 0.75 · 22 = 16.5 rises are too few.
        assert_eq!(schedule.steps(), [2.0, 1.0, 2.0]);
        // The next window has 19. Row 0 stays level at its best for once and rises below it
        // otherwise: no new best, so it halves by the second condition; row 1 halved at the last
        // checkpoint and is spared that.
        scores = [-100.0, -100.0, 100.0];
        for step in 0..19 {
            scores.iter_mut().for_each(|score| *score += 1.0);
            schedule.record(&scores);
            let halved = schedule.check();
            assert_eq!(halved.is_some(), step == 18);
            if let Some(halved) = halved {
                assert_eq!(halved, [true, false, false]);
            }
        }
        assert_eq!(schedule.steps(), [1.0, 1.0, 2.0]);
    }

    #[test]
    fn sparse_steps_shorten_while_the_best_point_stays_as_dense() {
        let mut schedule = SparseSchedule::new(100, 12.0, 100, &[0.0, 0.0], None);
        assert_eq!(schedule.shares(), [20, 20]);
        for step in 0..4 {
            schedule.record(&[1.0, 1.0]);
            assert_eq!(schedule.is_due(), step == 3);
        }
        assert_eq!(schedule.check(&[30.0, 99.0]), [true, false]);
        assert_eq!(schedule.steps(), [12.0, 8.0]);
        assert_eq!(schedule.shares(), [20, 66]);
        assert_eq!(schedule.check(&[30.0, 10.0]), [false, true]);
        assert_eq!(schedule.steps(), [8.0, 12.0]);
        (0..9).for_each(|_| drop(schedule.check(&[30.0, 10.0])));
        assert_eq!(schedule.steps(), [1.2, 1.2]);
    }
}
