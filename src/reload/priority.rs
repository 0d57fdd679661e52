//! Who goes first where cores are short.

use std::io;

/// The nice value of the reload thread, and of all that it starts: answers have nine parts in ten of a
/// core that is full, since a change can wait and a query cannot.
pub(super) const RELOADS: libc::c_int = 15;
/// That of the thread that writes the snapshot, for which nobody waits.
pub(super) const SNAPSHOT: libc::c_int = 19;

/// Lowers the priority of this thread, and of those that it starts from now on.
pub(super) fn stand_back(nice: libc::c_int) {
    // SAFETY: takes three integers. To Linux, 0 is the calling thread.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) } != 0 {
        let error = io::Error::last_os_error();
        tracing::debug!(%error, nice, "the priority stays as it is");
    }
}
