//! How far a long load is, told in the log every two seconds.

use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(2);

/// Counts what is done. A load that is soon over says nothing.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    done: u64,
    of: Option<u64>,
    begun: Instant,
    told: Instant,
}

impl Progress {
    /// Begins to count, out of so many where that is known. `what` names the things in the plural.
    pub fn new(what: &'static str, of: Option<u64>) -> Progress {
        let now = Instant::now();
        Progress { what, done: 0, of, begun: now, told: now }
    }

    /// So many more are done.
    pub fn add(&mut self, count: u64) {
        self.done += count;
        if self.told.elapsed() < EVERY {
            return;
        }
        self.told = Instant::now();
        let Progress { what, done, .. } = *self;
        let rate = done as f64 / self.begun.elapsed().as_secs_f64();
        let per_second = rate as u64;
        match self.of {
            Some(of) => {
                let left_s = (of.saturating_sub(done) as f64 / rate.max(1.0)) as u64;
                tracing::info!(what, done, of, per_second, left_s, "loading");
            }
            None => tracing::info!(what, done, per_second, "loading"),
        }
    }
}
