//! How far a long load is: told in the log every two seconds or, where somebody shows it on a
//! terminal, on a line that is drawn anew in place.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

const LOGGED_EVERY: Duration = Duration::from_secs(2);
const DRAWN_EVERY: Duration = Duration::from_millis(100);
/// A load that is over sooner draws nothing.
const FIRST_DRAWN: Duration = Duration::from_millis(300);

/// Shows a line in place of the one before; `None` takes it away.
pub type Draw = Box<dyn Fn(Option<&str>) + Send + Sync>;

static DRAW: OnceLock<Draw> = OnceLock::new();

/// Has loads shown from now on, for the whole process, and no longer told in the log.
pub fn show_by(draw: Draw) {
    // Who came first goes on: there is one terminal.
    let _ = DRAW.set(draw);
}

/// Counts what is done. A load that is soon over says nothing.
pub struct Progress {
    told: Told,
    draw: Option<&'static Draw>,
    /// When to tell next.
    due: Instant,
    is_drawn: bool,
}

/// What can be told.
#[derive(Debug)]
struct Told {
    what: &'static str,
    done: u64,
    of: Option<u64>,
    begun: Instant,
}

impl Progress {
    /// Begins to count, out of so many where that is known. `what` names the things in the plural;
    /// bytes are shown as MiB.
    pub fn new(what: &'static str, of: Option<u64>) -> Progress {
        Progress::begin(what, of, Instant::now(), DRAW.get())
    }

    fn begin(
        what: &'static str,
        of: Option<u64>,
        now: Instant,
        draw: Option<&'static Draw>,
    ) -> Progress {
        let due = now + if draw.is_some() { FIRST_DRAWN } else { LOGGED_EVERY };
        Progress { told: Told { what, done: 0, of, begun: now }, draw, due, is_drawn: false }
    }

    /// So many more are done.
    pub fn add(&mut self, count: u64) {
        self.add_at(count, Instant::now());
    }

    fn add_at(&mut self, count: u64, now: Instant) {
        self.told.done += count;
        if now < self.due {
            return;
        }
        match self.draw {
            Some(draw) => {
                self.due = now + DRAWN_EVERY;
                self.is_drawn = true;
                draw(Some(&self.told.line(now)));
            }
            None => {
                self.due = now + LOGGED_EVERY;
                self.told.log(now);
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let (Some(draw), true) = (self.draw, self.is_drawn) {
            draw(None);
        }
    }
}

impl Told {
    /// A second, and how many seconds are left, where that is known.
    fn rate(&self, now: Instant) -> (u64, Option<u64>) {
        let rate = self.done as f64 / (now - self.begun).as_secs_f64();
        let left = |of: u64| (of.saturating_sub(self.done) as f64 / rate.max(1.0)) as u64;
        (rate as u64, self.of.map(left))
    }

    fn log(&self, now: Instant) {
        let Told { what, done, of, .. } = *self;
        match (of, self.rate(now)) {
            (Some(of), (per_second, Some(left_s))) => {
                tracing::info!(what, done, of, per_second, left_s, "loading");
            }
            (_, (per_second, _)) => tracing::info!(what, done, per_second, "loading"),
        }
    }

    fn line(&self, now: Instant) -> String {
        let (unit, name, scale) = match self.what.strip_prefix("bytes ") {
            Some(of_what) => ("MiB ", of_what, 1 << 20),
            None => ("", self.what, 1),
        };
        let (rate, left) = self.rate(now);
        let [done, rate] = [self.done, rate].map(|number| grouped(number / scale));
        let of = self.of.map_or_else(String::new, |of| format!(" of {}", grouped(of / scale)));
        let left = match left {
            None => String::new(),
            Some(left @ ..120) => format!(", {left} s left"),
            Some(left) => format!(", {} min left", left.div_ceil(60)),
        };
        format!("loading: {done}{of} {unit}{name}, {rate} a second{left}")
    }
}

/// `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is drawn of a load to which so many things are added at so many milliseconds.
    fn drawn(what: &'static str, of: Option<u64>, added: &[(u64, u64)]) -> Vec<String> {
        let drawn = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&drawn);
        let draw: Draw = Box::new(move |line| {
            to.lock().expect("whole").push(line.unwrap_or("(none)").to_owned());
        });
        let begun = Instant::now();
        let mut progress = Progress::begin(what, of, begun, Some(Box::leak(Box::new(draw))));
        for &(ms, count) in added {
            progress.add_at(count, begun + Duration::from_millis(ms));
        }
        drop(progress);
        drawn.lock().expect("whole").clone()
    }

    #[test]
    fn a_long_load_is_drawn_often_and_its_line_is_taken_away() {
        let added = [(299, 1_000), (500, 4_000), (599, 1_000), (600, 6_000), (2_000, 28_000)];
        let lines = [
            "loading: 5,000 of 1,000,000 zones, 10,000 a second, 99 s left",
            "loading: 12,000 of 1,000,000 zones, 20,000 a second, 49 s left",
            "loading: 40,000 of 1,000,000 zones, 20,000 a second, 48 s left",
            "(none)",
        ];
        assert_eq!(drawn("zones", Some(1_000_000), &added), lines);
    }

    #[test]
    fn bytes_are_drawn_as_mebibytes() {
        let line = "loading: 4 of 737 MiB of filings, 2 a second, 7 min left";
        let drawn = drawn("bytes of filings", Some(737 << 20), &[(2_000, 4 << 20)]);
        assert_eq!(drawn, [line, "(none)"]);
    }

    #[test]
    fn a_number_that_is_not_known_is_left_out() {
        let line = "loading: 12,345 zone files found, 2,469 a second";
        assert_eq!(drawn("zone files found", None, &[(5_000, 12_345)]), [line, "(none)"]);
    }

    #[test]
    fn a_short_load_draws_nothing() {
        assert!(drawn("zones", None, &[(0, 1)]).is_empty());
    }
}
