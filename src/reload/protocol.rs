//! What is said over the control socket: one connection, one request line, one reply line, both
//! JSON. The types only; the server is `reload::control`, the client `cli::control`.
//!
//! ```text
//! → {"verb":"reload","wait":true,"accept_shrink":false}
//! ← {"ok":true,"message":"…","changes":{"zones_changed":0,"opened":1,…},"faults":[]}
//! ```
//!
//! Fields may be added: an absent one has its default, an unknown one is ignored.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::loader::Taken;
use crate::explain::Explanation;
use crate::fault::{Fault, Severity};
use crate::wire::Rtype;

/// Longest line that either side reads, in bytes; a longer one ends the connection.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

/// Most faults in one reply; [`Reply::faults_left_out`] counts the others, which the log holds.
pub const MAX_FAULTS: usize = 1_000;

/// What a client asks of the running server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub enum Request {
    /// Look at every watched file again.
    Reload {
        /// Reply only when the change is being answered; otherwise as soon as it has been noted.
        #[serde(default)]
        wait: bool,
        /// Take in the changes that wait for the operator because they would drop too many
        /// records.
        #[serde(default)]
        accept_shrink: bool,
    },
    /// What is being served.
    Status,
    /// Every figure of the metrics page.
    Stats,
    /// What is known of one zone.
    ZoneStatus {
        /// Its origin, in master file form.
        name: String,
    },
    /// Everything that is told of a name.
    Explain {
        /// The name, in master file form.
        name: String,
        /// The record type that a client asks for.
        #[serde(default = "address", rename = "type")]
        rtype: String,
    },
    /// Log so much from now on, until the server ends.
    LogLevel {
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: String,
    },
    /// Log every decision about a domain for a while.
    Trace {
        /// The domain, in master file form.
        name: String,
        /// For how long.
        minutes: u32,
    },
}

fn address() -> String {
    Rtype::A.to_string()
}

/// The server's one answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// False where something was refused or the request could not be carried out.
    pub ok: bool,
    /// One sentence for people, without a final full stop.
    pub message: String,
    /// What a reload changed; all zero where it was not waited for.
    #[serde(default)]
    pub changes: Changes,
    /// What was refused or warned of, at most [`MAX_FAULTS`].
    #[serde(default)]
    pub faults: Vec<WireFault>,
    /// How many faults more there were.
    #[serde(default)]
    pub faults_left_out: u64,
    /// The answer to [`Request::Status`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The answer to [`Request::Stats`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stats: Vec<Figure>,
    /// The answer to [`Request::ZoneStatus`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneStatus>,
    /// The answer to [`Request::Explain`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explained: Option<Box<Explanation>>,
}

/// What one reload changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Changes {
    /// Zones added, replaced or removed.
    pub zones_changed: u64,
    /// Zones whose new version was refused.
    pub zones_refused: u64,
    /// Filing records added, replaced or removed.
    pub records_changed: u64,
    /// Filing files that were refused whole.
    pub files_refused: u64,
    /// Filing files whose change waits for `beiand reload --accept-shrink`.
    pub files_waiting: u64,
    /// Site domains that went from blocked to open.
    pub opened: u64,
    /// Site domains that went from open to blocked.
    pub closed: u64,
    /// From the beginning of the reload until it was answered, in milliseconds.
    pub took_ms: u64,
}

impl Changes {
    /// What was taken in, within how long.
    pub fn of(taken: &Taken, took: Duration) -> Changes {
        Changes {
            zones_changed: (taken.zones_changed + taken.zones_removed) as u64,
            zones_refused: taken.zones_refused as u64,
            records_changed: taken.records_changed as u64,
            files_refused: taken.files_refused.unwrap_or(0) as u64,
            files_waiting: taken.files_waiting.unwrap_or(0) as u64,
            opened: taken.opened as u64,
            closed: taken.closed as u64,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// What is being served. Instants are RFC 3339 in UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The server's own version.
    pub version: String,
    /// The server's process.
    pub pid: u32,
    /// When it was started.
    pub started: String,
    /// Seconds since then.
    pub uptime_seconds: u64,
    /// False until zones and filings have been loaded: every query gets SERVFAIL.
    pub ready: bool,
    /// Queries answered since the start, over all transports.
    pub queries: u64,
    /// Queries a second, while this was asked.
    pub queries_per_second: f64,
    /// Zones served.
    pub zones: u64,
    /// Zones that failed to load and have no last good version (SERVFAIL).
    pub zones_failed: u64,
    /// Filing records in force in the server.
    pub records: u64,
    /// Hosted site domains that are blocked.
    pub blocked: u64,
    /// Zones by verdict: `open`, `exempt`, or the reason code for which they are blocked.
    pub verdicts: BTreeMap<String, u64>,
    /// Counts up by one with each state that is swapped in.
    pub generation: u64,
    /// The last reload that did something.
    pub last_reload: Option<LastReload>,
    /// Zone files whose present version is refused; the last good one is served.
    pub zones_refused: u64,
    /// Filing files whose present version is refused; the last good one is in force.
    pub files_refused: u64,
    /// Filing files whose change waits for `beiand reload --accept-shrink`.
    pub files_waiting: u64,
    /// How much is logged.
    pub log_level: String,
    /// Domains whose decisions are being logged.
    pub traces: Vec<TraceStatus>,
}

/// The last reload that did something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastReload {
    /// When it was done.
    pub at: String,
    /// `start`, `command`, `files`, `poll` or `timer`.
    pub cause: String,
    /// `applied`, `refused` or `failed`.
    pub end: String,
    /// What it changed.
    pub changes: Changes,
}

/// A domain whose decisions are being logged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TraceStatus {
    /// The domain.
    pub name: String,
    /// When it ends.
    pub until: String,
}

/// One figure of the metrics page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name, as on the metrics page.
    pub name: String,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The figure.
    pub value: f64,
}

/// What is known of one zone. Instants are RFC 3339 in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ZoneStatus {
    /// Its origin.
    pub name: String,
    /// `served`, `failed` (there is a file, but never was a good one: SERVFAIL) or `unknown`.
    pub state: ZoneState,
    /// The serial number of the version in service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<u32>,
    /// Its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// When the version in service was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// The verdict: `open`, `exempt`, or a reason code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// Since when that holds, where the filing tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When it changes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_change: Option<String>,
    /// Names of the zone have verdicts of their own.
    pub has_scopes: bool,
    /// Why the file's present version is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<WireFault>,
}

/// Whether a zone is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZoneState {
    /// It is.
    Served,
    /// Its file was never good: SERVFAIL.
    Failed,
    /// There is none of this origin: REFUSED, unless a zone above it has the name.
    #[default]
    Unknown,
}

/// A [`Fault`] that can be read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireFault {
    /// `error` or `warning`.
    pub severity: WireSeverity,
    /// The file as the server names it.
    pub file: PathBuf,
    /// From 1; 0 where the fault is the file's.
    #[serde(default)]
    pub line: u32,
    /// From 1; 0 where the fault is the line's.
    #[serde(default)]
    pub column: u32,
    /// The offending text.
    #[serde(default)]
    pub text: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    #[serde(default)]
    pub remedy: String,
}

/// [`Severity`], readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WireSeverity {
    /// Refused.
    Error,
    /// Taken in all the same.
    Warning,
}

impl Reply {
    /// The reply to a request that was not understood or could not be carried out.
    pub fn failure(message: impl Into<String>) -> Reply {
        Reply { message: message.into(), ..Reply::default() }
    }

    /// The reply to a request that was carried out.
    pub fn success(message: impl Into<String>) -> Reply {
        Reply { ok: true, message: message.into(), ..Reply::default() }
    }

    /// Adds faults, as many as a reply may hold.
    pub fn with_faults(mut self, faults: &[Fault]) -> Reply {
        let room = MAX_FAULTS.saturating_sub(self.faults.len()).min(faults.len());
        self.faults.extend(faults.iter().take(room).map(WireFault::from));
        self.faults_left_out += (faults.len() - room) as u64;
        self
    }
}

/// One message as a line, with its final line feed.
pub fn to_line<T: Serialize>(message: &T) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// One message from a line, with or without its final line feed.
pub fn from_line<'a, T: Deserialize<'a>>(line: &'a [u8]) -> serde_json::Result<T> {
    serde_json::from_slice(line)
}

impl From<&Fault> for WireFault {
    fn from(fault: &Fault) -> WireFault {
        WireFault {
            severity: match fault.severity {
                Severity::Error => WireSeverity::Error,
                Severity::Warning => WireSeverity::Warning,
            },
            file: PathBuf::from(fault.file.to_string_lossy().into_owned()),
            line: fault.line,
            column: fault.column,
            text: fault.text.clone(),
            problem: fault.problem.clone(),
            remedy: fault.remedy.clone(),
        }
    }
}

impl From<WireFault> for Fault {
    fn from(fault: WireFault) -> Fault {
        Fault {
            severity: match fault.severity {
                WireSeverity::Error => Severity::Error,
                WireSeverity::Warning => Severity::Warning,
            },
            file: fault.file,
            line: fault.line,
            column: fault.column,
            text: fault.text,
            problem: fault.problem,
            remedy: fault.remedy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_the_documented_json() {
        let line = to_line(&Request::Reload { wait: true, accept_shrink: false }).unwrap();
        assert_eq!(line, b"{\"verb\":\"reload\",\"wait\":true,\"accept_shrink\":false}\n");
        assert_eq!(
            from_line::<Request>(b"{\"verb\":\"reload\"}\n").unwrap(),
            Request::Reload { wait: false, accept_shrink: false }
        );
        assert_eq!(from_line::<Request>(b"{\"verb\":\"status\"}").unwrap(), Request::Status);
        assert_eq!(
            from_line::<Request>(b"{\"verb\":\"zone-status\",\"name\":\"a.example\"}").unwrap(),
            Request::ZoneStatus { name: "a.example".to_owned() }
        );
        assert!(from_line::<Request>(b"{\"verb\":\"halt\"}\n").is_err());
    }

    #[test]
    fn a_reply_of_an_older_or_newer_server_is_read() {
        let reply: Reply =
            from_line(b"{\"ok\":true,\"message\":\"done\",\"changes\":{\"opened\":3,\"new\":1}}")
                .unwrap();
        assert_eq!(reply.changes, Changes { opened: 3, ..Changes::default() });
    }

    #[test]
    fn a_reply_holds_no_more_faults_than_it_may_and_counts_the_others() {
        let fault = Fault::of_file(Severity::Warning, "a.zone", "no NS", "add one");
        let reply = Reply::default().with_faults(&vec![fault.clone(); MAX_FAULTS + 7]);
        assert_eq!((reply.faults.len(), reply.faults_left_out), (MAX_FAULTS, 7));
        let back: Reply = from_line(&to_line(&reply).unwrap()).unwrap();
        assert_eq!(Fault::from(back.faults[0].clone()), fault);
    }
}
