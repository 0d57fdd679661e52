//! Files to state: the [`Loader`] that reads zones, filings and settings, takes the verdicts, and
//! publishes. Everything is built aside; queries see the old state until the new one is whole.
//!
//! Owns which zone a changed filing touches, and when a verdict changes by itself. What a verdict
//! is, is [`crate::state::verdicts`]' business; when to look, the driver's.

mod fill;
mod judge;
mod restore;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::fill::note_loaded;
use self::judge::Correction;
use super::driver;
use super::folder_watch::FolderWatch;
use super::hold;
use super::loader::{Loader, Shrink, Taken};
use super::protocol::ZoneStatus;
use super::read_zones::{Loaded, read_zones};
use super::reconfigure::Refiling;
use super::scope::{Closed, Scope};
use super::site_index::SiteIndex;
use super::snapshots::Snapshots;
use super::unread::Unread;
use super::watch::Watched;
use super::writers::Writers;
use super::zone_files::{ZoneFile, ZoneFiles};
use crate::answer::{Identity, Trace};
use crate::explain::Draft;
use crate::fault::{Fault, Severity};
use crate::feed::{
    self, AskedRecord, Changed, Feed, FeedChange, FeedSettings, FilingStore, FoundRecord, Hint,
    Moment,
};
use crate::filing::decide::decide;
use crate::filing::{Facts, Instant};
use crate::gate::{Gate, GateSettings};
use crate::journal::{self, Cause, Journal};
use crate::memory;
use crate::region::Regions;
use crate::state::verdicts::{Rules, plain_text};
use crate::state::{Phase, Shared, State};
use crate::wire::{Name, Rtype};
use crate::zone::{AddressClass, Column, Zone, ZoneId, ZoneSet};

/// Domains whose decisions may be logged at a time.
const MAX_TRACES: usize = 8;
/// What the operator does with a change that waits.
pub(super) const ACCEPT: &str = "if it is meant, take it in with `beiand reload --accept-shrink`";

/// What the configuration says of zones, filings and the gate.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The zones folder.
    pub zones: PathBuf,
    /// How long a file that is rewritten in place must be quiet.
    pub settle: Duration,
    /// The filings.
    pub feed: FeedSettings,
    /// What the answers depend on.
    pub gate: GateSettings,
    /// What the verdicts depend on.
    pub rules: Rules,
    /// `gate.nameserver_addresses`.
    pub nameserver_addresses: Vec<IpAddr>,
    /// Where addresses are.
    pub regions: Arc<Regions>,
    /// Equal for equal regions: the lists' text, and the database file's stamp.
    pub regions_stamp: String,
    /// Who this server says it is.
    pub identity: Arc<Identity>,
    /// The configuration file.
    pub config: PathBuf,
    /// Single files that the configuration names.
    pub files: Vec<PathBuf>,
    /// The journal of decisions; those that the server started with hold.
    pub journal: Option<journal::Settings>,
    /// Where the snapshot is, if there is to be one.
    pub snapshot: Option<PathBuf>,
}

impl Settings {
    /// Equal where [`Settings::classifier`] says the same of each address.
    fn classes(&self) -> String {
        format!("{} {:?}", self.regions_stamp, self.nameserver_addresses)
    }

    /// What addresses are to the gate.
    pub fn classifier(&self) -> impl Fn(IpAddr) -> AddressClass + Sync + use<> {
        let regions = Arc::clone(&self.regions);
        let nameservers = self.nameserver_addresses.clone();
        move |address| AddressClass {
            region: regions.lookup(address),
            is_our_nameserver: nameservers.contains(&address),
        }
    }
}

/// Reads the configuration anew, and whatever else depends on the single files that it names.
pub type ReadSettings = Box<dyn FnMut() -> ReadAgain + Send>;

/// What came of reading the configuration anew.
#[derive(Debug)]
pub struct ReadAgain {
    /// None where it was refused.
    pub settings: Option<Settings>,
    /// What is wrong with the configuration, or with a file that it names.
    pub faults: Vec<Fault>,
}

/// Builds what is served, and keeps it in step with the files.
pub struct Rebuild {
    pub(super) shared: Arc<Shared>,
    pub(super) read_settings: ReadSettings,
    pub(super) settings: Settings,
    pub(super) files: ZoneFiles,
    pub(super) writers: Writers,
    pub(super) folder_watch: FolderWatch,
    /// `None` until the first look at the filings.
    pub(super) feed: Option<Feed>,
    no_filings: FilingStore,
    pub(super) zones: ZoneSet,
    pub(super) gate: Arc<Gate>,
    /// The zones whose verdicts depend on a site domain's records.
    by_site: SiteIndex,
    /// When verdicts change by themselves. An entry may be out of date: it costs one look.
    due: BTreeSet<(u32, ZoneId)>,
    /// The zones have been loaded once; queries are answered when the filings are, too.
    pub(super) has_zones: bool,
    told_waiting: Option<feed::WaitingShrink>,
    /// The zones whose file is refused as it stands, and the first reason.
    pub(super) refused: BTreeMap<Name, Fault>,
    /// The filing files that are refused as they stand, and the first reason.
    files_refused: BTreeMap<PathBuf, Fault>,
    /// The filing files, and folders, that stand there and could not be read.
    unread: Unread,
    /// The filing files whose change waits for the operator.
    files_waiting: Vec<Fault>,
    /// A changed configuration that waits for the operator.
    pub(super) refiling: Option<Refiling>,
    /// What was last found wrong with the configuration.
    pub(super) config_faults: Vec<Fault>,
    traces: Vec<Arc<Trace>>,
    generation: u64,
    pub(super) journal: Option<Journal>,
    /// Of what is being taken in, for the journal.
    pub(super) cause: Cause,
    pub(super) snapshots: Snapshots,
    has_restored_zones: bool,
    /// While verdicts are served that came from the snapshot.
    correction: Option<Correction>,
}

impl Rebuild {
    /// Nothing loaded yet: the driver's first calls do that.
    pub fn new(shared: Arc<Shared>, settings: Settings, read_settings: ReadSettings) -> Rebuild {
        Rebuild {
            shared,
            read_settings,
            files: ZoneFiles::new(&settings.zones, settings.settle),
            journal: settings.journal.clone().map(Journal::new),
            cause: Cause::Start,
            writers: Writers::default(),
            folder_watch: FolderWatch::default(),
            feed: None,
            no_filings: FilingStore::default(),
            zones: ZoneSet::new(),
            gate: Arc::new(Gate::new(settings.gate.clone())),
            snapshots: Snapshots::new(settings.snapshot.as_deref()),
            has_restored_zones: false,
            correction: None,
            settings,
            by_site: SiteIndex::default(),
            due: BTreeSet::new(),
            has_zones: false,
            told_waiting: None,
            refused: BTreeMap::new(),
            files_refused: BTreeMap::new(),
            unread: Unread::default(),
            files_waiting: Vec::new(),
            refiling: None,
            config_faults: Vec::new(),
            traces: Vec::new(),
            generation: 0,
        }
    }

    pub(super) fn publish(&mut self, now: Instant) {
        if !self.is_serving() {
            return;
        }
        self.write_journal_ahead(now);
        self.generation += 1;
        self.shared.publish(State {
            phase: Phase::Serving,
            zones: self.zones.publish(),
            gate: Arc::clone(&self.gate),
            identity: Arc::clone(&self.settings.identity),
            records: self.store().len(),
            generation: self.generation,
            traces: self.traces.clone(),
        });
        self.settle_journal(now);
    }

    pub(super) fn is_serving(&self) -> bool {
        self.feed.is_some() && self.has_zones
    }

    pub(super) fn store(&self) -> &FilingStore {
        self.feed.as_ref().map_or(&self.no_filings, Feed::store)
    }

    pub(super) fn take_zones(&mut self, changed: &[ZoneFile], now: Instant, taken: &mut Taken) {
        let told = taken.faults.len();
        if self.has_zones || !self.zones.is_empty() {
            let classify = self.settings.classifier();
            let root = self.settings.zones.clone();
            read_zones(changed, &root, self.zones.key(), &classify, |file, loaded| {
                self.take_zone(file, loaded, now, taken);
            });
        } else {
            self.fill_zones(changed, now, taken);
        }
        // They were read in no particular order.
        taken.faults[told..].sort_by(|a, b| a.file.cmp(&b.file));
    }

    fn take_zone(&mut self, file: &ZoneFile, loaded: Loaded, now: Instant, taken: &mut Taken) {
        self.files.note_includes(&file.origin, loaded.includes());
        let current = self.zones.get(&file.origin).map(|entry| entry.zone.clone());
        // The first look takes everything as it stands, unless a snapshot has something better.
        if (self.has_zones || current.is_some())
            && let Some(wait) = self.files.put_off_if_written(file, loaded.includes())
        {
            if !wait.is_zero() {
                taken.look_again = Some(taken.look_again.map_or(wait, |other| other.min(wait)));
            }
            return;
        }
        let (books, refused) = (&mut self.files, &mut self.refused);
        let zone = note_loaded(books, refused, file, loaded, current.is_some(), now, taken);
        if let Some(zone) = zone.filter(|zone| current.as_ref() != Some(zone)) {
            taken.zones_changed += usize::from(!zone.is_broken());
            self.put_zone(zone, now, taken);
        }
    }

    pub(super) fn remove_zone(&mut self, origin: &Name, now: Instant, taken: &mut Taken) {
        self.refused.remove(origin);
        let Some(entry) = self.zones.get(origin).cloned() else { return };
        self.forget_sites(entry.id(), &entry.zone, now);
        self.note_change(Some((&entry.zone, &entry.column)), None, now);
        Arc::make_mut(&mut self.gate).set_scopes(entry.zone.apex(), Vec::new());
        self.zones.remove(origin);
        self.snapshots.note_change();
        taken.zones_removed += 1;
    }

    /// Sets anew what regions and nameserver addresses say of each name.
    pub(super) fn classify_all(&mut self) {
        let classify = self.settings.classifier();
        let changed: Vec<(Zone, Column)> = self
            .zones
            .iter()
            .filter_map(|entry| {
                let mut zone = entry.zone.clone();
                zone.classify(&classify).then_some((zone, entry.column))
            })
            .collect();
        for (zone, column) in changed {
            self.zones.insert(zone, column);
        }
    }

    pub(super) fn refresh_feed(
        &mut self,
        scope: feed::Scope,
        hints: &[Hint],
        shrink: feed::Shrink,
        taken: &mut Taken,
    ) -> Changed {
        if self.feed.is_none() {
            self.restore_feed();
        }
        let before = self.store().len();
        let change = match &mut self.feed {
            Some(feed) => {
                let mut change = feed.refresh(&scope, hints, shrink, Moment::now());
                if scope != feed::Scope::All {
                    change.unread.extend(self.unread.paths());
                }
                change
            }
            None => {
                let (feed, change) = Feed::open(self.settings.feed.clone(), Moment::now());
                self.go_on_with(feed);
                change
            }
        };
        self.note_feed_change(before, change, taken)
    }

    pub(super) fn go_on_with(&mut self, mut feed: Feed) {
        feed.meet(Box::new(self.writers.clone()));
        self.feed = Some(feed);
    }

    /// `before`: the number of records.
    pub(super) fn note_feed_change(
        &mut self,
        before: usize,
        mut change: FeedChange,
        taken: &mut Taken,
    ) -> Changed {
        for path in &change.unread {
            self.unread.note(path, std::time::Instant::now());
        }
        self.unread.keep(&change.unread);
        // Told once, though each look finds it.
        let unread: HashSet<PathBuf> = change.unread.into_iter().collect();
        change.faults.retain(|fault| {
            !unread.contains(&fault.file) || self.files_refused.get(&fault.file) != Some(fault)
        });
        change.refused.retain(|path| !unread.contains(path));
        change.refused.extend(unread);
        self.note_files_refused(&change.refused, &change.faults);
        taken.faults.extend(change.faults);
        taken.files_refused = Some(change.refused.len());
        taken.look_again = change.look_again;
        taken.records_changed += match &change.changed {
            Changed::None => 0,
            Changed::Domains(sites) => sites.len(),
            Changed::All => before.max(self.store().len()),
        };
        if change.changed != Changed::None {
            self.snapshots.note_change();
        }
        let waiting = change.waiting_shrink.as_ref();
        taken.files_waiting = Some(waiting.map_or(0, |waiting| waiting.files.len()));
        if change.waiting_shrink != self.told_waiting {
            self.files_waiting =
                change.waiting_shrink.iter().flat_map(|waiting| self.waiting(waiting)).collect();
            taken.faults.extend(self.files_waiting.iter().cloned());
            self.told_waiting = change.waiting_shrink;
        }
        change.changed
    }

    /// Remembers what is wrong with each file that is refused, for as long as it is.
    fn note_files_refused(&mut self, refused: &[PathBuf], faults: &[Fault]) {
        self.files_refused.retain(|file, _| refused.contains(file));
        for file in refused {
            let told = faults.iter().find(|fault| fault.is_error() && fault.file == *file);
            if let Some(fault) = told {
                self.files_refused.insert(file.clone(), fault.clone());
            }
        }
    }

    /// What tells the operator loudly what would close (DESIGN 4), for each file.
    fn waiting(&self, waiting: &feed::WaitingShrink) -> Vec<Fault> {
        let would_close: Vec<String> = waiting
            .sites
            .iter()
            .flat_map(|site| self.by_site.zones_of(*site))
            .filter_map(|id| self.zones.by_id(id))
            .filter(|entry| entry.column.own.is_open())
            .map(|entry| plain_text(entry.zone.apex()))
            .collect();
        let problem = format!(
            "the change would drop {} of {} records, and may close {} hosted domains ({}): it \
             waits, and the last good data stays",
            waiting.records,
            waiting.of,
            would_close.len(),
            some_of(&would_close),
        );
        let fault = |file| Fault::of_file(Severity::Error, file, problem.clone(), ACCEPT);
        waiting.files.iter().map(fault).collect()
    }
}

impl Loader for Rebuild {
    fn watched(&self) -> Watched {
        Watched {
            zones: self.settings.zones.clone(),
            filings: self.settings.feed.path.clone(),
            config: self.settings.config.clone(),
            files: self.settings.files.clone(),
        }
    }

    fn restore(&mut self, now: Instant) {
        let folder = &self.settings.feed.path;
        // Filings that nobody can look at now are nothing to begin with.
        if !hold::is_held(folder) && std::fs::read_dir(folder).is_ok() {
            self.restore_feed();
            self.restore_zones(true, now);
        }
    }

    fn meet(&mut self, writers: Writers, folder_watch: FolderWatch) {
        self.files.meet(writers.clone(), folder_watch.clone());
        if let Some(feed) = &mut self.feed {
            feed.meet(Box::new(writers.clone()));
        }
        self.writers = writers;
        self.folder_watch = folder_watch;
    }

    fn config(&mut self, cause: driver::Cause, shrink: Shrink, now: Instant) -> Taken {
        self.reconfigure(cause, shrink, now)
    }

    fn filings(&mut self, scope: &Scope, closed: &[Closed], shrink: Shrink, now: Instant) -> Taken {
        self.cause = Cause::Filings;
        let mut taken = Taken::default();
        let scope = match scope {
            Scope::All => feed::Scope::All,
            Scope::Nothing => feed::Scope::All,
            Scope::Paths(paths) => feed::Scope::Paths(paths.iter().cloned().collect()),
        };
        let closed = closed.iter().map(|closed| Hint::Closed(closed.path.clone(), closed.at));
        let open = self.writers.open_files().into_iter().map(Hint::Writing);
        // Of several hints for one file the last counts.
        let hints: Vec<Hint> = closed.chain(open).collect();
        let shrink = match shrink {
            Shrink::Accept => feed::Shrink::Accept,
            Shrink::Refuse => feed::Shrink::Guard,
        };
        self.unread.take_ripe(std::time::Instant::now());
        let is_first = self.feed.is_none();
        // At a cold start nobody knows what stands in a folder that is missing or cannot be read:
        // queries get "not ready" until it shows, and no domain is dark for it.
        let folder = &self.settings.feed.path;
        if is_first && let Err(error) = std::fs::read_dir(folder) {
            let problem = format!("the folder of filings cannot be read: {error}");
            let remedy = "until it can, no query is answered";
            let fault = Fault::of_file(Severity::Error, folder, problem, remedy);
            self.unread.note(folder, std::time::Instant::now());
            if self.files_refused.insert(folder.clone(), fault.clone()).as_ref() != Some(&fault) {
                taken.faults.push(fault);
            }
            return taken;
        }
        let changed = self.refresh_feed(scope, &hints, shrink, &mut taken);
        let are_most_new = changed == Changed::All && !is_first;
        let is_judged = match changed {
            Changed::None => false,
            Changed::All => self.judge_all(now, &mut taken),
            Changed::Domains(sites) => {
                let mut ids: Vec<ZoneId> =
                    sites.iter().flat_map(|site| self.by_site.zones_of(*site)).collect();
                ids.sort_unstable();
                ids.dedup();
                self.judge_each(&ids, now, &mut taken)
            }
        };
        if is_judged || is_first {
            self.publish(now);
        }
        if are_most_new {
            memory::give_back();
        }
        taken
    }

    fn zones(&mut self, scope: &Scope, closed: &[Closed], now: Instant) -> Taken {
        self.cause = Cause::Zone;
        let mut taken = Taken::default();
        self.restore_zones(false, now);
        let begun = std::time::Instant::now();
        let scan = self.files.scan(scope, closed);
        if *scope == Scope::All {
            taken.looked = begun.elapsed();
        }
        taken.faults.extend(scan.faults);
        taken.look_again = scan.look_again;
        for origin in &scan.removed {
            self.remove_zone(origin, now, &mut taken);
        }
        self.take_zones(&scan.changed, now, &mut taken);
        self.files.note_taken_in();
        // At a cold start a folder that is held back or not there yet holds zones that nobody
        // knows: queries get "not ready" until it shows, and never REFUSED.
        let root = &self.settings.zones;
        let is_known = self.has_zones
            || !self.files.is_empty()
            || (std::fs::read_dir(root).is_ok() && !hold::is_held(root));
        let is_first = is_known && !std::mem::replace(&mut self.has_zones, is_known);
        let is_broken_added = taken.zones_refused > 0;
        if taken.zones_changed + taken.zones_removed > 0 || is_first || is_broken_added {
            self.publish(now);
        }
        if is_first {
            self.snapshots.note_loaded();
            drop(scan.changed);
            memory::give_back();
        }
        taken
    }

    fn due(&mut self, now: Instant) -> Taken {
        self.cause = Cause::Clock;
        let mut taken = Taken::default();
        let at = seconds(now);
        let mut ids = Vec::new();
        while let Some(&(instant, id)) = self.due.first().filter(|(instant, _)| *instant <= at) {
            self.due.remove(&(instant, id));
            ids.push(id);
        }
        ids.sort_unstable();
        ids.dedup();
        let traces = self.traces.len();
        self.traces.retain(|trace| trace.until() > at);
        let is_judged = self.judge_each(&ids, now, &mut taken);
        let is_corrected = self.correct_some(now, &mut taken);
        if is_judged || is_corrected || self.traces.len() < traces {
            self.publish(now);
        }
        self.settle_journal(now);
        if self.snapshots.due().is_some_and(|due| due <= now) {
            self.write_snapshot(now);
        }
        taken
    }

    fn zones_refused(&self) -> Vec<Fault> {
        self.refused.values().chain(self.files.standing_faults()).cloned().collect()
    }

    fn filings_refused(&self) -> Vec<Fault> {
        let config = self.refiling.iter().map(|refiling| &refiling.fault);
        self.files_refused.values().chain(&self.files_waiting).chain(config).cloned().collect()
    }

    fn try_again_in(&self) -> Option<Duration> {
        let filings = self.unread.next_in(std::time::Instant::now());
        filings.into_iter().chain(self.files.try_again_in()).min()
    }

    fn zone_status(&self, origin: &Name) -> ZoneStatus {
        self.zone_status_of(origin)
    }

    fn explain(&self, name: &Name, rtype: Rtype, now: Instant) -> Draft {
        self.explained(name, rtype, now)
    }

    fn trace(&mut self, name: &Name, minutes: u32, now: Instant) -> Result<(), String> {
        let until = seconds(now).saturating_add(minutes.saturating_mul(60));
        let trace = Trace::new(name, until);
        self.traces.retain(|other| other.name() != trace.name());
        if self.traces.len() >= MAX_TRACES {
            return Err(format!("{MAX_TRACES} domains are traced already; wait until one ends"));
        }
        if minutes > 0 {
            self.traces.push(Arc::new(trace));
        }
        self.publish(now);
        Ok(())
    }

    fn record_shown(&self, asked: &AskedRecord, now: Instant) -> Option<FoundRecord> {
        let mut records = self.feed.as_ref()?.find_records(&asked.site_domain);
        records.retain(|record| record.covers_name(&asked.name));
        let facts: Vec<Facts> = records.iter().map(|record| record.facts).collect();
        let shown = decide(&facts, now, asked.target, &self.settings.rules.policy).shown?;
        Some(records.swap_remove(shown))
    }

    fn next_due(&self) -> Option<Instant> {
        let verdicts = self.due.first().map(|&(instant, _)| instant);
        let traces = self.traces.iter().map(|trace| trace.until()).min();
        let journal = self.journal.as_ref().and_then(Journal::retry_at);
        let snapshot = self.snapshots.due().filter(|_| self.is_serving());
        let of_state = verdicts.into_iter().chain(traces).map(|at| Instant(i64::from(at)));
        let correction = self.correction.as_ref().map(|_| Instant(0));
        of_state.chain(correction).chain(journal).chain(snapshot).min()
    }
}

/// The first of a list that may be long, for people.
pub(super) fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 20;
    names[..names.len().min(SHOWN)].join(" ")
}

/// Seconds after 1970, as verdicts and traces have them.
fn seconds(instant: Instant) -> u32 {
    u32::try_from(instant.0).unwrap_or(u32::MAX)
}
