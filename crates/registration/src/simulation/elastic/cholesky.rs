//! The Cholesky decomposition of a banded matrix.

/// The lower half of a symmetric matrix whose entries are zero more than `reach` beside the
/// diagonal. A row has `reach + 1` entries, the diagonal one last.
pub(super) struct Banded {
    reach: usize,
    rows: Vec<f64>,
}

impl Banded {
    pub fn zeros(size: usize, reach: usize) -> Self {
        Self { reach, rows: vec![0.0; size * (reach + 1)] }
    }

    fn size(&self) -> usize {
        self.rows.len() / (self.reach + 1)
    }

    fn place(&self, row: usize, column: usize) -> usize {
        row * (self.reach + 1) + self.reach + column - row
    }

    /// The entry of a row and a column that is not after it.
    pub fn at(&mut self, row: usize, column: usize) -> &mut f64 {
        let place = self.place(row, column);
        &mut self.rows[place]
    }

    /// The rows that have an entry in a column, the diagonal one included.
    pub fn below(&self, column: usize) -> std::ops::Range<usize> {
        column..(column + self.reach + 1).min(self.size())
    }

    /// The columns that a row has entries in, the diagonal one included.
    pub fn before(&self, row: usize) -> std::ops::RangeInclusive<usize> {
        row.saturating_sub(self.reach)..=row
    }

    /// Solves for a right-hand side. None if the matrix is not positive definite up to rounding.
    pub fn solve(mut self, mut right: Vec<f64>) -> Option<Vec<f64>> {
        for row in 0..self.size() {
            let diagonal = *self.at(row, row);
            for column in self.before(row) {
                // Both rows from the first column that they share.
                let first = (*self.before(row).start()).max(*self.before(column).start());
                let (i, j) = (self.place(row, first), self.place(column, first));
                let count = column - first;
                let known: f64 = self.rows[i..i + count]
                    .iter()
                    .zip(&self.rows[j..j + count])
                    .map(|(a, b)| a * b)
                    .sum();
                let rest = self.rows[i + count] - known;
                self.rows[i + count] = match column == row {
                    true if rest > 1e-12 * diagonal => rest.sqrt(),
                    true => return None,
                    false => rest / self.rows[j + count],
                };
            }
        }
        for row in 0..self.size() {
            let known: f64 =
                (*self.before(row).start()..row).map(|c| *self.at(row, c) * right[c]).sum();
            right[row] = (right[row] - known) / *self.at(row, row);
        }
        for column in (0..self.size()).rev() {
            let below = self.below(column).skip(1);
            let known: f64 = below.map(|row| *self.at(row, column) * right[row]).sum();
            right[column] = (right[column] - known) / *self.at(column, column);
        }
        Some(right)
    }
}
