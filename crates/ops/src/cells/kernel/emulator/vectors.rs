//! Vector registers of the interrupted thread, and the conversions between them.

use super::decode::Source;
use std::arch::x86_64::__cpuid_count;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Components of the extended state that vector registers are spread over.
const XMM: usize = 1;
const YMM_UPPER: usize = 2;
const ZMM_UPPER: usize = 6;
const ZMM_16_TO_31: usize = 7;

/// Where a frame has the legacy area's registers, its own description and the extended header.
const LEGACY_REGISTERS: usize = 160;
const DESCRIPTION: usize = 464;
const HEADER: usize = 512;

/// Where the components begin in a frame, by their numbers.
static OFFSETS: [AtomicUsize; 8] = [const { AtomicUsize::new(0) }; 8];

/// Look-up of the components' places, ahead of the signals: `cpuid` is slow in a virtual machine.
pub fn locate() {
    OFFSETS[XMM].store(LEGACY_REGISTERS, Ordering::Relaxed);
    for component in [YMM_UPPER, ZMM_UPPER, ZMM_16_TO_31] {
        let place = __cpuid_count(0xD, component as u32).ebx as usize;
        OFFSETS[component].store(place, Ordering::Relaxed);
    }
}

/// Vector registers in a signal's frame, from which the kernel restores them.
pub struct Vectors {
    frame: *mut u8,
}

impl Vectors {
    /// The registers, if the frame has all of AVX-512's.
    ///
    /// # Safety
    ///
    /// The state must be the one of a signal's frame, and outlive the value.
    pub unsafe fn new(state: *mut libc::_libc_fpstate) -> Option<Vectors> {
        let frame = state.cast::<u8>();
        // SAFETY: the description is in the part that every frame has. It says by its first four
        // bytes whether an extended area follows, and then which components that one has.
        let (magic, components) = unsafe {
            let description = frame.add(DESCRIPTION);
            (description.cast::<u32>().read(), description.add(8).cast::<u64>().read())
        };
        let needed = [XMM, YMM_UPPER, ZMM_UPPER, ZMM_16_TO_31];
        let complete = needed.iter().all(|component| components >> component & 1 == 1);
        (magic == 0x4650_5853 && complete).then_some(Vectors { frame })
    }

    /// Conversion of the values of two sources into the halves of a register. Without an upper
    /// source the upper half becomes zeros.
    ///
    /// # Safety
    ///
    /// A source in memory must be readable.
    pub unsafe fn narrow(&mut self, into: usize, upper: Option<usize>, lower: Source) {
        let lower = match lower {
            Source::Register(register) => self.read(register),
            // SAFETY: the caller promises it.
            Source::Memory(address) => unsafe { ptr::read_unaligned(address as *const _) },
        };
        let values = [lower, upper.map_or([0; 16], |register| self.read(register))];
        let mut result = [0; 16];
        for (pair, values) in result.iter_mut().zip(values.as_flattened().as_chunks().0) {
            let [first, second] = values.map(narrow);
            *pair = first | second << 16;
        }
        self.write(into, &result);
    }

    fn read(&self, register: usize) -> [u32; 16] {
        let mut value = [0; 16];
        let mut bytes = value.as_mut_ptr().cast::<u8>();
        for (component, place, len) in parts(register) {
            // SAFETY: the frame has the component, and the parts together are 64 bytes.
            unsafe {
                // A component in its initial state may not have been saved: it is zeros.
                if *self.components() >> component & 1 == 1 {
                    ptr::copy_nonoverlapping(self.at(component).add(place), bytes, len);
                }
                bytes = bytes.add(len);
            }
        }
        value
    }

    fn write(&mut self, register: usize, value: &[u32; 16]) {
        let mut bytes = value.as_ptr().cast::<u8>();
        for (component, place, len) in parts(register) {
            // SAFETY: the frame has the component, and the parts together are 64 bytes.
            unsafe {
                let components = self.components();
                if *components >> component & 1 == 0 {
                    // From now on it counts, with the other registers' parts.
                    ptr::write_bytes(self.at(component), 0, 16 * len);
                    *components |= 1 << component;
                }
                ptr::copy_nonoverlapping(bytes, self.at(component).add(place), len);
                bytes = bytes.add(len);
            }
        }
    }

    /// The mask of the components that are not in their initial state.
    fn components(&self) -> *mut u64 {
        // SAFETY: the header is in the frame.
        unsafe { self.frame.add(HEADER).cast() }
    }

    fn at(&self, component: usize) -> *mut u8 {
        // SAFETY: the component is in the frame.
        unsafe { self.frame.add(OFFSETS[component].load(Ordering::Relaxed)) }
    }
}

/// The parts of a register, lowest first: component, place and length in it. A component has
/// sixteen such parts.
fn parts(register: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    const SPLIT: &[(usize, usize)] = &[(XMM, 16), (YMM_UPPER, 16), (ZMM_UPPER, 32)];
    const WHOLE: &[(usize, usize)] = &[(ZMM_16_TO_31, 64)];
    let parts = if register < 16 { SPLIT } else { WHOLE };
    parts.iter().map(move |&(component, len)| (component, register % 16 * len, len))
}

/// The bits of a value as those of the nearest bfloat16, ties to even. Denormals become zeros, and
/// NaNs quiet ones.
fn narrow(bits: u32) -> u32 {
    let value = f32::from_bits(bits);
    if value.is_nan() {
        bits >> 16 | 0x40
    } else if value.is_subnormal() {
        bits >> 16 & 0x8000
    } else {
        // Infinity stays, as its lower bits are zeros; the greatest values become infinity.
        (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    }
}
