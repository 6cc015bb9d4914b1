//! Pictures: what must be visible in them.

use crate::support::page::selected;
use crate::support::{deterministic, stochastic};
use cni_evaluation::{Axis, Curve, Evaluated, Figure, Point};
use cni_report::Report;
use image::RgbImage;
use scraper::Html;

const BLUE: [u8; 3] = [0x00, 0x72, 0xB2];
const ORANGE: [u8; 3] = [0xD5, 0x5E, 0x00];

/// A model whose first check has these curves.
fn with_curves(curves: &[(&str, &[f64])]) -> Evaluated {
    let mut evaluated = stochastic("CNI", 40);
    let curve = |(name, values): &(&str, &[f64])| Curve {
        name: name.to_string(),
        points: values
            .iter()
            .enumerate()
            .map(|(x, y)| Point { x: x as f64, y: *y, low: None, high: None })
            .collect(),
    };
    let axis = |label: &str| Axis { label: label.to_string(), logarithmic: false };
    evaluated.record.checks[0].figure = Some(Figure::Curves {
        x: axis("steps"),
        y: axis("robust accuracy"),
        curves: curves.iter().map(curve).collect(),
    });
    evaluated
}

fn picture(curves: &[(&str, &[f64])]) -> (RgbImage, String) {
    let folder = tempfile::tempdir().unwrap();
    Report::new(vec![with_curves(curves)]).unwrap().write(folder.path()).unwrap();
    let at = |ending: &str| folder.path().join("figures").join(format!("epsilon-sweep.{ending}"));
    let pixels = image::open(at("png")).unwrap().to_rgb8();
    (pixels, std::fs::read_to_string(at("svg")).unwrap())
}

/// Pixels of a color below the legend.
fn count(picture: &RgbImage, color: [u8; 3]) -> usize {
    picture.enumerate_pixels().filter(|(_, y, pixel)| *y > 60 && pixel.0 == color).count()
}

/// If two curves coincide, each is visible at no less than a quarter of what is visible of it
/// alone; so are their marks.
#[test]
fn curves_that_coincide_are_both_seen() {
    let values = [0.8, 0.6, 0.5, 0.45];
    let (alone, _) = picture(&[("PGD", &values), ("APGD", &[0.1, 0.1, 0.1, 0.1])]);
    let (both, svg) = picture(&[("PGD", &values), ("APGD", &values)]);
    for color in [BLUE, ORANGE] {
        let [one, of_two] = [&alone, &both].map(|picture| count(picture, color));
        assert!(one > 1_000 && 4 * of_two > one, "{color:?}: {one} alone, {of_two} of two");
    }
    let page = Html::parse_document(&svg);
    let marks = |selector: &str| selected(&page, selector).len();
    // One of each is in the legend.
    assert_eq!((marks("circle"), marks("polygon")), (5, 5));
}

#[test]
fn one_point_is_a_mark_and_none_is_an_empty_plot() {
    let (one, svg) = picture(&[("PGD", &[0.5])]);
    assert!(count(&one, BLUE) > 100 && svg.contains("<circle"));
    let (none, svg) = picture(&[("PGD", &[])]);
    assert_eq!(count(&none, BLUE), 0);
    assert!(svg.contains("<polyline") && !svg.contains("<circle"));
}

#[test]
fn long_names_stay_within_the_picture() {
    let long = "an attack whose name says all of its settings one after the other ".repeat(4);
    let (picture, svg) = picture(&[(&long, &[0.5, 0.4]), ("b", &[0.4, 0.3])]);
    assert!(svg.contains('…') && !svg.contains(&long));
    let paper = *picture.get_pixel(0, 0);
    for y in 0..picture.height() {
        assert_eq!(*picture.get_pixel(picture.width() - 1, y), paper, "line {y}");
    }
}

#[test]
fn text_is_escaped_and_control_characters_are_replaced() {
    let name = "a<b> & \"c\"\u{7}";
    let (_, svg) = picture(&[(name, &[0.5, 0.4]), ("d", &[0.4, 0.3])]);
    assert!(svg.contains("a&lt;b&gt; &amp; &quot;c&quot;\u{FFFD}<"), "{svg}");
}

/// A name that has no room beside the bars stands on two lines, and nothing of it is lost.
#[test]
fn long_names_of_attacks_are_broken_and_not_cut() {
    let mut evaluated = deterministic("AT", 40);
    evaluated.record.attacks[2].name = "PGD-100-from-79e9fa96".to_string();
    let folder = tempfile::tempdir().unwrap();
    Report::new(vec![evaluated]).unwrap().write(folder.path()).unwrap();
    let svg = std::fs::read_to_string(folder.path().join("figures/accuracy.svg")).unwrap();
    let page = Html::parse_document(&svg);
    let texts: Vec<String> =
        selected(&page, "text").iter().map(|text| text.text().collect()).collect();
    let first = texts.iter().position(|text| text.starts_with("PGD-100-")).unwrap();
    assert_eq!(texts[first..first + 2].concat(), "PGD-100-from-79e9fa96", "{texts:?}");
    assert!(!svg.contains('…'));
}
