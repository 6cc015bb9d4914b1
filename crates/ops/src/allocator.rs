/// Asks the C library's allocator to keep freed memory for the next operation, in the whole process and for good.
///
/// A training step allocates and frees gigabytes, tensor by tensor. By default glibc returns large blocks to the system,
/// which hands them out again page by page, with an interrupt for each: hundreds of thousands in a step. A program that
/// trains or attacks on the CPU calls this once at its start; a library should leave it to the program.
///
/// Gives whether the allocator agreed. Allocators other than glibc's are left alone.
pub fn keep_memory() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// The largest block that may come from the heap, at glibc's own limit.
        const LARGEST: i32 = 32 << 20;
        #[allow(unsafe_code, reason = "a call to the C library")]
        // SAFETY: sets two numbers of the allocator, which it guards by its own lock.
        let set = |what, value| unsafe { libc::mallopt(what, value) } == 1;
        set(libc::M_MMAP_THRESHOLD, LARGEST) && set(libc::M_TRIM_THRESHOLD, i32::MAX)
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}
