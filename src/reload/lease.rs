//! Whether anybody has a file open for writing, by the system's own count.
//!
//! A read lease (fcntl(2), `F_SETLEASE`) can be had only of a file that nobody has open for writing.
//! It is asked for and given back at once; who opens the file for writing in between waits those
//! microseconds.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// `F_SETSIG` of fcntl(2), which `libc` lacks; the same on all of Linux.
const F_SETSIG: libc::c_int = 10;

/// Whether somebody has the file at the path open for writing. `None` where that cannot be known:
/// the file is another user's and the process lacks `CAP_LEASE`, or its file system has no leases.
pub(super) fn is_open_for_writing(path: &Path) -> Option<bool> {
    // What stands there may be a FIFO.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    // Whoever opens the file meanwhile has the system send a signal, by default one that kills:
    // this one is ignored.
    control(&file, F_SETSIG, libc::SIGURG).ok()?;
    match control(&file, libc::F_SETLEASE, libc::F_RDLCK) {
        Ok(()) => {
            // Closing the file would give it back as well.
            let _ = control(&file, libc::F_SETLEASE, libc::F_UNLCK);
            Some(false)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(true),
        Err(_) => None,
    }
}

fn control(file: &File, command: libc::c_int, argument: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open, and these commands take an integer.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, argument) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn whoever_has_the_file_open_for_writing_is_seen_whatever_was_written() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("a");
        fs::write(&path, "").expect("a file");
        if is_open_for_writing(&path).is_none() {
            println!("the file system of {} has no leases", temp.path().display());
            return;
        }
        assert_eq!(is_open_for_writing(&path), Some(false));
        let reader = File::open(&path).expect("the file");
        assert_eq!(is_open_for_writing(&path), Some(false));
        let writer = OpenOptions::new().append(true).open(&path).expect("the file");
        assert_eq!(is_open_for_writing(&path), Some(true));
        drop((reader, writer));
        assert_eq!(is_open_for_writing(&path), Some(false));
        assert_eq!(is_open_for_writing(temp.path()), None);
    }
}
