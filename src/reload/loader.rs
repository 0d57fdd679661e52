//! What the driver needs of whoever reads the files and builds the state.

use std::time::Duration;

use super::driver::Cause;
use super::folder_watch::FolderWatch;
use super::protocol::ZoneStatus;
use super::scope::{Closed, Scope};
use super::watch::Watched;
use super::writers::Writers;
use crate::explain::Draft;
use crate::fault::Fault;
use crate::feed::{AskedRecord, FoundRecord};
use crate::filing::Instant;
use crate::wire::{Name, Rtype};

/// Reads what changed, builds aside and swaps in. Called by one thread only, one call at a time;
/// queries go on meanwhile.
///
/// The order within one change is configuration, filings, zones: a new domain whose filing comes
/// with it is open from its first answer on.
///
/// A call may panic: the driver catches it, logs it and goes on. So publish last, when everything
/// has been built, and what was served before goes on being served.
///
/// `scope` names what may have changed, as paths that begin with the folder of
/// [`Loader::watched`]; a path may be a file or a folder (then everything below it), standing or
/// gone. `Scope::All` is the start, a command, the poll, or lost events: tell cheaply, by stat,
/// what changed. `Scope::Nothing` comes when a [`Taken::look_again`] has run out; look at what
/// you had put off. Whatever the scope, what was put off may be looked at.
///
/// `closed` names the files (and folders, which stand for all below) that are known to be whole;
/// see [`super::Batch::closed_after_write`]. A file that changed in place and is not among them may
/// still be in the middle of a rewrite.
pub trait Loader: Send {
    /// What is to be watched; asked at the start and after each [`Loader::config`].
    fn watched(&self) -> Watched;

    /// Called once, before all else: takes what an earlier run has left, without a look at what it was
    /// made from.
    fn restore(&mut self, _now: Instant) {}

    /// Called once, before any look: by these it can be told, of a file that was just read, whether
    /// it was written to meanwhile, and each folder of the zones is to be watched before it is looked
    /// into.
    fn meet(&mut self, _writers: Writers, _folders: FolderWatch) {}

    /// The configuration file, or a file that it names, may have changed.
    fn config(&mut self, cause: Cause, shrink: Shrink, now: Instant) -> Taken;

    /// Filing files may have changed. Paths under a `.hold` are left out of a `Scope::Paths`, and
    /// there is no call while the root itself is held; for `Scope::All` ask
    /// [`super::hold::held_by`] for sub-folders.
    fn filings(&mut self, scope: &Scope, closed: &[Closed], shrink: Shrink, now: Instant) -> Taken;

    /// Zone files may have changed; [`super::ZoneFiles::scan`] tells which, `.hold` and all.
    fn zones(&mut self, scope: &Scope, closed: &[Closed], now: Instant) -> Taken;

    /// The instant of [`Loader::next_due`] has come: take the verdicts that change by `now`.
    fn due(&mut self, now: Instant) -> Taken;

    /// What is wrong with each zone file whose present version is refused, and with files and folders
    /// that cannot be taken for zones, one fault for each: who
    /// waits for a reload is told of those that were refused before it, too.
    fn zones_refused(&self) -> Vec<Fault>;

    /// What is wrong with each filing file whose present version is refused or waits for the
    /// operator, one fault for each.
    fn filings_refused(&self) -> Vec<Fault>;

    /// What is known of a zone of this origin, in lower case.
    fn zone_status(&self, origin: &Name) -> ZoneStatus;

    /// Everything that is told of a name, in lower case, to who asks for that type. Reads no file.
    fn explain(&self, name: &Name, rtype: Rtype, now: Instant) -> Draft;

    /// Has the decisions about a domain logged for so many minutes. An error is a sentence for
    /// people.
    fn trace(&mut self, name: &Name, minutes: u32, now: Instant) -> Result<(), String>;

    /// The record that a verdict shows, for who tells people of it.
    fn record_shown(&self, asked: &AskedRecord, now: Instant) -> Option<FoundRecord>;

    /// After how long to call [`Loader::filings`] and [`Loader::zones`] with `Scope::Nothing` for what
    /// could not be read; asked after every call. Nobody is kept waiting for it.
    fn try_again_in(&self) -> Option<Duration> {
        None
    }

    /// The next instant at which some verdict changes by itself; asked after every call.
    fn next_due(&self) -> Option<Instant>;
}

/// What to do with a change that drops too many records (`filings.max_shrink`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shrink {
    /// It waits, and the last good data stays.
    #[default]
    Refuse,
    /// The operator has said yes (`beiand reload --accept-shrink`).
    Accept,
}

/// What one call, or one whole reload, took in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Zones that were added or replaced.
    pub zones_changed: usize,
    /// Zones that are no longer served.
    pub zones_removed: usize,
    /// Filing records that were added, replaced or dropped.
    pub records_changed: usize,
    /// Domains that were opened.
    pub opened: usize,
    /// Domains that were closed.
    pub closed: usize,
    /// Zones whose new version was refused; the last good one stays in service.
    pub zones_refused: usize,
    /// Filing files that were refused whole; their last good version stays in force.
    /// `None` from a call that did not look.
    pub files_refused: Option<usize>,
    /// Filing files whose change waits for `beiand reload --accept-shrink`.
    /// `None` from a call that did not look.
    pub files_waiting: Option<usize>,
    /// What was wrong with the input. Report a standing fault once, not at each look.
    pub faults: Vec<Fault>,
    /// Something was put off (a rewrite under way): call again after this long, with
    /// `Scope::Nothing` or more. `None` where nothing is put off any longer.
    pub look_again: Option<Duration>,
    /// What a look at all zone files took, the reading of those that changed left out.
    pub looked: Duration,
}

impl Taken {
    /// Adds up two calls; the earlier look counts.
    pub fn merge(&mut self, other: Taken) {
        self.zones_changed += other.zones_changed;
        self.zones_removed += other.zones_removed;
        self.records_changed += other.records_changed;
        self.opened += other.opened;
        self.closed += other.closed;
        self.zones_refused += other.zones_refused;
        self.files_refused = other.files_refused.or(self.files_refused);
        self.files_waiting = other.files_waiting.or(self.files_waiting);
        self.faults.extend(other.faults);
        self.look_again = match (self.look_again, other.look_again) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.looked += other.looked;
    }

    /// True where what is served changed, or something was refused or found faulty. Files that
    /// stay refused are told once, by their faults.
    pub fn is_worth_telling(&self) -> bool {
        let changes = self.zones_changed
            + self.zones_removed
            + self.records_changed
            + self.opened
            + self.closed
            + self.zones_refused;
        changes > 0 || !self.faults.is_empty()
    }
}
