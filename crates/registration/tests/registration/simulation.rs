//! Simulated true fields.

use crate::support::{device, farthest, numbers};
use burn::tensor::Tensor;
use cni_noise::Key;
use cni_registration::fields::folds;
use cni_registration::losses::Penalty;
use cni_registration::simulation::{
    FieldBank, FieldSource, GlandMotion, SmoothFields, SplineFields,
};

fn draw<const R: usize>(source: &dyn FieldSource<R>, seed: u64, count: usize) -> Tensor<R> {
    source.draw(Key::new(seed), count, &device()).unwrap()
}

#[test]
fn fields_are_a_function_of_their_key() {
    let bank = FieldBank::new(draw::<4>(&SmoothFields::new([8, 9], 2.0, 1.0), 1, 5)).unwrap();
    let sources: [&dyn FieldSource<4>; 4] = [
        &SmoothFields::new([8, 9], 2.0, 1.0),
        &SplineFields::new([8, 9], 2, 1.0),
        &GlandMotion::new([8, 9]),
        &bank,
    ];
    for source in sources {
        let fields = draw(source, 3, 4);
        assert_eq!(fields.dims(), [4, 2, 8, 9]);
        assert_eq!(numbers(&fields), numbers(&draw(source, 3, 4)));
        assert_ne!(numbers(&fields), numbers(&draw(source, 4, 4)));
    }
    assert_eq!(draw::<5>(&SmoothFields::new([4, 5, 6], 2.0, 1.0), 1, 2).dims(), [2, 3, 4, 5, 6]);
    assert_eq!(draw::<5>(&SplineFields::new([4, 5, 6], 1, 1.0), 1, 2).dims(), [2, 3, 4, 5, 6]);
    // A bank gives fields that it has.
    let known = numbers(&bank.fields());
    let drawn = numbers(&draw(&bank, 7, 6));
    assert!(drawn.chunks(144).all(|field| known.chunks(144).any(|of| of == field)));
}

/// n = 2,000 fields: a standard deviation has the standard error 1 / √(2n) of itself, 1.6 %; the
/// bound is five of them, at the corner and in the middle.
#[test]
fn smooth_fields_have_their_amplitude_at_every_voxel() {
    let (n, amplitude) = (2000, 1.7);
    let values = numbers(&draw::<4>(&SmoothFields::new([8, 8], 1.5, amplitude), 11, n));
    for voxel in [0, 7, 27, 64 + 36] {
        let square = values.chunks(128).map(|field| field[voxel].powi(2)).sum::<f64>();
        let deviation = (square / n as f64).sqrt();
        let bound = 5.0 * amplitude / (2.0 * n as f64).sqrt();
        assert!((deviation - amplitude).abs() < bound, "{voxel}: {deviation}");
    }
}

#[test]
fn wider_blurs_and_fewer_knots_bend_less() {
    let energy = |source: &dyn FieldSource<4>| {
        f64::from(Penalty::BendingEnergy.of(&draw(source, 5, 20)).unwrap().into_scalar::<f32>())
    };
    let smooth = |sigma| energy(&SmoothFields::new([24, 24], sigma, 1.0));
    assert!(smooth(4.0) < smooth(2.0) && smooth(2.0) < smooth(1.0));
    let spline = |intervals| energy(&SplineFields::new([24, 24], intervals, 1.0));
    assert!(spline(2) < spline(4) && spline(4) < spline(8));
}

/// Knots are four voxels apart. Between them a linear spline has no second difference, and a cubic
/// one has one that is itself linear.
#[test]
fn splines_have_their_degree_between_knots() {
    for (degree, order) in [(1, 2), (2, 3), (3, 4)] {
        let source = SplineFields { degree, ..SplineFields::new([29, 9], 7, 1.0) };
        let field = draw::<4>(&source, 5, 1);
        let column: Vec<f64> = numbers(&field).into_iter().step_by(9).take(29).collect();
        let differences =
            (0..order).fold(column, |x, _| x.windows(2).map(|pair| pair[1] - pair[0]).collect());
        // Those of voxels from a knot to the next.
        for first in (0..29 - order).filter(|first| first % 4 + order <= 4) {
            assert!(differences[first].abs() < 1e-5, "{degree} {first}: {differences:?}");
        }
        assert!(differences.iter().any(|by| by.abs() > 1e-3), "{degree}");
    }
}

#[test]
fn a_glands_body_is_held_above_slides_at_the_sides_and_is_pushed_below() {
    let motion = GlandMotion::new([16, 20]);
    for seed in 0..8 {
        let field = motion.gland(Key::new(seed)).unwrap().displacements().unwrap();
        let at = |row: usize, column: usize| field[row * 20 + column];
        for column in 0..20 {
            assert_eq!(at(0, column), [0.0, 0.0]);
            assert!(at(15, column)[0].abs() <= motion.probe);
            assert!(at(15, column)[1].abs() <= motion.probe / 2.0);
        }
        for row in 0..16 {
            assert!(at(row, 0)[1].abs() < 1e-12 && at(row, 19)[1].abs() < 1e-12);
        }
        assert!(field.iter().flatten().all(|by| by.is_finite()));
    }
}

/// Without a probe and a pressure nothing moves. A pressure alone swells the gland: the volume
/// inside grows by what the normal displacement of its outline adds.
#[test]
fn a_pressure_swells_the_gland_and_no_load_moves_nothing() {
    let still = GlandMotion { probe: 0.0, pressure: 0.0, ..GlandMotion::new([24, 24]) };
    let at_rest = still.gland(Key::new(1)).unwrap().displacements().unwrap();
    assert!(farthest(&at_rest.concat(), &vec![0.0; 2 * 576]) < 1e-12);
    let pressed = GlandMotion { probe: 0.0, ..GlandMotion::new([24, 24]) };
    let mut signs = [0, 0];
    for seed in 0..12 {
        let gland = pressed.gland(Key::new(seed)).unwrap();
        let field = gland.displacements().unwrap();
        // The flux through the outline is the sum of differences over the gland's elements.
        let mut flux = 0.0;
        for row in 0..23 {
            for column in 0..23 {
                if gland.contains([row as f64 + 0.5, column as f64 + 0.5]) {
                    let at = |r: usize, c: usize| field[(row + r) * 24 + column + c];
                    flux += (at(1, 0)[0] + at(1, 1)[0] - at(0, 0)[0] - at(0, 1)[0]) / 2.0;
                    flux += (at(0, 1)[1] + at(1, 1)[1] - at(0, 0)[1] - at(1, 0)[1]) / 2.0;
                }
            }
        }
        let pressure = gland.pressure();
        assert!(flux * pressure > 0.0, "{seed}: {flux} {pressure}");
        signs[usize::from(pressure > 0.0)] += 1;
    }
    assert!(signs[0] > 0 && signs[1] > 0);
}

#[test]
fn fields_of_the_default_gland_do_not_fold() {
    let fields = draw::<4>(&GlandMotion::new([32, 32]), 21, 30);
    assert_eq!(folds(&fields).unwrap(), vec![0; 30]);
    let label = GlandMotion::new([32, 32]).gland(Key::new(1)).unwrap().label(&device());
    let area = numbers(&label).iter().sum::<f64>();
    assert!((100.0..400.0).contains(&area), "{area}");
}
