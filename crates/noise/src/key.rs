use cni_ops::philox_block;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;
use std::str::FromStr;

/// The seed of a stream of random numbers, and the parent of further keys.
///
/// Every random number of this library is a function of a key and an index, never of hidden state.
/// A program makes one key from its seed and derives the others, each for one purpose:
///
/// ```
/// use cni_noise::Key;
/// let run = Key::new(42);
/// let step = run.named("training").child(3).child(17); // epoch 3, step 17
/// assert_eq!(step, Key::new(42).named("training").child(3).child(17));
/// assert_ne!(step, run.named("training").child(3).child(18));
/// ```
///
/// A key is 128 bits wide. It is written as 32 hexadecimal digits, also in records. A file may give
/// it by a seed, too: `7` is `Key::new(7)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(into = "String")]
pub struct Key([u32; 4]);

/// Separates the derivation of keys from the draws: both run the generator on the same key.
const DERIVE: [u32; 2] = [0x6B65_7973, 0x6465_7269];

impl Key {
    /// The root key of a run. Equal seeds give equal keys.
    pub fn new(seed: u64) -> Self {
        Self([0; 4]).child(seed)
    }

    /// The `n`-th child: independent of its parent's draws, of its siblings and of their children.
    pub fn child(self, n: u64) -> Self {
        let [k0, k1, k2, k3] = self.0;
        let counter = [n as u32, (n >> 32) as u32, k2, k3];
        Self(philox_block(counter, [k0 ^ DERIVE[0], k1 ^ DERIVE[1]]))
    }

    /// The child that belongs to a name, such as the path of a layer.
    pub fn named(self, name: &str) -> Self {
        self.child(fnv1a(name))
    }

    /// The four 32-bit words, lowest first.
    pub fn words(self) -> [u32; 4] {
        self.0
    }

    /// A key from its four words, as [`words`](Self::words) gives them.
    pub fn from_words(words: [u32; 4]) -> Self {
        Self(words)
    }
}

/// The 64-bit FNV-1a hash: short, fixed forever, and the same everywhere, unlike the standard
/// library's hasher.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|word| write!(f, "{word:08x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// A text that is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key: got {0:?}, wanted 32 hexadecimal digits")]
pub struct ParseKeyError(String);

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseKeyError(text.to_string());
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let bits = u128::from_str_radix(text, 16).map_err(|_| wrong())?;
        Ok(Self([0, 32, 64, 96].map(|shift| (bits >> shift) as u32)))
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.to_string()
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("32 hexadecimal digits or a seed, a whole number of at least 0")
            }

            fn visit_u64<E: de::Error>(self, seed: u64) -> Result<Key, E> {
                Ok(Key::new(seed))
            }

            // TOML has signed numbers only.
            fn visit_i64<E: de::Error>(self, seed: i64) -> Result<Key, E> {
                let wrong = || E::invalid_value(de::Unexpected::Signed(seed), &self);
                seed.try_into().map(Key::new).map_err(|_| wrong())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_key_survives_its_text_form() {
        let key = Key::new(7).named("layer1.0.conv1").child(u64::MAX);
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn a_file_gives_a_key_by_its_digits_or_by_a_seed() {
        let key = Key::new(7);
        let text = serde_json::to_string(&key).unwrap();
        for text in [text.as_str(), "7"] {
            assert_eq!(serde_json::from_str::<Key>(text).unwrap(), key);
        }
        for text in ["-7", "0.5", "\"7\"", "null"] {
            let error = serde_json::from_str::<Key>(text).unwrap_err().to_string();
            assert!(error.contains("32 hexadecimal digits"), "{error}");
        }
    }

    #[test]
    fn text_that_is_no_key_is_refused_with_the_text() {
        for text in ["", "12", &"g".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
            let error = text.parse::<Key>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("32"), "{error}");
        }
    }

    /// A derivation tree as wide as a training run uses it: 60 epochs, 400 steps, 25 layers.
    #[test]
    fn derived_keys_of_a_run_are_distinct() {
        let run = Key::new(0);
        let mut seen = HashSet::new();
        for epoch in 0..60 {
            for step in 0..400 {
                let step = run.child(epoch).child(step);
                for layer in 0..25 {
                    assert!(seen.insert(step.child(layer)));
                }
            }
        }
    }
}
