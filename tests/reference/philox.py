"""The library's keyed draws, written a second time from their definition.

Philox 4x32-10 (Salmon et al., SC 2011), the derivation of keys, and the
order of the values in a stream, in numpy and double precision. The Rust
code must agree to the rounding of its single-precision polynomials.
"""

import numpy as np

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
DERIVE = (0x6B657973, 0x64657269)
MASK = np.uint64(0xFFFFFFFF)


def block(counter, key):
    """Four words for each column of `counter`, uint64 [4, n] of 32-bit values."""
    c, key = [np.asarray(word, dtype=np.uint64) for word in counter], list(key)
    for _ in range(10):
        a, b = c[0] * np.uint64(MULTIPLIERS[0]), c[2] * np.uint64(MULTIPLIERS[1])
        c = [
            (b >> np.uint64(32)) ^ c[1] ^ np.uint64(key[0]),
            b & MASK,
            (a >> np.uint64(32)) ^ c[3] ^ np.uint64(key[1]),
            a & MASK,
        ]
        key = [(k + w) & 0xFFFFFFFF for k, w in zip(key, WEYL)]
    return c


class Key:
    def __init__(self, words):
        self.words = tuple(int(w) for w in words)

    @staticmethod
    def new(seed):
        return Key((0, 0, 0, 0)).child(seed)

    def child(self, n):
        k0, k1, k2, k3 = self.words
        words = block([[n & 0xFFFFFFFF], [n >> 32], [k2], [k3]], (k0 ^ DERIVE[0], k1 ^ DERIVE[1]))
        return Key(word[0] for word in words)

    def named(self, name):
        hash = 0xCBF29CE484222325
        for byte in name.encode():
            hash = ((hash ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
        return self.child(hash)


def words(key, n):
    """The words behind the first n values of the stream of `key`, uint64 [4, 16 * groups]."""
    groups = -(-n // 64)
    index = np.arange(16 * groups, dtype=np.uint64)
    upper = [np.full_like(index, word) for word in key.words[2:]]
    return np.stack(block([index & MASK, index >> np.uint64(32), *upper], key.words[:2]))


def in_order(values, n):
    """Sixteen blocks make a group, which holds their first words, then their second, and so on."""
    return values.reshape(4, -1, 16).transpose(1, 0, 2).reshape(-1)[:n]


def normal(key, n):
    """The first n standard normal values of the stream of `key`, float64."""
    drawn, pairs = words(key, n), []
    for u, v in (drawn[0:2], drawn[2:4]):
        radius = np.sqrt(-2.0 * np.log((u.astype(np.float64) + 0.5) / 2.0**32))
        angle = 2.0 * np.pi * v.astype(np.float64) / 2.0**32
        pairs += [radius * np.cos(angle), radius * np.sin(angle)]
    return in_order(np.stack(pairs), n)


def uniform(key, n):
    """The first n uniform values of the stream of `key`, float64: multiples of 2^-24 in [0, 1)."""
    return in_order((words(key, n) >> np.uint64(8)).astype(np.float64) / 2.0**24, n)


def permutation(key, n):
    """The keyed permutation of 0..n: sorted by two uniform values each, then by the number."""
    draws = uniform(key, 2 * n)
    return sorted(range(n), key=lambda i: (draws[2 * i], draws[2 * i + 1], i))


if __name__ == "__main__":
    words = block([[0x243F6A88], [0x85A308D3], [0x13198A2E], [0x03707344]], (0xA4093822, 0x299F31D0))
    assert [int(w[0]) for w in words] == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]
    print(normal(Key.new(1), 5))
