//! Tiles of one thread, and what the instructions do to them.

use super::decode::Rows;
use std::ptr;

/// Palette 1: eight tiles of at most sixteen rows of 64 bytes.
const TILES: usize = 8;
const ROWS: usize = 16;
const BYTES: usize = 64;
const WORDS: usize = BYTES / 4;

#[derive(Clone, Copy)]
struct Shape {
    rows: usize,
    /// Bytes of a row.
    bytes: usize,
}

impl Shape {
    /// A processor takes a configuration with other rows, and refuses to load or store them.
    fn has_whole_words(&self) -> bool {
        self.bytes.is_multiple_of(4)
    }
}

const NO_SHAPES: [Shape; TILES] = [Shape { rows: 0, bytes: 0 }; TILES];

/// Tile registers and their configuration. Bytes beyond a tile's shape are zeros, always.
pub struct Tiles {
    /// Zeros for tiles that are not configured.
    shapes: [Shape; TILES],
    data: [[[u32; WORDS]; ROWS]; TILES],
}

impl Tiles {
    /// The state without a configuration.
    pub const RELEASED: Tiles = Tiles { shapes: NO_SHAPES, data: [[[0; WORDS]; ROWS]; TILES] };

    /// Loading of a configuration, which zeroes the tiles. Start rows other than zero, which only
    /// interrupted instructions leave behind, are not supported.
    ///
    /// # Safety
    ///
    /// There must be 64 readable bytes at the address.
    pub unsafe fn configure(&mut self, address: usize) -> Option<()> {
        // SAFETY: the caller promises it.
        let config = unsafe { ptr::read_unaligned(address as *const [u8; 64]) };
        let mut shapes = NO_SHAPES;
        // With palette 0 the rest does not matter: it is the state without a configuration.
        if config[0] != 0 {
            for (tile, shape) in shapes.iter_mut().enumerate() {
                let bytes = [config[16 + 2 * tile], config[17 + 2 * tile]];
                shape.bytes = u16::from_le_bytes(bytes).into();
                shape.rows = config[48 + tile].into();
                if shape.rows > ROWS
                    || shape.bytes > BYTES
                    || (shape.rows == 0) != (shape.bytes == 0)
                {
                    return None;
                }
            }
            let mut reserved = config[1..16].iter().chain(&config[32..48]).chain(&config[56..]);
            if config[0] != 1 || reserved.any(|&byte| byte != 0) {
                return None;
            }
        }
        self.reset(shapes);
        Some(())
    }

    pub fn release(&mut self) {
        self.reset(NO_SHAPES);
    }

    /// In place: a second set of tiles would be a lot for a signal handler's stack.
    fn reset(&mut self, shapes: [Shape; TILES]) {
        self.shapes = shapes;
        self.data.as_flattened_mut().fill([0; WORDS]);
    }

    pub fn zero(&mut self, tile: usize) -> Option<()> {
        self.shape(tile)?;
        self.data[tile].fill([0; WORDS]);
        Some(())
    }

    /// # Safety
    ///
    /// The rows must be readable.
    pub unsafe fn load(&mut self, tile: usize, rows: Rows) -> Option<()> {
        let shape = self.shape(tile).filter(Shape::has_whole_words)?;
        let mut address = rows.first;
        for row in &mut self.data[tile][..shape.rows] {
            // SAFETY: the caller promises that the memory is readable; a row has room for all
            // bytes of the shape.
            unsafe { ptr::copy(address as *const u8, row.as_mut_ptr().cast(), shape.bytes) };
            address = address.wrapping_add(rows.stride);
        }
        Some(())
    }

    /// # Safety
    ///
    /// The rows must be writable.
    pub unsafe fn store(&self, rows: Rows, tile: usize) -> Option<()> {
        let shape = self.shape(tile).filter(Shape::has_whole_words)?;
        let mut address = rows.first;
        for row in &self.data[tile][..shape.rows] {
            // SAFETY: the caller promises that the memory is writable; a row has all bytes of the
            // shape.
            unsafe { ptr::copy(row.as_ptr().cast(), address as *mut u8, shape.bytes) };
            address = address.wrapping_add(rows.stride);
        }
        Some(())
    }

    /// The product of a tile of rows of pairs and one of columns of pairs, added to a third.
    ///
    /// The order is the manual's: even and odd elements have a sum each, in single precision, which
    /// starts from zero and takes one fused multiplication and addition for each pair, in order.
    /// The two sums are added, and their sum is added to the accumulator. All of that rounds to
    /// nearest and flushes denormals, operands and results, to zero.
    pub fn multiply(&mut self, into: usize, left: usize, right: usize) -> Option<()> {
        let (sums, rows, columns) = (self.shape(into)?, self.shape(left)?, self.shape(right)?);
        let pairs = columns.rows;
        let whole = [sums, rows, columns].iter().all(|shape| shape.has_whole_words());
        let distinct = into != left && left != right && right != into;
        let fitting = sums.rows == rows.rows && sums.bytes == columns.bytes;
        if !(whole && distinct && fitting && rows.bytes == 4 * pairs) {
            return None;
        }
        for m in 0..sums.rows {
            // SAFETY: `install` has asked for the instructions.
            let products = unsafe { products(&self.data[left][m], &self.data[right][..pairs]) };
            let row = self.data[into][m].iter_mut().take(sums.bytes / 4);
            for (sum, product) in row.zip(products) {
                *sum = flush(flush(f32::from_bits(*sum)) + product).to_bits();
            }
        }
        Some(())
    }

    /// The shape of a configured tile.
    fn shape(&self, tile: usize) -> Option<Shape> {
        Some(self.shapes[tile]).filter(|shape| shape.rows > 0)
    }
}

/// The sums of products of a row and all columns. Those beyond the tile's shape mean nothing.
#[target_feature(enable = "avx2,fma")]
fn products(row: &[u32; WORDS], columns: &[[u32; WORDS]]) -> [f32; WORDS] {
    let mut even = [0.0; WORDS];
    let mut odd = [0.0; WORDS];
    for (&a, column) in row.iter().zip(columns) {
        for n in 0..WORDS {
            even[n] = flush(lower(a).mul_add(lower(column[n]), even[n]));
            odd[n] = flush(upper(a).mul_add(upper(column[n]), odd[n]));
        }
    }
    std::array::from_fn(|n| flush(even[n] + odd[n]))
}

/// The first of a pair: the lower half.
fn lower(pair: u32) -> f32 {
    flush(f32::from_bits(pair << 16))
}

/// The second of a pair: the upper half.
fn upper(pair: u32) -> f32 {
    flush(f32::from_bits(pair & 0xFFFF_0000))
}

/// The value, or a zero of its sign for a denormal.
fn flush(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE { 0.0 * value } else { value }
}
