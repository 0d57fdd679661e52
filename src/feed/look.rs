//! A look at one file: is it what was taken in, and if not, can it be read now?
//!
//! Owns when a file is read and when it is refused for its bad lines (DESIGN 4). It changes nothing.
//!
//! | what was seen of a file | what is done |
//! | --- | --- |
//! | the same size, times and inode | nothing |
//! | the same content | nothing |
//! | longer, and begins as it did | the new whole lines are taken in at once; after a sample, the rest is compared later |
//! | another inode in its place | taken in at once, unless it is being written or ends half-way |
//! | another content in place | taken in when the writer has closed it; where it is not known to be open, when it was quiet for `settle` |
//! | too many bad lines, or unreadable | refused whole: what was last taken in stays |
//! | so short, empty or gone that much would close | waits for a person: what was last taken in stays |
//!
//! The last line of a file may lack its line end. In NDJSON it counts as soon as its object is
//! whole. In CSV it counts only once the writer is done, since a value cut short can look like
//! another value.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::change::{EMPTY_REST, FeedSettings, Moment, OPEN_REST, Writers};
use super::files;
use super::mark::{Mark, Thoroughly};
use super::read::{Count, Reader, Reading, Unread};
use super::rows::{Format, Layout};
use super::shrink::{Emptied, Lost};
use super::split::End;
use super::store::{FileId, FilingStore, Rest};
use crate::fault::{Fault, Severity};
use crate::file_stat::FileStat;

/// Blocks of a file that are compared in one look: some 10 ms.
const CHECKED_AT_ONCE: usize = 32;

/// Who looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looker<'a> {
    pub(super) settings: &'a FeedSettings,
    pub(super) store: &'a FilingStore,
    /// Without them nobody is known to write.
    pub(super) writers: Option<&'a dyn Writers>,
    pub(super) now: Moment,
}

/// What is known of one file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) id: FileId,
    pub(super) format: Format,
    pub(super) taken: Option<Taken>,
    pub(super) unsettled: Option<(FileStat, Instant)>,
    pub(super) refused: Option<FileStat>,
    pub(super) waiting: Option<Waiting>,
}

/// The version of a file that is in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Taken {
    pub(super) stat: FileStat,
    /// A later write may have left the same stat.
    pub(super) doubtful: bool,
    pub(super) mark: Mark,
    /// Blocks of the mark that have been compared since the last append was taken for one.
    pub(super) checked: usize,
    pub(super) layout: Option<Layout>,
    pub(super) count: Count,
}

/// The version of a file that waits for a person; no stat if it has gone.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) stat: Option<FileStat>,
    pub(super) lost: Vec<Lost>,
    pub(super) emptied: Emptied,
}

/// What a look at a file found.
#[derive(Debug)]
pub(super) enum Look {
    /// Nothing new.
    Same,
    /// The content that is in force, with other times or another inode.
    Touched(FileStat),
    /// It is being written.
    Unsettled {
        stat: FileStat,
        wait: Duration,
    },
    /// What was taken for an append is one, as far as so many blocks of the file.
    Checked(usize),
    /// What was taken for an append was more than that.
    Rewritten,
    Gone,
    Read(Box<Version>),
    Unreadable(io::Error),
    Refused {
        stat: FileStat,
        faults: Vec<Fault>,
    },
}

/// A new version of a file.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) stat: FileStat,
    pub(super) reading: Reading,
    pub(super) rest: Rest,
    /// It was written to while it was read; what was read is whole all the same.
    pub(super) grew: bool,
    pub(super) rests_on: RestsOn,
}

/// What a reading rests on, of what its writer did meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestsOn {
    /// Nothing: whole lines beside those that are in force.
    Nothing,
    /// The file was not open for writing: what it no longer says is dropped.
    Closed,
    /// Nor was it written to: it says something else in place, or its last line has no line end.
    Unwritten,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    Unknown,
    /// Seen at this time.
    Done(SystemTime),
    Writing,
}

/// Whether files that wait for a person are looked at again though they haven't changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reconsider {
    Yes,
    No,
}

impl<'a> Looker<'a> {
    pub(super) fn reader(&self, file: FileId, path: &'a Path) -> Reader<'a> {
        let Looker { settings, store, now, .. } = *self;
        Reader { store, file, path, provider: &settings.provider, now: now.as_instant() }
    }

    /// Looks, and reads what is new. `path` is the whole path.
    pub(super) fn look(
        &self,
        path: &Path,
        source: &Source,
        writer: Writer,
        reconsider: Reconsider,
    ) -> Look {
        match self.try_look(path, source, writer, reconsider) {
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
    ) -> io::Result<Look> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a file"));
        }
        let stat = FileStat::of(&metadata);
        let has_tail = source.taken.as_ref().is_some_and(|taken| taken.mark.has_tail());
        let is_as_taken =
            source.taken.as_ref().is_some_and(|taken| taken.stat == stat && !taken.doubtful);
        let settle = self.settings.settle;
        let is_open = match self.writers {
            Some(writers) if writer != Writer::Writing && (has_tail || !is_as_taken) => {
                writers.is_open(path)
            }
            _ => None,
        };
        if is_open == Some(false) && FileStat::of(&fs::metadata(path)?) != stat {
            // Its writer was done in between, and the stat may be of what stood there half done.
            return Ok(Look::Unsettled { stat, wait: Duration::from_millis(1) });
        }
        let is_empty = stat.size == 0;
        let is_closed = matches!(writer, Writer::Done(at) if stat.is_as_it_was(at));
        let rest = match is_open {
            Some(false) => Duration::ZERO,
            Some(true) => settle.max(OPEN_REST),
            None if is_closed && !is_empty => Duration::ZERO,
            None if is_empty => settle.max(EMPTY_REST),
            None => settle,
        };
        let quiet_for = source.quiet_for(&stat, writer, self.now);
        let settled = quiet_for >= rest;
        let wait = rest.saturating_sub(quiet_for).min(settle).max(Duration::from_millis(1));
        let unsettled = Look::Unsettled { stat, wait };

        if let Some(taken) = &source.taken
            && is_as_taken
        {
            match (has_tail, settled) {
                (false, _) if source.waiting.is_some() || source.refused.is_some() => {
                    return Ok(Look::Touched(stat));
                }
                (false, _) => return check(path, taken),
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

        let file = files::open(path)?;
        if !FileStat::of(&file.metadata()?).is_same_file(&stat) {
            // Replaced this very moment.
            return Ok(Look::Unsettled { stat, wait: Duration::from_millis(1) });
        }
        let end = if settled { End::Final } else { End::Open };
        let reader = self.reader(source.id, path);
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
                    (_, true) if !(grew || has_tail && settled) => {
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
        let after = FileStat::of(&file.metadata()?);
        let grew = after != stat;
        if grew {
            // Appended to, and nothing else: what was read is all that stood there before, up to
            // the end of a line, and stands there still.
            let is_all = reading.mark.size == stat.size && after.size >= stat.size;
            if !is_all
                || !reading.mark.is_prefix_of(&file, Thoroughly::Sampled)?
                || !reading.mark.is_followed_by_line(&file)?
            {
                return Ok(unsettled);
            }
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
                path,
                format!(
                    "{} of {} lines are bad, so the file is refused whole",
                    count.bad, count.rows
                ),
                "mend the lines named above; the last good version stays in force",
            ));
            return Ok(Look::Refused { stat, faults });
        }
        let reading = Reading { count, faults, ..reading };
        let rests_on = match &source.taken {
            _ if settled && !reading.mark.is_at_line_end(&file)? => RestsOn::Unwritten,
            Some(taken) if rest == Rest::Goes => match taken.stat.is_same_file(&stat) {
                true => RestsOn::Unwritten,
                false => RestsOn::Closed,
            },
            _ => RestsOn::Nothing,
        };
        Ok(Look::Read(Box::new(Version { stat, reading, rest, grew, rests_on })))
    }
}

/// Compares some more of a file with what was read of it: an append is answered after samples only.
fn check(path: &Path, taken: &Taken) -> io::Result<Look> {
    let end = taken.mark.blocks.len().min(taken.checked + CHECKED_AT_ONCE);
    if taken.checked >= end {
        return Ok(Look::Same);
    }
    match taken.mark.holds_in(&files::open(path)?, taken.checked..end)? {
        true => Ok(Look::Checked(end)),
        false => Ok(Look::Rewritten),
    }
}

impl Source {
    pub(super) fn settled(&mut self) {
        self.unsettled = None;
        self.refused = None;
    }

    /// How long nobody has written to the file, as far as we can tell.
    fn quiet_for(&self, stat: &FileStat, writer: Writer, now: Moment) -> Duration {
        let seen = match self.unsettled {
            Some((before, since)) if before == *stat => {
                now.monotonic.saturating_duration_since(since)
            }
            _ => Duration::ZERO,
        };
        match writer {
            Writer::Writing => Duration::ZERO,
            Writer::Unknown | Writer::Done(_) => seen.max(stat.quiet_for(now.wall)),
        }
    }
}
