//! The instant that decisions are taken at: the wall clock, but never earlier than an instant
//! already used, so that a clock that steps back closes nothing.

use std::fmt;
use std::time::{Duration, Instant as Monotonic, SystemTime, UNIX_EPOCH};

use crate::filing::Instant;

/// A step of the wall clock that is logged loudly.
const LOUD_STEP: Duration = Duration::from_secs(60);

/// Reads the wall clock; a test gives its own.
pub type ReadWall = Box<dyn Fn() -> SystemTime + Send>;

/// A clock that only goes forward.
pub struct Clock {
    read: ReadWall,
    latest: Instant,
    last_look: Option<(Monotonic, Duration)>,
}

impl Clock {
    /// Over the system's clock.
    pub fn system() -> Clock {
        Clock::reading(Box::new(SystemTime::now))
    }

    /// Over another wall clock.
    pub fn reading(read: ReadWall) -> Clock {
        Clock { read, latest: Instant(i64::MIN), last_look: None }
    }

    /// The instant to decide with: the latest that the wall clock has ever shown here.
    pub fn now(&mut self) -> Instant {
        let wall = self.wall();
        let monotonic = Monotonic::now();
        if let Some((then, wall_then)) = self.last_look {
            let expected = wall_then + monotonic.duration_since(then);
            if wall > expected + LOUD_STEP {
                let seconds = (wall - expected).as_secs();
                tracing::warn!(seconds, "clock jumped forward; timed changes take effect now");
            } else if wall + Duration::from_secs(2) < expected {
                let seconds = (expected - wall).as_secs();
                tracing::warn!(seconds, "clock stepped back; the latest instant stays in use");
            }
        }
        self.last_look = Some((monotonic, wall));
        let now = Instant(i64::try_from(wall.as_secs()).unwrap_or(i64::MAX));
        self.latest = self.latest.max(now);
        self.latest
    }

    /// How long until the wall clock shows `instant`; zero where it has been used already.
    pub fn until(&self, instant: Instant) -> Duration {
        if instant <= self.latest {
            return Duration::ZERO;
        }
        let target = Duration::from_secs(u64::try_from(instant.0).unwrap_or(0));
        target.saturating_sub(self.wall())
    }

    /// Since 1970; a clock before that shows 1970.
    fn wall(&self) -> Duration {
        (self.read)().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("latest", &self.latest).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_step_back_keeps_the_latest_instant_and_a_step_forward_counts() {
        let seconds = Arc::new(AtomicU64::new(1_000_000));
        let shown = Arc::clone(&seconds);
        let mut clock = Clock::reading(Box::new(move || {
            UNIX_EPOCH + Duration::from_secs(shown.load(Ordering::Relaxed))
        }));
        assert_eq!(clock.now(), Instant(1_000_000));
        assert_eq!(clock.until(Instant(1_000_007)), Duration::from_secs(7));
        seconds.store(900_000, Ordering::Relaxed);
        assert_eq!(clock.now(), Instant(1_000_000));
        assert_eq!(clock.until(Instant(950_000)), Duration::ZERO);
        seconds.store(2_000_000, Ordering::Relaxed);
        assert_eq!(clock.now(), Instant(2_000_000));
    }
}
