//! Laws of one's own: as values, and what names one that breaks the contract of its trait. One
//! file, because all tests are of one law.

use burn::tensor::{Device, Tensor};
use cni_noise::laws::{
    Covariance, Draws, FactorSpec, Granularity, HostParameters, LawError, LawParameters, NoiseKind,
    NoiseLaw, NoiseParameters, NoiseScale, Rows, TensorShape, VectorSpec, White,
};
use cni_noise::{AddedNoise, Key};
use cni_ops::{Amplitude, FusedNoise, NoiseForm, StdPower};
use serde_json::{Value, json};

/// A law each of whose answers a test may spoil. As it is, it is that of white noise of amplitude 1
/// about twice the tensor.
#[derive(Debug)]
struct Law {
    spec: Value,
    vectors: Vec<VectorSpec>,
    factor: Option<FactorSpec>,
    draws: Vec<usize>,
    /// Columns of the mean and of the noise.
    columns: [usize; 2],
    /// The mean is another than the tensor.
    has_mean: bool,
    /// The number of amplitudes of the form for kernels, and their stride.
    amplitudes: [usize; 2],
}

const WIDTH: VectorSpec = VectorSpec { name: "width", len: 1, initial: 0.5 };

fn law() -> Law {
    Law {
        spec: json!({"custom": {"width": 0.5}}),
        vectors: vec![WIDTH],
        factor: None,
        draws: vec![6],
        columns: [6, 6],
        has_mean: true,
        amplitudes: [1, 1],
    }
}

impl NoiseLaw for Law {
    fn name(&self) -> String {
        "custom".to_string()
    }

    fn spec(&self) -> Value {
        self.spec.clone()
    }

    fn parameters(&self, _: &TensorShape) -> LawParameters {
        LawParameters { vectors: self.vectors.clone(), factor: self.factor }
    }

    fn check(&self, _: NoiseScale, _: &TensorShape) -> Result<(), LawError> {
        Ok(())
    }

    fn draws(&self, _: usize) -> Vec<usize> {
        self.draws.clone()
    }

    fn has_mean(&self) -> bool {
        self.has_mean
    }

    fn mean(&self, _: &NoiseParameters, rows: Tensor<2>) -> Tensor<2> {
        rows.mul_scalar(2.0).narrow(1, 0, self.columns[0])
    }

    fn noise(&self, _: &NoiseParameters, _: &Rows, draws: Draws) -> Tensor<2> {
        let [e] = draws.streams();
        e.narrow(1, 0, self.columns[1])
    }

    fn covariance(&self, _: &HostParameters, _: f64, _: Option<&[f64]>) -> Covariance {
        Covariance::independent(vec![1.0; 6])
    }

    fn amplitude(&self, _: &HostParameters) -> f64 {
        1.0
    }

    fn fused(&self, parameters: &NoiseParameters) -> Option<FusedNoise> {
        let [width] = parameters.vectors();
        Some(form(Amplitude::Value, self.amplitudes, None, &width.device()))
    }
}

/// A form for kernels, of so many amplitudes of a stride and rows of a factor.
fn form(
    amplitude: Amplitude,
    [amplitudes, stride]: [usize; 2],
    rows: Option<usize>,
    device: &Device,
) -> FusedNoise {
    FusedNoise {
        form: NoiseForm { amplitude, independent: StdPower::Zero, factor_by_std: false },
        through_std: false,
        amplitudes: Tensor::ones([amplitudes], device),
        stride,
        factor: rows.map(|rows| Tensor::ones([rows, 2], device)),
    }
}

fn shape() -> TensorShape {
    TensorShape::new(&[3, 2], 0)
}

fn add(law: Law, key: Option<Key>, tensor: Tensor<2>) -> Tensor<2> {
    let parameters = NoiseParameters {
        scale: NoiseScale::Absolute,
        shape: shape(),
        vectors: vec![Tensor::from_floats([0.5], &Device::flex())],
        factor: None,
    };
    match key {
        Some(key) => AddedNoise::new(&law, parameters, key).add_to(tensor),
        None => AddedNoise::new(&law, parameters, Key::new(0)).mean_of(tensor),
    }
}

fn ones() -> Tensor<2> {
    Tensor::ones([3, 2], &Device::flex())
}

#[test]
fn a_law_that_breaks_its_contract_is_refused_by_name() {
    assert_eq!(NoiseKind::from(law()).validate(NoiseScale::Relative, &shape()), Ok(()));
    let vector = |name, len, initial| vec![WIDTH, VectorSpec { name, len, initial }];
    let of_spec = |spec| Law { spec, ..law() };
    let of_vectors = |vectors| Law { vectors, ..law() };
    let of_factor = |rank, initial| Law { factor: Some(FactorSpec { rank, initial }), ..law() };
    let entry = "wanted an object with one entry: the law's name with its settings";
    let letters = "of custom, wanted a name of letters, digits and underscores";
    let differ =
        "of custom, wanted names that differ from each other and from the matrix's, factor";
    let sizes = "of custom, wanted one or more sizes above zero";
    let cases = [
        (of_spec(json!("custom")), format!("spec: got \"custom\", {entry}")),
        (of_spec(json!({})), format!("spec: got {{}}, {entry}")),
        (of_spec(json!({"a": 1, "b": 2})), format!("spec: got {{\"a\":1,\"b\":2}}, {entry}")),
        (
            of_spec(json!({"white": {}})),
            "spec: got white, wanted another name than that of a built-in law".into(),
        ),
        (of_vectors(vector("a.b", 1, 0.0)), format!("parameters: got \"a.b\" {letters}")),
        (of_vectors(vector("", 1, 0.0)), format!("parameters: got \"\" {letters}")),
        (of_vectors(vector("width", 1, 0.0)), format!("parameters: got another width {differ}")),
        (of_vectors(vector("factor", 1, 0.0)), format!("parameters: got another factor {differ}")),
        (
            of_vectors(vector("mean", 0, 0.0)),
            "parameters: got mean with 0 entries of custom, wanted at least 1".into(),
        ),
        (
            of_factor(0, 0.0),
            "parameters: got factor with 0 columns of custom, wanted at least 1, or no factor"
                .into(),
        ),
        (
            of_vectors(vector("mean", 6, f64::NEG_INFINITY)),
            "mean: got -inf, wanted a finite number".into(),
        ),
        (of_factor(2, f64::NAN), "factor: got NaN, wanted a finite number".into()),
        (Law { draws: vec![], ..law() }, format!("draws: got [] {sizes}")),
        (Law { draws: vec![6, 0], ..law() }, format!("draws: got [6, 0] {sizes}")),
    ];
    for (law, message) in cases {
        let error = NoiseKind::from(law).validate(NoiseScale::Relative, &shape()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let empty = TensorShape::new(&[3, 0], 0);
    let error = NoiseKind::from(law()).validate(NoiseScale::Relative, &empty).unwrap_err();
    assert_eq!(error.to_string(), "shape: got [3, 0], wanted sizes above zero");
}

#[test]
fn laws_are_compared_by_their_specification_and_a_custom_one_is_written_but_not_read() {
    let custom = NoiseKind::from(law());
    assert_eq!(custom, custom.clone());
    assert_ne!(custom, Law { spec: json!({"custom": {"width": 0.6}}), ..law() }.into());
    assert_ne!(custom, White::new(Granularity::Layer).into());
    assert_eq!(
        (custom.to_string(), format!("{custom:?}")),
        ("custom".into(), format!("{:?}", law()))
    );
    assert!(custom.downcast_ref::<Law>().is_some() && custom.downcast_ref::<White>().is_none());

    let text = serde_json::to_string(&custom).unwrap();
    assert_eq!(text, r#"{"custom":{"width":0.5}}"#);
    let known = "white, colored, multiplicative; a custom law is built in code";
    let cases = [
        (text.as_str(), format!("law: got custom, wanted one of {known}")),
        (r#"{}"#, "law: got {}, wanted the name of a law with its settings".into()),
        (r#"{"white": {"granularity": "layer"}}"#, "law white: missing field `alpha`".into()),
        (
            r#"{"white": {"granularity": "layer", "alpha": 0.25, "beta": 1}}"#,
            "law white: unknown field `beta`, expected `granularity` or `alpha`".into(),
        ),
    ];
    for (text, message) in cases {
        let error = serde_json::from_str::<NoiseKind>(text).unwrap_err().to_string();
        assert!(error.starts_with(&message), "{error}");
    }
}

/// Kernels add their noise to the tensor, so that they do not serve a law with another mean.
#[test]
fn noise_is_about_the_mean_of_its_law_also_where_the_law_has_a_form_for_kernels() {
    let off = add(law(), None, ones());
    off.clone().into_data().assert_eq(&ones().mul_scalar(2.0).into_data(), true);
    let e = add(Law { has_mean: false, ..law() }, Some(Key::new(1)), ones()) - ones();
    let noisy = add(law(), Some(Key::new(1)), ones());
    let close = burn::tensor::Tolerance::rel_abs(1e-6, 1e-6);
    noisy.into_data().assert_approx_eq::<f32>(&(off + e).into_data(), close);
}

#[test]
#[should_panic(expected = "custom: got a mean of shape [1, 5], wanted [1, 6]")]
fn a_mean_of_another_shape_is_refused_where_noise_is_on() {
    add(Law { columns: [5, 6], ..law() }, Some(Key::new(1)), ones());
}

#[test]
#[should_panic(expected = "custom: got a mean of shape [1, 1], wanted [1, 6]")]
fn a_mean_of_another_shape_is_refused_where_noise_is_off() {
    add(Law { columns: [1, 6], ..law() }, None, ones());
}

#[test]
#[should_panic(expected = "draws of custom: got 2, wanted 1")]
fn a_law_that_takes_other_draws_than_it_asks_for_is_refused_by_name() {
    add(Law { draws: vec![6, 3], ..law() }, Some(Key::new(1)), ones());
}

#[test]
#[should_panic(expected = "custom: got a fused form of 1 amplitudes, stride 0")]
fn a_form_for_kernels_without_a_stride_is_refused() {
    add(Law { amplitudes: [1, 0], has_mean: false, ..law() }, Some(Key::new(1)), ones());
}

/// Elements of one amplitude that are not neighbours would get the gradient of others.
#[test]
#[should_panic(expected = "custom: got a fused form of 6 amplitudes, stride 2, wanted 1, or a")]
fn a_form_for_kernels_whose_amplitudes_do_not_fit_the_elements_is_refused() {
    add(Law { amplitudes: [6, 2], has_mean: false, ..law() }, Some(Key::new(1)), ones());
}

#[test]
fn a_form_for_kernels_names_what_does_not_fit_rows_of_its_elements() {
    let device = Device::flex();
    let (value, root) = (Amplitude::Value, Amplitude::Root);
    let divides = "wanted 1, or a number that times a stride above 0 divides 6 elements";
    let all = "wanted 6 and stride 1";
    for (amplitude, sizes, rows, wanted) in [
        (value, [1, 1], None, None),
        (value, [1, 5], Some(6), None),
        (value, [3, 2], None, None),
        (value, [2, 1], None, None),
        (value, [6, 1], None, None),
        (root, [6, 1], Some(6), None),
        (value, [0, 1], None, Some(divides)),
        (value, [1, 0], None, Some(divides)),
        (value, [4, 1], None, Some(divides)),
        (value, [3, 3], None, Some(divides)),
        (value, [6, 2], None, Some(divides)),
        (root, [1, 1], None, Some(all)),
        (root, [6, 2], None, Some(all)),
        (value, [1, 1], Some(5), Some("got 5 rows of the factor, wanted 6")),
    ] {
        let fault = form(amplitude, sizes, rows, &device).fault(6);
        let named = match wanted {
            Some(wanted) => fault.as_ref().is_some_and(|fault| fault.ends_with(wanted)),
            None => fault.is_none(),
        };
        assert!(named, "{amplitude:?} {sizes:?}: {fault:?}");
    }
}
