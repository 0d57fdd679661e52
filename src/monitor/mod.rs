//! A running server as its operator sees it: status, counters, the metrics page and health.
//!
//! | file | idea |
//! | --- | --- |
//! | `mod` | what is asked over the control socket |
//! | `figures` | which figures there are |
//! | `tally` | zones by verdict |
//! | `process` | what the system says of the process |
//! | `exposition` | figures as text for Prometheus |
//! | `page` | over HTTP: `/metrics`, `/livez`, `/readyz` |
//!
//! Reads what the rooms below publish anyway, and adds nothing to the way of a query.

pub mod exposition;
mod figures;
pub mod page;
mod process;
pub mod tally;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Monotonic, SystemTime, UNIX_EPOCH};

use crate::filing::Instant;
use crate::notice::Served;
use crate::reload::control::Host;
use crate::reload::protocol::{Figure, LastReload, Status, TraceStatus};
use crate::reload::{Handle, history};
use crate::serve::Counting;
use crate::state::{Phase, Shared, State};
use tally::Tally;

/// How long queries are counted for the rate in a status.
const RATE_TAKEN_OVER: Duration = Duration::from_millis(500);

/// The log, as far as an operator asks about it.
pub trait Log: fmt::Debug + Send + Sync {
    /// How much is logged.
    fn level(&self) -> String;

    /// Logs so much from now on. An error is a sentence for people.
    fn set_level(&self, level: &str) -> Result<(), String>;

    /// Events lost since the start.
    fn lost(&self) -> u64;
}

/// What is known of the running server.
#[derive(Debug)]
pub struct Monitor {
    shared: Arc<Shared>,
    counting: Counting,
    driver: Handle,
    log: Arc<dyn Log>,
    served: Arc<Served>,
    started: (Monotonic, SystemTime),
    tally: Mutex<Tally>,
}

impl Monitor {
    /// Of a server that has just been started.
    pub fn new(
        shared: Arc<Shared>,
        counting: Counting,
        driver: Handle,
        log: Arc<dyn Log>,
        served: Arc<Served>,
    ) -> Monitor {
        let started = (Monotonic::now(), SystemTime::now());
        Monitor { shared, counting, driver, log, served, started, tally: Mutex::default() }
    }

    /// True once zones and filings are loaded.
    pub fn is_ready(&self) -> bool {
        self.shared.load().phase == Phase::Serving
    }

    /// The zones by verdict, counted anew where the state is another than the last time.
    fn tally(&self, state: &State) -> Tally {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        if !tally.is_of(state) {
            *tally = Tally::of_state(state);
        }
        tally.clone()
    }

    /// In seconds after 1970.
    fn started_at(&self) -> f64 {
        self.started.1.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }

    fn queries(&self) -> u64 {
        self.counting.sum().total().queries()
    }

    /// Queries since the start, and in a second now.
    fn queries_and_rate(&self) -> (u64, f64) {
        let (before, begun) = (self.queries(), Monotonic::now());
        std::thread::sleep(RATE_TAKEN_OVER);
        let queries = self.queries();
        let rate = (queries - before) as f64 / begun.elapsed().as_secs_f64();
        (queries, (rate * 10.0).round() / 10.0)
    }
}

impl Host for Monitor {
    fn status(&self) -> Status {
        let (queries, queries_per_second) = self.queries_and_rate();
        let state = self.shared.load();
        let tally = self.tally(&state);
        let record = self.driver.history();
        let verdicts = tally.verdicts.iter().map(|(code, zones)| ((*code).to_owned(), *zones));
        let trace = |trace: &Arc<crate::answer::Trace>| TraceStatus {
            name: trace.name().to_string(),
            until: Instant(i64::from(trace.until())).to_string(),
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: rfc3339(self.started.1),
            uptime_seconds: self.started.0.elapsed().as_secs(),
            ready: state.phase == Phase::Serving,
            queries,
            queries_per_second,
            zones: tally.zones,
            zones_failed: tally.failed,
            records: state.records as u64,
            blocked: tally.blocked,
            verdicts: verdicts.collect(),
            generation: state.generation,
            last_reload: record.last.map(last_reload),
            zones_refused: record.zones_refused.len() as u64,
            files_refused: record.files_refused as u64,
            files_waiting: record.files_waiting as u64,
            log_level: self.log.level(),
            traces: state.traces.iter().map(trace).collect(),
        }
    }

    fn stats(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for family in self.families() {
            for sample in family.samples {
                let labels = sample.labels.into_iter();
                figures.push(Figure {
                    name: format!("{}{}", family.name, sample.suffix),
                    labels: labels.map(|(n, v)| (n.to_owned(), v)).collect::<BTreeMap<_, _>>(),
                    value: sample.value,
                });
            }
        }
        figures
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        let before = self.log.level();
        self.log.set_level(level)?;
        tracing::info!(before, level, "log level changed");
        Ok(())
    }
}

fn last_reload(last: history::Last) -> LastReload {
    LastReload {
        at: rfc3339(last.at),
        cause: last.cause.name().to_owned(),
        end: last.end.name().to_owned(),
        changes: last.changes,
    }
}

/// To the second, in UTC.
fn rfc3339(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Instant(i64::try_from(seconds).unwrap_or(i64::MAX)).to_string()
}
