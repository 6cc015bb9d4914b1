//! The changes that can happen to a file.

use cni_burn::noise::{Key, host_uniform};

/// The bytes of a file after one accident, never those that it had.
pub fn mutated(bytes: &[u8], key: Key) -> Vec<u8> {
    (0..)
        .map(|attempt| once(bytes, &host_uniform(key.child(attempt), 0..6)))
        .find(|mutated| mutated != bytes)
        .expect("some accident changes something")
}

fn once(bytes: &[u8], draws: &[f32]) -> Vec<u8> {
    let below = |draw: f32, n: usize| (f64::from(draw) * n as f64) as usize;
    let at = below(draws[1], bytes.len());
    // Short runs as often as long ones.
    let run = 1 << below(draws[2], bytes.len().ilog2() as usize + 1);
    let end = bytes.len().min(at + run);
    let mut out = bytes.to_vec();
    match below(draws[0], 9) {
        0 => out[at] ^= 1 << below(draws[3], 8),
        1 => out[at] = below(draws[3], 256) as u8,
        // Text stays text.
        2 => out[at] = b"0123456789.-+eE,:\"[]{} nul"[below(draws[3], 26)],
        3 => out.truncate(at),
        4 => _ = out.splice(end..end, bytes[at..end].to_vec()),
        5 => _ = out.drain(at..end),
        6 => out[at..end].fill(0),
        7 => huge(&mut out, at, draws[3], draws[4]),
        _ => number(&mut out, at, draws[3]),
    }
    out
}

/// A length field of one, two, four or eight bytes, of either order, becomes a huge number.
fn huge(bytes: &mut [u8], at: usize, width: f32, value: f32) {
    let width = 1 << (width * 4.0) as usize;
    let value: u64 = [u64::MAX, u64::MAX / 2, 1 << 40, 1 << 31, 1 << 24][(value * 5.0) as usize];
    let field = bytes[at..].iter_mut().take(width);
    let little = value.min(u64::MAX >> (64 - 8 * width)).to_le_bytes();
    match value % 2 {
        0 => field.rev().zip(little).for_each(|(byte, new)| *byte = new),
        _ => field.zip(little).for_each(|(byte, new)| *byte = new),
    }
}

/// A number of a text becomes another one. Of bytes that are no text, a run of digits.
fn number(bytes: &mut Vec<u8>, at: usize, which: f32) {
    let digit = |byte: &u8| byte.is_ascii_digit();
    let Some(start) = bytes[at..].iter().position(digit).map(|offset| at + offset) else {
        return;
    };
    let length = bytes[start..].iter().take_while(|byte| digit(byte)).count();
    let numbers = ["18446744073709551616", "99999999", "0", "-1", "1e400", "null"];
    let new = numbers[(which * numbers.len() as f32) as usize % numbers.len()];
    bytes.splice(start..start + length, new.bytes());
}
