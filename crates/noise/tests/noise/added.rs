//! Noise added by one operation against the laws composed of tensor operations, forward and every
//! gradient.
//!
//! One file, because all promises are made for the same table of cases.

use burn::tensor::{DType, Device, Tensor, TensorData, Tolerance};
use cni_noise::laws::{
    Colored, Covariance, Draws, Granularity, HostParameters, LawError, LawParameters, NoiseKind,
    NoiseLaw, NoiseParameters, NoiseScale, Rows, TensorNoise, TensorShape, White,
    standard_deviation, standard_deviations,
};
use cni_noise::{AddedNoise, ExampleIds, Key, normal, normal_at};

/// A law by its sizes, and how its draws and standard deviations are shared.
#[derive(Clone, Copy, Debug)]
struct Case {
    rows: usize,
    elements: usize,
    /// White: amplitudes and neighbouring elements that share one. Colored: none.
    amplitudes: Option<(usize, usize)>,
    rank: usize,
    scale: NoiseScale,
    draw_per_row: bool,
    std_per_row: bool,
    first: u64,
}

/// Input, parameter and factor.
struct Leaves {
    x: Tensor<2>,
    parameter: Tensor<1>,
    factor: Option<Tensor<2>>,
}

impl Case {
    fn leaves(&self, dtype: DType) -> Leaves {
        let device = Device::flex();
        let leaf = |n: u64| Key::new(17).child(n);
        let n = self.amplitudes.map_or(self.elements, |(n, _)| n);
        // Of either sign, and zero at the last element.
        let parameter = normal::<1>(leaf(1), [n], &device).slice_fill(n - 1..n, 0.0);
        let factor = normal::<2>(leaf(2), [self.elements, self.rank.max(1)], &device);
        let x = normal::<2>(leaf(0), [self.rows, self.elements], &device) * 0.7 + 0.3;
        let track = |x: Tensor<2>| x.cast(dtype).autodiff().require_grad();
        Leaves {
            x: track(x),
            parameter: parameter.cast(dtype).autodiff().require_grad(),
            factor: (self.rank > 0).then(|| track(factor)),
        }
    }

    fn law(&self) -> NoiseKind {
        let white = |granularity| White { granularity, alpha: 0.0 }.into();
        match self.amplitudes {
            None => Colored { rank: self.rank, diagonal: 0.0, factor: 0.0 }.into(),
            Some((1, _)) => white(Granularity::Layer),
            Some((n, _)) if n == self.elements => white(Granularity::Element),
            Some(_) => white(Granularity::Channel),
        }
    }

    fn parameters(&self, leaves: &Leaves) -> NoiseParameters {
        let (n, stride) = self.amplitudes.unwrap_or((1, 1));
        NoiseParameters {
            scale: self.scale,
            shape: TensorShape::new(&[self.elements / (n * stride), n, stride], 1),
            vectors: vec![leaves.parameter.clone()],
            factor: leaves.factor.clone(),
        }
    }

    fn noise<'a>(&self, law: &'a NoiseKind, leaves: &Leaves) -> AddedNoise<'a> {
        let noise = AddedNoise::new(&**law, self.parameters(leaves), Key::new(3));
        let noise = noise.with_rows(self.rows);
        let noise = match self.draw_per_row {
            true => noise.with_draw_per_row(self.first.into()),
            false => noise,
        };
        if self.std_per_row { noise.with_std_per_row() } else { noise }
    }

    fn added(&self, leaves: &Leaves) -> Tensor<2> {
        self.noise(&self.law(), leaves).add_to(leaves.x.clone())
    }

    /// The same by tensor operations: the white law by its formula, the colored one by its own.
    fn composed(&self, leaves: &Leaves) -> Tensor<2> {
        let x = leaves.x.clone();
        let draws = if self.draw_per_row { self.rows } else { 1 };
        let draw = |stream, columns: usize| {
            let first = self.first * columns as u64;
            normal_at::<2, 2>(Key::new(3).child(stream), first, [draws, columns], &x)
        };
        let whole = self.rows * self.elements;
        let e = draw(0, self.elements);
        let Some((n, stride)) = self.amplitudes else {
            let shared = (self.rank > 0).then(|| draw(1, self.rank));
            let draws = Draws::new([e].into_iter().chain(shared).collect());
            let rows = Rows::new(x.clone(), self.std_per_row);
            return x + self.law().noise(&self.parameters(leaves), &rows, draws);
        };
        let values = if self.std_per_row { x.clone() } else { x.clone().reshape([1, whole]) };
        let alpha = (0..self.elements).map(|i| (i / stride % n) as i64).collect::<Vec<_>>();
        let index = TensorData::new(alpha, [self.elements]);
        let index = Tensor::<1, burn::tensor::Int>::from_data(index, &x.device().inner());
        let alpha = leaves.parameter.clone().select(0, index).unsqueeze::<2>();
        x + e * match self.scale {
            NoiseScale::Reference => alpha * standard_deviations(values.inner()),
            NoiseScale::Relative => alpha * standard_deviations(values),
            NoiseScale::Absolute => alpha,
        }
    }
}

/// The tensor and the gradients of a weighted sum of it.
fn run(leaves: &Leaves, out: Tensor<2>) -> Vec<(&'static str, Vec<f64>)> {
    let [rows, elements] = out.dims();
    let weights = normal_at::<2, 2>(Key::new(5), 0, [rows, elements], &out);
    let gradients = (out.clone() * weights).sum().backward();
    let list = |x: Tensor<1>| x.try_to_vec_as::<f64>().unwrap();
    let mut all = vec![
        ("value", list(out.reshape([rows * elements]))),
        ("input", list(leaves.x.grad(&gradients).unwrap().reshape([rows * elements]))),
        ("parameter", list(leaves.parameter.grad(&gradients).unwrap())),
    ];
    if let Some(factor) = &leaves.factor {
        let slope = factor.grad(&gradients).unwrap();
        assert_eq!(slope.dims(), factor.dims());
        let n = slope.shape().num_elements();
        all.push(("factor", list(slope.reshape([n]))));
    }
    all
}

fn assert_close(
    case: &Case,
    got: &[(&str, Vec<f64>)],
    wanted: &[(&str, Vec<f64>)],
    tolerance: f64,
) {
    for ((what, got), (_, wanted)) in got.iter().zip(wanted) {
        assert_eq!(got.len(), wanted.len(), "{case:?} {what}");
        let scale = wanted.iter().fold(1.0f64, |m, w| m.max(w.abs()));
        for (i, (got, wanted)) in got.iter().zip(wanted).enumerate() {
            let close = (got - wanted).abs() < tolerance * scale;
            assert!(close, "{case:?} {what}[{i}]: {got} ≠ {wanted}");
        }
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // The last is more than the calling thread takes alone.
    let shapes = [(1, 1), (1, 7), (1, 2_500), (5, 12), (3, 1_100), (4, 64), (2, 1), (2, 9_000)];
    for (rows, elements) in shapes {
        let whites = [1, 4].into_iter().filter(|n| elements % n == 0);
        // One amplitude, one an element, and four channels at the front or behind an outer axis of
        // three.
        let whites = whites.map(|n| (n, elements / n)).chain([(elements, 1)]);
        let whites = whites.chain((elements == 12).then_some((2, 2)));
        let whites = whites.map(|amplitudes| (Some(amplitudes), 0));
        let laws = whites.chain([0, 1, 5].map(|rank| (None, rank)));
        for (amplitudes, rank) in laws {
            for scale in [NoiseScale::Reference, NoiseScale::Relative, NoiseScale::Absolute] {
                for (draw_per_row, std_per_row, first) in
                    [(false, false, 0), (true, false, 3), (false, true, 0), (true, true, 7)]
                {
                    cases.push(Case {
                        rows,
                        elements,
                        amplitudes,
                        rank,
                        scale,
                        draw_per_row,
                        std_per_row,
                        first,
                    });
                }
            }
        }
    }
    cases
}

/// Float rounding: sums of up to 18,000 terms in another order.
const TOLERANCE: f64 = 2e-5;

#[test]
fn the_operation_equals_the_laws_forward_and_backward() {
    for case in cases() {
        let leaves = case.leaves(DType::F32);
        let wanted = run(&leaves, case.composed(&leaves));
        let leaves = case.leaves(DType::F32);
        assert_close(&case, &run(&leaves, case.added(&leaves)), &wanted, TOLERANCE);
    }
}

/// Double precision has no kernel; it is what the kernels are measured by.
#[test]
fn double_precision_is_taken_too_and_agrees() {
    for case in cases().into_iter().step_by(3) {
        let double = case.leaves(DType::F64);
        let wanted = run(&double, case.added(&double));
        let single = case.leaves(DType::F32);
        assert_close(&case, &run(&single, case.added(&single)), &wanted, TOLERANCE);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let case = Case {
        rows: 3,
        elements: 9_000,
        amplitudes: None,
        rank: 5,
        scale: NoiseScale::Relative,
        draw_per_row: true,
        std_per_row: false,
        first: 1,
    };
    let all = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let leaves = case.leaves(DType::F32);
            let out = case.added(&leaves);
            run(&leaves, out)
        })
    };
    assert_eq!(all(1), all(3));
}

/// Where only one of the tensors is tracked, and where none is.
#[test]
fn constants_get_no_gradient_and_change_nothing() {
    for case in cases().into_iter().filter(|case| case.elements == 1_100) {
        let leaves = case.leaves(DType::F32);
        let all = run(&leaves, case.added(&leaves));
        let plain = |x: &Tensor<2>| x.clone().inner();
        let constant = Leaves {
            x: leaves.x.clone(),
            parameter: leaves.parameter.clone().inner(),
            factor: leaves.factor.as_ref().map(plain),
        };
        let out = case.added(&constant);
        let weights = normal_at::<2, 2>(Key::new(5), 0, out.dims(), &out);
        let gradients = (out * weights).sum().backward();
        let slope: Vec<f64> = constant.x.grad(&gradients).unwrap().try_to_vec_as().unwrap();
        assert_eq!(slope, all[1].1, "{case:?}");

        let constant = Leaves { x: plain(&leaves.x), ..constant };
        let out = case.added(&constant);
        assert!(!out.is_autodiff());
        assert_eq!(out.try_to_vec_as::<f64>().unwrap(), all[0].1, "{case:?}");

        let learned = Leaves { parameter: leaves.parameter.clone(), ..constant };
        let out = case.added(&learned);
        let weights = normal_at::<2, 2>(Key::new(5), 0, out.dims(), &out);
        let gradients = (out * weights).sum().backward();
        let slope: Vec<f64> = learned.parameter.grad(&gradients).unwrap().try_to_vec_as().unwrap();
        assert_eq!(slope, all[2].1, "{case:?}");
    }
}

/// A tensor in another than row-major order.
#[test]
fn a_permuted_tensor_gets_the_noise_of_its_own_order() {
    let case = Case {
        rows: 1,
        elements: 91,
        amplitudes: None,
        rank: 2,
        scale: NoiseScale::Reference,
        draw_per_row: false,
        std_per_row: false,
        first: 0,
    };
    let leaves = case.leaves(DType::F32);
    let law = case.law();
    let noise = || case.noise(&law, &leaves);
    let x = leaves.x.clone().inner().reshape([7, 13]).transpose();
    let copied = Tensor::<2>::from_data(x.to_data(), &Device::flex());
    assert_eq!(noise().add_to(x).into_data(), noise().add_to(copied).into_data());
}

/// In proportion to it, and at the reference's scale; sums of these values are rounded.
#[test]
fn a_constant_tensor_gets_no_noise_that_follows_it() {
    for (rows, elements) in [(1, 784), (4, 784), (1, 3_072), (2, 9_000)] {
        for (amplitudes, scale) in [
            (Some((elements, 1)), NoiseScale::Reference),
            (Some((elements, 1)), NoiseScale::Relative),
            (None, NoiseScale::Reference),
        ] {
            for (draw_per_row, std_per_row) in [(false, false), (true, false), (true, true)] {
                let (rank, first) = (0, 0);
                let case = Case {
                    rows,
                    elements,
                    amplitudes,
                    rank,
                    scale,
                    draw_per_row,
                    std_per_row,
                    first,
                };
                for (value, dtype) in
                    [(0.1, DType::F32), (-0.4242, DType::F32), (1.1, DType::F32), (0.1, DType::F64)]
                {
                    let x = Tensor::<2>::full([rows, elements], value, (&Device::flex(), dtype));
                    let x = x.autodiff().require_grad();
                    let leaves = Leaves { x, ..case.leaves(dtype) };
                    let out = case.added(&leaves);
                    assert_eq!(out.to_data(), leaves.x.to_data(), "{case:?}, {value} {dtype:?}");
                    // Nothing comes back through the standard deviation.
                    let wanted = normal_at::<2, 2>(Key::new(5), 0, out.dims(), &out);
                    let wanted = wanted.try_to_vec_as::<f64>().unwrap();
                    assert_eq!(run(&leaves, out)[1].1, wanted, "{case:?}, {value} {dtype:?}");
                }
            }
        }
    }
}

/// A tensor of more values than half precision can count.
#[test]
fn noise_on_a_tensor_in_half_precision_is_as_large_as_in_full() {
    let device = Device::flex();
    for dtype in [DType::F16, DType::BF16] {
        for size in [0.02, 1.0] {
            let x = normal::<2>(Key::new(1), [512, 512], &device).mul_scalar(size).cast(dtype);
            let law = White::new(Granularity::Layer);
            for scale in [NoiseScale::Reference, NoiseScale::Relative] {
                let parameters = NoiseParameters {
                    scale,
                    shape: TensorShape::new(&[512, 512], 0),
                    vectors: vec![Tensor::full([1], 0.5, (&device, dtype))],
                    factor: None,
                };
                let noisy = AddedNoise::new(&law, parameters, Key::new(2)).add_to(x.clone());
                let noise = noisy.cast(DType::F64) - x.clone().cast(DType::F64);
                let found: f64 = standard_deviation(noise).into_scalar();
                // The standard error of 262,144 draws is 0.14 %.
                let close = (found / (0.5 * size) - 1.0).abs() < 0.02;
                assert!(close, "{dtype:?} {scale:?} {size}: {found}");
            }
        }
    }
}

#[test]
fn constant_tensors_and_zero_parameters_have_finite_gradients() {
    for mut case in cases() {
        case.std_per_row |= case.rows > 1;
        for value in [0.0, 0.1] {
            let leaves = case.leaves(DType::F32);
            let x = leaves.x.clone().inner().full_like(value).autodiff().require_grad();
            let leaves = Leaves { x, ..leaves };
            for (what, values) in run(&leaves, case.added(&leaves)) {
                assert!(values.iter().all(|v| v.is_finite()), "{case:?} {what} {value}");
            }
        }
    }
}

/// Rows that are no neighbours have no kernel: the values are the same to rounding.
#[test]
fn a_row_gets_its_examples_noise_in_any_company() {
    let case = Case {
        rows: 4,
        elements: 91,
        amplitudes: None,
        rank: 2,
        scale: NoiseScale::Relative,
        draw_per_row: true,
        std_per_row: true,
        first: 5,
    };
    let leaves = case.leaves(DType::F32);
    let law = case.law();
    let noise = |rows, examples| {
        let noise = AddedNoise::new(&*law, case.parameters(&leaves), Key::new(3));
        noise.with_rows(rows).with_draw_per_row(examples).with_std_per_row()
    };
    let x = leaves.x.clone().inner();
    let (rows, index) = ([3, 0, 1], Tensor::from_ints([3, 0, 1], &Device::flex()));
    let whole = noise(4, ExampleIds::from(5)).add_to(x.clone()).select(0, index.clone());
    let part = noise(3, ExampleIds::from(5).select(&rows)).add_to(x.select(0, index));
    part.into_data().assert_approx_eq::<f32>(&whole.into_data(), Tolerance::rel_abs(1e-5, 1e-5));
}

#[test]
fn gradients_agree_with_central_differences() {
    let case = Case {
        rows: 2,
        elements: 9,
        amplitudes: None,
        rank: 2,
        scale: NoiseScale::Relative,
        draw_per_row: true,
        std_per_row: true,
        first: 2,
    };
    let leaves = case.leaves(DType::F32);
    let slopes = run(&leaves, case.added(&leaves));
    // In double precision, where the operation is composed of Burn's own.
    let double = case.leaves(DType::F64);
    let at = |entry: usize, step: f64| {
        let mut x: Vec<f64> = double.x.try_to_vec_as().unwrap();
        x[entry] += step;
        let options = (&Device::flex(), DType::F64);
        let x = Tensor::<2>::from_data(TensorData::new(x, [2, 9]), options);
        let parameter = double.parameter.clone().inner();
        let factor = double.factor.clone().map(Tensor::inner);
        let out = case.added(&Leaves { x, parameter, factor });
        let weights = normal_at::<2, 2>(Key::new(5), 0, [2, 9], &out);
        (out * weights).sum().into_scalar::<f64>()
    };
    for (entry, slope) in slopes[1].1.iter().enumerate() {
        let numeric = (at(entry, 1e-5) - at(entry, -1e-5)) / 2e-5;
        assert!((slope - numeric).abs() < 1e-4, "entry {entry}: {slope} ≠ {numeric}");
    }
}

#[test]
#[should_panic(expected = "parameters of white: got vectors of [4] entries, wanted [6]")]
fn parameters_of_another_size_are_refused() {
    let device = Device::flex();
    let parameters = NoiseParameters {
        scale: NoiseScale::Reference,
        shape: TensorShape::new(&[6], 0),
        vectors: vec![Tensor::ones([4], &device)],
        factor: None,
    };
    AddedNoise::new(&White::new(Granularity::Element), parameters, Key::new(1))
        .add_to(Tensor::<1>::zeros([6], &device));
}

/// A law of one's own that breaks its contract.
#[derive(Debug)]
struct Broken;

impl NoiseLaw for Broken {
    fn name(&self) -> String {
        "broken".to_string()
    }

    fn spec(&self) -> serde_json::Value {
        serde_json::json!({ "broken": {} })
    }

    fn parameters(&self, _: &TensorShape) -> LawParameters {
        LawParameters { vectors: Vec::new(), factor: None }
    }

    fn check(&self, _: NoiseScale, _: &TensorShape) -> Result<(), LawError> {
        Ok(())
    }

    fn noise(&self, _: &NoiseParameters, _: &Rows, draws: Draws) -> Tensor<2> {
        let [e] = draws.streams();
        e.slice([0..1, 0..5])
    }

    fn covariance(&self, _: &HostParameters, _: f64, _: Option<&[f64]>) -> Covariance {
        Covariance::independent(Vec::new())
    }

    fn amplitude(&self, _: &HostParameters) -> f64 {
        0.0
    }
}

fn broken(device: &Device) -> (NoiseParameters, Tensor<1>) {
    let shape = TensorShape::new(&[6], 0);
    let scale = NoiseScale::Absolute;
    let parameters = NoiseParameters { scale, shape, vectors: Vec::new(), factor: None };
    (parameters, Tensor::zeros([6], device))
}

#[test]
#[should_panic(expected = "broken: got noise of shape [1, 5], wanted [1, 6]")]
fn noise_of_another_shape_is_refused_by_the_name_of_its_law() {
    let (parameters, tensor) = broken(&Device::flex());
    AddedNoise::new(&Broken, parameters, Key::new(1)).add_to(tensor);
}

#[test]
#[should_panic(expected = "broken: got a covariance of 0 elements, wanted 6")]
fn a_covariance_of_another_size_is_refused_by_the_name_of_its_law() {
    let (parameters, _) = broken(&Device::flex());
    let _ = TensorNoise::new(&Broken, &parameters, None, None);
}
