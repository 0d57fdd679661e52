//! The single writer: waits for what happens, and calls the [`Loader`].
//!
//! What happens: a ripe batch of file events, a command, the poll, a due instant, and the end of a
//! wait that the Loader asked for. Nothing here knows what the files mean.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant as Monotonic, SystemTime};

mod polls;

use self::polls::Polls;
use super::clock::Clock;
use super::history::{self, History, Record};
use super::hold;
use super::loader::{Loader, Shrink, Taken};
use super::priority;
use super::scope::{Batch, Closed, Scope};
use super::watch::Watch;
use crate::fault::{Fault, Severity};
use crate::feed::{AskedRecord, FoundRecord};
use crate::filing::Instant;

/// The wall clock is looked at so often while an instant is awaited, so that a jump is seen.
const CLOCK_LOOK: Duration = Duration::from_secs(1);
/// Who waits for a reload is told after so long that something is still put off.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// No look at everything takes so long.
const LONGEST_PASS: Duration = Duration::from_secs(600);
/// Faults that one reload logs one by one.
const MAX_LOGGED_FAULTS: usize = 100;

/// How the driver goes about it.
#[derive(Debug)]
pub struct Settings {
    /// How often to look at the whole zones folder by stat, for file systems that tell nothing;
    /// `None` for never. Shortened to 5 s where no events can be had, lengthened where a look
    /// takes more than 0.5 % of it.
    pub zones_poll: Option<Duration>,
    /// The same for the filings folder, and with it the configuration file.
    pub filings_poll: Option<Duration>,
    /// The clock that decisions are taken by.
    pub clock: Clock,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            zones_poll: Some(Duration::from_secs(60)),
            filings_poll: Some(Duration::from_secs(5)),
            clock: Clock::system(),
        }
    }
}

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// All that was taken in from the command on.
    pub taken: Taken,
    /// How it ended.
    pub end: End,
    /// From the command on.
    pub took: Duration,
}

/// How a reload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What was taken is being answered, and nothing is put off.
    Answered,
    /// What was taken is being answered; some file was still being written after a minute.
    StillSettling,
    /// The Loader panicked; what was served before is served still.
    Panicked,
}

/// The thread that takes changes in.
pub struct Driver<L> {
    loader: L,
    inbox: Arc<Inbox>,
    watch: Watch,
    clock: Clock,
    again: Again,
    polls: Polls,
    /// When to look again for what could not be read.
    try_again: Option<Monotonic>,
    /// After an instant that stayed due although it was taken.
    due_not_before: Option<Monotonic>,
    waiting: Vec<Waiting>,
    history: Arc<History>,
    /// The Loader panicked in the pass under way.
    has_panicked: bool,
}

/// How long the Loader took, for the zones without what it read.
#[derive(Clone, Copy, Debug, Default)]
struct Took {
    filings: Duration,
    zones: Duration,
}

/// When the Loader wants another look.
#[derive(Debug, Default)]
struct Again {
    config: Option<Monotonic>,
    filings: Option<Monotonic>,
    zones: Option<Monotonic>,
}

#[derive(Debug)]
struct Waiting {
    accept: Shrink,
    reply: Sender<Outcome>,
    since: Monotonic,
    taken: Taken,
    panicked: bool,
}

/// Why a reload happens, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The first look at everything.
    Start,
    /// `beiand reload`, or SIGHUP.
    Command,
    /// A file event.
    Files,
    /// The poll.
    Poll,
    /// An instant that was due, or a file that was put off.
    Timer,
}

impl Cause {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Start => "start",
            Cause::Command => "command",
            Cause::Files => "files",
            Cause::Poll => "poll",
            Cause::Timer => "timer",
        }
    }
}

/// Something to be asked of the Loader between two reloads.
struct Ask(Box<AskLoader>);

type AskLoader = dyn FnOnce(&mut dyn Loader, Instant) + Send;

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ask")
    }
}

impl<L: Loader + 'static> Driver<L> {
    /// Starts the thread. It sets up the watches, has the Loader look at everything once (see
    /// [`Handle::wait_started`]), and goes on until [`Handle::stop`].
    pub fn spawn(mut settings: Settings, loader: L) -> std::io::Result<Handle> {
        let inbox = Arc::new(Inbox::default());
        let history = Arc::new(History::default());
        let noted = Arc::clone(&history);
        let for_thread = Arc::clone(&inbox);
        let thread = std::thread::Builder::new().name("reload".to_owned()).spawn(move || {
            let _closing = Closing(Arc::clone(&for_thread));
            let for_events = Arc::clone(&for_thread);
            let mut loader = loader;
            let watched = loader.watched();
            let wake = move || for_events.put(|mail| mail.events = true);
            let now = settings.clock.now();
            let watch = Watch::new(watched, wake);
            if catch_unwind(AssertUnwindSafe(|| loader.restore(now))).is_err() {
                tracing::error!("what an earlier run left was not read to its end");
            }
            loader.meet(watch.writers(), watch.folders());
            let driver = Driver {
                loader,
                inbox: for_thread,
                watch,
                polls: Polls::new(settings.zones_poll, settings.filings_poll),
                clock: settings.clock,
                again: Again::default(),
                try_again: None,
                due_not_before: None,
                waiting: Vec::new(),
                history: noted,
                has_panicked: false,
            };
            driver.run();
        })?;
        Ok(Handle { inbox, history, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    fn run(mut self) {
        let took = self.pass(Batch::all(), Shrink::Refuse, Cause::Start);
        self.polls.begin(self.watch.mode(), took.zones);
        // Only now: until the first load is over, every answer is SERVFAIL.
        priority::stand_back(priority::RELOADS);
        self.inbox.put(|mail| mail.started = true);
        loop {
            let wait = self.longest_wait();
            let mail = self.inbox.wait(wait);
            if mail.stop {
                break;
            }
            // The Loader's panics are caught nearer to it; this one would be a defect of ours,
            // and still no reason to take in no change any more.
            if catch_unwind(AssertUnwindSafe(|| self.turn(mail))).is_err() {
                tracing::error!("reload driver panicked; the last good data stays in service");
                self.again = Again::default();
                self.polls.begin(self.watch.mode(), Duration::ZERO);
            }
        }
    }

    /// One turn: whatever is to be done now.
    fn turn(&mut self, mail: Mail) {
        for Ask(ask) in mail.asks {
            let now = self.clock.now();
            // Who asked sees the end of the channel.
            if catch_unwind(AssertUnwindSafe(|| ask(&mut self.loader, now))).is_err() {
                tracing::error!("looking something up panicked");
            }
        }
        let now = Monotonic::now();
        let mut batch = Batch::default();
        let mut cause = Cause::Timer;
        if self.watch.ripe_in().is_some_and(|wait| wait.is_zero()) {
            batch = self.watch.take();
            cause = Cause::Files;
        }
        if mail.rescan || !mail.reloads.is_empty() {
            // What is closed is among the events; what was done before the command is to be taken.
            batch.merge(self.watch.take());
            batch.merge(Batch::all());
            cause = Cause::Command;
            for (accept, reply) in mail.reloads {
                self.waiting.push(Waiting {
                    accept,
                    reply,
                    since: now,
                    taken: Taken::default(),
                    panicked: false,
                });
            }
        }
        // The operator's yes holds for what the command finds put off, too.
        let is_accepted = self.waiting.iter().any(|waiting| waiting.accept == Shrink::Accept);
        let shrink = if is_accepted { Shrink::Accept } else { Shrink::Refuse };
        let (zones_poll, filings_poll) = self.polls.ripe(now);
        if zones_poll {
            self.watch.rewatch();
            batch.zones = Scope::All;
        }
        if filings_poll {
            self.watch.rewatch_filings();
            batch.filings = Scope::All;
            batch.config = true;
        }
        if (zones_poll || filings_poll) && cause == Cause::Timer {
            cause = Cause::Poll;
        }
        let rewatching = now.elapsed();
        let took = self.pass(batch, shrink, cause);
        let mode = self.watch.mode();
        if zones_poll {
            self.polls.note_zones(mode, rewatching + took.zones);
        }
        if filings_poll {
            self.polls.note_filings(mode, took.filings);
        }
        self.polls.keep_up_with(mode);
        self.answer_waiting();
    }

    /// Has the Loader take in what is in the batch, due, or to be looked at again.
    fn pass(&mut self, mut batch: Batch, shrink: Shrink, cause: Cause) -> Took {
        let mut took = Took::default();
        let begun = Monotonic::now();
        let is_ripe = |at: Option<Monotonic>| at.is_some_and(|at| at <= begun);
        let mut all = Taken::default();
        let mut closed = std::mem::take(&mut batch.closed_after_write);
        let later = SystemTime::now() + LONGEST_PASS;
        closed.extend(self.watch.held().map(|path| Closed { path: path.clone(), at: later }));

        if batch.config || is_ripe(self.again.config) {
            let taken = self.call("config", |loader, now| loader.config(cause, shrink, now));
            self.again.config = taken.look_again.map(|wait| Monotonic::now() + wait);
            all.merge(taken);
            if let Ok(watched) = catch_unwind(AssertUnwindSafe(|| self.loader.watched())) {
                self.watch.watch_instead(watched);
            }
        }
        let root = &self.watch.watched().filings;
        if hold::is_held(root) {
            batch.filings = Scope::Nothing;
        }
        batch.filings.retain(|path| hold::held_by(root, path).is_none());
        let tries_again = is_ripe(self.try_again);
        if !batch.filings.is_nothing() || is_ripe(self.again.filings) || tries_again {
            let begun = Monotonic::now();
            let scope = &batch.filings;
            let taken =
                self.call("filings", |loader, now| loader.filings(scope, &closed, shrink, now));
            self.again.filings = taken.look_again.map(|wait| Monotonic::now() + wait);
            took.filings = begun.elapsed();
            all.merge(taken);
        }
        if !batch.zones.is_nothing() || is_ripe(self.again.zones) || tries_again {
            let scope = &batch.zones;
            let taken = self.call("zones", |loader, now| loader.zones(scope, &closed, now));
            self.again.zones = taken.look_again.map(|wait| Monotonic::now() + wait);
            took.zones = taken.looked;
            all.merge(taken);
        }
        let now = self.clock.now();
        let try_again = catch_unwind(AssertUnwindSafe(|| self.loader.try_again_in()));
        self.try_again = try_again.ok().flatten().map(|wait| Monotonic::now() + wait);
        let rested = self.due_not_before.is_none_or(|at| at <= begun);
        // Nobody waits at the start for what may come after it.
        if rested && cause != Cause::Start && self.next_due().is_some_and(|due| due <= now) {
            all.merge(self.call("due", |loader, now| loader.due(now)));
            let still_due = self.next_due().is_some_and(|due| due <= now);
            self.due_not_before = still_due.then(|| Monotonic::now() + CLOCK_LOOK);
        }
        let elapsed = begun.elapsed();
        tell(&all, cause, elapsed);
        self.note(&all, cause, elapsed);
        for waiting in &mut self.waiting {
            waiting.taken.merge(all.clone());
        }
        took
    }

    /// Calls the Loader; a panic is logged and takes nothing in.
    fn call(&mut self, what: &'static str, call: impl FnOnce(&mut L, Instant) -> Taken) -> Taken {
        let now = self.clock.now();
        // The Loader publishes last, so that what is served is whole whatever it was at.
        let called = catch_unwind(AssertUnwindSafe(|| call(&mut self.loader, now)));
        called.unwrap_or_else(|panic| {
            let reason = message_of(panic.as_ref());
            tracing::error!(what, reason, "reload panicked; the last good data stays in service");
            self.waiting.iter_mut().for_each(|waiting| waiting.panicked = true);
            // What it was at is looked at again.
            self.polls.hasten(self.watch.mode());
            self.has_panicked = true;
            Taken::default()
        })
    }

    /// Enters the pass in the history.
    fn note(&mut self, taken: &Taken, cause: Cause, took: Duration) {
        let end = match std::mem::take(&mut self.has_panicked) {
            true => history::End::Failed,
            false => history::End::of(taken),
        };
        if is_told(taken, cause) || end == history::End::Failed {
            self.history.note(taken, cause, end, took);
        }
        // A zone may be whole again by going back to what is in service, which changes nothing.
        let refused = catch_unwind(AssertUnwindSafe(|| {
            (self.loader.zones_refused(), self.loader.filings_refused())
        }));
        if let Ok((zones, filings)) = refused {
            self.history.note_refused(zones, filings, taken);
        }
    }

    fn next_due(&self) -> Option<Instant> {
        catch_unwind(AssertUnwindSafe(|| self.loader.next_due())).unwrap_or(None)
    }

    fn answer_waiting(&mut self) {
        let again = &self.again;
        let settled = [again.config, again.filings, again.zones].iter().all(Option::is_none);
        if self.waiting.is_empty() {
            return;
        }
        let (zones, filings) = catch_unwind(AssertUnwindSafe(|| {
            (self.loader.zones_refused(), self.loader.filings_refused())
        }))
        .unwrap_or_default();
        for mut waiting in std::mem::take(&mut self.waiting) {
            let took = waiting.since.elapsed();
            let end = match (waiting.panicked, settled) {
                (true, _) => End::Panicked,
                (false, true) => End::Answered,
                (false, false) if took >= LONGEST_WAIT => End::StillSettling,
                (false, false) => {
                    self.waiting.push(waiting);
                    continue;
                }
            };
            waiting.taken.look_again = None;
            // A file event may have been faster than the command.
            waiting.taken.zones_refused = zones.len();
            let told: HashSet<&PathBuf> =
                waiting.taken.faults.iter().map(|fault| &fault.file).collect();
            let refused = zones.iter().chain(&filings);
            let untold: Vec<Fault> =
                refused.filter(|fault| !told.contains(&fault.file)).cloned().collect();
            waiting.taken.faults.extend(untold);
            // Who asked may have gone away.
            let _ = waiting.reply.send(Outcome { taken: waiting.taken, end, took });
        }
    }

    /// How long there is nothing to do unless a command or the first event of a batch comes.
    fn longest_wait(&mut self) -> Duration {
        let now = Monotonic::now();
        let again = [self.again.config, self.again.filings, self.again.zones];
        let others = [self.polls.next(), self.try_again];
        let at =
            again.into_iter().chain(others).flatten().map(|at| at.saturating_duration_since(now));
        let waiting = self
            .waiting
            .iter()
            .map(|waiting| (waiting.since + LONGEST_WAIT).saturating_duration_since(now));
        let due = self.next_due().map(|due| {
            let rest =
                self.due_not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
            self.clock.until(due).max(rest).min(CLOCK_LOOK)
        });
        let wait = at.chain(waiting).chain(due).chain(self.watch.ripe_in()).min();
        wait.unwrap_or(LONGEST_WAIT)
    }
}

/// True where a pass is told of as a reload: it did something, or was asked for.
fn is_told(taken: &Taken, cause: Cause) -> bool {
    taken.is_worth_telling() || matches!(cause, Cause::Start | Cause::Command)
}

/// One event for the reload, and one for each fault.
fn tell(taken: &Taken, cause: Cause, took: Duration) {
    for fault in taken.faults.iter().take(MAX_LOGGED_FAULTS) {
        tell_fault(fault);
    }
    let left_out = taken.faults.len().saturating_sub(MAX_LOGGED_FAULTS);
    if left_out > 0 {
        tracing::warn!(left_out, remedy = "beiand check", "more faults");
    }
    if is_told(taken, cause) {
        tracing::info!(
            cause = cause.name(),
            zones_changed = taken.zones_changed,
            zones_removed = taken.zones_removed,
            zones_refused = taken.zones_refused,
            records_changed = taken.records_changed,
            files_refused = taken.files_refused.unwrap_or(0),
            files_waiting = taken.files_waiting.unwrap_or(0),
            opened = taken.opened,
            closed = taken.closed,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "reloaded"
        );
    }
}

fn tell_fault(fault: &Fault) {
    let Fault { severity, file, line, column, text, problem, remedy } = fault;
    let file = file.display();
    match severity {
        Severity::Error => {
            tracing::error!(%file, line, column, text, problem, remedy, "fault");
        }
        Severity::Warning => {
            tracing::warn!(%file, line, column, text, problem, remedy, "fault");
        }
    }
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}

/// The running driver, for whoever commands it.
#[derive(Clone, Debug)]
pub struct Handle {
    inbox: Arc<Inbox>,
    history: Arc<History>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Handle {
    /// Blocks until the first look at everything is done; false where it took longer than
    /// `at_most`, or the driver stopped before.
    pub fn wait_started(&self, at_most: Duration) -> bool {
        let mail = lock(&self.inbox.mail);
        let (mail, _) = self
            .inbox
            .changed
            .wait_timeout_while(mail, at_most, |mail| !mail.started && !mail.stop)
            .unwrap_or_else(PoisonError::into_inner);
        mail.started
    }

    /// Looks at everything again, soon (SIGHUP).
    pub fn rescan(&self) {
        self.inbox.put(|mail| mail.rescan = true);
    }

    /// Looks at everything again. The outcome comes when the change is being answered and nothing
    /// is put off any longer, after a minute at the latest; a disconnected channel means that the
    /// driver stopped.
    pub fn reload(&self, shrink: Shrink) -> Receiver<Outcome> {
        let (reply, outcome) = mpsc::channel();
        self.inbox.put(|mail| {
            if !mail.stop {
                mail.reloads.push((shrink, reply));
            }
        });
        outcome
    }

    /// Asks the Loader something between two reloads. A disconnected channel means that the driver
    /// stopped, or that it failed.
    pub fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut dyn Loader, Instant) -> T + Send + 'static,
    ) -> Receiver<T> {
        let (reply, answer) = mpsc::channel();
        let ask = Ask(Box::new(move |loader, now| {
            // Who asked may have gone away.
            let _ = reply.send(ask(loader, now));
        }));
        self.inbox.put(|mail| {
            if !mail.stop {
                mail.asks.push(ask);
            }
        });
        answer
    }

    /// What the reloads so far did; does not wait for one under way.
    pub fn history(&self) -> Record {
        self.history.read()
    }

    /// Asks for the record that a verdict shows.
    pub fn record_shown(&self, asked: AskedRecord) -> Receiver<Option<FoundRecord>> {
        self.ask(move |loader, now| loader.record_shown(&asked, now))
    }

    /// Ends the thread and waits for it; a call of the Loader that is under way is finished.
    pub fn stop(&self) {
        self.inbox.put(|mail| mail.stop = true);
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // It catches the Loader's panics; another would have been printed by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Lets go of whoever waits when the driver ends, however it ends.
struct Closing(Arc<Inbox>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.put(|mail| {
            mail.stop = true;
            mail.reloads.clear();
            mail.asks.clear();
        });
    }
}

/// What has come for the driver.
#[derive(Debug, Default)]
struct Inbox {
    mail: Mutex<Mail>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Mail {
    events: bool,
    rescan: bool,
    reloads: Vec<(Shrink, Sender<Outcome>)>,
    asks: Vec<Ask>,
    started: bool,
    stop: bool,
}

impl Inbox {
    fn put(&self, put: impl FnOnce(&mut Mail)) {
        put(&mut lock(&self.mail));
        self.changed.notify_all();
    }

    /// What has come; after `at_most` perhaps nothing.
    fn wait(&self, at_most: Duration) -> Mail {
        let nothing = |mail: &mut Mail| {
            let is_asked = !mail.reloads.is_empty() || !mail.asks.is_empty();
            !mail.events && !mail.rescan && !mail.stop && !is_asked
        };
        let (mut mail, _) = self
            .changed
            .wait_timeout_while(lock(&self.mail), at_most, nothing)
            .unwrap_or_else(PoisonError::into_inner);
        Mail {
            events: std::mem::take(&mut mail.events),
            rescan: std::mem::take(&mut mail.rescan),
            reloads: std::mem::take(&mut mail.reloads),
            asks: std::mem::take(&mut mail.asks),
            started: mail.started,
            stop: mail.stop,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under these locks can leave them half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
