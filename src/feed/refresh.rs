//! The feed: a folder of filing files, kept in step with the store.
//!
//! Owns whether what was read is taken in, and what is told of it (DESIGN 4). It does not watch the
//! folder: whoever does says where to look, and what it knows of the writer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::change::{
    Changed, FeedChange, FeedSettings, FeedStats, FoundRecord, Hint, Moment, Scope, Shrink,
    WaitingShrink, Writers, Written,
};
use super::files::{Folder, HOLD, Hold};
use super::look::{Look, Looker, Reconsider, RestsOn, Source, Taken, Version, Waiting, Writer};
use super::read::each_record;
use super::rows::Format;
use super::shrink::{self, Emptied, Part};
use super::store::{CROWD, Delta, FileId, FilingStore, Rest, SiteKey, Touched};
use crate::fault::{Fault, Severity};
use crate::filing::record::FilingRecord;
use crate::filing::site_domain::SiteDomain;
use crate::progress::Progress;

/// A folder of filing files and the store of their records. For one writer; see the module's
/// description.
#[derive(Debug)]
pub struct Feed {
    pub(super) settings: FeedSettings,
    pub(super) store: FilingStore,
    /// By path relative to the folder; their order is that of precedence.
    pub(super) sources: BTreeMap<PathBuf, Source>,
    /// By file id.
    pub(super) paths: Vec<PathBuf>,
    /// Without them nobody is known to write.
    pub(super) writers: Option<Box<dyn Writers>>,
}

/// What to do with a file.
#[derive(Debug)]
struct Plan {
    path: PathBuf,
    id: FileId,
    version: Option<Box<Version>>,
}

impl Feed {
    /// Reads the whole folder for the first time. It always succeeds: a folder that can't be read
    /// is a fault, and a feed without records. A `.hold` is told, but not heeded: there is
    /// nothing yet that could go on being served.
    pub fn open(settings: FeedSettings, now: Moment) -> (Feed, FeedChange) {
        let folder = Folder::look(&settings.path);
        Feed::of_folder(settings, folder, now)
    }

    /// Reads these files, and all in these folders, in the place of the folder of the settings, for
    /// a look at what they say. Later ones by path win.
    pub fn of_paths(settings: FeedSettings, paths: &[PathBuf], now: Moment) -> (Feed, FeedChange) {
        let settings = FeedSettings { path: PathBuf::new(), ..settings };
        Feed::of_folder(settings, Folder::of_paths(paths), now)
    }

    fn of_folder(settings: FeedSettings, mut folder: Folder, now: Moment) -> (Feed, FeedChange) {
        let mut feed = Feed {
            settings,
            store: FilingStore::default(),
            sources: BTreeMap::new(),
            paths: Vec::new(),
            writers: None,
        };
        let on_hold = std::mem::take(&mut folder.on_hold);
        folder.hold = Hold::PassOver;
        let mut change = feed.take_in(folder, None, &[], Shrink::Accept, now);
        change.faults.extend(on_hold.iter().map(|held| {
            Fault::of_file(
                Severity::Warning,
                feed.settings.path.join(held).join(HOLD),
                "the folder is on hold, but was read, since there is no earlier state to keep",
                "remove the file when the folder is as it should be",
            )
        }));
        change.on_hold = on_hold;
        change.changed = Changed::All;
        (feed, change)
    }

    /// From now on it can be told whether a file was written to while it was read.
    pub fn meet(&mut self, writers: Box<dyn Writers>) {
        self.writers = Some(writers);
    }

    /// The records.
    pub fn store(&self) -> &FilingStore {
        &self.store
    }

    /// Whether what was read holds under these settings: not where they are of another folder or
    /// another provider.
    pub fn can_go_on(&self, settings: &FeedSettings) -> bool {
        let FeedSettings { path, provider, .. } = settings;
        (path, provider) == (&self.settings.path, &self.settings.provider)
    }

    /// Takes other limits of what is taken in; the settings must be such that it
    /// [can go on](Feed::can_go_on).
    pub fn change_limits(&mut self, settings: &FeedSettings) {
        self.settings = settings.clone();
        // What was too bad, or too little, may not be so any longer.
        for source in self.sources.values_mut() {
            source.refused = None;
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &FeedSettings {
        &self.settings
    }

    /// The path of a file of the feed.
    pub fn path_of(&self, file: FileId) -> PathBuf {
        let relative = self.paths.get(file.0 as usize);
        relative.map_or_else(|| self.settings.path.clone(), |path| self.settings.path.join(path))
    }

    /// Takes in what has changed. Never fails: what can't be taken in is told, and the last good
    /// version of it stays.
    pub fn refresh(
        &mut self,
        scope: &Scope,
        hints: &[Hint],
        shrink: Shrink,
        now: Moment,
    ) -> FeedChange {
        match self.known_files(scope) {
            Some(paths) => self.take_in(Folder::default(), Some(paths), hints, shrink, now),
            None => {
                let folder = Folder::look(&self.settings.path);
                self.take_in(folder, None, hints, shrink, now)
            }
        }
    }

    /// The records that count for a site domain (A-labels, lower case, no final dot), in the order
    /// of the files.
    pub fn find_records(&self, site_domain: &str) -> Vec<FoundRecord> {
        let records = self.store.records_of(SiteKey::of(site_domain));
        let mut found: Vec<FoundRecord> = records
            .map(|record| FoundRecord {
                file: self.path_of(record.place.file),
                line: record.place.line,
                covers: record.covers.map(str::to_owned),
                facts: record.facts,
            })
            .collect();
        found.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        found
    }

    /// The names of site domains, in A-labels, lower case and without final dot, by a walk through
    /// all files; a name that no file has any more is left out.
    pub fn names_of(&self, sites: &HashSet<SiteKey>) -> HashMap<SiteKey, String> {
        let mut names = HashMap::new();
        for relative in self.sources.keys() {
            let path = self.settings.path.join(relative);
            let mut note = |site: SiteDomain<'_>| {
                let key = SiteKey(site.hash64());
                if sites.contains(&key) && !names.contains_key(&key) {
                    names.insert(key, site.as_str().to_owned());
                }
            };
            // A file that has become unreadable since names nothing.
            let _ = each_record(&path, &mut |_, fields| {
                if let (Some(record), _) = FilingRecord::from_fields(fields) {
                    note(record.site_domain());
                    record
                        .new_domain()
                        .and_then(SiteDomain::of_text)
                        .into_iter()
                        .for_each(&mut note);
                }
            });
        }
        names
    }

    fn looker(&self, now: Moment) -> Looker<'_> {
        let writers = self.writers.as_deref();
        Looker { settings: &self.settings, store: &self.store, writers, now }
    }

    /// The files that the scope names, relative to the folder; `None` where only a look at the
    /// whole folder can tell what happened.
    fn known_files(&self, scope: &Scope) -> Option<Vec<PathBuf>> {
        let Scope::Paths(paths) = scope else { return None };
        let root = &self.settings.path;
        let mut files = Vec::new();
        for path in paths {
            let relative = self.relative(path)?;
            let name = relative.file_name()?.as_encoded_bytes();
            // A link like `..data` that leads elsewhere now has changed all that is behind it.
            if name == HOLD.as_bytes() || name.starts_with(b"..") {
                return None;
            }
            if relative.iter().any(|part| part.as_encoded_bytes().starts_with(b".")) {
                continue;
            }
            let metadata = fs::metadata(root.join(&relative)).ok()?;
            if metadata.is_dir() {
                return None;
            }
            if self.is_held(&relative) {
                return None;
            }
            if Format::of(&relative).is_some() {
                files.push(relative);
            }
        }
        files.sort_unstable();
        files.dedup();
        Some(files)
    }

    /// Whether a `.hold` stands above the file; the path is relative to the folder.
    fn is_held(&self, relative: &Path) -> bool {
        let root = &self.settings.path;
        relative.ancestors().skip(1).any(|dir| root.join(dir).join(HOLD).exists())
    }

    fn relative(&self, path: &Path) -> Option<PathBuf> {
        let root = &self.settings.path;
        let within = |root: &Path| path.strip_prefix(root).ok().map(Path::to_owned);
        within(root).or_else(|| within(&fs::canonicalize(root).ok()?))
    }

    fn take_in(
        &mut self,
        folder: Folder,
        only: Option<Vec<PathBuf>>,
        hints: &[Hint],
        shrink: Shrink,
        now: Moment,
    ) -> FeedChange {
        let started = Instant::now();
        let writers = self.writers(hints);
        let mut round = Round::default();
        for (relative, error) in &folder.unreadable {
            round.not_read(self.settings.path.join(relative), error);
        }

        let paths = match only {
            Some(paths) => paths,
            None => {
                let known = self.sources.keys().filter(|path| !folder.files.contains_key(*path));
                let mut paths: Vec<PathBuf> = known.chain(folder.files.keys()).cloned().collect();
                paths.retain(|path| !folder.hides(path));
                paths.sort_unstable();
                paths
            }
        };
        self.get_to_know(&paths, &mut round);
        let reconsider = match shrink {
            Shrink::Accept => Reconsider::Yes,
            Shrink::Guard => Reconsider::No,
        };
        let mut plans = self.look_at(&paths, &writers, reconsider, now, &mut round);
        if folder.hold == Hold::Heed {
            // Set since the folder was looked at: what was read may be half of what it holds back.
            plans.retain(|plan| !self.is_held(&plan.path));
        }
        self.carry_out(plans, shrink, now, &mut round);

        // What waits may now stand in a file that has just been taken in.
        let freed = if round.touched.is_empty() { Vec::new() } else { self.freed() };
        if !freed.is_empty() {
            let plans = self.look_at(&freed, &writers, Reconsider::Yes, now, &mut round);
            self.carry_out(plans, shrink, now, &mut round);
        }

        if round.touched.crowded_out > 0 {
            round.faults.push(Fault::of_file(
                Severity::Error,
                &self.settings.path,
                format!(
                    "{} records not taken in: {CROWD} others have the same site domain",
                    round.touched.crowded_out
                ),
                "write one record for each filing of a domain",
            ));
        }
        let sites = self.store.settle(round.touched);
        FeedChange {
            changed: match sites {
                None => Changed::All,
                Some(sites) if sites.is_empty() => Changed::None,
                Some(sites) => Changed::Domains(sites),
            },
            faults: round.faults,
            refused: self
                .sources
                .iter()
                .filter(|(_, source)| source.refused.is_some())
                .map(|(path, _)| self.settings.path.join(path))
                .collect(),
            unread: round.unread,
            waiting_shrink: self.waiting_shrink(),
            on_hold: folder.on_hold,
            look_again: round.look_again,
            stats: FeedStats { took: started.elapsed(), ..self.stats() },
        }
    }

    fn stats(&self) -> FeedStats {
        let taken = || self.sources.values().filter_map(|source| source.taken.as_ref());
        FeedStats {
            files: taken().count(),
            records: self.store.len(),
            bad_lines: taken().map(|taken| taken.count.bad).sum(),
            took: Duration::ZERO,
        }
    }

    fn writers(&self, hints: &[Hint]) -> HashMap<PathBuf, Writer> {
        let told = hints.iter().filter_map(|hint| {
            let (path, writer) = match hint {
                Hint::Closed(path, at) => (path, Writer::Done(*at)),
                Hint::Writing(path) => (path, Writer::Writing),
            };
            Some((self.relative(path)?, writer))
        });
        // Of several hints for one file the last tells how it stands.
        told.collect()
    }

    /// Gives each new file an id, that of one that is gone where there is any, and all their order.
    fn get_to_know(&mut self, paths: &[PathBuf], round: &mut Round) {
        let is_new = |path: &&PathBuf| !self.sources.contains_key(*path);
        let with_format = |path: &PathBuf| Some((path.clone(), Format::of(path)?));
        let new: Vec<_> = paths.iter().filter(is_new).filter_map(with_format).collect();
        if new.is_empty() {
            return;
        }
        let taken: HashSet<FileId> = self.sources.values().map(|source| source.id).collect();
        let ids = (0..self.paths.len() + new.len()).map_while(FileId::at);
        let mut free = ids.filter(|id| !taken.contains(id));
        for (path, format) in new {
            let Some(id) = free.next() else {
                round.faults.push(too_many_files(&self.settings.path.join(path)));
                continue;
            };
            match self.paths.get_mut(id.0 as usize) {
                Some(gone) => gone.clone_from(&path),
                None => self.paths.push(path.clone()),
            }
            let source =
                Source { id, format, taken: None, unsettled: None, refused: None, waiting: None };
            self.sources.insert(path, source);
        }
        self.store.set_order(self.sources.values().map(|source| source.id));
    }

    /// Looks at each file and keeps its books; what is to be taken in is returned.
    fn look_at(
        &mut self,
        paths: &[PathBuf],
        writers: &HashMap<PathBuf, Writer>,
        reconsider: Reconsider,
        now: Moment,
        round: &mut Round,
    ) -> Vec<Plan> {
        let mut plans = Vec::new();
        let mut progress = Progress::new("filing files", Some(paths.len() as u64));
        for path in paths {
            progress.add(1);
            // A folder stands for all below.
            let writer = path.ancestors().find_map(|part| writers.get(part));
            let writer = writer.copied().unwrap_or(Writer::Unknown);
            let Some(source) = self.sources.get(path) else { continue };
            let full_path = self.settings.path.join(path);
            let look = self.looker(now).look(&full_path, source, writer, reconsider);
            let Some(source) = self.sources.get_mut(path) else { continue };
            let id = source.id;
            match look {
                Look::Same => {}
                Look::Touched(stat) => {
                    source.settled();
                    source.waiting = None;
                    if let Some(taken) = &mut source.taken {
                        taken.stat = stat;
                        taken.doubtful = stat.may_hide_a_write(now.wall);
                    }
                }
                Look::Unsettled { stat, wait } => {
                    if source.unsettled.is_none_or(|(before, _)| before != stat) {
                        source.unsettled = Some((stat, now.monotonic));
                    }
                    // The close of a file that is known to be open is an event.
                    if writer != Writer::Writing {
                        round.look_again_in(wait);
                    }
                }
                Look::Checked(blocks) => {
                    if let Some(taken) = &mut source.taken {
                        taken.checked = blocks;
                    }
                }
                Look::Rewritten => {
                    if let Some(taken) = &mut source.taken {
                        taken.doubtful = true;
                    }
                    round.look_again_in(Duration::from_millis(1));
                }
                Look::Gone => plans.push(Plan { path: path.clone(), id, version: None }),
                Look::Read(version) => {
                    source.settled();
                    plans.push(Plan { path: path.clone(), id, version: Some(version) });
                }
                Look::Unreadable(error) => round.not_read(full_path, &error),
                Look::Refused { stat, faults } => {
                    source.settled();
                    source.refused = Some(stat);
                    round.faults.extend(faults);
                }
            }
        }
        plans
    }

    /// Leaves out what was written to while it was read: it may be half of the next version.
    fn leave_out_written(&self, plans: &mut Vec<Plan>, round: &mut Round) {
        let Some(writers) = &self.writers else { return };
        plans.retain(|plan| {
            let Some(version) = plan.version.as_ref() else { return true };
            if version.rests_on == RestsOn::Nothing {
                return true;
            }
            match (version.rests_on, writers.written(&self.settings.path.join(&plan.path))) {
                (_, Written::No) => true,
                // Its close is an event.
                (_, Written::StillOpen) => false,
                (_, Written::Perhaps) => {
                    round.look_again_in(self.settings.settle);
                    false
                }
                // Appended to since, and nothing else; or else its event is not taken yet.
                (RestsOn::Unwritten, Written::Closed) => version.grew,
                (_, Written::Closed) => true,
            }
        });
    }

    /// Takes in what may be taken in, and sets the rest to wait.
    fn carry_out(&mut self, mut plans: Vec<Plan>, shrink: Shrink, now: Moment, round: &mut Round) {
        self.leave_out_written(&mut plans, round);
        let waiting = match shrink {
            Shrink::Accept => HashMap::new(),
            Shrink::Guard => {
                let whole = plans.iter().filter(|plan| plan.reads_whole());
                let parts: Vec<Part<'_>> = whole.map(Plan::part).collect();
                shrink::waiting(&self.store, &parts, self.settings.max_shrink)
            }
        };
        let mut gone = Vec::new();
        for plan in plans {
            let Some(source) = self.sources.get_mut(&plan.path) else { continue };
            if let Some(lost) = waiting.get(&plan.id) {
                source.waiting = Some(Waiting {
                    stat: plan.version.as_ref().map(|version| version.stat),
                    lost: lost.clone(),
                    emptied: if plan.part().is_empty() { Emptied::Yes } else { Emptied::No },
                });
                continue;
            }
            source.waiting = None;
            source.refused = None;
            match plan.version {
                None => {
                    gone.push(plan.path);
                    self.store.apply(plan.id, Delta::default(), Rest::Goes, &mut round.touched);
                }
                Some(version) => {
                    let Version { stat, reading, rest, grew, .. } = *version;
                    if reading.mark.has_tail() || grew {
                        round.look_again_in(self.settings.settle);
                    }
                    source.taken = Some(Taken {
                        stat,
                        doubtful: stat.may_hide_a_write(now.wall),
                        checked: match rest {
                            Rest::Stays => 0,
                            Rest::Goes => reading.mark.blocks.len(),
                        },
                        mark: reading.mark,
                        layout: reading.layout,
                        count: reading.count,
                    });
                    round.faults.extend(reading.faults);
                    self.store.apply(plan.id, reading.delta, rest, &mut round.touched);
                }
            }
        }
        for path in gone {
            self.sources.remove(&path);
        }
    }

    /// The files whose loss has been made up for by others.
    fn freed(&self) -> Vec<PathBuf> {
        let freed = self.sources.iter().filter(|(_, source)| {
            source.waiting.as_ref().is_some_and(|Waiting { lost, emptied, .. }| {
                let max_shrink = self.settings.max_shrink;
                !shrink::still_waits(&self.store, source.id, lost, *emptied, max_shrink)
            })
        });
        freed.map(|(path, _)| path.clone()).collect()
    }

    fn waiting_shrink(&self) -> Option<WaitingShrink> {
        let mut files = Vec::new();
        let mut all_lost = HashSet::new();
        for (path, source) in &self.sources {
            if let Some(waiting) = &source.waiting {
                files.push(self.settings.path.join(path));
                all_lost.extend(waiting.lost.iter().copied());
            }
        }
        let mut sites: Vec<SiteKey> = all_lost.iter().map(|lost| lost.site).collect();
        sites.sort_unstable();
        sites.dedup();
        let (records, of) = (all_lost.len(), self.store.len());
        (!files.is_empty()).then_some(WaitingShrink { files, records, of, sites })
    }
}

impl Plan {
    /// What the file no longer says is dropped.
    fn reads_whole(&self) -> bool {
        self.version.as_ref().is_none_or(|version| version.rest == Rest::Goes)
    }

    fn part(&self) -> Part<'_> {
        let delta = self.version.as_ref().map(|version| &version.reading.delta);
        Part { file: self.id, delta }
    }
}

fn too_many_files(path: &Path) -> Fault {
    Fault::of_file(
        Severity::Error,
        path,
        "is not read: there are more filing files than can be told apart",
        "put the records of many files in one",
    )
}

/// What one refresh gathers.
#[derive(Debug, Default)]
struct Round {
    faults: Vec<Fault>,
    unread: Vec<PathBuf>,
    touched: Touched,
    look_again: Option<Duration>,
}

impl Round {
    fn look_again_in(&mut self, wait: Duration) {
        self.look_again = Some(self.look_again.map_or(wait, |before| before.min(wait)));
    }

    fn not_read(&mut self, path: PathBuf, error: &io::Error) {
        self.faults.push(Fault::of_file(
            Severity::Error,
            &path,
            format!("cannot be read: {error}"),
            "what was last read of it stays in force",
        ));
        self.unread.push(path);
    }
}
