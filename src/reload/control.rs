//! The control socket: one connection, one request line, one reply line ([`super::protocol`]).
//!
//! Owns the socket file and its threads. Who may write to the file may command: file mode and group
//! are all the permissions there are.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::driver::{End, Handle, Outcome};
use super::loader::{Loader, Shrink};
use super::protocol::{Changes, Figure, Reply, Request, Status, ZoneState, from_line, to_line};
use crate::answer::trace::MAX_LOGGED;
use crate::feed::TextReader;
use crate::filing::Instant as FilingInstant;
use crate::wire::{Name, Rtype};

/// Longest request line.
const MAX_REQUEST: usize = 64 * 1024;
/// A request must have come, and a reply gone, within this time.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections at a time; further ones are closed at once.
const MAX_CONNECTIONS: usize = 16;
/// The longest time that a domain may be traced for.
pub const MAX_TRACE_MINUTES: u32 = 24 * 60;
/// After an accept that failed (out of file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another process answers there.
    #[error("another server answers on the control socket {}", .0.display())]
    InUse(PathBuf),
    /// Something stands there that is no socket, and is left alone.
    #[error("{} is in the way of the control socket: it is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The system said no.
    #[error("cannot make the control socket {}: {source}", .path.display())]
    Io {
        /// The socket file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// The server as those at the socket see it, but for what the reload thread does. Nothing here
/// waits for a reload.
pub trait Host: Send + Sync {
    /// What is being served.
    fn status(&self) -> Status;

    /// Every figure of the metrics page.
    fn stats(&self) -> Vec<Figure>;

    /// Logs so much from now on. An error is a sentence for people.
    fn set_log_level(&self, level: &str) -> Result<(), String>;
}

/// Who may command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The permission bits of the socket file.
    pub mode: u32,
    /// The number of the group that the file is given to; as it comes where `None`.
    pub group: Option<u32>,
}

/// The control socket's server. Dropping it closes the socket and removes its file.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    inode: u64,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Makes the socket file and serves it in a thread of its own. A socket file that nobody
    /// answers on is replaced.
    pub fn spawn(
        path: &Path,
        access: &Access,
        driver: Handle,
        host: Arc<dyn Host>,
    ) -> Result<Server, ControlError> {
        let failed = |source| ControlError::Io { path: path.to_owned(), source };
        let listener = bind(path, access)?;
        let inode = fs::symlink_metadata(path).map_err(failed)?.ino();
        let stop = Arc::new(AtomicBool::new(false));
        let for_thread = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || accept(&listener, &driver, &host, &for_thread))
            .map_err(failed)?;
        Ok(Server { path: path.to_owned(), inode, stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        // A connection wakes the thread; where the file is no longer ours it would wake another.
        if is_ours
            && UnixStream::connect(&self.path).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
        if is_ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn bind(path: &Path, access: &Access) -> Result<UnixListener, ControlError> {
    let failed = |source| ControlError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ControlError::NotASocket(path.to_owned()));
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => return Err(ControlError::InUse(path.to_owned())),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(failed(error)),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    // Made aside and moved into place, so that the name never stands for a socket that others may
    // write to; the move replaces a stale one.
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}", std::process::id()));
    let aside = PathBuf::from(aside);
    let _ = fs::remove_file(&aside);
    let listener = UnixListener::bind(&aside).map_err(failed)?;
    let placed = std::os::unix::fs::chown(&aside, None, access.group)
        .and_then(|()| fs::set_permissions(&aside, Permissions::from_mode(access.mode)))
        .and_then(|()| fs::rename(&aside, path));
    placed.map_err(|error| {
        let _ = fs::remove_file(&aside);
        failed(error)
    })?;
    Ok(listener)
}

fn accept(listener: &UnixListener, driver: &Handle, host: &Arc<dyn Host>, stop: &AtomicBool) {
    let connections = Arc::new(AtomicUsize::new(0));
    // Shared, so that what it knows of large files serves all who ask.
    let texts = Arc::new(Mutex::new(TextReader::default()));
    for stream in listener.incoming() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "control connection not accepted");
                std::thread::sleep(ACCEPT_PAUSE);
                continue;
            }
        };
        if connections.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
            continue;
        }
        connections.fetch_add(1, Ordering::Relaxed);
        let open = Open(Arc::clone(&connections));
        let (driver, host, texts) = (driver.clone(), Arc::clone(host), Arc::clone(&texts));
        let served =
            std::thread::Builder::new().name("control-client".to_owned()).spawn(move || {
                let _open = open;
                if let Err(error) = serve(stream, &driver, &*host, &texts) {
                    tracing::debug!(%error, "control connection ended");
                }
            });
        if let Err(error) = served {
            tracing::warn!(%error, "control connection not served");
        }
    }
}

/// Counts a connection for as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(
    mut stream: UnixStream,
    driver: &Handle,
    host: &dyn Host,
    texts: &Mutex<TextReader>,
) -> io::Result<()> {
    let reply = match read_line(&mut stream)? {
        None => Reply::failure(format!("the request is longer than {MAX_REQUEST} bytes")),
        Some(line) => match from_line::<Request>(&line) {
            Ok(request) => answer(request, driver, host, texts),
            Err(error) => Reply::failure(format!("the request cannot be read: {error}")),
        },
    };
    write_line(&mut stream, &to_line(&reply)?)
}

/// All of it in time, or an error: a client that reads byte by byte holds no thread for long.
fn write_line(stream: &mut UnixStream, line: &[u8]) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut rest = line;
    while !rest.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        match stream.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One line, or what comes before the end of the stream; `None` where it is too long.
fn read_line(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + PATIENCE;
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let count = match stream.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let read = buffer.get(..count).unwrap_or_default();
        match read.iter().position(|&byte| byte == b'\n') {
            Some(end) => line.extend(read.iter().take(end)),
            None => line.extend(read),
        }
        if line.len() > MAX_REQUEST {
            return Ok(None);
        }
        if count == 0 || read.contains(&b'\n') {
            return Ok(Some(line));
        }
    }
}

fn answer(request: Request, driver: &Handle, host: &dyn Host, texts: &Mutex<TextReader>) -> Reply {
    match request {
        Request::Status => Reply {
            ok: true,
            message: "running".to_owned(),
            status: Some(host.status()),
            ..with_refused(driver)
        },
        Request::Stats => Reply { stats: host.stats(), ..Reply::success("counted") },
        Request::LogLevel { level } => match host.set_log_level(&level) {
            Ok(()) => Reply::success(format!("logging at level {level} until the server ends")),
            Err(problem) => Reply::failure(problem),
        },
        Request::ZoneStatus { name } => ask(driver, &name, |loader, name, _| {
            let zone = loader.zone_status(name);
            let ok = zone.state == ZoneState::Served && zone.refused.is_none();
            Reply { ok, zone: Some(zone), ..Reply::success("looked up") }
        }),
        Request::Explain { name, rtype } => match Rtype::parse(rtype.as_bytes()) {
            Some(rtype) => explain(driver, &name, rtype, texts),
            None => Reply::failure(format!("{rtype:?} is not a record type")),
        },
        Request::Trace { minutes, .. } if minutes > MAX_TRACE_MINUTES => {
            Reply::failure(format!("a trace takes no more than {MAX_TRACE_MINUTES} minutes"))
        }
        Request::Trace { name, minutes } => {
            ask(driver, &name, move |loader, name, now| match loader.trace(name, minutes, now) {
                Ok(()) if minutes == 0 => Reply::success(format!("no longer tracing {name}")),
                Ok(()) => Reply::success(format!(
                    "the log tells every decision about {name} for {minutes} minutes, or \
                     {MAX_LOGGED} of them"
                )),
                Err(problem) => Reply::failure(problem),
            })
        }
        Request::Reload { wait, accept_shrink } => {
            let shrink = if accept_shrink { Shrink::Accept } else { Shrink::Refuse };
            let outcome = driver.reload(shrink);
            if !wait {
                return Reply::success("reload noted");
            }
            match outcome.recv() {
                Ok(outcome) => reply_to_reload(&outcome),
                Err(_) => Reply::failure("the server is stopping"),
            }
        }
    }
}

/// What is refused as things stand, and waits for somebody to mend it.
fn with_refused(driver: &Handle) -> Reply {
    let record = driver.history();
    Reply::default().with_faults(&record.zones_refused).with_faults(&record.filings_refused)
}

/// What stands in the filing files is read here, and not by the reload thread.
fn explain(driver: &Handle, name: &str, rtype: Rtype, texts: &Mutex<TextReader>) -> Reply {
    let draft = try_ask(driver, name, move |loader, name, now| loader.explain(name, rtype, now));
    draft.map_or_else(Reply::failure, |draft| {
        // Whoever panicked left at worst a line that is looked for again.
        let mut texts = texts.lock().unwrap_or_else(PoisonError::into_inner);
        let told = draft.finish(&mut texts);
        Reply { ok: told.open, explained: Some(Box::new(told)), ..Reply::success("looked up") }
    })
}

/// Asks the reload thread about a name, in lower case.
fn ask(
    driver: &Handle,
    name: &str,
    ask: impl FnOnce(&mut dyn Loader, &Name, FilingInstant) -> Reply + Send + 'static,
) -> Reply {
    try_ask(driver, name, ask).unwrap_or_else(Reply::failure)
}

/// An error is a sentence for people.
fn try_ask<T: Send + 'static>(
    driver: &Handle,
    name: &str,
    ask: impl FnOnce(&mut dyn Loader, &Name, FilingInstant) -> T + Send + 'static,
) -> Result<T, String> {
    let parsed = name.parse::<Name>();
    let name = parsed.map_err(|error| format!("{name:?} is not a domain name: {error}"))?;
    let answer = driver.ask(move |loader, now| ask(loader, &name.to_lowercase(), now));
    answer.recv_timeout(PATIENCE).map_err(|error| match error {
        RecvTimeoutError::Timeout => "a long reload is under way; ask again after it".to_owned(),
        RecvTimeoutError::Disconnected => {
            "the server is stopping, or failed, see its log".to_owned()
        }
    })
}

fn reply_to_reload(outcome: &Outcome) -> Reply {
    let Outcome { taken, end, took } = outcome;
    let files_waiting = taken.files_waiting.unwrap_or(0);
    let files_refused = taken.files_refused.unwrap_or(0);
    let nothing_refused = taken.zones_refused + files_refused + files_waiting == 0
        && !taken.faults.iter().any(|fault| fault.is_error());
    let message = match end {
        End::Panicked => "the reload failed inside the server, see its log",
        End::StillSettling => "answered, except for files that are still being written",
        End::Answered if files_waiting > 0 => {
            "answered, except for changes that wait for --accept-shrink"
        }
        End::Answered if nothing_refused => "answered",
        End::Answered => "answered, except for what was refused",
    };
    let reply = Reply {
        ok: nothing_refused && *end == End::Answered,
        message: message.to_owned(),
        changes: Changes::of(taken, *took),
        ..Reply::default()
    };
    reply.with_faults(&taken.faults)
}

#[cfg(test)]
mod tests;
