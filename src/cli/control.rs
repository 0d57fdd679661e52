//! The client's end of the control socket, and `beiand reload`, which speaks through it.
//!
//! What is said is [`crate::reload::protocol`]'s.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::show::{Format, Show, count};
use super::{Exit, Failure, ReloadArguments};
use crate::config::Config;
use crate::fault::Fault;
use crate::reload::protocol::{self, Changes, Reply, Request};

/// How long the server may take to note a request.
const NOTE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to take in a change.
const WAIT_TIMEOUT: Duration = Duration::from_secs(600);

/// Why the running server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The configuration turns control off.
    #[error("there is no control socket: [control] socket is \"\" in {}", .config.display())]
    Off {
        /// The configuration.
        config: PathBuf,
    },
    /// Nobody listens.
    #[error("nobody listens at {}: is beiand running, with [control] socket = \"{}\"?", .socket.display(), .socket.display())]
    NotRunning {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket belongs to somebody else.
    #[error("may not speak to {}: try as the user that beiand runs as", .socket.display())]
    NotAllowed {
        /// The socket.
        socket: PathBuf,
    },
    /// No reply in time.
    #[error("no reply from {} within {} s; the server goes on with it all the same", .socket.display(), .after.as_secs())]
    TimedOut {
        /// The socket.
        socket: PathBuf,
        /// How long was waited.
        after: Duration,
    },
    /// What came is no reply.
    #[error("what {} replied is not understood: {problem}; are client and server of one version?", .socket.display())]
    Garbled {
        /// The socket.
        socket: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The connection failed.
    #[error("speaking to {} failed: {source}", .socket.display())]
    Io {
        /// The socket.
        socket: PathBuf,
        /// How.
        source: io::Error,
    },
}

/// Asks the running server, and waits for its reply.
pub fn ask(socket: &Path, request: &Request, timeout: Duration) -> Result<Reply, ControlError> {
    let owned = || socket.to_path_buf();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ControlError::NotRunning { socket: owned() }
        }
        io::ErrorKind::PermissionDenied => ControlError::NotAllowed { socket: owned() },
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            ControlError::TimedOut { socket: owned(), after: timeout }
        }
        _ => ControlError::Io { socket: owned(), source: error },
    };
    let garbled = |problem: String| ControlError::Garbled { socket: owned(), problem };

    let line = protocol::to_line(request).map_err(|error| garbled(error.to_string()))?;
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_read_timeout(Some(timeout)).map_err(failed)?;
    stream.set_write_timeout(Some(NOTE_TIMEOUT)).map_err(failed)?;
    stream.write_all(&line).map_err(failed)?;
    let mut reply = Vec::new();
    BufReader::new(stream)
        .take(protocol::MAX_LINE as u64)
        .read_until(b'\n', &mut reply)
        .map_err(failed)?;
    if reply.last() != Some(&b'\n') {
        return Err(garbled("the connection ended before the reply did".to_owned()));
    }
    protocol::from_line(&reply).map_err(|error| garbled(error.to_string()))
}

/// `beiand reload`.
pub fn run(
    config: &Config,
    arguments: ReloadArguments,
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let ReloadArguments { wait, accept_shrink } = arguments;
    let reply = ask_server(config, &Request::Reload { wait, accept_shrink })?;
    write(&reply, show, out, show_reply)?;
    Ok(if reply.ok { Exit::Fine } else { Exit::No })
}

/// Asks the server that runs with this configuration.
pub fn ask_server(config: &Config, request: &Request) -> Result<Reply, ControlError> {
    let Some(socket) = &config.control.socket else {
        return Err(ControlError::Off { config: config.file.clone() });
    };
    let timeout = match request {
        Request::Reload { wait: true, .. } => WAIT_TIMEOUT,
        _ => NOTE_TIMEOUT,
    };
    ask(socket, request, timeout)
}

/// Shows a reply: as JSON, or to people by `for_people`.
pub fn write(
    reply: &Reply,
    show: &Show,
    out: &mut dyn Write,
    for_people: impl FnOnce(&Reply, &Show, &mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    match show.format {
        Format::Json => show.json(out, reply),
        Format::Human => for_people(reply, show, out),
    }
    .map_err(Failure::io("writing the result"))
}

fn show_reply(reply: &Reply, show: &Show, out: &mut dyn Write) -> io::Result<()> {
    show_faults(reply, show, out)?;
    writeln!(out, "{}", reply.message)?;
    if reply.changes != Changes::default() {
        writeln!(out, "{}", in_words(&reply.changes))?;
    }
    Ok(())
}

/// The faults of a reply, and how many more there are.
pub fn show_faults(reply: &Reply, show: &Show, out: &mut dyn Write) -> io::Result<()> {
    let faults: Vec<Fault> = reply.faults.iter().cloned().map(Fault::from).collect();
    show.faults(out, &faults)?;
    if reply.faults_left_out > 0 {
        let more = count(reply.faults_left_out, "more fault");
        writeln!(out, "{more}: see the server's log, or beiand check")?;
    }
    Ok(())
}

/// What a reload changed, in one line.
pub fn in_words(changes: &Changes) -> String {
    let mut parts = vec![
        format!("{} opened", count(changes.opened, "domain")),
        format!("{} closed", changes.closed),
        format!("{} changed", count(changes.zones_changed, "zone")),
        format!("{} changed", count(changes.records_changed, "record")),
    ];
    let refused = [
        (changes.zones_refused, "zone", "refused"),
        (changes.files_refused, "filing file", "refused"),
        (changes.files_waiting, "filing file", "waiting for --accept-shrink"),
    ];
    for (number, of, what) in refused {
        if number > 0 {
            parts.push(format!("{} {what}", count(number, of)));
        }
    }
    format!("{} (took {} ms)", parts.join(", "), changes.took_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::show::Colour;
    use std::os::unix::net::UnixListener;
    use std::thread;

    const SHOW: Show = Show { format: Format::Human, colour: Colour::Never };

    /// A server that takes one line and replies with `reply`.
    fn server(socket: &Path, reply: &'static [u8]) -> thread::JoinHandle<String> {
        let listener = UnixListener::bind(socket).unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            stream.write_all(reply).unwrap();
            line
        })
    }

    fn reload(socket: &Path) -> (Result<Exit, Failure>, String) {
        let mut config = Config::default();
        config.control.socket = Some(socket.to_path_buf());
        let mut out = Vec::new();
        let arguments = ReloadArguments { wait: true, accept_shrink: false };
        let exit = run(&config, arguments, &SHOW, &mut out);
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn reload_says_what_changed() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let server = server(
            &socket,
            b"{\"ok\":true,\"message\":\"taken in\",\"changes\":{\"opened\":1,\"took_ms\":4}}\n",
        );
        let (exit, out) = reload(&socket);
        assert_eq!(exit.unwrap(), Exit::Fine);
        assert_eq!(
            out,
            "taken in\n1 domain opened, 0 closed, 0 zones changed, 0 records changed (took 4 ms)\n"
        );
        assert_eq!(
            server.join().unwrap(),
            "{\"verb\":\"reload\",\"wait\":true,\"accept_shrink\":false}\n"
        );
    }

    #[test]
    fn what_was_refused_is_a_no_with_its_faults() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let server = server(
            &socket,
            b"{\"ok\":false,\"message\":\"one zone was refused\",\"faults\":[{\"severity\":\"error\",\
              \"file\":\"a.zone\",\"line\":2,\"problem\":\"no SOA\"}],\"faults_left_out\":3}\n",
        );
        let (exit, out) = reload(&socket);
        assert_eq!(exit.unwrap(), Exit::No);
        assert_eq!(
            out,
            "a.zone:2: error: no SOA\n3 more faults: see the server's log, or beiand check\n\
             one zone was refused\n"
        );
        server.join().unwrap();
    }

    #[test]
    fn a_server_that_is_not_there_or_not_ours_is_said_clearly() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let message = reload(&socket).0.unwrap_err().to_string();
        assert!(message.contains("is beiand running"), "{message}");

        drop(UnixListener::bind(&socket).unwrap());
        let message = reload(&socket).0.unwrap_err().to_string();
        assert!(message.contains("is beiand running"), "{message}");

        std::fs::remove_file(&socket).unwrap();
        for nonsense in [b"".as_slice(), b"{\"ok\":true", b"HTTP/1.1 400\r\n\r\n"] {
            let server = server(&socket, nonsense);
            let message = reload(&socket).0.unwrap_err().to_string();
            assert!(message.contains("is not understood"), "{message}");
            server.join().unwrap();
            std::fs::remove_file(&socket).unwrap();
        }
    }

    #[test]
    fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let _listener = UnixListener::bind(&socket).unwrap();
        let error = ask(&socket, &Request::Status, Duration::from_millis(10)).unwrap_err();
        assert!(matches!(error, ControlError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn control_can_be_off() {
        let mut config = Config::default();
        config.control.socket = None;
        let arguments = ReloadArguments { wait: false, accept_shrink: false };
        let failure = run(&config, arguments, &SHOW, &mut Vec::new()).unwrap_err();
        assert!(matches!(failure, Failure::Control(ControlError::Off { .. })), "{failure}");
    }
}
