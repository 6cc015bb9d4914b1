//! Decoding of instructions: their bytes and the general registers give operands.

use libc::{
    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RAX, REG_RBP,
    REG_RBX, REG_RCX, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP, greg_t,
};

/// Instruction with its operands. Tiles and vector registers go by their numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Instruction {
    /// `ldtilecfg`
    Configure { address: usize },
    /// `tilerelease`
    Release,
    /// `tilezero`
    Zero { tile: usize },
    /// `tileloadd` and `tileloaddt1`
    Load { tile: usize, rows: Rows },
    /// `tilestored`
    Store { rows: Rows, tile: usize },
    /// `tdpbf16ps`
    Multiply { into: usize, left: usize, right: usize },
    /// `vcvtneps2bf16`, which has no upper source, and `vcvtne2ps2bf16`
    Narrow { into: usize, upper: Option<usize>, lower: Source },
}

/// Rows of a tile in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rows {
    pub first: usize,
    pub stride: usize,
}

/// Source of a vector instruction: a register or an address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    Register(usize),
    Memory(usize),
}

/// Operand of ModRM's `rm`. Memory has an index, be it zero, if the instruction has a byte for it.
#[derive(Clone, Copy)]
enum Operand {
    Register(usize),
    Memory { base: usize, index: Option<usize> },
}

/// Prefixes that VEX and EVEX hold in two bits.
const NONE: u8 = 0;
const P66: u8 = 1;
const PF3: u8 = 2;
const PF2: u8 = 3;

/// Places of the general registers, by the numbers that instructions give them.
pub const GENERAL: [i32; 16] = [
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9,
    REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
];

/// The instruction at the instruction pointer and its length, if it is one of ours.
///
/// # Safety
///
/// The instruction pointer must point to an instruction.
pub unsafe fn decode(registers: &[greg_t; 23]) -> Option<(Instruction, usize)> {
    let start = registers[REG_RIP as usize] as *const u8;
    let mut bytes = Bytes { registers, next: start };
    // SAFETY: no more is read than the bytes before have announced.
    let instruction = unsafe {
        match bytes.byte() {
            0xC4 => bytes.vex(),
            0x62 => bytes.evex(),
            _ => None,
        }
    }?;
    Some((instruction, bytes.next as usize - start as usize))
}

/// Reader of an instruction's bytes. Reading is safe as far as the instruction goes.
struct Bytes<'a> {
    registers: &'a [greg_t; 23],
    next: *const u8,
}

impl Bytes<'_> {
    unsafe fn byte(&mut self) -> u8 {
        // SAFETY: as for the reader.
        unsafe {
            let byte = *self.next;
            self.next = self.next.add(1);
            byte
        }
    }

    /// What follows 0xC4: the instructions on tiles.
    unsafe fn vex(&mut self) -> Option<Instruction> {
        // SAFETY: as for the reader; neither prefix nor opcode is ever the last byte.
        let (first, second, opcode) = unsafe { (self.byte(), self.byte(), self.byte()) };
        // The map 0F38, no wide operands, the length of 128 bits.
        if first & 0x1F != 0x02 || second & 0x84 != 0 {
            return None;
        }
        let third = usize::from(!second >> 3 & 15);
        // SAFETY: as for the reader.
        let (reg, operand) = unsafe { self.operands(first, 1) };
        if reg >= 8 || opcode != 0x5C && third != 0 {
            return None;
        }
        match (second & 3, opcode, operand) {
            (NONE, 0x49, Operand::Memory { base, index }) if reg == 0 => {
                Some(Instruction::Configure { address: base.wrapping_add(index.unwrap_or(0)) })
            }
            (NONE, 0x49, Operand::Register(0)) if reg == 0 => Some(Instruction::Release),
            (PF2, 0x49, Operand::Register(0)) => Some(Instruction::Zero { tile: reg }),
            (PF2 | P66, 0x4B, Operand::Memory { base: first, index: Some(stride) }) => {
                Some(Instruction::Load { tile: reg, rows: Rows { first, stride } })
            }
            (PF3, 0x4B, Operand::Memory { base: first, index: Some(stride) }) => {
                Some(Instruction::Store { rows: Rows { first, stride }, tile: reg })
            }
            (PF3, 0x5C, Operand::Register(left)) if left < 8 && third < 8 => {
                Some(Instruction::Multiply { into: reg, left, right: third })
            }
            _ => None,
        }
    }

    /// What follows 0x62: the conversions.
    unsafe fn evex(&mut self) -> Option<Instruction> {
        // SAFETY: as for the reader; neither prefix nor opcode is ever the last byte.
        let [first, second, last, opcode] =
            unsafe { [self.byte(), self.byte(), self.byte(), self.byte()] };
        // The map 0F38, no wide elements; 512 bits, no mask, no broadcast.
        if first & 0x0F != 0x02 || second & 0x84 != 0x04 || last & !0x08 != 0x40 || opcode != 0x72 {
            return None;
        }
        let third = usize::from(!second >> 3 & 15 | (!last & 0x08) << 1);
        // SAFETY: as for the reader.
        let (reg, operand) = unsafe { self.operands(first, 64) };
        // Numbers of vector registers have a fifth bit: R' here, and X where no index needs it.
        let into = reg | usize::from(!first & 0x10);
        let lower = match operand {
            Operand::Register(rm) => Source::Register(rm | usize::from(!first >> 2 & 0x10)),
            Operand::Memory { base, index } => {
                Source::Memory(base.wrapping_add(index.unwrap_or(0)))
            }
        };
        match second & 3 {
            PF3 if third == 0 => Some(Instruction::Narrow { into, upper: None, lower }),
            PF2 => Some(Instruction::Narrow { into, upper: Some(third), lower }),
            _ => None,
        }
    }

    /// ModRM's register and the other operand. `extensions` holds R, X and B, inverted, at the top;
    /// displacements of one byte count units of `unit` bytes.
    unsafe fn operands(&mut self, extensions: u8, unit: usize) -> (usize, Operand) {
        let [b, x, r] = [5, 6, 7].map(|bit| usize::from(!extensions >> bit & 1) << 3);
        // SAFETY: as for the reader; each byte read here is one that those before ask for.
        unsafe {
            let modrm = self.byte();
            let (mode, reg, rm) = (modrm >> 6, modrm >> 3 & 7, modrm & 7);
            let reg = usize::from(reg) | r;
            if mode == 3 {
                return (reg, Operand::Register(usize::from(rm) | b));
            }
            // All of this goes by the three bits in the instruction's own byte: with an extension
            // they mean the same, so that r12 needs an index byte as rsp does, and r13 a
            // displacement as rbp does.
            let mut low = rm;
            let mut index = None;
            if rm == 4 {
                let sib = self.byte();
                low = sib & 7;
                let number = usize::from(sib >> 3 & 7) | x;
                // But rsp is no index, and r12 is one.
                let value = if number == 4 { 0 } else { self.general(number) };
                index = Some(value << (sib >> 6));
            }
            let mut base = self.general(usize::from(low) | b);
            let displacement = match mode {
                0 if low == 5 => {
                    base = 0;
                    self.displacement()
                }
                0 => 0,
                1 => (self.byte() as i8 as usize).wrapping_mul(unit),
                _ => self.displacement(),
            };
            if mode == 0 && rm == 5 {
                // Relative to the next instruction: the displacement is the last part of ours.
                base = self.next as usize;
            }
            (reg, Operand::Memory { base: base.wrapping_add(displacement), index })
        }
    }

    unsafe fn displacement(&mut self) -> usize {
        // SAFETY: as for the reader.
        i32::from_le_bytes(std::array::from_fn(|_| unsafe { self.byte() })) as usize
    }

    fn general(&self, number: usize) -> usize {
        self.registers[GENERAL[number] as usize] as usize
    }
}
