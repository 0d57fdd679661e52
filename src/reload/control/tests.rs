use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use tempfile::TempDir;

use super::super::driver::{Cause, Driver, Settings};
use super::super::loader::Taken;
use super::super::protocol::ZoneStatus;
use super::super::scope::{Closed, Scope};
use super::super::watch::Watched;
use super::*;
use crate::explain::Draft;
use crate::fault::{Fault, Severity};
use crate::feed::{AskedRecord, FoundRecord};
use crate::filing::Instant as FilingInstant;
use crate::wire::{Name, Rtype};

struct Fixed {
    folder: PathBuf,
}

impl Loader for Fixed {
    fn watched(&self) -> Watched {
        Watched {
            zones: self.folder.join("zones"),
            filings: self.folder.join("filings"),
            config: self.folder.join("beiand.toml"),
            files: Vec::new(),
        }
    }

    fn config(&mut self, _cause: Cause, _shrink: Shrink, _now: FilingInstant) -> Taken {
        Taken::default()
    }

    fn filings(
        &mut self,
        _scope: &Scope,
        _closed: &[Closed],
        shrink: Shrink,
        _now: FilingInstant,
    ) -> Taken {
        match shrink {
            Shrink::Accept => Taken { closed: 200, ..Taken::default() },
            Shrink::Refuse => Taken { files_waiting: Some(1), ..Taken::default() },
        }
    }

    fn zones(&mut self, _scope: &Scope, _closed: &[Closed], _now: FilingInstant) -> Taken {
        let fault = Fault::of_file(Severity::Warning, "a.zone", "no address", "add one");
        Taken { zones_changed: 2, zones_removed: 1, faults: vec![fault], ..Taken::default() }
    }

    fn due(&mut self, _now: FilingInstant) -> Taken {
        Taken::default()
    }

    fn zones_refused(&self) -> Vec<Fault> {
        Vec::new()
    }

    fn filings_refused(&self) -> Vec<Fault> {
        Vec::new()
    }

    fn zone_status(&self, origin: &Name) -> ZoneStatus {
        ZoneStatus { name: origin.to_string(), ..ZoneStatus::default() }
    }

    fn explain(&self, _name: &Name, _rtype: Rtype, _now: FilingInstant) -> Draft {
        Draft::default()
    }

    fn trace(&mut self, _name: &Name, _minutes: u32, _now: FilingInstant) -> Result<(), String> {
        Ok(())
    }

    fn record_shown(&self, _asked: &AskedRecord, _now: FilingInstant) -> Option<FoundRecord> {
        None
    }

    fn next_due(&self) -> Option<FilingInstant> {
        None
    }
}

struct Running {
    socket: PathBuf,
    driver: Handle,
    server: Option<Server>,
    temp: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server = None;
        self.driver.stop();
    }
}

impl Running {
    fn new() -> Running {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let driver = Driver::spawn(Settings::default(), Fixed { folder: temp.path().to_owned() })
            .expect("a thread");
        let socket = temp.path().join("control");
        let server =
            Server::spawn(&socket, &OWNER_ONLY, driver.clone(), Arc::new(Seven)).expect("a socket");
        Running { socket, driver, server: Some(server), temp }
    }

    fn ask(&self, line: &[u8]) -> Reply {
        let mut stream = UnixStream::connect(&self.socket).expect("connect");
        // An over-long line is answered before it has been read to its end.
        let _ = stream.write_all(line);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut reply = Vec::new();
        BufReader::new(stream).read_until(b'\n', &mut reply).expect("a reply");
        from_line(&reply).expect("a reply that can be read")
    }
}

/// Serves seven zones.
struct Seven;

impl Host for Seven {
    fn status(&self) -> Status {
        Status { zones: 7, ..Status::default() }
    }

    fn stats(&self) -> Vec<Figure> {
        Vec::new()
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        Err(format!("no {level} here"))
    }
}

const OWNER_ONLY: Access = Access { mode: 0o600, group: None };

#[test]
fn a_reload_that_is_waited_for_tells_what_it_changed() {
    let running = Running::new();
    let reply = running.ask(b"{\"verb\":\"reload\",\"wait\":true,\"accept_shrink\":true}\n");
    assert!(reply.ok, "{reply:?}");
    assert_eq!((reply.changes.zones_changed, reply.changes.closed), (3, 200));
    assert_eq!(reply.faults.len(), 1);
    let reply = running.ask(b"{\"verb\":\"reload\",\"wait\":true}\n");
    assert!(!reply.ok && reply.message.contains("--accept-shrink"), "{reply:?}");
    let reply = running.ask(b"{\"verb\":\"reload\"}\n");
    assert!(reply.ok && reply.faults.is_empty(), "{reply:?}");
}

#[test]
fn the_status_is_told() {
    let reply = Running::new().ask(b"{\"verb\":\"status\"}");
    assert_eq!(reply.status.map(|status| status.zones), Some(7));
}

#[test]
fn a_bad_or_endless_request_is_refused_in_words() {
    let running = Running::new();
    let reply = running.ask(b"{\"verb\":\"halt\"}\n");
    assert!(!reply.ok && reply.message.contains("halt"), "{reply:?}");
    let reply = running.ask(&vec![b' '; MAX_REQUEST + 1]);
    assert!(!reply.ok && reply.message.contains("longer than"), "{reply:?}");
}

#[test]
fn the_socket_is_its_owners_alone_and_goes_with_the_server() {
    let mut running = Running::new();
    let mode = fs::symlink_metadata(&running.socket).expect("the socket").mode();
    assert_eq!(mode & 0o777, 0o600);
    running.server = None;
    assert!(!running.socket.exists());
    let left: Vec<_> = fs::read_dir(running.temp.path()).expect("list").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_stale_socket_is_replaced_a_live_one_and_another_file_are_not() {
    let running = Running::new();
    let second =
        Server::spawn(&running.socket, &OWNER_ONLY, running.driver.clone(), Arc::new(Seven));
    assert!(matches!(second, Err(ControlError::InUse(_))));

    let stale = running.temp.path().join("stale");
    drop(UnixListener::bind(&stale).expect("bind"));
    let replaced = Server::spawn(&stale, &OWNER_ONLY, running.driver.clone(), Arc::new(Seven));
    assert!(replaced.is_ok(), "{replaced:?}");

    let file = running.temp.path().join("file");
    fs::write(&file, "precious").expect("write");
    let refused = Server::spawn(&file, &OWNER_ONLY, running.driver.clone(), Arc::new(Seven));
    assert!(matches!(refused, Err(ControlError::NotASocket(_))));
    assert_eq!(fs::read_to_string(&file).expect("read"), "precious");
}
