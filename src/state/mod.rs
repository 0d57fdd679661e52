//! What is served: one immutable state, built aside and swapped in whole.

pub mod verdicts;

use std::sync::Arc;

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

    /// Swaps in a new state. Queries that hold the old one finish with it.
    pub fn publish(&self, state: State) {
        self.0.store(Arc::new(state));
    }
}
