//! Asks the processor for memory ahead of its use, so that the lookups of a batch wait for memory
//! side by side and not one after the other.

/// Begins to bring in the cache line that the pointer leads to. Never faults, whatever the pointer.
#[inline(always)]
pub fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching changes no state that a program can see, and needs no valid pointer; every
    // x86-64 has the instruction.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
