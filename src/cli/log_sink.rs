//! Where log events go: standard error, in such a way that no thread waits for its reader and none
//! fails with it. On a terminal, how far a long load is stands on a line below them.
//!
//! A full disk behind standard error costs events; a pipe whose reader stalls costs those that do
//! not fit in a queue. How many were lost is told as soon as events can be written again.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use crate::progress;

/// Bytes of events that wait for a slow reader before further ones are lost.
const MAX_QUEUED: usize = 4 << 20;
/// How long the last events may take to be written when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Takes events; see the module's description.
#[derive(Clone, Debug)]
pub(super) struct Sink(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `None` where standard error is closed.
    out: Option<File>,
    queue: Mutex<Queue>,
    /// Something came to be written, or has been.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// A thread of its own writes; before that, whoever has an event does.
    is_detached: bool,
    events: VecDeque<Vec<u8>>,
    bytes: usize,
    is_writing: bool,
    /// Lost since the last time that it was told.
    lost: u64,
    lost_in_all: u64,
    /// The last event was cut off in the middle of its line.
    is_torn: bool,
    /// What is to stand below the events.
    line: Option<String>,
    /// It has changed since it was written.
    is_line_due: bool,
    /// One stands there.
    is_line_shown: bool,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Whole,
    Torn,
    Not,
}

impl Sink {
    /// To standard error, as yet without a thread.
    pub(super) fn to_stderr() -> Sink {
        // A descriptor of our own: nobody waits for the lock of `io::stderr` while a write waits.
        Sink::to(io::stderr().as_fd().try_clone_to_owned().ok().map(File::from))
    }

    fn to(out: Option<File>) -> Sink {
        Sink(Arc::new(Shared { out, queue: Mutex::default(), changed: Condvar::new() }))
    }

    /// Shows on a terminal how far long loads are.
    pub(super) fn show_progress(&self) {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if io::stderr().is_terminal() && !is_dumb {
            let sink = self.clone();
            progress::show_by(Box::new(move |line| sink.show(line)));
        }
    }

    /// Has this stand below the events, in place of what stands there.
    fn show(&self, line: Option<&str>) {
        let mut queue = self.0.lock();
        queue.line = line.map(str::to_owned);
        queue.is_line_due = true;
        if queue.is_detached {
            self.0.changed.notify_all();
        } else {
            let text = queue.with_line(&[]);
            // A line that is lost is soon drawn again.
            let _ = self.0.write(&text, false);
        }
    }

    /// From now on a thread writes, and nobody else waits for it.
    pub(super) fn detach(&self) -> io::Result<()> {
        let sink = self.clone();
        self.0.lock().is_detached = true;
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || sink.run());
        self.0.lock().is_detached = thread.is_ok();
        thread.map(drop)
    }

    /// Events lost since the start.
    pub(super) fn lost_in_all(&self) -> u64 {
        self.0.lock().lost_in_all
    }

    /// Waits until all events are written, but not for long.
    pub(super) fn flush_briefly(&self) {
        let deadline = Instant::now() + LAST_WORDS;
        let mut queue = self.0.lock();
        while !queue.events.is_empty() || queue.is_line_due || queue.is_writing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The thread's work.
    fn run(&self) {
        let mut queue = self.0.lock();
        loop {
            let event = queue.events.pop_front();
            if event.is_none() && !queue.is_line_due {
                queue = self.0.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let text = queue.with_line(event.as_deref().unwrap_or_default());
            queue.bytes -= event.as_ref().map_or(0, Vec::len);
            queue.is_writing = true;
            let is_torn = queue.is_torn;
            drop(queue);
            let written = self.0.write(&text, is_torn);
            queue = self.0.lock();
            if event.is_some() {
                queue.note(written);
            }
            queue.is_writing = false;
            self.0.changed.notify_all();
            if written == Written::Whole && queue.lost > 0 && queue.events.is_empty() {
                let lost = std::mem::take(&mut queue.lost);
                drop(queue);
                tracing::warn!(lost, "log events were lost: they could not be written");
                queue = self.0.lock();
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole after each statement.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, event: &[u8], is_torn: bool) -> Written {
        let Some(mut out) = self.out.as_ref() else { return Written::Not };
        if is_torn && out.write_all(b"\n").is_err() {
            return Written::Torn;
        }
        let mut rest = event;
        while !rest.is_empty() {
            match out.write(rest) {
                Ok(count) if count > 0 => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ if rest.len() == event.len() => return Written::Not,
                _ => return Written::Torn,
            }
        }
        Written::Whole
    }
}

impl Queue {
    /// The event, if there is one, with the line taken away above it and put below it.
    fn with_line<'e>(&mut self, event: &'e [u8]) -> Cow<'e, [u8]> {
        /// Back to the first column, and nothing from there on.
        const TAKE_AWAY: &str = "\r\x1b[K";
        /// What is wider than the terminal is cut off there, or it would not be taken away whole.
        const NO_WRAP: &str = "\x1b[?7l";
        const WRAP: &str = "\x1b[?7h";
        let was_shown = std::mem::replace(&mut self.is_line_shown, self.line.is_some());
        self.is_line_due = false;
        if !was_shown && self.line.is_none() {
            return Cow::Borrowed(event);
        }
        let mut text = TAKE_AWAY.as_bytes().to_vec();
        text.extend(event);
        if let Some(line) = &self.line {
            text.extend([NO_WRAP, line, WRAP].concat().bytes());
        }
        Cow::Owned(text)
    }

    fn lose_one(&mut self) {
        self.lost += 1;
        self.lost_in_all += 1;
    }

    fn note(&mut self, written: Written) {
        if written != Written::Whole {
            self.lose_one();
        }
        self.is_torn = written == Written::Torn;
    }
}

/// Takes one event at each `write`, which is how they come, and never fails.
impl Write for Sink {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let mut queue = self.0.lock();
        if !queue.is_detached {
            let text = queue.with_line(event);
            let written = self.0.write(&text, queue.is_torn);
            queue.note(written);
        } else if queue.bytes + event.len() > MAX_QUEUED {
            queue.lose_one();
        } else {
            queue.bytes += event.len();
            queue.events.push_back(event.to_vec());
            self.0.changed.notify_all();
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Sink;

    fn make_writer(&'a self) -> Sink {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        String::from_utf8_lossy(text).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_stalled_reader_costs_events_and_never_the_writers_time() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let mut sink = Sink::to(Some(File::from(std::os::fd::OwnedFd::from(writer))));
        sink.detach().expect("a thread");
        let event = [&[b'x'; 1023][..], b"\n"].concat();
        let sent = 2 * MAX_QUEUED / event.len();
        for _ in 0..sent {
            assert_eq!(sink.write(&event).expect("it never fails"), event.len());
        }
        let lost = sink.0.lock().lost as usize;
        assert!(lost > 0 && lost < sent, "{lost} of {sent} lost");
        let mut read = vec![0; (sent - lost) * event.len()];
        reader.read_exact(&mut read).expect("what was queued comes through");
        let read = lines(&read);
        assert_eq!(read.len(), sent - lost);
        assert!(read.iter().all(|line| line.len() == 1023), "whole lines");
    }

    #[test]
    fn the_line_stands_below_the_events_until_it_is_taken_away() {
        for is_detached in [false, true] {
            let (mut reader, writer) = io::pipe().expect("a pipe");
            let mut sink = Sink::to(Some(File::from(std::os::fd::OwnedFd::from(writer))));
            if is_detached {
                sink.detach().expect("a thread");
            }
            let mut comes = |wanted: &str| {
                let mut bytes = vec![0; wanted.len()];
                reader.read_exact(&mut bytes).expect("it is written");
                assert_eq!(String::from_utf8_lossy(&bytes), wanted);
            };
            sink.write_all(b"one\n").expect("it never fails");
            comes("one\n");
            sink.show(Some("1 zone"));
            comes("\r\x1b[K\x1b[?7l1 zone\x1b[?7h");
            sink.show(Some("2 zones"));
            comes("\r\x1b[K\x1b[?7l2 zones\x1b[?7h");
            sink.write_all(b"two\n").expect("it never fails");
            comes("\r\x1b[Ktwo\n\x1b[?7l2 zones\x1b[?7h");
            sink.show(None);
            comes("\r\x1b[K");
            sink.write_all(b"three\n").expect("it never fails");
            comes("three\n");
        }
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let full = File::options().write(true).open("/dev/full").expect("/dev/full");
        let mut sink = Sink::to(Some(full));
        sink.write_all(b"one\n").expect("it never fails");
        assert_eq!(sink.0.lock().lost, 1);
        sink.detach().expect("a thread");
        sink.write_all(b"two\n").expect("it never fails");
        sink.flush_briefly();
        assert_eq!(sink.0.lock().lost, 2);
    }
}
