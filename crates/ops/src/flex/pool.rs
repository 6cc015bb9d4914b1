//! Memory of activations, kept from one use to the next.
//!
//! An activation has megabytes. The system hands out such blocks page by page at first touch and
//! takes them back at once, which costs more than a quarter of a convolution's time; a training
//! step asks for the same sizes again and again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Floats in a line of the cache.
pub const LINE: usize = 16;
/// Smaller blocks, in floats, are left to the allocator, which does not give them back to the
/// system either.
const SMALLEST: usize = (128 << 10) / size_of::<f32>();

static POOL: Mutex<Pool> = Mutex::new(Pool::new());

fn pool() -> std::sync::MutexGuard<'static, Pool> {
    // A panic cannot leave it half changed.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the memory that no tensor uses back to the system. It is kept otherwise, so that together
/// with what the tensors of this crate's operations use it is up to an eighth more than what they
/// have used at once.
pub fn release_memory() {
    // It goes back to the system once the pool is free for others.
    let unused = pool().release();
    drop(unused);
}

/// Blocks by their size. All sizes are in floats.
struct Pool {
    free: BTreeMap<usize, Vec<Vec<f32>>>,
    kept: usize,
    lent: usize,
    /// The most that was ever lent at once.
    peak: usize,
}

impl Pool {
    const fn new() -> Self {
        Self { free: BTreeMap::new(), kept: 0, lent: 0, peak: 0 }
    }

    /// A block of at least `len` floats, and what has to go to make room for a new one. `None`
    /// where none fits.
    fn take(&mut self, len: usize) -> (Option<Vec<f32>>, Vec<Vec<f32>>) {
        // A little too large is better than another one.
        let mut fitting = self.free.range_mut(len..=len + len / 4);
        let found = fitting.find_map(|(_, blocks)| blocks.pop());
        let size = found.as_ref().map_or(len, Vec::len);
        self.kept -= found.as_ref().map_or(0, Vec::len);
        self.lent += size;
        self.peak = self.peak.max(self.lent);
        (found, self.evict())
    }

    fn give(&mut self, block: Vec<f32>) -> Vec<Vec<f32>> {
        self.lent -= block.len();
        self.kept += block.len();
        self.free.entry(block.len()).or_default().push(block);
        self.evict()
    }

    /// All blocks that are not lent. From now on the pool is as large as what is.
    fn release(&mut self) -> BTreeMap<usize, Vec<Vec<f32>>> {
        self.peak = self.lent;
        self.kept = 0;
        std::mem::take(&mut self.free)
    }

    /// Blocks that would make the pool larger than what was ever in use at once, largest first. An
    /// eighth more is kept, since what is in use is of other sizes at other times.
    fn evict(&mut self) -> Vec<Vec<f32>> {
        let mut evicted = Vec::new();
        while self.kept + self.lent > self.peak + self.peak / 8 {
            let Some(mut entry) = self.free.last_entry() else { break };
            match entry.get_mut().pop() {
                Some(block) => {
                    self.kept -= block.len();
                    evicted.push(block);
                }
                None => drop(entry.remove()),
            }
        }
        evicted
    }
}

/// Floats from the start of a line of the cache on, so that no vector lies across two, in memory of
/// the pool.
pub struct Block {
    memory: Vec<f32>,
    start: usize,
    len: usize,
}

impl Block {
    /// `len` floats with whatever values the memory's last user left there.
    pub fn new(len: usize) -> Self {
        let wanted = len + LINE;
        let found = if wanted < SMALLEST {
            None
        } else {
            // What is evicted goes back to the system once the pool is free for others.
            let (found, evicted) = pool().take(wanted);
            drop(evicted);
            found
        };
        let memory = found.unwrap_or_else(|| vec![0.0; wanted]);
        // Too large only where there is no answer.
        let start = memory.as_ptr().align_offset(size_of::<[f32; LINE]>()).min(LINE);
        Self { memory, start, len }
    }

    pub fn values(&self) -> &[f32] {
        &self.memory[self.start..][..self.len]
    }

    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.memory[self.start..][..self.len]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        if memory.len() >= SMALLEST {
            let evicted = pool().give(memory);
            drop(evicted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_for_its_size_and_a_little_less() {
        let mut pool = Pool::new();
        assert!(pool.take(1000).0.is_none());
        assert!(pool.give(vec![0.0; 1000]).is_empty());
        assert_eq!(pool.take(800).0.map(|block| block.len()), Some(1000));
        assert_eq!((pool.lent, pool.kept), (1000, 0));
        assert!(pool.give(vec![0.0; 1000]).is_empty());
        assert!(pool.take(799).0.is_none() && pool.take(1001).0.is_none());
    }

    #[test]
    fn the_pool_is_no_larger_than_what_was_in_use_and_an_eighth() {
        let mut pool = Pool::new();
        for size in [1000, 2000, 4000, 3000, 500, 7000, 100] {
            pool.take(size);
            let evicted = pool.give(vec![0.0; size]);
            assert!(pool.kept <= pool.peak * 9 / 8, "{} of {}", pool.kept, pool.peak);
            assert!(evicted.iter().all(|block| block.len() >= 500));
        }
        assert_eq!(pool.lent, 0);
        let (_, evicted) = pool.take(8000);
        assert!(!evicted.is_empty());
        assert!(pool.kept + pool.lent <= pool.peak * 9 / 8);
    }

    /// Even what is less than an eighth of what is in use.
    #[test]
    fn a_release_leaves_nothing_but_what_is_in_use() {
        let mut pool = Pool::new();
        pool.take(8000);
        for size in [1000, 700, 700] {
            pool.take(size);
            assert!(pool.give(vec![0.0; size]).is_empty());
        }
        let released = pool.release();
        let sizes: Vec<usize> = released.values().flatten().map(Vec::len).collect();
        assert_eq!(sizes, [700, 1000]);
        assert_eq!((pool.kept, pool.lent, pool.peak), (0, 8000, 8000));
        assert!(pool.take(700).0.is_none());
    }

    #[test]
    fn blocks_start_a_line_and_are_as_long_as_asked_for() {
        for len in [0, 1, 100, SMALLEST, 3 * SMALLEST + 5] {
            let mut block = Block::new(len);
            assert_eq!(block.values().as_ptr() as usize % 64, 0);
            block.values_mut().fill(1.0);
            assert_eq!(block.values(), vec![1.0; len]);
        }
    }
}
