//! The feed: a folder of filing files, kept in step with the store.
//!
//! Owns when a file is read, whether what was read is taken in, and what is told of it (DESIGN 4).
//! It does not watch the folder: whoever does says where to look, and what it knows of the writer.
//!
//! | what was seen of a file | what is done |
//! | --- | --- |
//! | the same size, times and inode | nothing |
//! | the same content | nothing |
//! | longer, and begins as it did | the new whole lines are taken in at once |
//! | another inode in its place | taken in at once, unless it is being written or ends half-way |
//! | another content in place | taken in when the writer has closed it, or it was quiet for `settle` |
//! | too many bad lines, or unreadable | refused whole: what was last taken in stays |
//! | so short, empty or gone that much would close | waits for a person: what was last taken in stays |
//!
//! The last line of a file may lack its line end. In NDJSON it counts as soon as its object is
//! whole. In CSV it counts only once the writer is done, since a value cut short can look like
//! another value.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::files::{Folder, HOLD, Stat};
use super::read::{Count, Mark, Reader, Reading, Texts, Thoroughly, Unread};
use super::rows::{Format, Layout};
use super::shrink::{self, Emptied, Lost, Part};
use super::split::End;
use super::store::{Delta, FileId, FilingStore, Rest, SiteKey, Touched};
use crate::fault::{Fault, Severity};
use crate::filing::Facts;

/// Where the filings are, and how careful to be with them.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedSettings {
    /// `filings.path`: the folder.
    pub path: PathBuf,
    /// `filings.provider`: this access provider, as the records name it.
    pub provider: String,
    /// `filings.max_bad_lines`: a file with a greater share of bad lines is refused; one bad line
    /// is always borne, or a file of a few lines could have none.
    pub max_bad_lines: f64,
    /// `filings.max_shrink`: a change that loses a greater share of all records waits.
    pub max_shrink: f64,
    /// `filings.settle`: how long a file that is rewritten in place must be quiet.
    pub settle: Duration,
}

/// Where to look for changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    All,
    /// At these files and folders.
    Paths(Vec<PathBuf>),
}

/// What the watcher knows of the writer of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// It has closed the file.
    Closed(PathBuf),
    /// The file was moved to this path, so it is whole.
    Renamed(PathBuf),
    /// It has made the file, or written to it, and not closed it yet.
    Writing(PathBuf),
}

/// Whether a change that loses many records is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shrink {
    /// It waits.
    Guard,
    /// It is taken in: a person said so, or there is nothing yet to lose.
    Accept,
}

/// A point in time, on the clock that never steps and on the one that files are dated by.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For waiting.
    pub monotonic: Instant,
    /// For comparing with the times of files.
    pub wall: SystemTime,
}

impl Moment {
    /// This moment.
    pub fn now() -> Moment {
        Moment { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    fn as_instant(self) -> crate::filing::Instant {
        let since = self.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        crate::filing::Instant(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

/// Which site domains may have another verdict now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// None.
    None,
    /// These, each once.
    Domains(Vec<SiteKey>),
    /// So many that all should be decided anew.
    All,
}

/// A change that waits for `beiand reload --accept-shrink`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingShrink {
    /// The files that have shrunk, been emptied or gone.
    pub files: Vec<PathBuf>,
    /// How many records would be lost.
    pub records: usize,
    /// Of how many.
    pub of: usize,
    /// The site domains that would lose a record: those of them that are open may close.
    pub sites: Vec<SiteKey>,
}

/// Figures of the feed after a refresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedStats {
    /// Files of which something is in force.
    pub files: usize,
    /// Records that count; see [`FilingStore::len`].
    pub records: usize,
    /// Lines that were skipped in the versions in force.
    pub bad_lines: u64,
    /// How long the refresh took.
    pub took: Duration,
}

/// What a refresh did.
#[derive(Clone, Debug)]
pub struct FeedChange {
    /// Whose verdict to take anew.
    pub changed: Changed,
    /// What is wrong with the files that were read this time.
    pub faults: Vec<Fault>,
    /// The files whose present version is refused: their last good one stays in force.
    pub refused: Vec<PathBuf>,
    /// What waits for a person, for as long as it does.
    pub waiting_shrink: Option<WaitingShrink>,
    /// The folders in which a `.hold` keeps everything as it is.
    pub on_hold: Vec<PathBuf>,
    /// When to refresh again, everywhere, even if nothing is seen to change.
    pub look_again: Option<Duration>,
    /// Figures.
    pub stats: FeedStats,
}

/// One record, with its texts, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownRecord {
    /// The file.
    pub file: PathBuf,
    /// Its line there.
    pub line: u32,
    /// The name that the record covers, where that is not the site domain.
    pub covers: Option<String>,
    /// The fields that aren't empty, as they stand in the file; none if it has changed since.
    pub texts: Texts,
    /// What a decision needs of it.
    pub facts: Facts,
}

/// A folder of filing files and the store of their records. For one writer; see the module's
/// description.
#[derive(Debug)]
pub struct Feed {
    settings: FeedSettings,
    store: FilingStore,
    /// By path relative to the folder; their order is that of precedence.
    sources: BTreeMap<PathBuf, Source>,
    /// By file id.
    paths: Vec<PathBuf>,
}

/// What is known of one file.
#[derive(Debug)]
struct Source {
    id: FileId,
    format: Format,
    taken: Option<Taken>,
    unsettled: Option<(Stat, Instant)>,
    refused: Option<Stat>,
    waiting: Option<Waiting>,
}

/// The version of a file that is in force.
#[derive(Clone, Debug)]
struct Taken {
    stat: Stat,
    /// A later write may have left the same stat.
    doubtful: bool,
    mark: Mark,
    layout: Option<Layout>,
    count: Count,
}

/// The version of a file that waits for a person; no stat if it has gone.
#[derive(Debug)]
struct Waiting {
    stat: Option<Stat>,
    lost: Vec<Lost>,
    emptied: Emptied,
}

/// What a look at a file found.
#[derive(Debug)]
enum Look {
    /// Nothing new.
    Same,
    /// The content that is in force, with other times or another inode.
    Touched(Stat),
    /// It is being written.
    Unsettled {
        stat: Stat,
        wait: Duration,
    },
    Gone,
    Read(Box<Version>),
    Unreadable(io::Error),
    Refused {
        stat: Stat,
        faults: Vec<Fault>,
    },
}

/// A new version of a file.
#[derive(Debug)]
struct Version {
    stat: Stat,
    reading: Reading,
    rest: Rest,
    /// It was written to while it was read; what was read is whole all the same.
    grew: bool,
}

/// What to do with a file.
#[derive(Debug)]
struct Plan {
    path: PathBuf,
    id: FileId,
    version: Option<Box<Version>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Unknown,
    Done,
    Writing,
}

/// Whether files that wait for a person are looked at again though they haven't changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reconsider {
    Yes,
    No,
}

impl Feed {
    /// Reads the whole folder for the first time. It always succeeds: a folder that can't be read
    /// is a fault, and a feed without records. A `.hold` is told, but not heeded: there is
    /// nothing yet that could go on being served.
    pub fn open(settings: FeedSettings, now: Moment) -> (Feed, FeedChange) {
        let mut feed = Feed {
            settings,
            store: FilingStore::default(),
            sources: BTreeMap::new(),
            paths: Vec::new(),
        };
        let mut folder = Folder::look(&feed.settings.path);
        let on_hold = std::mem::take(&mut folder.on_hold);
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

    /// The records.
    pub fn store(&self) -> &FilingStore {
        &self.store
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

    /// The records that count for a site domain (A-labels, lower case, no final dot), with their
    /// texts, which are read from the files again.
    pub fn records_of(&self, site_domain: &str) -> Vec<ShownRecord> {
        let records = self.store.records_of(SiteKey::of(site_domain));
        let mut shown: Vec<ShownRecord> = records
            .map(|record| ShownRecord {
                file: self.path_of(record.place.file),
                line: record.place.line,
                covers: record.covers.map(str::to_owned),
                texts: self.texts_of(record.place.file, record.place.line, record.facts.key),
                facts: record.facts,
            })
            .collect();
        shown.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        shown
    }

    fn texts_of(&self, file: FileId, line: u32, key: u64) -> Texts {
        let path = self.path_of(file);
        let reader = self.reader(file, &path, Moment::now());
        let texts = Format::of(&path).and_then(|format| {
            let file = File::open(&path).ok()?;
            reader.texts_at(&file, format, line, key).ok()?
        });
        texts.unwrap_or_default()
    }

    fn reader<'a>(&'a self, file: FileId, path: &'a Path, now: Moment) -> Reader<'a> {
        let provider = &self.settings.provider;
        Reader { store: &self.store, file, path, provider, now: now.as_instant() }
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
            let held = relative.ancestors().skip(1).any(|dir| root.join(dir).join(HOLD).exists());
            if held {
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
            round.faults.push(unreadable(&self.settings.path.join(relative), error));
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
        self.get_to_know(&paths);
        let reconsider = match shrink {
            Shrink::Accept => Reconsider::Yes,
            Shrink::Guard => Reconsider::No,
        };
        let plans = self.look_at(&paths, &writers, reconsider, now, &mut round);
        self.carry_out(plans, shrink, now, &mut round);

        // What waits may now stand in a file that has just been taken in.
        let freed = if round.touched.is_empty() { Vec::new() } else { self.freed() };
        if !freed.is_empty() {
            let plans = self.look_at(&freed, &writers, Reconsider::Yes, now, &mut round);
            self.carry_out(plans, shrink, now, &mut round);
        }

        let sites = self.store.settle(round.touched);
        FeedChange {
            changed: match sites.len() {
                0 => Changed::None,
                many if many > 10_000 && many > self.store.len() / 2 => Changed::All,
                _ => Changed::Domains(sites),
            },
            faults: round.faults,
            refused: self
                .sources
                .iter()
                .filter(|(_, source)| source.refused.is_some())
                .map(|(path, _)| self.settings.path.join(path))
                .collect(),
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
                Hint::Closed(path) | Hint::Renamed(path) => (path, Writer::Done),
                Hint::Writing(path) => (path, Writer::Writing),
            };
            Some((self.relative(path)?, writer))
        });
        // Of several hints for one file the last tells how it stands.
        told.collect()
    }

    /// Gives each new file its id, and all their order.
    fn get_to_know(&mut self, paths: &[PathBuf]) {
        let known = self.sources.len();
        for path in paths {
            if !self.sources.contains_key(path)
                && let Some(format) = Format::of(path)
            {
                let id = FileId(self.paths.len() as u32);
                self.paths.push(path.clone());
                self.sources.insert(
                    path.clone(),
                    Source {
                        id,
                        format,
                        taken: None,
                        unsettled: None,
                        refused: None,
                        waiting: None,
                    },
                );
            }
        }
        if self.sources.len() > known {
            self.store.set_order(self.sources.values().map(|source| source.id));
        }
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
        for path in paths {
            let writer = writers.get(path).copied().unwrap_or(Writer::Unknown);
            let Some(source) = self.sources.get(path) else { continue };
            let look = self.look(path, source, writer, reconsider, now);
            let full_path = self.settings.path.join(path);
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
                    round.look_again_in(wait);
                }
                Look::Gone => plans.push(Plan { path: path.clone(), id, version: None }),
                Look::Read(version) => {
                    source.settled();
                    plans.push(Plan { path: path.clone(), id, version: Some(version) });
                }
                Look::Unreadable(error) => round.faults.push(unreadable(&full_path, &error)),
                Look::Refused { stat, faults } => {
                    source.settled();
                    source.refused = Some(stat);
                    round.faults.extend(faults);
                }
            }
        }
        plans
    }

    fn look(
        &self,
        path: &Path,
        source: &Source,
        writer: Writer,
        reconsider: Reconsider,
        now: Moment,
    ) -> Look {
        match self.try_look(path, source, writer, reconsider, now) {
            Ok(look) => look,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match (&source.waiting, reconsider) {
                    (Some(Waiting { stat: None, .. }), Reconsider::No) => Look::Same,
                    _ => Look::Gone,
                }
            }
            Err(error) => Look::Unreadable(error),
        }
    }

    fn try_look(
        &self,
        path: &Path,
        source: &Source,
        writer: Writer,
        reconsider: Reconsider,
        now: Moment,
    ) -> io::Result<Look> {
        let full_path = self.settings.path.join(path);
        let metadata = fs::metadata(&full_path)?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a file"));
        }
        let stat = Stat::of(&metadata);
        let quiet_for = source.quiet_for(&stat, writer, now);
        let settled = writer == Writer::Done || quiet_for >= self.settings.settle;
        let wait = self.settings.settle.saturating_sub(quiet_for).max(Duration::from_millis(1));
        let unsettled = Look::Unsettled { stat, wait };

        let has_tail = source.taken.as_ref().is_some_and(|taken| taken.mark.has_tail());
        if let Some(taken) = &source.taken
            && taken.stat == stat
            && !taken.doubtful
        {
            match (has_tail, settled) {
                (false, _) if source.waiting.is_some() || source.refused.is_some() => {
                    return Ok(Look::Touched(stat));
                }
                (false, _) => return Ok(Look::Same),
                (true, false) => return Ok(unsettled),
                (true, true) => {}
            }
        }
        if source.refused == Some(stat) {
            return Ok(Look::Same);
        }
        if reconsider == Reconsider::No
            && source.waiting.as_ref().is_some_and(|waiting| waiting.stat == Some(stat))
        {
            return Ok(Look::Same);
        }

        let file = File::open(&full_path)?;
        if !Stat::of(&file.metadata()?).is_same_file(&stat) {
            // Replaced this very moment.
            return Ok(Look::Unsettled { stat, wait: Duration::from_millis(1) });
        }
        let end = if settled { End::Final } else { End::Open };
        let reader = self.reader(source.id, &full_path, now);
        let (read, rest) = match &source.taken {
            None => (reader.whole(&file, source.format, stat.size, end), Rest::Goes),
            Some(taken) => {
                let same_file = taken.stat.is_same_file(&stat);
                let grew = stat.size > taken.mark.size;
                let how = match same_file && grew {
                    true => Thoroughly::Sampled,
                    false => Thoroughly::Everything,
                };
                let begins_as_it_did =
                    stat.size >= taken.mark.size && taken.mark.is_prefix_of(&file, how)?;
                match (&taken.layout, begins_as_it_did) {
                    (_, true) if !grew && !(has_tail && settled) => {
                        return Ok(Look::Touched(stat));
                    }
                    (Some(layout), true) if !grew || taken.mark.is_followed_by_line(&file)? => {
                        let read = reader.appended(&file, &taken.mark, layout, stat.size, end);
                        (read, Rest::Stays)
                    }
                    _ if same_file && !settled => return Ok(unsettled),
                    _ if writer == Writer::Writing && !settled => return Ok(unsettled),
                    _ => {
                        let read = reader.whole(&file, source.format, stat.size, end);
                        match read {
                            // Another file in its place that ends half-way is still being written.
                            Ok(reading) if reading.mark.has_tail() => return Ok(unsettled),
                            read => (read, Rest::Goes),
                        }
                    }
                }
            }
        };
        let reading = match read {
            Ok(reading) => reading,
            Err(Unread::Io(error)) => return Err(error),
            Err(Unread::Unfinished) => return Ok(unsettled),
            Err(Unread::Refused(fault)) => {
                return Ok(Look::Refused { stat, faults: vec![fault] });
            }
        };
        let after = Stat::of(&file.metadata()?);
        let grew = after != stat;
        if grew
            && !(after.size >= stat.size
                && reading.mark.is_prefix_of(&file, Thoroughly::Sampled)?)
        {
            return Ok(unsettled);
        }
        let before = match (&source.taken, rest) {
            (Some(taken), Rest::Stays) => taken.count,
            _ => Count::default(),
        };
        let count =
            Count { rows: before.rows + reading.count.rows, bad: before.bad + reading.count.bad };
        let Reading { mut faults, .. } = reading;
        if count.bad as f64 > (self.settings.max_bad_lines * count.rows as f64).max(1.0) {
            faults.push(Fault::of_file(
                Severity::Error,
                &full_path,
                format!(
                    "{} of {} lines are bad, so the file is refused whole",
                    count.bad, count.rows
                ),
                "mend the lines named above; the last good version stays in force",
            ));
            return Ok(Look::Refused { stat, faults });
        }
        let reading = Reading { count, faults, ..reading };
        Ok(Look::Read(Box::new(Version { stat, reading, rest, grew })))
    }

    /// Takes in what may be taken in, and sets the rest to wait.
    fn carry_out(&mut self, plans: Vec<Plan>, shrink: Shrink, now: Moment, round: &mut Round) {
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
                    let Version { stat, reading, rest, grew } = *version;
                    if reading.mark.has_tail() || grew {
                        round.look_again_in(self.settings.settle);
                    }
                    source.taken = Some(Taken {
                        stat,
                        doubtful: stat.may_hide_a_write(now.wall),
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

impl Source {
    fn settled(&mut self) {
        self.unsettled = None;
        self.refused = None;
    }

    /// How long nobody has written to the file, as far as we can tell.
    fn quiet_for(&self, stat: &Stat, writer: Writer, now: Moment) -> Duration {
        let seen = match self.unsettled {
            Some((before, since)) if before == *stat => {
                now.monotonic.saturating_duration_since(since)
            }
            _ => Duration::ZERO,
        };
        match writer {
            Writer::Writing => seen,
            Writer::Unknown | Writer::Done => seen.max(stat.quiet_for(now.wall)),
        }
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

/// What one refresh gathers.
#[derive(Debug, Default)]
struct Round {
    faults: Vec<Fault>,
    touched: Touched,
    look_again: Option<Duration>,
}

impl Round {
    fn look_again_in(&mut self, wait: Duration) {
        self.look_again = Some(self.look_again.map_or(wait, |before| before.min(wait)));
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault::of_file(
        Severity::Error,
        path,
        format!("cannot be read: {error}"),
        "what was last read of it stays in force",
    )
}
