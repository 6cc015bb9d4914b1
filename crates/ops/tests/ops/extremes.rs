//! The extremes of rows against their definition.

use burn::tensor::{DType, Device, Tensor, TensorData};
use cni_noise::{Key, normal};
use cni_ops::row_extremes;

fn definition(row: &[f32]) -> [f32; 2] {
    if row.iter().any(|value| !value.is_finite()) {
        return [f32::NAN; 2];
    }
    let fold = |f: fn(f32, f32) -> f32| row.iter().copied().reduce(f).unwrap();
    [fold(f32::min), fold(f32::max)]
}

/// Values, NaN like any other.
fn values(tensor: Tensor<1>) -> Vec<Option<f32>> {
    let values = tensor.cast(DType::F32).try_to_vec_as::<f32>().unwrap();
    values.into_iter().map(|value| (!value.is_nan()).then_some(value)).collect()
}

#[test]
fn extremes_are_those_of_each_row_and_nan_where_a_value_is_not_finite() {
    let device = Device::flex();
    for shape in [[1, 1, 1, 1], [5, 1, 1, 1], [7, 3, 5, 5], [128, 3, 32, 32], [2, 3, 101, 99]] {
        let x = normal::<4>(Key::new(3), shape, &device);
        let mut of_x = x.try_to_vec_as::<f32>().unwrap();
        let len = of_x.len() / shape[0];
        // In some rows, at the start, in the middle and at the very end.
        let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN];
        for (row, at) in (1..shape[0]).step_by(2).zip([0, len / 2, len - 1].into_iter().cycle()) {
            of_x[row * len + at] = bad[row / 2 % bad.len()];
        }
        let x = Tensor::<4>::from_data(TensorData::new(of_x.clone(), shape), &device);
        let wanted: Vec<[f32; 2]> = of_x.chunks(len).map(definition).collect();
        let side = |side: usize| -> Vec<Option<f32>> {
            wanted.iter().map(|row| (!row[side].is_nan()).then_some(row[side])).collect()
        };
        for lifted in [x.clone(), x.clone().autodiff()] {
            let [least, largest] = row_extremes(&lifted);
            assert_eq!((values(least), values(largest)), (side(0), side(1)), "{shape:?}");
        }
        let [least, largest] = row_extremes(&x.cast(DType::F64));
        assert_eq!(least.dtype(), DType::F64);
        assert_eq!((values(least), values(largest)), (side(0), side(1)), "{shape:?}");
    }
}

#[test]
fn extremes_of_a_view_are_those_of_its_copy() {
    let device = Device::flex();
    let view = normal::<4>(Key::new(4), [6, 2, 5, 7], &device).swap_dims(0, 3).slice([1..6, 1..4]);
    let copy = Tensor::<4>::from_data(view.to_data(), &device);
    let of = |tensor| row_extremes(tensor).map(Tensor::into_data);
    assert_eq!(of(&view), of(&copy));
}

#[test]
#[should_panic(expected = "values: got shape [3, 0], wanted at least one value")]
fn rows_without_values_have_no_extremes() {
    row_extremes(&Tensor::<2>::zeros([3, 0], &Device::flex()));
}
