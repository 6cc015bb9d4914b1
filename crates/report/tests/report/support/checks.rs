//! Checks with every kind of figure and verdict.

use cni_attacks::Passes;
use cni_evaluation::{Axis, Check, Curve, Figure, Point, Verdict};

pub fn all() -> Vec<Check> {
    let radii = [0.0, 1.0f64, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0].map(|e| e / 255.0);
    vec![
        check(
            "epsilon-sweep",
            Verdict::Pass,
            "Robust accuracy falls from 78.0 % at 0 to 0.0 % at 64/255.",
            Some(curves(
                "epsilon, of pixels in [0, 1]",
                "robust accuracy",
                false,
                &[(
                    "PGD-20",
                    radii.map(|e| (e, 0.78 * (-e * 22.0).exp() * f64::from(e < 0.2))).to_vec(),
                )],
            )),
        ),
        check(
            "steps-sweep",
            Verdict::Warn,
            "Robust accuracy falls by 3.1 points from 20 to 100 steps.",
            Some(curves(
                "steps",
                "robust accuracy",
                true,
                &[
                    (
                        "EOT-PGD",
                        [0, 1, 2, 5, 10, 20, 50, 100]
                            .map(|s| (f64::from(s), 0.3 + 0.48 / (1.0 + f64::from(s))))
                            .to_vec(),
                    ),
                    (
                        "PGD",
                        [0, 1, 2, 5, 10, 20, 50, 100]
                            .map(|s| (f64::from(s), 0.4 + 0.38 / (1.0 + f64::from(s))))
                            .to_vec(),
                    ),
                ],
            )),
        ),
        check(
            "draw-sweep",
            Verdict::Pass,
            "Robust accuracy changes by 0.4 points from 20 to 50 draws.",
            Some(curves(
                "draws per gradient",
                "robust accuracy",
                true,
                &[(
                    "EOT-PGD-20",
                    [1, 2, 5, 10, 20, 50]
                        .map(|s| (f64::from(s), 0.33 + 0.1 / f64::from(s)))
                        .to_vec(),
                )],
            )),
        ),
        check(
            "loss-surface",
            Verdict::Pass,
            "The loss rises by 2.1 along the gradient and by 0.2 across.",
            Some(surface()),
        ),
        check(
            "gradient-norm",
            Verdict::Fail,
            "31 % of the examples have a gradient of zero.",
            Some(curves(
                "gradient norm",
                "share of the examples below",
                true,
                &[(
                    "clean",
                    (0..40)
                        .map(|i| {
                            (
                                10f64.powf(f64::from(i) / 5.0 - 6.0),
                                0.31 + 0.69 * f64::from(i) / 39.0,
                            )
                        })
                        .collect(),
                )],
            )),
        ),
        check("black-box", Verdict::Pass, "Square leaves 41.0 %, PGD 33.5 %.", None),
        Check {
            detectable: Some(0.137),
            at_most: None,
            bound: Some(0.03),
            needed: Some(2140),
            ..check(
                "stronger-attack",
                Verdict::Inconclusive,
                "APGD leaves 6.2 %, PGD 12.5 %.",
                None,
            )
        },
        check("vote-size", Verdict::Skipped, "The model has no noise.", None),
    ]
}

fn check(name: &str, verdict: Verdict, measured: &str, figure: Option<Figure>) -> Check {
    Check {
        name: name.to_string(),
        verdict,
        measured: measured.to_string(),
        values: [("examples".to_string(), 64.0)].into(),
        raised_if: "robust accuracy does not fall as it should.".to_string(),
        advice:
            "Use more steps, more draws or an attack without gradients, and judge by the strongest."
                .to_string(),
        detectable: None,
        at_most: None,
        bound: None,
        needed: None,
        figure,
        examples: 64,
        passes: Passes { forwards: 64_000, backwards: 51_200 },
        seconds: 34.2,
    }
}

pub fn curves(x: &str, y: &str, logarithmic: bool, curves: &[(&str, Vec<(f64, f64)>)]) -> Figure {
    let point = |&(x, y): &(f64, f64)| {
        let half = 0.06 * (y * (1.0 - y)).abs().sqrt() * 2.0;
        Point { x, y, low: Some((y - half).max(0.0)), high: Some((y + half).min(1.0)) }
    };
    Figure::Curves {
        x: Axis { label: x.to_string(), logarithmic },
        y: Axis { label: y.to_string(), logarithmic: false },
        curves: curves
            .iter()
            .map(|(name, points)| Curve {
                name: (*name).to_string(),
                points: points.iter().map(point).collect(),
            })
            .collect(),
    }
}

fn surface() -> Figure {
    let places: Vec<f64> = (-10..=10).map(|i| f64::from(i) * 0.8 / 255.0).collect();
    let axis = |label: &str| Axis { label: label.to_string(), logarithmic: false };
    let value = |x: f64, y: f64| 1.5 + 60.0 * x + 400.0 * y * y + 5e3 * x * x * y;
    Figure::Surface {
        x: axis("along the gradient"),
        y: axis("along random signs"),
        z: axis("cross-entropy"),
        values: places.iter().map(|y| places.iter().map(|x| value(*x, *y)).collect()).collect(),
        xs: places.clone(),
        ys: places,
    }
}
