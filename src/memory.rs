//! What the allocator keeps of memory that was freed.
//!
//! glibc has a heap for each thread, and by itself it learns to keep up to 64 MiB at the end of each:
//! after a few rereads of all filings that came to 16 to 40 MiB which nobody used. Other allocators
//! are left as they are.

/// Keeps little at the end of a heap. To be called before there are threads.
pub(crate) fn keep_little() {
    #[cfg(target_env = "gnu")]
    for (parameter, bytes) in [
        // Enough for the buffers that files are read into, which would otherwise come and go.
        (libc::M_TRIM_THRESHOLD, 4 << 20),
        // As high as it goes by itself; once the other one is set, it no longer does.
        (libc::M_MMAP_THRESHOLD, 32 << 20),
    ] {
        // SAFETY: takes two numbers; one that it refuses changes nothing.
        unsafe { libc::mallopt(parameter, bytes) };
    }
}

/// Gives back to the system what only loading took, or taking in most of all filings anew.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        let begun = std::time::Instant::now();
        // SAFETY: takes a number, and may be called at any time.
        unsafe { libc::malloc_trim(0) };
        tracing::debug!(took_ms = begun.elapsed().as_millis() as u64, "memory given back");
    }
}
