//! When everything is looked at though nothing has told of a change.

use std::time::{Duration, Instant};

use crate::reload::watch::Mode;

/// The longest interval while file events cannot be had, even for a poll that is set off.
const WITHOUT_EVENTS: Duration = Duration::from_secs(5);
/// The poll takes at most one part in so many of the time: it holds up whatever else changes, and
/// one file in a hundred may be late (DESIGN 6) by no fault of its own.
const SHARE: u32 = 200;
/// The same while the poll is all there is.
const SHARE_WITHOUT_EVENTS: u32 = 20;

/// The first poll of the zones comes after so long at the latest, since the look at a start may have
/// waited for a disk, and the next ones find everything in memory.
const FIRST_AT_MOST: Duration = Duration::from_secs(600);

/// The polls of both folders.
pub(super) struct Polls {
    zones: Poll,
    filings: Poll,
    /// What they were last set by.
    mode: Mode,
}

struct Poll {
    interval: Option<Duration>,
    next: Option<Instant>,
}

impl Polls {
    /// So often; `None` for never while there are events.
    pub(super) fn new(zones: Option<Duration>, filings: Option<Duration>) -> Polls {
        let poll = |interval| Poll { interval, next: None };
        Polls { zones: poll(zones), filings: poll(filings), mode: Mode::Events }
    }

    /// From now on, the look at the zones at the start having taken so long. Where the poll is all
    /// there is, it soon comes all the same.
    pub(super) fn begin(&mut self, mode: Mode, zones_took: Duration) {
        let zones_took = if mode == Mode::Events { zones_took } else { Duration::ZERO };
        self.mode = mode;
        self.note_zones(mode, zones_took.min(FIRST_AT_MOST / SHARE));
        self.note_filings(mode, Duration::ZERO);
    }

    /// Has both come as soon as after looks that took no time; none comes later than it would have.
    pub(super) fn hasten(&mut self, mode: Mode) {
        for poll in [&mut self.zones, &mut self.filings] {
            let next = poll.next;
            poll.note(mode, Duration::ZERO);
            poll.next = poll.next.into_iter().chain(next).min();
        }
    }

    /// Begins anew where events can no longer be had.
    pub(super) fn keep_up_with(&mut self, mode: Mode) {
        if mode != self.mode {
            self.begin(mode, Duration::ZERO);
        }
    }

    /// The zones have been looked at, which took so long.
    pub(super) fn note_zones(&mut self, mode: Mode, took: Duration) {
        self.zones.note(mode, took);
    }

    /// The filings have been looked at, which took so long.
    pub(super) fn note_filings(&mut self, mode: Mode, took: Duration) {
        self.filings.note(mode, took);
    }

    /// Whether it is time to look at the zones, and at the filings.
    pub(super) fn ripe(&self, now: Instant) -> (bool, bool) {
        let is_ripe = |poll: &Poll| poll.next.is_some_and(|at| at <= now);
        (is_ripe(&self.zones), is_ripe(&self.filings))
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.zones.next.into_iter().chain(self.filings.next).min()
    }
}

impl Poll {
    fn note(&mut self, mode: Mode, took: Duration) {
        self.next = wait(mode, self.interval, took).map(|wait| Instant::now() + wait);
    }
}

/// How long to wait after a look that took so long.
fn wait(mode: Mode, interval: Option<Duration>, took: Duration) -> Option<Duration> {
    let (interval, share) = match mode {
        Mode::Events => (interval?, SHARE),
        Mode::PollOnly => {
            (interval.unwrap_or(WITHOUT_EVENTS).min(WITHOUT_EVENTS), SHARE_WITHOUT_EVENTS)
        }
    };
    Some(interval.max(took * share))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_look_that_takes_long_comes_seldom() {
        let minute = Some(60 * SECOND);
        assert_eq!(wait(Mode::Events, minute, SECOND / 10), minute);
        assert_eq!(wait(Mode::Events, minute, SECOND), Some(200 * SECOND));
        assert_eq!(wait(Mode::Events, None, SECOND), None);
        assert_eq!(wait(Mode::PollOnly, minute, SECOND / 10), Some(5 * SECOND));
        assert_eq!(wait(Mode::PollOnly, minute, SECOND), Some(20 * SECOND));
        assert_eq!(wait(Mode::PollOnly, None, SECOND / 10), Some(5 * SECOND));
    }

    #[test]
    fn the_first_poll_waits_as_the_look_at_the_start_makes_it_and_soon_comes_without_events() {
        let begun = Instant::now();
        let mut polls = Polls::new(Some(SECOND), None);
        let next = |polls: &Polls| polls.zones.next.expect("it comes") - begun;
        polls.begin(Mode::Events, 2 * SECOND);
        assert!(next(&polls) >= 400 * SECOND && polls.filings.next.is_none());
        polls.begin(Mode::Events, 1_000 * SECOND);
        assert!(next(&polls) >= FIRST_AT_MOST && next(&polls) < 1_000 * SECOND);
        polls.keep_up_with(Mode::Events);
        assert!(next(&polls) >= FIRST_AT_MOST);
        polls.hasten(Mode::Events);
        let soon = next(&polls);
        assert!(soon >= SECOND && soon < FIRST_AT_MOST);
        polls.hasten(Mode::Events);
        assert_eq!(next(&polls), soon, "a panic every moment would keep it off for good");
        polls.keep_up_with(Mode::PollOnly);
        assert!(next(&polls) < FIRST_AT_MOST && polls.filings.next.is_some());
    }
}
