//! The kernels for Burn's CPU backend: one pass over memory each, in tiles of columns that stay in
//! the cache.
//!
//! Tiles and the order of sums do not depend on the number of threads, and so neither do results.

mod moments;
mod tiles;

use super::launch::NoiseLaunch;
use super::operations::NoiseOperations;
use super::{Amplitude, StdPower};
use crate::draw::{Distribution, Stream, draw_on_host};
use crate::flex::{Block, Values, tensor, vector};
use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use moments::{PART, row_moments};
use rayon::prelude::*;
use tiles::{Buffers, Inputs, Scales, TILE, add_tile, slopes_tile};

type Primitive = FloatTensor<Flex>;

/// The most values that the calling thread works on alone: waking others costs more than it saves.
const ALONE: usize = 8 * TILE;

/// The parts of each row of the output and of `x` that belong to each tile.
fn tiles<'a>(
    out: &'a mut [f32],
    x: &'a [f32],
    elements: usize,
) -> Vec<Vec<(&'a mut [f32], &'a [f32])>> {
    let mut tiles: Vec<Vec<_>> = Vec::new();
    tiles.resize_with(elements.div_ceil(TILE), Vec::new);
    for (out, x) in out.chunks_mut(elements).zip(x.chunks(elements)) {
        let parts = out.chunks_mut(TILE).zip(x.chunks(TILE));
        tiles.iter_mut().zip(parts).for_each(|(tile, part)| tile.push(part));
    }
    tiles
}

impl NoiseOperations for Flex {
    fn fill(out: Primitive, distribution: Distribution, stream: Stream) -> Primitive {
        let shape = out.shape();
        vector(draw_on_host(distribution, stream, shape.num_elements()), shape)
    }

    fn moments(x: Primitive, launch: NoiseLaunch) -> Primitive {
        let x = Values::new(x);
        let row = launch.rows.rows * launch.elements / launch.stds();
        let moments: Vec<[f32; 2]> = if launch.stds() == 1 {
            vec![row_moments(x.slice())]
        } else {
            x.slice().par_chunks(row).map(row_moments).collect()
        };
        vector(moments.concat(), [launch.stds(), 2])
    }

    fn add_noise(
        x: Primitive,
        moments: Primitive,
        parameter: Primitive,
        factor: Primitive,
        launch: NoiseLaunch,
    ) -> Primitive {
        let shape = x.shape();
        let [x, moments, parameter, factor] = [x, moments, parameter, factor].map(Values::new);
        let mut scales = Scales::rows(&launch, moments.slice());
        let mut inside = 1.0;
        let root_of_both =
            launch.form.amplitude == Amplitude::Root && launch.form.independent == StdPower::Half;
        if root_of_both && !launch.rows.std_per_row {
            inside = moments.slice()[1];
            scales.iter_mut().for_each(|scales| scales.p = 1.0);
        }
        let shared = launch.draws() * launch.rank;
        let inputs = Inputs {
            launch,
            scales,
            inside,
            parameter: parameter.slice(),
            factor: if launch.rank > 0 { factor.slice() } else { &[] },
            shared: draw_on_host(Distribution::Normal, launch.shared(), shared),
        };
        let x = x.slice();
        let mut out = Block::new(x.len());
        let tiles = tiles(out.values_mut(), x, launch.elements);
        type Rows<'a> = Vec<(&'a mut [f32], &'a [f32])>;
        let add = |buffers: &mut Buffers, (tile, mut rows): (usize, Rows)| {
            add_tile(&inputs, tile * TILE, &mut rows, buffers);
        };
        if x.len() <= ALONE {
            let mut buffers = Buffers::new(launch.rank);
            tiles.into_iter().enumerate().for_each(|tile| add(&mut buffers, tile));
        } else {
            let tiles = tiles.into_par_iter().enumerate();
            tiles.for_each_init(|| Buffers::new(launch.rank), add);
        }
        tensor(out, shape)
    }

    fn slopes(
        gradient: Primitive,
        moments: Primitive,
        parameter: Primitive,
        launch: NoiseLaunch,
    ) -> (Primitive, Primitive) {
        let [gradient, moments, parameter] = [gradient, moments, parameter].map(Values::new);
        let inputs = Inputs {
            launch,
            scales: Scales::rows(&launch, moments.slice()),
            parameter: parameter.slice(),
            factor: &[],
            shared: Vec::new(),
            inside: 1.0,
        };
        let mut slopes = Block::new(launch.elements);
        let of_tile = |buffers: &mut Buffers, (tile, slopes): (usize, &mut [f32])| {
            slopes_tile(&inputs, gradient.slice(), tile * TILE, slopes, buffers)
        };
        let parts: Vec<Vec<f64>> = if launch.rows.rows * launch.elements <= ALONE {
            let mut buffers = Buffers::new(0);
            let tiles = slopes.values_mut().chunks_mut(TILE).enumerate();
            tiles.map(|tile| of_tile(&mut buffers, tile)).collect()
        } else {
            let tiles = slopes.values_mut().par_chunks_mut(TILE).enumerate();
            tiles.map_init(|| Buffers::new(0), of_tile).collect()
        };
        let by_std = |r| parts.iter().map(|part: &Vec<f64>| part[r]).sum::<f64>() as f32;
        let by_std: Vec<f32> = (0..launch.stds()).map(by_std).collect();
        (tensor(slopes, [launch.elements]), vector(by_std, [launch.stds(), 1]))
    }

    fn through_std(
        gradient: Primitive,
        x: Primitive,
        moments: Primitive,
        slope: Primitive,
        launch: NoiseLaunch,
    ) -> Primitive {
        let [x, moments, slope] = [x, moments, slope].map(Values::new);
        // In place where the gradient has no other owner.
        let mut gradient = Values::new(gradient).into_tensor();
        let row = launch.rows.rows * launch.elements / launch.stds();
        let pieces = |r: usize| {
            let [mean, std] = [moments.slice()[2 * r], moments.slice()[2 * r + 1]];
            let n = row.saturating_sub(1).max(1) as f32;
            (mean, if std > 0.0 { slope.slice()[r] / (n * std) } else { 0.0 })
        };
        let (values, x) = (gradient.storage_mut::<f32>(), x.slice());
        let add = |(r, (gradient, x)): (usize, (&mut [f32], &[f32]))| {
            let (mean, scale) = pieces(r);
            let add = |(gradient, x): (&mut [f32], &[f32])| {
                gradient.iter_mut().zip(x).for_each(|(g, x)| *g += scale * (x - mean));
            };
            if x.len() <= ALONE {
                add((gradient, x));
            } else {
                let parts = gradient.par_chunks_mut(PART).zip(x.par_chunks(PART)).with_min_len(4);
                parts.for_each(add);
            }
        };
        if x.len() <= ALONE {
            values.chunks_mut(row).zip(x.chunks(row)).enumerate().for_each(add);
        } else {
            values.par_chunks_mut(row).zip(x.par_chunks(row)).enumerate().for_each(add);
        }
        gradient
    }

    fn outer(column: Primitive, row: Primitive, launch: NoiseLaunch) -> Primitive {
        let (rank, [column, row]) = (launch.rank, [column, row].map(Values::new));
        let (column, row) = (column.slice(), row.slice());
        let mut out = Block::new(column.len() * rank);
        let multiply = |(out, column): (&mut [f32], &[f32])| {
            for (out, c) in out.chunks_exact_mut(rank).zip(column) {
                out.iter_mut().zip(row).for_each(|(out, r)| *out = c * r);
            }
        };
        if column.len() <= ALONE {
            multiply((out.values_mut(), column));
        } else {
            let tiles = out.values_mut().par_chunks_mut(TILE * rank).zip(column.par_chunks(TILE));
            tiles.with_min_len(4).for_each(multiply);
        }
        tensor(out, [launch.elements, rank])
    }
}
