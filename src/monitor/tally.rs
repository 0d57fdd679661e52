//! Hosted zones counted by verdict, once for each state that is published: it takes a look at every
//! zone.

use std::collections::BTreeMap;

use crate::filing::Verdict;
use crate::state::State;

/// Zones by what is said of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    generation: u64,
    /// All of them.
    pub zones: u64,
    /// Those that never had a good file.
    pub failed: u64,
    /// Those that are blocked.
    pub blocked: u64,
    /// By the code of the verdict for own addresses.
    pub verdicts: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Counts the zones of a state.
    pub fn of_state(state: &State) -> Tally {
        let mut tally = Tally { generation: state.generation, ..Tally::default() };
        for entry in state.zones.iter() {
            tally.zones += 1;
            tally.failed += u64::from(entry.zone.is_broken());
            tally.blocked += u64::from(matches!(entry.column.own, Verdict::Blocked(_)));
            *tally.verdicts.entry(entry.column.own.code()).or_default() += 1;
        }
        tally
    }

    /// True where the state is still the one that was counted.
    pub(super) fn is_of(&self, state: &State) -> bool {
        self.generation == state.generation
    }

    /// Zones with this verdict.
    pub fn of(&self, code: &str) -> u64 {
        self.verdicts.get(code).copied().unwrap_or(0)
    }
}
