//! Files and folders that stand there and could not be read: no file descriptor or memory to be had,
//! no permission, a fault of the disk. No event tells when that is over, so they are tried again,
//! soon at first and then ever more seldom.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The wait before the first try; it doubles with each,
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What could not be read, by path.
#[derive(Debug, Default)]
pub(super) struct Unread(HashMap<PathBuf, Retry>);

#[derive(Debug)]
struct Retry {
    at: Instant,
    wait: Duration,
}

impl Unread {
    /// The path could not be read. Where that is known already, the next try is not put off.
    pub(super) fn note(&mut self, path: &Path, now: Instant) {
        if !self.0.contains_key(path) {
            let retry = Retry { at: now + FIRST_WAIT, wait: FIRST_WAIT };
            self.0.insert(path.to_owned(), retry);
        }
    }

    /// The path was read, or is gone.
    pub(super) fn forget(&mut self, path: &Path) {
        self.0.remove(path);
    }

    /// Whether everything could be read.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What could not be read.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.0.keys().cloned()
    }

    /// Forgets all but these.
    pub(super) fn keep(&mut self, paths: &[PathBuf]) {
        self.0.retain(|path, _| paths.contains(path));
    }

    /// What is to be tried now; the next try of each is further off.
    pub(super) fn take_ripe(&mut self, now: Instant) -> Vec<PathBuf> {
        let ripe = self.0.iter_mut().filter(|(_, retry)| retry.at <= now);
        ripe.map(|(path, retry)| {
            retry.wait = (retry.wait * 2).min(LONGEST_WAIT);
            retry.at = now + retry.wait;
            path.clone()
        })
        .collect()
    }

    /// How long until something is to be tried again.
    pub(super) fn next_in(&self, now: Instant) -> Option<Duration> {
        let next = self.0.values().map(|retry| retry.at).min()?;
        Some(next.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_become_ever_more_seldom_until_the_path_is_read() {
        let path = Path::new("zones/a.zone");
        let mut unread = Unread::default();
        let mut now = Instant::now();
        unread.note(path, now);
        let mut waits = Vec::new();
        for _ in 0..11 {
            assert!(unread.take_ripe(now).is_empty(), "not yet");
            let wait = unread.next_in(now).expect("a try");
            now += wait;
            assert_eq!(unread.take_ripe(now), [path]);
            unread.note(path, now);
            waits.push(wait);
        }
        assert_eq!(waits[..3], [FIRST_WAIT, FIRST_WAIT * 2, FIRST_WAIT * 4]);
        assert_eq!(waits[10], LONGEST_WAIT);
        unread.forget(path);
        assert_eq!(unread.next_in(now), None);
        unread.note(path, now);
        assert_eq!(unread.next_in(now), Some(FIRST_WAIT));
        unread.keep(&[]);
        assert_eq!(unread.next_in(now), None);
    }
}
