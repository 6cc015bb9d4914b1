//! The kernels for CubeCL's backends: CUDA, ROCm, Vulkan, Metal, WebGPU and the CPU.

mod kernels;
mod philox;

use self::kernels::{Choices, SizesLaunch};
use super::launch::NoiseLaunch;
use super::operations::NoiseOperations;
use crate::draw::{Distribution, GROUP, LANES, Stream};
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

impl NoiseLaunch {
    fn sizes(&self) -> SizesLaunch {
        let stride = if self.amplitudes == 1 { self.elements } else { self.stride };
        SizesLaunch::new(
            self.rows.rows as u32,
            self.elements as u32,
            self.amplitudes as u32,
            stride as u32,
            self.rank as u32,
            blocks(self.elements) as u32,
        )
    }

    fn choices(&self) -> Choices {
        let Self { form, rows, rank, .. } = *self;
        let (draw_per_row, std_per_row) = (rows.draw_per_row, rows.std_per_row);
        Choices { form, draw_per_row, std_per_row, colored: rank > 0 }
    }
}

impl NoiseOperations for CubeBackend {
    fn fill(out: Primitive, distribution: Distribution, stream: Stream) -> Primitive {
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
            philox::stream_launch(stream),
            len as u32,
            distribution,
        );
        out
    }

    fn moments(x: Primitive, launch: NoiseLaunch) -> Primitive {
        let rows = launch.stds();
        let mut input = into_contiguous(x);
        let mut inputs = launch.rows.rows * launch.elements / rows;
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
        launch: NoiseLaunch,
    ) -> Primitive {
        let [x, moments, parameter, factor] = [x, moments, parameter, factor].map(into_contiguous);
        let shared = match launch.rank {
            0 => moments.clone(),
            rank => {
                let out = Self::float_empty(
                    Shape::new([launch.draws(), rank]),
                    &x.device,
                    FloatDType::F32,
                );
                Self::fill(out, Distribution::Normal, launch.shared())
            }
        };
        let out = empty(&x, x.shape());
        let (count, dim) = cubes(&out, launch.rows.rows * blocks(launch.elements));
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
            philox::stream_launch(launch.independent()),
            launch.sizes(),
            launch.choices(),
        );
        out
    }

    fn slopes(
        gradient: Primitive,
        moments: Primitive,
        parameter: Primitive,
        launch: NoiseLaunch,
    ) -> (Primitive, Primitive) {
        let [gradient, moments, parameter] = [gradient, moments, parameter].map(into_contiguous);
        let slopes = empty(&gradient, [launch.elements]);
        let terms = empty(&gradient, [launch.stds(), launch.elements]);
        let (count, dim) = cubes(&slopes, launch.elements);
        kernels::slopes::launch(
            &slopes.client.clone(),
            count,
            dim,
            gradient.into_buffer_arg(),
            moments.into_buffer_arg(),
            parameter.into_buffer_arg(),
            slopes.clone().into_buffer_arg(),
            terms.clone().into_buffer_arg(),
            philox::stream_launch(launch.independent()),
            launch.sizes(),
            launch.choices(),
        );
        (slopes, Self::float_sum_dim(terms, 1))
    }

    fn through_std(
        gradient: Primitive,
        x: Primitive,
        moments: Primitive,
        slope: Primitive,
        launch: NoiseLaunch,
    ) -> Primitive {
        let shape = gradient.shape();
        let [gradient, x, moments, slope] = [gradient, x, moments, slope].map(into_contiguous);
        let total = launch.rows.rows * launch.elements;
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
            launch.stds() as u32,
            (total / launch.stds()) as u32,
        );
        out
    }
}
