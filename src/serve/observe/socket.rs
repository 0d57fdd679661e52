//! A Unix stream socket that somebody listens on, or not: dnstap's usual reader.
//!
//! A reader that takes nothing for a while is left; the writer comes back to it later.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Type};
use tokio::sync::watch;

use super::super::Phase;
use super::frames::{self, Control};
use super::outlet::Sink;

/// How long a reader may take for its next step.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a system call may wait before the server's phase is looked at.
const TICK: Duration = Duration::from_millis(250);

/// See the module's description.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    phase: watch::Receiver<Phase>,
    stream: Option<UnixStream>,
}

impl Socket {
    pub(super) fn new(path: PathBuf, phase: watch::Receiver<Phase>) -> Socket {
        Socket { path, phase, stream: None }
    }

    fn connect(&self) -> io::Result<UnixStream> {
        let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // It bounds connecting, too: a listener that accepts nobody makes newcomers wait.
        socket.set_write_timeout(Some(TICK))?;
        socket.set_read_timeout(Some(TICK))?;
        socket.connect(&SockAddr::unix(&self.path)?)?;
        Ok(UnixStream::from(OwnedFd::from(socket)))
    }

    fn patient<'a>(&'a self, stream: &'a UnixStream) -> Patient<'a> {
        Patient { stream, phase: &self.phase }
    }
}

impl Sink for Socket {
    fn open(&mut self) -> io::Result<()> {
        self.stream = None;
        let stream = self.connect()?;
        let mut patient = self.patient(&stream);
        patient.write_all(&frames::control(Control::Ready))?;
        frames::expect(&mut patient, Control::Accept)?;
        patient.write_all(&frames::control(Control::Start))?;
        self.stream = Some(stream);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // None once a frame may have been cut off.
        let stream = self.stream.take().ok_or(ErrorKind::NotConnected)?;
        self.patient(&stream).write_all(bytes)?;
        self.stream = Some(stream);
        Ok(())
    }

    fn close(&mut self) {
        if let Some(stream) = self.stream.take() {
            let mut patient = self.patient(&stream);
            let stop = frames::control(Control::Stop);
            // The server ends whether the reader says goodbye or not.
            let _ = patient
                .write_all(&stop)
                .and_then(|()| frames::expect(&mut patient, Control::Finish));
        }
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}

/// Reads and writes with timeouts tried again, until patience ends or the server stops.
struct Patient<'a> {
    stream: &'a UnixStream,
    phase: &'a watch::Receiver<Phase>,
}

impl Patient<'_> {
    fn wait<T>(&self, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let until = Instant::now() + PATIENCE;
        loop {
            match attempt() {
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock
                        && Instant::now() < until
                        && *self.phase.borrow() == Phase::Serving => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(io::Error::new(ErrorKind::TimedOut, "the reader has stalled"));
                }
                done => return done,
            }
        }
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut stream = self.stream;
        self.wait(|| stream.read(buffer))
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stream = self.stream;
        self.wait(|| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
