//! What is said over the control socket: one connection, one request line, one reply line, both
//! JSON. The types only; the server is `reload::control`, the client `cli::control`.
//!
//! ```text
//! → {"verb":"reload","wait":true,"accept_shrink":false}
//! ← {"ok":true,"message":"…","changes":{"zones_changed":0,"opened":1,…},"faults":[]}
//! ```
//!
//! Fields may be added: an absent one has its default, an unknown one is ignored.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fault::{Fault, Severity};

/// Longest line that either side reads, in bytes; a longer one ends the connection.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

/// Most faults in one reply; [`Reply::faults_left_out`] counts the others, which the log holds.
pub const MAX_FAULTS: usize = 1_000;

/// What a client asks of the running server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
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
}

/// The server's one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// What is being served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The server's own version.
    pub version: String,
    /// Zones served.
    pub zones: u64,
    /// Zones that failed to load and have no last good version (SERVFAIL).
    pub zones_failed: u64,
    /// Filing records in force in the server.
    pub records: u64,
    /// Hosted site domains that are blocked.
    pub blocked: u64,
    /// Counts up by one with each state that is swapped in.
    pub generation: u64,
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
