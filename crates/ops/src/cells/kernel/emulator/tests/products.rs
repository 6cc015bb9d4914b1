//! Products of tiles.

use super::*;

/// `tdpbf16ps` on packed matrices: the left one of rows of pairs, the right one of rows that hold a
/// pair of each column.
fn multiply(
    [rows, columns, pairs]: [usize; 3],
    sums: &[f32],
    left: &[u16],
    right: &[u16],
) -> Vec<f32> {
    let (sums, left, right) = (le32(sums), le16(left), le16(right));
    let (width, depth) = (4 * columns, 4 * pairs);
    let mut into = vec![0; sums.len()];
    Config::new(&[(rows, width), (rows, depth), (pairs, width)]).load();
    load!("tileloadd", 0, sums, 0, width);
    load!("tileloadd", 1, left, 0, depth);
    load!("tileloadd", 2, right, 0, width);
    tiles!("tdpbf16ps tmm0, tmm1, tmm2");
    store!(0, into, 0, width);
    tiles!("tilerelease");
    floats(&into)
}

/// One sum as the manual documents it.
fn documented(before: f32, left: &[u16], right: &[u16]) -> f32 {
    fn normal(value: f32) -> f32 {
        if value.abs() < f32::MIN_POSITIVE { 0.0 * value } else { value }
    }
    let widen = |bits: u16| normal(f32::from_bits(u32::from(bits) << 16));
    let half = |start: usize| {
        let mut sum = 0.0;
        for (&a, &b) in left[start..].iter().zip(&right[start..]).step_by(2) {
            sum = normal(widen(a).mul_add(widen(b), sum));
        }
        sum
    };
    normal(normal(before) + normal(half(0) + half(1)))
}

const SHAPES: [[usize; 3]; 9] = [
    [16, 16, 16],
    [1, 1, 1],
    [16, 1, 16],
    [1, 16, 16],
    [16, 16, 1],
    [3, 5, 7],
    [13, 16, 2],
    [2, 9, 16],
    [15, 3, 11],
];

/// A column of the right matrix.
fn column(right: &[u16], columns: usize, n: usize) -> Vec<u16> {
    right.chunks(2 * columns).flat_map(|row| [row[2 * n], row[2 * n + 1]]).collect()
}

#[test]
fn products_of_small_integers_are_exact() {
    let native = native();
    let mut numbers = Numbers(3);
    for shape @ [rows, columns, pairs] in SHAPES {
        let mut integers =
            |len: usize| (0..len).map(|_| numbers.next() as i32 % 100).collect::<Vec<_>>();
        let (sums, left, right) =
            (integers(rows * columns), integers(rows * 2 * pairs), integers(columns * 2 * pairs));
        let floats = |integers: &[i32]| integers.iter().map(|&i| i as f32).collect::<Vec<_>>();
        let bf16s = |integers: &[i32]| {
            integers.iter().map(|&i| ((i as f32).to_bits() >> 16) as u16).collect::<Vec<_>>()
        };
        let count = instructions();
        let found = multiply(shape, &floats(&sums), &bf16s(&left), &bf16s(&right));
        assert!(native || instructions() - count >= 7);
        for m in 0..rows {
            for n in 0..columns {
                let mut sum = sums[m * columns + n];
                for k in 0..2 * pairs {
                    let place = k / 2 * 2 * columns + 2 * n + k % 2;
                    sum += left[m * 2 * pairs + k] * right[place];
                }
                assert_eq!(found[m * columns + n], sum as f32, "{shape:?} {m} {n}");
            }
        }
    }
}

#[test]
fn products_add_up_in_the_documented_order() {
    native();
    let mut numbers = Numbers(4);
    for shape @ [rows, columns, pairs] in SHAPES {
        // The wide ranges reach denormals, infinities and their differences.
        for exponents in [0, 3, 40, 75, 127] {
            let left = numbers.bf16s(rows * 2 * pairs, exponents);
            let right = numbers.bf16s(columns * 2 * pairs, exponents);
            let sums = numbers.bf16s(2 * rows * columns, exponents);
            let sums = floats(&le16(&sums));
            let found = multiply(shape, &sums, &left, &right);
            for m in 0..rows {
                for n in 0..columns {
                    let left = &left[m * 2 * pairs..][..2 * pairs];
                    let before = sums[m * columns + n];
                    let sum = documented(before, left, &column(&right, columns, n));
                    let found = found[m * columns + n];
                    let same = found.to_bits() == sum.to_bits() || found.is_nan() && sum.is_nan();
                    assert!(same, "{shape:?} {exponents} {m} {n}: {found:e}, not {sum:e}");
                }
            }
        }
    }
}

#[test]
fn products_round_once_and_know_no_denormals() {
    native();
    let bits = |value: f32| (value.to_bits() >> 16) as u16;
    // The accumulator, pairs of the left row and the right column, and their sum.
    let one = bits(1.0);
    let tiny = f32::MIN_POSITIVE;
    let denormal = bits(tiny / 2.0);
    let big = bits(2.0_f32.powi(100));
    let cases: [(f32, &[u16], &[u16], f32); 18] = [
        (1.0, &[one, one], &[bits(2.0), bits(3.0)], 6.0),
        // A denormal operand is zero, whatever it is multiplied by, and so is an accumulator.
        (0.0, &[denormal, 0], &[big, 0], 0.0),
        (0.0, &[0, denormal], &[0, big], 0.0),
        (0.0, &[big, big], &[denormal, denormal], 0.0),
        (tiny / 2.0, &[0, 0], &[0, 0], 0.0),
        (tiny / 2.0, &[bits(tiny), 0], &[one, 0], tiny),
        // Denormal results are zero: of a product, of the two sums, and of the last one.
        (0.0, &[bits(tiny), 0], &[bits(0.5), 0], 0.0),
        (0.0, &[bits(tiny), 0, bits(tiny), 0], &[bits(0.5), 0, bits(0.5), 0], 0.0),
        (0.0, &[bits(1.5 * tiny), bits(-tiny)], &[one, one], 0.0),
        (tiny, &[bits(1.5 * tiny), bits(-tiny)], &[one, one], tiny),
        (-tiny, &[bits(1.5 * tiny), 0], &[one, 0], 0.0),
        (-0.0, &[bits(-tiny), bits(-tiny)], &[bits(0.5), bits(0.5)], -0.0),
        // A product that is below the normal numbers still counts where it is added to another.
        (
            0.0,
            &[bits(tiny), 0, bits(2.0_f32.powi(-100)), 0],
            &[one, 0, bits(2.0_f32.powi(-40)), 0],
            f32::from_bits(0x0080_0200),
        ),
        // The sums of a pair are apart until the end: 1 is not lost beside 2^100.
        (0.0, &[big, one, bits(-2.0_f32.powi(100)), 0], &[one, one, one, 0], 1.0),
        // And the accumulator comes last.
        (2.0_f32.powi(100), &[one, bits(-2.0_f32.powi(100))], &[one, one], 0.0),
        (0.0, &[bits(f32::INFINITY), 0], &[one, 0], f32::INFINITY),
        (0.0, &[bits(f32::INFINITY), 0], &[0, 0], f32::NAN),
        (f32::NEG_INFINITY, &[big, 0], &[big, 0], f32::NAN),
    ];
    for (before, left, right, sum) in cases {
        let found = multiply([1, 1, left.len() / 2], &[before], left, right)[0];
        let same = found.to_bits() == sum.to_bits() || found.is_nan() && sum.is_nan();
        assert!(same, "{before:e} {left:x?} {right:x?}: {found:e}, not {sum:e}");
    }
}

#[test]
fn products_go_by_the_operands_places() {
    native();
    let mut numbers = Numbers(5);
    let [sums, left, right] = [1, 2, 3].map(|_| numbers.bf16s(512, 2));
    let expected = multiply([16, 16, 16], &floats(&le16(&sums)), &left, &right);
    let [sums, left, right] = [sums, left, right].map(|values| le16(&values));
    let stride = 64_usize;
    macro_rules! check {
        ($($into:literal $left:literal $right:literal,)*) => {$(
            let mut into = vec![0; 1024];
            Config::new(&[FULL; 8]).load();
            load!("tileloadd", $into, sums, 0, stride);
            load!("tileloadd", $left, left, 0, stride);
            load!("tileloadd", $right, right, 0, stride);
            tiles!("tdpbf16ps tmm", $into, ", tmm", $left, ", tmm", $right);
            store!($into, into, 0, stride);
            assert_eq!(floats(&into), expected);
            // The sources are as they were.
            store!($left, into, 0, stride);
            assert_eq!(into, left);
            store!($right, into, 0, stride);
            assert_eq!(into, right);
            tiles!("tilerelease");
        )*};
    }
    check!(0 1 2, 2 1 0, 1 2 0, 7 6 5, 5 7 6, 3 4 7, 4 0 3, 6 5 1, 0 7 4,);
}
