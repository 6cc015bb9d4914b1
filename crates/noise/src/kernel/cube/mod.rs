//! The kernels for CubeCL's backends: CUDA, ROCm, Vulkan, Metal, WebGPU and the CPU.

mod kernels;
mod philox;

use self::kernels::{Choices, SizesLaunch};
use super::Plan;
use super::operations::NoiseOperations;
use crate::Key;
use crate::philox::{GROUP, LANES, Law};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, TensorMetadata};
use burn::tensor::{FloatDType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::cubecl::{CubeCount, calculate_cube_count_elemwise};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;

type Primitive = FloatTensor<CubeBackend>;

/// Inputs that one thread joins into one moment.
const JOINED: usize = 128;

fn empty(like: &Primitive, shape: impl Into<Shape>) -> Primitive {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), DType::F32)
}

/// Cubes for a number of threads.
fn cubes(like: &Primitive, threads: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(&like.client, threads);
    (calculate_cube_count_elemwise(&like.client, threads, dim), dim)
}

/// Blocks that cover `len` values wherever they start in a group.
fn blocks(len: usize) -> usize {
    LANES * ((len + 2 * GROUP - 2) / GROUP)
}

impl Plan {
    fn sizes(&self) -> SizesLaunch {
        let stride = if self.amplitudes == 1 { self.elements } else { self.stride };
        SizesLaunch::new(
            self.rows as u32,
            self.elements as u32,
            self.amplitudes as u32,
            stride as u32,
            self.rank as u32,
            blocks(self.elements) as u32,
        )
    }

    fn choices(&self) -> Choices {
        let Self { form, draw_per_row, std_per_row, rank, .. } = *self;
        Choices { form, draw_per_row, std_per_row, colored: rank > 0 }
    }
}

impl NoiseOperations for CubeBackend {
    fn fill(out: Primitive, law: Law, key: Key, first: u64) -> Primitive {
        let out = match out.can_mut() && out.is_contiguous() {
            true => out,
            false => empty(&out, out.shape()),
        };
        let len = out.shape().num_elements();
        let (count, dim) = cubes(&out, blocks(len));
        let (client, buffer) = (out.client.clone(), out.clone().into_buffer_arg());
        kernels::fill::launch(
            &client,
            count,
            dim,
            buffer,
            philox::stream(key, first),
            len as u32,
            law,
        );
        out
    }

    fn moments(x: Primitive, plan: Plan) -> Primitive {
        let rows = plan.stds();
        let mut input = into_contiguous(x);
        let mut inputs = plan.rows * plan.elements / rows;
        let mut leaves = true;
        loop {
            let units = inputs.div_ceil(JOINED);
            let root = units == 1;
            let output = empty(&input, [rows * units, if root { 2 } else { 3 }]);
            let (count, dim) = cubes(&output, rows * units);
            kernels::join_moments::launch(
                &output.client.clone(),
                count,
                dim,
                input.into_buffer_arg(),
                output.clone().into_buffer_arg(),
                rows as u32,
                inputs as u32,
                units as u32,
                leaves,
                root,
            );
            if root {
                return output;
            }
            (input, inputs, leaves) = (output, units, false);
        }
    }

    fn add_noise(
        x: Primitive,
        moments: Primitive,
        parameter: Primitive,
        factor: Primitive,
        plan: Plan,
    ) -> Primitive {
        let [x, moments, parameter, factor] = [x, moments, parameter, factor].map(into_contiguous);
        let shared = match plan.rank {
            0 => moments.clone(),
            rank => {
                let out =
                    Self::float_empty(Shape::new([plan.draws(), rank]), &x.device, FloatDType::F32);
                let (key, first) = plan.shared();
                Self::fill(out, Law::Normal, key, first)
            }
        };
        let out = empty(&x, x.shape());
        let (count, dim) = cubes(&out, plan.rows * blocks(plan.elements));
        let (key, first) = plan.independent();
        kernels::add_noise::launch(
            &out.client.clone(),
            count,
            dim,
            x.into_buffer_arg(),
            moments.into_buffer_arg(),
            parameter.into_buffer_arg(),
            factor.into_buffer_arg(),
            shared.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            philox::stream(key, first),
            plan.sizes(),
            plan.choices(),
        );
        out
    }

    fn slopes(
        gradient: Primitive,
        moments: Primitive,
        parameter: Primitive,
        plan: Plan,
    ) -> (Primitive, Primitive) {
        let [gradient, moments, parameter] = [gradient, moments, parameter].map(into_contiguous);
        let slopes = empty(&gradient, [plan.elements]);
        let terms = empty(&gradient, [plan.stds(), plan.elements]);
        let (count, dim) = cubes(&slopes, plan.elements);
        let (key, first) = plan.independent();
        kernels::slopes::launch(
            &slopes.client.clone(),
            count,
            dim,
            gradient.into_buffer_arg(),
            moments.into_buffer_arg(),
            parameter.into_buffer_arg(),
            slopes.clone().into_buffer_arg(),
            terms.clone().into_buffer_arg(),
            philox::stream(key, first),
            plan.sizes(),
            plan.choices(),
        );
        (slopes, Self::float_sum_dim(terms, 1))
    }

    fn through_std(
        gradient: Primitive,
        x: Primitive,
        moments: Primitive,
        slope: Primitive,
        plan: Plan,
    ) -> Primitive {
        let shape = gradient.shape();
        let [gradient, x, moments, slope] = [gradient, x, moments, slope].map(into_contiguous);
        let total = plan.rows * plan.elements;
        let out = empty(&x, shape);
        let (count, dim) = cubes(&out, total);
        kernels::through_std::launch(
            &out.client.clone(),
            count,
            dim,
            gradient.into_buffer_arg(),
            x.into_buffer_arg(),
            moments.into_buffer_arg(),
            slope.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            plan.stds() as u32,
            (total / plan.stds()) as u32,
        );
        out
    }
}
