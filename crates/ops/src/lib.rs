//! Operations with kernels of their own on the CPU.
