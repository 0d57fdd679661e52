//! Writing the journal: a change is in its file before anybody is answered by it.
//!
//! The reload thread notes each change, has them written before it publishes
//! ([`Journal::write_ahead`]), and does whatever takes time after it has ([`Journal::settle`]).
//! Nothing here holds an answer up for good: where the file cannot be written, what is missed is
//! counted, and when it can be again, a line tells the gap and what stands is held against what
//! stood. That is also how a start finds what changed while the server was down, so that there is
//! one way to catch up.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant as Monotonic;

use super::file::{Current, Unwritten, lock};
use super::line::{Cause, Event, Line, Record, Standing};
use super::read::Known;
use super::{Settings, files};
use crate::filing::Instant;
use crate::gate::Mode;

/// Bytes of noted changes that are written without waiting for the rest of a reload.
const BATCH: usize = 256 << 10;
/// Seconds until what failed is tried again.
const RETRY: i64 = 5;

/// A domain of the journal: a zone, or a name in it with a verdict of its own. Both without final
/// dot, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain<'a> {
    /// The apex of its zone.
    pub zone: &'a str,
    /// The domain; the same for the zone itself.
    pub name: &'a str,
}

/// Where a verdict comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The record that it shows.
    pub record: Option<Record>,
    /// Since when it has stood, as far as the records tell.
    pub since: Option<Instant>,
}

/// A verdict that became another.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// Whose.
    pub domain: Domain<'a>,
    /// None where the domain was not answered.
    pub before: Option<Standing>,
    /// None where it no longer is.
    pub after: Option<Standing>,
    /// What brought it about.
    pub cause: Cause,
    /// Where the verdict after it comes from.
    pub evidence: Evidence,
}

/// All that is served: what the journal is held against.
pub trait Served {
    /// Whether closed domains are dark.
    fn mode(&self) -> Mode;
    /// Tells each domain and its verdict.
    fn each(&self, tell: &mut dyn FnMut(Domain<'_>, Standing));
    /// Where the verdict of a domain comes from.
    fn evidence(&self, domain: &str) -> Evidence;
}

/// The journal as the one thread that takes changes in has it.
#[derive(Debug)]
pub struct Journal {
    settings: Settings,
    state: State,
    /// Lines that are not written yet.
    pending: Vec<u8>,
    /// The mode that the last line told.
    mode: Mode,
    /// Files to be brought to the disk; whoever does is not waited for.
    to_sync: Option<SyncSender<Arc<File>>>,
}

#[derive(Debug)]
enum State {
    /// The file's last lines are what stands.
    InStep(Current),
    Behind {
        cause: Cause,
        /// Changes that no line tells.
        lost: u64,
        /// None before the first attempt.
        retry_at: Option<Instant>,
    },
}

impl Journal {
    /// Nothing is opened before the first [`Journal::write_ahead`].
    pub fn new(settings: Settings) -> Journal {
        Journal {
            settings,
            state: State::Behind { cause: Cause::Start, lost: 0, retry_at: None },
            pending: Vec::new(),
            mode: Mode::default(),
            to_sync: None,
        }
    }

    /// Notes a change that is about to be answered.
    pub fn note(&mut self, at: Instant, mode: Mode, change: &Change<'_>) {
        if let State::Behind { lost, .. } = &mut self.state {
            *lost += 1;
            return;
        }
        change.line(at, mode).write(&mut self.pending);
        if self.pending.len() >= BATCH {
            self.flush(at);
        }
    }

    /// Writes what was noted. At the first call, also whatever changed since the last line of a
    /// former server.
    pub fn write_ahead(&mut self, served: &dyn Served, now: Instant) {
        if let State::Behind { retry_at: None, .. } = self.state {
            self.try_to_catch_up(served, now);
            return;
        }
        if self.mode != served.mode() {
            self.mode = served.mode();
            Line::new(now, Event::Mode, self.mode).write(&mut self.pending);
        }
        self.flush(now);
    }

    /// After the change is being answered: brings it to the disk, begins the next file, and tries
    /// again what failed.
    pub fn settle(&mut self, served: &dyn Served, now: Instant) {
        if self.retry_at().is_some_and(|at| at <= now) {
            self.try_to_catch_up(served, now);
        }
        let State::InStep(current) = &mut self.state else { return };
        if !current.is_in_place() {
            tracing::warn!(file = %current.path.display(), "the journal was moved away: it goes on in another file");
            self.state = State::Behind { cause: Cause::Gap, lost: 0, retry_at: None };
            return self.try_to_catch_up(served, now);
        }
        if std::mem::take(&mut current.has_unsynced) {
            let file = Arc::clone(&current.file);
            // Where one waits already, it is this file, and this change goes with it.
            let _ = self.to_sync.get_or_insert_with(syncing).try_send(file);
        }
        if current.len - current.beginning >= self.settings.max_size {
            let next = current.number + 1;
            let begun = current.folder.try_clone().and_then(|folder| {
                current.file.sync_data()?;
                Current::begin(&self.settings, folder, next, served, now)
            });
            match begun {
                Ok(next) => *current = next,
                Err(error) => {
                    // The old one goes on for as long again.
                    current.beginning = current.len;
                    tracing::error!(%error, "the next file of the journal cannot be begun");
                }
            }
        }
    }

    /// When what failed is to be tried again, by [`Journal::settle`].
    pub fn retry_at(&self) -> Option<Instant> {
        match self.state {
            State::InStep(_) => None,
            State::Behind { retry_at, .. } => retry_at,
        }
    }

    fn flush(&mut self, now: Instant) {
        if let State::InStep(current) = &mut self.state
            && let Err(Unwritten { lines, error }) = current.append(&self.pending)
        {
            tracing::error!(
                folder = %self.settings.folder.display(),
                %error,
                "the journal of decisions cannot be written: answers go on, and what it misses is \
                 counted"
            );
            let retry_at = Some(Instant(now.0 + RETRY));
            self.state = State::Behind { cause: Cause::Gap, lost: lines, retry_at };
        }
        self.pending.clear();
    }

    fn try_to_catch_up(&mut self, served: &dyn Served, now: Instant) {
        let State::Behind { cause, lost, retry_at } = &mut self.state else { return };
        let begun = Monotonic::now();
        match catch_up(&self.settings, *cause, *lost, served, now) {
            Ok(current) => {
                let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(file = %current.path.display(), took_ms, "keeping the journal");
                if retry_at.is_some() {
                    tracing::warn!(lost = *lost, "the journal of decisions goes on");
                }
                self.mode = served.mode();
                self.state = State::InStep(current);
            }
            Err(error) => {
                if retry_at.is_none() {
                    tracing::error!(
                        folder = %self.settings.folder.display(),
                        %error,
                        "the journal of decisions cannot be written: answers go on, and what it \
                         misses is counted"
                    );
                }
                *retry_at = Some(Instant(now.0 + RETRY));
            }
        }
    }
}

/// Opens the journal, and writes whatever differs between its end and what is served.
fn catch_up(
    settings: &Settings,
    cause: Cause,
    lost: u64,
    served: &dyn Served,
    now: Instant,
) -> io::Result<Current> {
    let mode = served.mode();
    let mut first = Vec::new();
    match cause {
        Cause::Gap => {
            let gap = Line { lost: Some(lost), ..Line::new(now, Event::Gap, mode) };
            gap.write(&mut first);
        }
        _ => Line::new(now, Event::Started, mode).write(&mut first),
    }
    let folder = lock(&settings.folder)?;
    let Some((number, path)) = files(&settings.folder)?.pop() else {
        let mut current = Current::begin(settings, folder, 1, served, now)?;
        current.append(&first)?;
        return Ok(current);
    };
    let mut current = Current::open(folder, number, path)?;
    // Where this fails, nothing else needs to be tried.
    current.append(&first)?;
    let mut known = Known::read(&current.path)?;
    current.beginning = known.beginning;
    let mut batch = Batch { current: &mut current, bytes: Vec::new(), error: None };
    served.each(&mut |domain, standing| {
        let before = known.take(domain.zone, domain.name);
        if before != Some(standing) {
            let evidence = served.evidence(domain.name);
            let change = Change { domain, before, after: Some(standing), cause, evidence };
            batch.add(&change.line(now, mode));
        }
    });
    let path = batch.current.path.clone();
    known.each_left(&path, |zone, name, standing| {
        let domain = Domain { zone, name };
        let evidence = Evidence::default();
        let change = Change { domain, before: Some(standing), after: None, cause, evidence };
        batch.add(&change.line(now, mode));
    })?;
    batch.end()?;
    Ok(current)
}

/// Lines on their way to a file, so many at a time.
struct Batch<'a> {
    current: &'a mut Current,
    bytes: Vec<u8>,
    error: Option<io::Error>,
}

impl Batch<'_> {
    fn add(&mut self, line: &Line<'_>) {
        if self.error.is_none() {
            line.write(&mut self.bytes);
        }
        if self.bytes.len() >= BATCH {
            self.write();
        }
    }

    fn write(&mut self) {
        if let Err(unwritten) = self.current.append(&self.bytes) {
            self.error = Some(unwritten.error);
        }
        self.bytes.clear();
    }

    fn end(mut self) -> io::Result<()> {
        self.write();
        self.error.map_or(Ok(()), Err)
    }
}

/// A thread that brings files to the disk, so that no change waits for it.
fn syncing() -> SyncSender<Arc<File>> {
    let (sender, files) = sync_channel::<Arc<File>>(1);
    let sync = move || {
        for file in files {
            if let Err(error) = file.sync_data() {
                tracing::error!(%error, "the journal of decisions cannot be brought to the disk");
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("journal".to_owned()).spawn(sync) {
        tracing::error!(%error, "the journal of decisions is not brought to the disk by itself");
    }
    sender
}

impl Change<'_> {
    fn line(&self, at: Instant, mode: Mode) -> Line<'_> {
        let Change { domain, before, after, cause, ref evidence } = *self;
        let event = match (before, after) {
            (None, _) => Event::Hosted,
            (_, None) => Event::Unhosted,
            (Some(before), Some(after)) => match (before.own.is_open(), after.own.is_open()) {
                (false, true) => Event::Opened,
                (true, false) => Event::Closed,
                _ => Event::ReasonChanged,
            },
        };
        Line {
            domain: Some(domain.name.into()),
            zone: (domain.zone != domain.name).then(|| domain.zone.into()),
            cause: Some(cause),
            record: evidence.record.clone(),
            since: evidence.since,
            ..Line::new(at, event, mode)
        }
        .with_before(before)
        .with_after(after)
    }
}
