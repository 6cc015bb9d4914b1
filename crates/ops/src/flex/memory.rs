//! Memory of outputs and of intermediate values.

use super::pool::{Block, LINE};
use rayon::prelude::*;
use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Lends `len` floats of this thread's memory, from the start of a line of the cache on, with
/// whatever the last call left there. A task's buffers are as large as a cache: asking the system
/// for them each time would cost more than filling them.
///
/// Not to be nested: `f` must not lend again, nor hand work to a thread pool and wait for it.
pub fn scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with_borrow_mut(|memory| {
        if memory.len() < len + LINE {
            memory.resize(len + LINE, 0.0);
        }
        // A vector across two lines costs two loads. The offset is only ever too large where there
        // is no answer.
        let start = memory.as_ptr().align_offset(4 * LINE).min(LINE);
        f(&mut memory[start..start + len])
    })
}

/// `len` floats whose parts, `part` floats each but the last, are computed in parallel: `f` gets
/// the number of a part and its values, which it has to write, all of them.
pub fn build(len: usize, part: usize, f: impl Fn(usize, &mut [f32]) + Sync) -> Block {
    let mut block = Block::new(len);
    let parts = block.values_mut().par_chunks_mut(part.max(1)).enumerate();
    parts.for_each(|(i, values)| f(i, values));
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_up_the_whole() {
        for (len, part) in [(0, 3), (1, 3), (10, 3), (9, 3), (5, 0)] {
            let built = build(len, part, |i, values| {
                values.iter_mut().enumerate().for_each(|(k, v)| *v = (i * part.max(1) + k) as f32);
            });
            assert_eq!(built.values(), (0..len).map(|i| i as f32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn scratch_memory_starts_a_line() {
        for len in [1, 100, 7] {
            scratch(len, |memory| {
                assert_eq!((memory.len(), memory.as_ptr() as usize % 64), (len, 0));
                memory.fill(1.0);
            });
        }
    }
}
