//! One value for each channel and position.

use super::{assert_close, image_len, rounded};
use crate::cells::buffer::Cells;
use crate::cells::{Epilogue, Layout, Shifted, Units, images_sum, pass};
use crate::testing::values;

/// Values of positions go to the lanes of their cells and back, are added to every image, and are
/// the places of sums over the images.
#[test]
fn values_of_positions_lie_where_their_channel_does() {
    for (batch, channels, size) in [
        (35, 3, [8, 8]),
        (2, 16, [6, 8]),
        (33, 7, [5, 7]),
        (40, 40, [3, 6]),
        (64, 64, [4, 4]),
        (1, 17, [1, 1]),
    ] {
        let layout = Layout::new(batch, channels, size);
        let len = image_len(layout);
        let table = values(len, 1);
        let lanes = layout.spread_positions(&table);
        assert_eq!(layout.gather_positions(&lanes), table, "{layout:?}");
        let x = rounded(&values(batch * len, 2));
        let cells = Cells::from_images(&x, layout);
        let wanted: Vec<f64> = (0..len)
            .map(|at| x[at..].iter().step_by(len).map(|&value| f64::from(value)).sum())
            .collect();
        assert_close("sums over images", &images_sum(&cells), &wanted, batch, false);
        let wanted: Vec<f64> =
            (0..x.len()).map(|at| f64::from(x[at]) + f64::from(table[at % len])).collect();
        for units in Units::all() {
            let source = Shifted { x: &cells, table: &lanes };
            let sum = pass(units, &source, Epilogue::default()).cells;
            assert_close("shifted", sum.to_images().values(), &wanted, 1, true);
            // What fills up the last block and the last plane stays zero.
            let filled = sum.values().iter().filter(|&&value| value != 0).count();
            assert!(filled <= x.len(), "{layout:?}: {filled} values of {}", x.len());
        }
    }
}
