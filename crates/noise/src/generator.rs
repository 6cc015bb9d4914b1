//! Keys as generators of the crate `rand`, and draws from any of its distributions.

use crate::Key;
use cni_ops::philox_block;
use rand_core::{Infallible, TryRng};
use rand_distr::Distribution;
use std::ops::Range;

/// Separates a generator's words from the draws and from the derivation of keys.
const GENERATE: [u32; 2] = [0x6765_6E65, 0x7261_7465];

/// A generator of the crate `rand` whose words are a function of a key. Made by [`Key::generator`].
///
/// Words are those of Philox 4x32-10, block after block. They are other words than those of the
/// key's [draws](crate::normal) and of its children.
#[derive(Clone, Debug)]
pub struct KeyGenerator {
    key: Key,
    /// The number of the block that follows.
    block: u64,
    words: [u32; 4],
    /// Words of the block that were given out.
    used: usize,
}

impl Key {
    /// A generator of the crate `rand` (0.10) that begins at this key's first word.
    ///
    /// It draws what is no tensor, or follows a distribution that this crate lacks:
    ///
    /// ```
    /// use cni_noise::Key;
    /// use rand_distr::{Binomial, Distribution};
    /// let coins = Binomial::new(20, 0.3).unwrap();
    /// let draw = || coins.sample(&mut Key::new(1).named("coins").generator());
    /// assert_eq!(draw(), draw());
    /// ```
    ///
    /// Two calls give the same words: derive a key for each purpose. How many words a distribution
    /// takes, and what it makes of them, may change with the version of `rand_distr`.
    pub fn generator(self) -> KeyGenerator {
        KeyGenerator { key: self, block: 0, words: [0; 4], used: 4 }
    }
}

impl KeyGenerator {
    fn next(&mut self) -> u32 {
        if self.used == self.words.len() {
            let [k0, k1, k2, k3] = self.key.words();
            let counter = [self.block as u32, (self.block >> 32) as u32, k2, k3];
            self.words = philox_block(counter, [k0 ^ GENERATE[0], k1 ^ GENERATE[1]]);
            (self.block, self.used) = (self.block.wrapping_add(1), 0);
        }
        self.used += 1;
        self.words[self.used - 1]
    }
}

impl TryRng for KeyGenerator {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.next())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = u64::from(self.next());
        Ok(u64::from(self.next()) << 32 | low)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Values of a distribution of the crate `rand_distr` on the host: those of the indices in `range`,
/// none if it is empty.
///
/// The value of an index is a function of the key and the index: it is drawn by
/// `key.child(index).generator()`, so that any part of the stream can be drawn alone. The bits
/// depend on the version of `rand_distr`: what must stay the same for ever is drawn by
/// [`normal`](crate::normal), [`uniform`](crate::uniform) and [`sign`](crate::sign).
///
/// Laplace noise, a distribution that neither crate has, with scale 0.5:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use cni_noise::{Key, host_sample};
/// use rand_distr::Exp;
///
/// let key = Key::new(42).named("laplace");
/// // The difference of two exponential values of rate 1 / 0.5.
/// let exponential = Exp::<f32>::new(1.0 / 0.5)?;
/// let part = |name| host_sample(key.named(name), 0..12, &exponential);
/// let noise: Vec<f32> = part("plus").into_iter().zip(part("minus")).map(|(a, b)| a - b).collect();
/// let noise = Tensor::<1>::from_floats(noise.as_slice(), &Device::flex()).reshape([3, 4]);
/// # let noise: Tensor<2> = noise;
/// # assert_eq!(host_sample(key.named("plus"), 5..9, &exponential), part("plus")[5..9]);
/// # Ok::<(), rand_distr::ExpError>(())
/// ```
pub fn host_sample<T>(key: Key, range: Range<u64>, distribution: &impl Distribution<T>) -> Vec<T> {
    range.map(|index| distribution.sample(&mut key.child(index).generator())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::Rng;

    #[test]
    fn words_bytes_and_pairs_are_the_same_stream() {
        let key = Key::new(3);
        let mut words = key.generator();
        let words: Vec<u32> = (0..11).map(|_| words.next_u32()).collect();
        let mut pairs = key.generator();
        for pair in words.chunks_exact(2) {
            assert_eq!(pairs.next_u64(), u64::from(pair[1]) << 32 | u64::from(pair[0]));
        }
        let mut bytes = [0; 11];
        key.generator().fill_bytes(&mut bytes);
        let wanted: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).take(11).collect();
        assert_eq!(bytes[..], wanted);
        // Block 1 of the generator, by its definition.
        let [k0, k1, k2, k3] = key.words();
        let block = philox_block([1, 0, k2, k3], [k0 ^ GENERATE[0], k1 ^ GENERATE[1]]);
        assert_eq!(words[4..8], block);
    }

    /// 2¹⁶ values of a key's generator and of its draws: the standard error of the mean of products
    /// is 2⁻⁸ times the variance 1/12, and the bound is five of them.
    #[test]
    fn a_generator_is_independent_of_the_draws_of_its_key() {
        let (n, key) = (1 << 16, Key::new(4));
        let draws = crate::host_uniform(key, 0..n);
        let mut generator = key.generator();
        let centered = |value: f64| value - 0.5;
        let products = draws.into_iter().map(|draw| {
            let word = f64::from(generator.next_u32()) / 4_294_967_296.0;
            centered(f64::from(draw)) * centered(word)
        });
        let mean = products.sum::<f64>() / n as f64;
        assert!(mean.abs() < 5.0 / 12.0 / (n as f64).sqrt(), "{mean}");
    }

    /// n = 20,000 differences of two exponential values: Laplace's law with scale b has variance 2
    /// b² and fourth moment 24 b⁴, so that the variance's standard error is √(20 / n) b².
    #[test]
    fn differences_of_exponential_values_follow_laplaces_law() {
        let (n, b) = (20_000, 0.5);
        let exponential = rand_distr::Exp::new(1.0 / b).unwrap();
        let part = |name| host_sample(Key::new(5).named(name), 0..n, &exponential);
        let noise: Vec<f64> = part("plus").iter().zip(part("minus")).map(|(p, m)| p - m).collect();
        let mean = noise.iter().sum::<f64>() / n as f64;
        assert!(mean.abs() < 5.0 * (2.0 / n as f64).sqrt() * b, "{mean}");
        let variance = noise.iter().map(|x| x * x).sum::<f64>() / n as f64;
        let error = (20.0 / n as f64).sqrt() * b * b;
        assert!((variance - 2.0 * b * b).abs() < 5.0 * error, "{variance} ± {error}");
    }

    #[test]
    fn any_part_of_a_stream_can_be_drawn_alone() {
        let gamma = rand_distr::Gamma::new(0.7, 2.0).unwrap();
        let whole: Vec<f64> = host_sample(Key::new(6), 0..50, &gamma);
        assert_eq!(host_sample(Key::new(6), 20..30, &gamma), whole[20..30]);
        assert_eq!(host_sample(Key::new(6), 7..7, &gamma), Vec::<f64>::new());
    }
}
