//! Which domains' decisions are to be logged, and for how long. The list only: whoever answers looks
//! at it, and logs.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::wire::{Name, name};

/// Decisions that one trace may have logged, so that a domain under a flood fills no disk.
pub const MAX_LOGGED: u32 = 10_000;

/// A domain that somebody looks at.
#[derive(Debug)]
pub struct Trace {
    name: Name,
    until: u32,
    /// How many more decisions may be logged.
    left: AtomicU32,
}

/// Whether one more decision may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// Yes.
    Granted,
    /// Yes, and it is the last one.
    Last,
    /// No: the time is over, or [`MAX_LOGGED`] have been.
    Spent,
}

impl Trace {
    /// Of a domain and all names below it, until so many seconds after 1970.
    pub fn new(name: &Name, until: u32) -> Trace {
        Trace { name: name.to_lowercase(), until, left: AtomicU32::new(MAX_LOGGED) }
    }

    /// The domain, in lower case.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// When it ends, in seconds after 1970.
    pub fn until(&self) -> u32 {
        self.until
    }

    /// True for the domain and all names below it; `wire` in lower case.
    pub fn covers(&self, wire: &[u8]) -> bool {
        name::suffix_matches(wire, self.name.as_wire())
    }

    /// Asks for one more decision at `now`, in seconds after 1970.
    pub fn take(&self, now: u32) -> Allowance {
        if now >= self.until {
            return Allowance::Spent;
        }
        let take = |left: u32| left.checked_sub(1);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(1) => Allowance::Last,
            Ok(_) => Allowance::Granted,
            Err(_) => Allowance::Spent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        Trace::new(&"Site.Example.".parse().expect("a name"), 100)
    }

    #[test]
    fn a_trace_is_of_a_domain_and_what_is_below_it() {
        let trace = trace();
        for (name, is_covered) in
            [("site.example.", true), ("a.b.site.example.", true), ("mysite.example.", false)]
        {
            let name: Name = name.parse().expect("a name");
            assert_eq!(trace.covers(name.as_wire()), is_covered, "{name}");
        }
    }

    #[test]
    fn a_trace_ends_by_the_clock_and_by_number() {
        let trace = trace();
        assert_eq!(trace.take(100), Allowance::Spent);
        for _ in 1..MAX_LOGGED {
            assert_eq!(trace.take(99), Allowance::Granted);
        }
        assert_eq!(trace.take(99), Allowance::Last);
        assert_eq!(trace.take(99), Allowance::Spent);
    }
}
