//! The system's queue of file events (inotify), and the folders that are watched through it.
//!
//! An event stands in the queue before the call that caused it returns, so that whoever empties the
//! queue knows all that was done to the files before: no event is late. What has been lost, since
//! the queue was full, is told as an event of its own.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, PipeReader};
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};

/// What is read at once: some hundred events.
const BUFFER: usize = 64 << 10;
/// The queue is emptied by so many reads at most, lest who fills it faster hold up everything.
const MAX_READS: usize = 256;

/// What is asked of each folder. Nothing that reading causes is among it.
const WANTED: WatchMask = WatchMask::CREATE
    .union(WatchMask::MODIFY)
    .union(WatchMask::CLOSE_WRITE)
    .union(WatchMask::ATTRIB)
    .union(WatchMask::MOVE)
    .union(WatchMask::DELETE)
    .union(WatchMask::DELETE_SELF)
    .union(WatchMask::MOVE_SELF)
    .union(WatchMask::ONLYDIR);

/// What was done to one path.
#[derive(Clone, Debug)]
pub(super) struct FileEvent {
    /// The real path; of nothing where events were lost.
    pub(super) path: PathBuf,
    pub(super) mask: EventMask,
}

impl FileEvent {
    /// The queue was full: of any path, anything may have been done.
    pub(super) fn lost() -> FileEvent {
        FileEvent { path: PathBuf::new(), mask: EventMask::Q_OVERFLOW }
    }
}

/// The queue.
pub(super) struct Queue {
    inotify: Inotify,
    /// The watched folders, by their real paths.
    folders: HashMap<WatchDescriptor, PathBuf>,
    /// Kept from one reading to the next: who writes a great file bit by bit causes many.
    buffer: Box<[u8]>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("folders", &self.folders.len()).finish_non_exhaustive()
    }
}

impl Queue {
    /// An empty one. Errors: the system's limit of such queues, or of open files.
    pub(super) fn new() -> io::Result<Queue> {
        let buffer = vec![0; BUFFER].into();
        Ok(Queue { inotify: Inotify::init()?, folders: HashMap::new(), buffer })
    }

    /// Watches a folder, again where it was watched before. Errors: `StorageFull` at the system's
    /// limit of watches.
    pub(super) fn watch(&mut self, real: &Path) -> io::Result<()> {
        let watch = self.inotify.watches().add(real, WANTED)?;
        self.folders.insert(watch, real.to_owned());
        Ok(())
    }

    /// Ends the watches of the folders for which `keep` says no.
    pub(super) fn keep(&mut self, keep: impl Fn(&Path) -> bool) {
        let mut watches = self.inotify.watches();
        self.folders.retain(|watch, folder| {
            let is_kept = keep(folder);
            if !is_kept {
                // The folder may be gone, and its watch with it.
                let _ = watches.remove(watch.clone());
            }
            is_kept
        });
    }

    /// Empties the queue.
    pub(super) fn drain(&mut self) -> Vec<FileEvent> {
        let mut drained = Vec::new();
        for _ in 0..MAX_READS {
            let events = match self.inotify.read_events(&mut self.buffer) {
                Ok(events) => events,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return drained,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::warn!(%error, "file events cannot be read");
                    break;
                }
            };
            let mut gone = Vec::new();
            for event in events {
                if event.mask.contains(EventMask::Q_OVERFLOW) {
                    drained.push(FileEvent::lost());
                } else if event.mask.contains(EventMask::IGNORED) {
                    self.folders.remove(&event.wd);
                } else if let Some(folder) = self.folders.get(&event.wd) {
                    let path = event.name.map_or_else(|| folder.clone(), |name| folder.join(name));
                    if event.mask.contains(EventMask::MOVED_FROM | EventMask::ISDIR) {
                        gone.push(path.clone());
                    }
                    drained.push(FileEvent { path, mask: event.mask });
                }
            }
            // What is done to a folder at its new place is none of the old one's business; where
            // it has come back since, an event of that follows.
            if !gone.is_empty() {
                self.keep(|folder| !gone.iter().any(|gone| folder.starts_with(gone)));
            }
        }
        drained.push(FileEvent::lost());
        drained
    }
}

impl AsRawFd for Queue {
    fn as_raw_fd(&self) -> RawFd {
        self.inotify.as_raw_fd()
    }
}

/// Waits until the queue has an event; false where the other end of `closing` was dropped instead.
/// The caller keeps the queue open.
pub(super) fn wait(queue: RawFd, closing: &PipeReader) -> bool {
    let await_input = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut awaited = [await_input(closing.as_raw_fd()), await_input(queue)];
    loop {
        // SAFETY: the pointer and the length are those of a live array.
        let ready = unsafe { libc::poll(awaited.as_mut_ptr(), awaited.len() as libc::nfds_t, -1) };
        if ready >= 0 {
            return awaited[0].revents == 0 && awaited[1].revents & libc::POLLIN != 0;
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return false;
        }
    }
}
