//! The nearest point of a hyperplane and the box, for minimum-norm attacks.

use super::Norm;

/// Moves `point` to the nearest point, in `norm`, at which a linear function is zero, among the
/// points of the box [0, 1]. The function has the value `offset` at `point` and the slopes
/// `normal`. If it is zero nowhere in the box, the result is the point of the box at which its
/// absolute value is least.
///
/// This solves problem (3) of Croce and Hein (arXiv 1907.02044). With `tᵢ` the distance that
/// coordinate `i` moves towards the plane, `rᵢ` its room and `wᵢ` its slope, the solution has `tᵢ =
/// min(τ, rᵢ)` in Linf, `tᵢ = min(τ|wᵢ|, rᵢ)` in L2, and in L1 the steepest coordinates move all
/// their way until the plane is met. Coordinates without slope stay.
pub(crate) fn nearest(norm: Norm, point: &mut [f64], normal: &[f64], offset: f64) {
    let towards = Towards { down: offset > 0.0, missing: offset.abs() };
    match norm {
        Norm::Linf => towards.fill(point, normal, |_| 1.0),
        Norm::L2 => towards.fill(point, normal, |slope| slope),
        Norm::L1 => towards.steepest_first(point, normal),
    }
    // Rounding may pass the edge of the box by the last digit.
    point.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
}

/// The direction and the distance to the plane.
struct Towards {
    /// True if the function must fall.
    down: bool,
    /// The amount by which it must change.
    missing: f64,
}

impl Towards {
    /// True if a coordinate of this slope moves up.
    fn up(&self, w: f64) -> bool {
        (w > 0.0) != self.down
    }

    /// The room of a coordinate: how far it can go.
    fn room(&self, x: f64, w: f64) -> f64 {
        if self.up(w) { 1.0 - x } else { x }
    }

    /// Moves each coordinate by `min(τ · speed(|w|), room)`, with the least `τ` that reaches the
    /// plane; all the way if even that does not reach it.
    fn fill(&self, point: &mut [f64], normal: &[f64], speed: impl Fn(f64) -> f64) {
        let tau = self.factor(point, normal, &speed);
        let side = if self.down { -1.0 } else { 1.0 };
        // Choices of values, not of ways: signs are unpredictable, and a branch on one costs more
        // than both its sides.
        for (x, &w) in point.iter_mut().zip(normal) {
            let (moved, room) = (tau * speed(w.abs()), self.room(*x, w));
            let step = if moved < room { moved } else { room };
            *x += if w == 0.0 { 0.0 } else { step.copysign(side * w) };
        }
    }

    /// The `τ` of [`fill`](Self::fill).
    ///
    /// The gain is concave in `τ` and piecewise linear, so that Newton's method goes from zero to
    /// the solution without ever passing it, by at least one piece in each step.
    fn factor(&self, point: &[f64], normal: &[f64], speed: impl Fn(f64) -> f64) -> f64 {
        let mut tau = 0.0;
        for _ in 0..point.len() + 2 {
            let (mut gained, mut rise) = (0.0, 0.0);
            for (&x, &w) in point.iter().zip(normal) {
                let (slope, room) = (w.abs(), self.room(x, w));
                let moved = tau * speed(slope);
                gained += slope * if moved < room { moved } else { room };
                rise += if moved < room { slope * speed(slope) } else { 0.0 };
            }
            let missing = self.missing - gained;
            if missing <= 0.0 {
                break;
            }
            if rise == 0.0 {
                return f64::INFINITY;
            }
            let next = tau + missing / rise;
            if next == tau {
                break;
            }
            tau = next;
        }
        tau
    }

    /// Moves the steepest coordinates all their way until the last of them meets the plane.
    fn steepest_first(&self, point: &mut [f64], normal: &[f64]) {
        let slopes = normal.iter().map(|w| w.abs()).enumerate();
        let mut parts: Vec<(usize, f64)> = slopes.filter(|(_, slope)| *slope > 0.0).collect();
        let mut missing = self.missing;
        // Few coordinates move as a rule: sorting all would cost more than the rest of the work.
        let (mut rest, mut block) = (parts.as_mut_slice(), 32);
        while !rest.is_empty() && missing > 0.0 {
            let falling =
                |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
            if block < rest.len() {
                rest.select_nth_unstable_by(block, falling);
            }
            let (steepest, others) = rest.split_at_mut(block.min(rest.len()));
            steepest.sort_unstable_by(falling);
            for &mut (i, slope) in steepest {
                let (x, w) = (point[i], normal[i]);
                let step = (missing / slope).min(self.room(x, w));
                point[i] = if self.up(w) { x + step } else { x - step };
                missing -= slope * step;
                if missing <= 0.0 {
                    return;
                }
            }
            (rest, block) = (others, 4 * block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const NORMS: [Norm; 3] = [Norm::Linf, Norm::L2, Norm::L1];

    fn moved(norm: Norm, point: &[f64], normal: &[f64], offset: f64) -> Vec<f64> {
        let mut moved = point.to_vec();
        nearest(norm, &mut moved, normal, offset);
        moved
    }

    fn value(from: &[f64], to: &[f64], normal: &[f64], offset: f64) -> f64 {
        let changes = from.iter().zip(to).zip(normal);
        offset + changes.map(|((from, to), w)| w * (to - from)).sum::<f64>()
    }

    fn distance(norm: Norm, a: &[f64], b: &[f64]) -> f64 {
        let sizes = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        match norm {
            Norm::Linf => sizes.fold(0.0, f64::max),
            Norm::L2 => sizes.map(|size| size * size).sum::<f64>().sqrt(),
            Norm::L1 => sizes.sum(),
        }
    }

    /// The distance by bisection on the radius of a ball: how much the function can change within
    /// ball and box has a closed form in Linf, a multiplier in L2, and is a fractional knapsack in
    /// L1. Infinite if the box does not meet the plane.
    fn distance_by_bisection(norm: Norm, point: &[f64], normal: &[f64], offset: f64) -> f64 {
        let parts: Vec<(f64, f64)> = (point.iter().zip(normal))
            .map(|(&x, &w)| (w.abs(), if w * offset < 0.0 { 1.0 - x } else { x }))
            .collect();
        let bisect = |top: f64, enough: &dyn Fn(f64) -> bool| {
            let (mut low, mut high) = (0.0, top);
            for _ in 0..200 {
                let middle = 0.5 * (low + high);
                if enough(middle) { high = middle } else { low = middle }
            }
            high
        };
        let gain = |radius: f64| -> f64 {
            match norm {
                Norm::Linf => parts.iter().map(|(w, room)| w * room.min(radius)).sum(),
                Norm::L2 => {
                    let steps =
                        |factor: f64| parts.iter().map(move |(w, room)| (w, room.min(factor * w)));
                    let length = |factor| steps(factor).map(|(_, t)| t * t).sum::<f64>().sqrt();
                    let factor = bisect(1e9, &|factor| length(factor) >= radius);
                    steps(factor).map(|(w, t)| w * t).sum()
                }
                Norm::L1 => {
                    let mut order = parts.clone();
                    order.sort_by(|a, b| b.0.total_cmp(&a.0));
                    let (mut left, mut sum) = (radius, 0.0);
                    for (w, room) in order {
                        let step = room.min(left);
                        (left, sum) = (left - step, sum + w * step);
                    }
                    sum
                }
            }
        };
        let all: f64 = parts.iter().map(|(w, room)| w * room).sum();
        if all < offset.abs() {
            return f64::INFINITY;
        }
        bisect(2.0 * point.len() as f64, &|radius| gain(radius) >= offset.abs())
    }

    fn pixels() -> impl Strategy<Value = Vec<f64>> {
        vec(prop_oneof![0.0..1.0, Just(0.0), Just(1.0)], 6)
    }

    fn slopes() -> impl Strategy<Value = Vec<f64>> {
        vec(prop_oneof![-2.0..2.0, Just(0.0), Just(1.0), Just(-1.0)], 6)
    }

    proptest! {
        #[test]
        fn the_point_is_on_the_plane_in_the_box_and_nearest(
            point in pixels(), normal in slopes(), offset in -4.0..4.0,
        ) {
            for norm in NORMS {
                let moved = moved(norm, &point, &normal, offset);
                prop_assert!(moved.iter().all(|x| (0.0..=1.0).contains(x)), "{norm:?} {moved:?}");
                let fixed = |((a, b), w): ((&f64, &f64), &f64)| *w != 0.0 || a == b;
                let all_fixed = moved.iter().zip(&point).zip(&normal).all(fixed);
                prop_assert!(all_fixed, "{norm:?} {moved:?}");
                let left = value(&point, &moved, &normal, offset);
                let wanted = distance_by_bisection(norm, &point, &normal, offset);
                if wanted.is_finite() {
                    prop_assert!(left.abs() < 1e-12, "{norm:?}: {left} left");
                    let got = distance(norm, &moved, &point);
                    prop_assert!((got - wanted).abs() < 1e-9, "{norm:?}: {got}, wanted {wanted}");
                } else {
                    let face = |w: f64| if w * offset < 0.0 { 1.0 } else { 0.0 };
                    let faces = |(x, w): (&f64, &f64)| *w == 0.0 || *x == face(*w);
                    prop_assert!(moved.iter().zip(&normal).all(faces), "{norm:?} {moved:?}");
                }
            }
        }
    }

    #[test]
    fn no_slope_and_no_offset_move_nothing() {
        let point = [0.0, 0.3, 1.0];
        for norm in NORMS {
            assert_eq!(moved(norm, &point, &[0.0; 3], 2.0), point, "{norm:?}");
            assert_eq!(moved(norm, &point, &[1.0, -2.0, 0.5], 0.0), point, "{norm:?}");
        }
    }

    #[test]
    fn hand_cases() {
        // The first coordinate has a tenth of room in the way of the plane.
        let (point, normal) = ([0.9, 0.5, 0.5], [2.0, 1.0, 0.0]);
        let near = |norm, wanted: [f64; 3]| {
            let got = moved(norm, &point, &normal, -0.5);
            assert!(distance(Norm::Linf, &got, &wanted) < 1e-15, "{norm:?}: {got:?}");
        };
        near(Norm::Linf, [1.0, 0.8, 0.5]);
        near(Norm::L2, [1.0, 0.8, 0.5]);
        near(Norm::L1, [1.0, 0.8, 0.5]);
        // Away from the box they differ.
        let near = |norm, wanted: [f64; 3]| {
            let got = moved(norm, &point, &normal, 0.5);
            assert!(distance(Norm::Linf, &got, &wanted) < 1e-15, "{norm:?}: {got:?}");
        };
        near(Norm::Linf, [0.9 - 0.5 / 3.0, 0.5 - 0.5 / 3.0, 0.5]);
        near(Norm::L2, [0.7, 0.4, 0.5]);
        near(Norm::L1, [0.65, 0.5, 0.5]);
    }

    /// More coordinates than one block of the search for the steepest holds.
    #[test]
    fn the_steepest_of_many_coordinates_move() {
        let normal: Vec<f64> = (0..500).map(|i| f64::from((i * 37) % 500 + 1)).collect();
        let point = vec![0.25; 500];
        let sum: f64 = (301..=500).map(f64::from).sum();
        let moved = moved(Norm::L1, &point, &normal, 0.25 * sum);
        for (x, w) in moved.iter().zip(&normal) {
            let wanted = if *w > 300.0 { 0.0 } else { 0.25 };
            assert!((x - wanted).abs() < 1e-9, "slope {w}: {x}");
        }
    }
}
