//! What the load finds: answers, losses, and latencies counted by magnitude.

use std::time::{Duration, Instant};

/// What a measurement found.
pub struct Measured {
    begun: Instant,
    /// Wall-clock time.
    time: Duration,
    /// Answers that matched their queries.
    pub answered: u64,
    /// Queries without one.
    pub lost: u64,
    /// Replies that matched no query.
    pub strange: u64,
    /// The server's CPU time, in nanoseconds, where it was taken.
    pub cpu_nanos: u64,
    pub(super) latencies: Histogram,
}

impl Default for Measured {
    /// Nothing yet.
    fn default() -> Measured {
        Measured {
            begun: Instant::now(),
            time: Duration::ZERO,
            answered: 0,
            lost: 0,
            strange: 0,
            cpu_nanos: 0,
            latencies: Histogram::default(),
        }
    }
}

impl Measured {
    /// Ends its time.
    pub fn finish(&mut self) {
        self.time = self.begun.elapsed();
    }

    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.time.as_secs_f64()
    }

    /// The server's CPU time for one answer, in microseconds.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu_nanos as f64 / 1_000.0 / self.answered.max(1) as f64
    }

    /// The latency that this share of the answers did not exceed, in microseconds.
    pub fn latency_micros(&self, share: f64) -> f64 {
        self.latencies.quantile(share) as f64 / 1_000.0
    }

    /// Queries without an answer, or with one that fits none, in a million.
    pub fn lost_per_million(&self) -> f64 {
        let asked = (self.answered + self.lost).max(1);
        (self.lost + self.strange) as f64 * 1e6 / asked as f64
    }
}

/// Counts by magnitude: 32 steps for each doubling, so 3 % exact.
pub(super) struct Histogram(Vec<u64>);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram(vec![0; 64 * 32])
    }
}

impl Histogram {
    pub(super) fn add(&mut self, latency: Duration) {
        let nanos = (latency.as_nanos() as u64).max(32);
        let doubling = nanos.ilog2();
        let step = (nanos >> (doubling - 5)) & 31;
        self.0[(doubling * 32) as usize + step as usize] += 1;
    }

    fn quantile(&self, share: f64) -> u64 {
        let total: u64 = self.0.iter().sum();
        let wanted = (total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (place, count) in self.0.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                let (doubling, step) = (place as u32 / 32, place as u64 % 32);
                return (32 + step) << doubling.saturating_sub(5);
            }
        }
        0
    }
}
