//! What is served: one immutable state, built aside and swapped in whole.

pub mod verdicts;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};

pub use crate::answer::{Phase, State};

/// The state in use, shared by every transport.
#[derive(Debug, Default)]
pub struct Shared(ArcSwap<State>);

impl Shared {
    /// Shares a first state.
    pub fn new(state: State) -> Shared {
        Shared(ArcSwap::from_pointee(state))
    }

    /// The state in use; one atomic load. Load once for a batch of packets.
    pub fn load(&self) -> Guard<Arc<State>> {
        self.0.load()
    }

    /// Swaps in a new state. Queries that hold the old one finish with it; to take it down, which
    /// may be a million zones' work, is not left to the thread that answers the last of them.
    pub fn publish(&self, state: State) {
        /// A batch of packets is answered in a part of this.
        const LOOK: Duration = Duration::from_micros(200);
        /// Nobody holds a state for so long, and if somebody did, changes would not wait for it.
        const PATIENCE: Duration = Duration::from_millis(100);
        let old = self.0.swap(Arc::new(state));
        let begun = Instant::now();
        while Arc::strong_count(&old) > 1 && begun.elapsed() < PATIENCE {
            thread::sleep(LOOK);
        }
    }
}
