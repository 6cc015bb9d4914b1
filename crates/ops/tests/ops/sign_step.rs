//! A step along the signs of a gradient, and the projection onto a box, against the tensor
//! operations that they stand for, bit for bit.

use burn::tensor::{DType, Device, Tensor, TensorData};
use cni_noise::{Key, uniform};
use cni_ops::{StepSize, clamp_between, sign_step, sign_step_with_momentum};

/// No images, one pixel, odd sizes, rows that end within a task and tasks that end within a row.
const SHAPES: [[usize; 4]; 8] = [
    [0, 3, 4, 4],
    [2, 3, 0, 4],
    [1, 1, 1, 1],
    [3, 1, 5, 7],
    [128, 3, 8, 8],
    [5, 3, 100, 101],
    [1, 3, 160, 160],
    [33, 1, 32, 32],
];

/// Gradients and pixels that are not ordinary numbers.
const SPECIAL: [f32; 9] = [
    f32::NAN,
    -f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    0.0,
    -0.0,
    f32::MIN_POSITIVE / 4.0,
    -f32::MIN_POSITIVE / 4.0,
    f32::MAX,
];

/// The tensors of a step: images, the point before, the gradient and the corners.
struct Case {
    x: Tensor<4>,
    previous: Tensor<4>,
    gradient: Tensor<4>,
    corners: [Tensor<4>; 2],
}

fn case(shape: [usize; 4], epsilon: f64, special: bool, device: &Device) -> Case {
    let draw = |n| uniform::<4>(Key::new(5).child(n), shape, device);
    let (clean, gradient) = (draw(0), draw(1).sub_scalar(0.5).mul_scalar(1e-6));
    let inside = |n| (clean.clone() + draw(n).sub_scalar(0.5).mul_scalar(epsilon)).clamp(0.0, 1.0);
    let corners = [-epsilon, epsilon].map(|by| clean.clone().add_scalar(by).clamp(0.0, 1.0));
    let case = Case { x: inside(2), previous: inside(3), gradient, corners };
    if !special {
        return case;
    }
    // Each at a place of its own in each tensor, so that every pair meets somewhere.
    let mixed = |tensor: Tensor<4>, every: usize| {
        let mut values = tensor.try_to_vec_as::<f32>().unwrap();
        for (i, value) in values.iter_mut().enumerate().filter(|(i, _)| i % every == 0) {
            *value = SPECIAL[i / every % SPECIAL.len()];
        }
        Tensor::from_data(TensorData::new(values, shape), device)
    };
    let [low, high] = case.corners;
    Case {
        x: mixed(case.x, 2),
        previous: mixed(case.previous, 3),
        gradient: mixed(case.gradient, 5),
        corners: [mixed(low, 7), mixed(high, 11)],
    }
}

impl Case {
    /// The step, the one with momentum and the projection of the gradient, by kernels if there are
    /// any.
    fn steps(&self, size: StepSize) -> [Tensor<4>; 3] {
        let Self { x, previous, gradient, corners } = self;
        let (x, gradient, corners) = (|| x.clone(), || gradient.clone(), || corners.clone());
        [
            sign_step(x(), gradient(), size, corners()),
            sign_step_with_momentum(x(), previous.clone(), 0.75, gradient(), size, corners()),
            clamp_between(gradient(), corners()),
        ]
    }

    /// The same by Burn's operations.
    fn by_burn(&self, size: StepSize) -> [Tensor<4>; 3] {
        let project = |x: Tensor<4>| {
            let [low, high] = self.corners.clone();
            x.max_pair(low).min_pair(high)
        };
        let sign = self.gradient.clone().sign();
        let step = match size {
            StepSize::All(size) => sign.mul_scalar(size),
            StepSize::Each(sizes) => {
                let options = (&sign.device(), sign.dtype());
                let data = TensorData::new(sizes.to_vec(), [sizes.len(), 1, 1, 1]);
                sign.clone() * Tensor::from_data(data, options)
            }
        };
        let x = &self.x;
        let ahead = project(x.clone() + step);
        let moved = x.clone().mul_scalar(2.0 * (1.0 - 0.75)) + ahead.clone().mul_scalar(0.75)
            - self.previous.clone().mul_scalar(1.0 - 0.75);
        [ahead, project(moved), project(self.gradient.clone())]
    }

    fn map(&self, f: impl Fn(&Tensor<4>) -> Tensor<4>) -> Self {
        Self {
            x: f(&self.x),
            previous: f(&self.previous),
            gradient: f(&self.gradient),
            corners: self.corners.each_ref().map(&f),
        }
    }
}

fn assert_same_bits(name: &str, case: &Case, size: StepSize) {
    for (ours, burns) in case.steps(size).into_iter().zip(case.by_burn(size)) {
        assert_eq!((ours.dims(), ours.dtype()), (burns.dims(), burns.dtype()), "{name}");
        assert_eq!(bits(ours), bits(burns), "{name}");
    }
}

/// Any NaN is like any other: which of two a sum takes is not defined.
fn bits(tensor: Tensor<4>) -> Vec<Option<u32>> {
    let values = tensor.try_to_vec_as::<f32>().unwrap();
    values.into_iter().map(|value| (!value.is_nan()).then(|| value.to_bits())).collect()
}

fn sizes(batch: usize) -> Vec<f64> {
    (0..batch).map(|row| 2.0 / 255.0 / (1 + row % 5) as f64).collect()
}

#[test]
fn a_step_equals_burns_operations_bit_for_bit() {
    let device = Device::flex();
    for shape in SHAPES {
        for epsilon in [0.0, 1e-9, 8.0 / 255.0, 1.0, f64::INFINITY] {
            for special in [false, true] {
                let case = case(shape, epsilon.min(2.0), special, &device);
                let name = format!("{shape:?} {epsilon} {special}");
                for size in [0.0, epsilon, epsilon / 4.0, -0.1] {
                    assert_same_bits(&name, &case, StepSize::All(size));
                }
                assert_same_bits(&name, &case, StepSize::Each(&sizes(shape[0])));
            }
        }
    }
}

#[test]
fn views_other_types_and_the_autodiff_device_give_the_same_bits() {
    let (device, size) = (Device::flex(), StepSize::All(0.01));
    let whole = case([6, 3, 9, 8], 0.1, true, &device);
    let views = whole.map(|tensor| tensor.clone().swap_dims(2, 3).slice([1..5, 0..2, 1..8, 2..9]));
    let copies = views.map(|view| Tensor::from_data(view.to_data(), &device));
    for (view, copy) in views.steps(size).into_iter().zip(copies.by_burn(size)) {
        assert_eq!(bits(view), bits(copy));
    }
    let turned = Case { x: whole.x.clone().flip([3]), ..whole.map(Tensor::clone) };
    assert_same_bits("one view", &turned, size);
    let one = whole.map(|tensor| tensor.clone().slice(0..1).expand([4, 3, 9, 8]));
    assert_same_bits("expanded", &one, StepSize::Each(&sizes(4)));
    for dtype in [DType::F64, DType::F16, DType::BF16] {
        let cast = whole.map(|tensor| tensor.clone().cast(dtype));
        assert_same_bits(&format!("{dtype:?}"), &cast, size);
    }
    let lifted = whole.map(|tensor| tensor.clone().autodiff());
    for (lifted, plain) in lifted.steps(size).into_iter().zip(whole.steps(size)) {
        assert!(lifted.is_autodiff());
        assert_eq!(bits(lifted), bits(plain));
    }
}

/// A gradient through the step is that of Burn's operations: one where no corner binds.
#[test]
fn a_tracked_step_keeps_its_gradient() {
    let device = Device::flex();
    let Case { x, gradient, corners, .. } = case([2, 1, 4, 4], 0.1, false, &device);
    let leaf = x.autodiff().require_grad();
    let corners = corners.map(Tensor::autodiff);
    let moved = sign_step(leaf.clone(), gradient.autodiff(), StepSize::All(0.02), corners.clone());
    let [low, high] = corners;
    let bound = moved.clone().equal(low).bool_or(moved.clone().equal(high)).inner();
    let slope = leaf.grad(&moved.sum().backward()).unwrap();
    let wanted = slope.ones_like().mask_fill(bound.clone(), 0.0);
    assert_eq!(slope.into_data(), wanted.into_data());
    assert!(bound.clone().any().into_scalar::<bool>() && !bound.all().into_scalar::<bool>());
}

#[test]
fn steps_do_not_depend_on_the_number_of_threads() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let case = case([40, 3, 31, 33], 0.1, false, &Device::flex());
        pool.install(|| case.steps(StepSize::Each(&sizes(40))).map(Tensor::into_data))
    };
    assert_eq!(run(1), run(5));
}

#[test]
#[should_panic(expected = "size: got 2 step sizes, wanted one for each of 3 images")]
fn a_step_size_for_each_image_is_wanted() {
    let Case { x, gradient, corners, .. } = case([3, 1, 2, 2], 0.1, false, &Device::flex());
    sign_step(x, gradient, StepSize::Each(&[0.1, 0.2]), corners);
}
