//! beiand: an authoritative DNS server that answers for a hosted domain only while its ICP
//! filing is approved, held with this provider and synced.
//!
//! The rooms, ground floor first; a room imports only from rooms below it:
//!
//! | floor | rooms |
//! | --- | --- |
//! | 1 | [`fault`], [`filing`], [`parallel`], [`progress`], [`snapshot`], [`wire`] |
//! | 2 | [`master`], [`region`] |
//! | 3 | [`zone`], [`feed`] |
//! | 4 | [`gate`] |
//! | 5 | [`answer`], [`journal`] |
//! | 6 | [`state`], [`explain`] |
//! | 7 | [`reload`], [`serve`] |
//! | 8 | [`notice`] |
//! | 9 | [`monitor`] |
//! | 10 | [`config`], [`cli`] |
//!
//! `ARCHITECTURE.md` is the map: the way of a packet, the way of a changed file, the invariants.

pub mod answer;
pub mod cli;
pub mod config;
pub mod explain;
pub mod fault;
pub mod feed;
pub mod file_stat;
pub mod filing;
pub mod gate;
mod huge_pages;
pub mod journal;
pub mod master;
mod memory;
pub mod monitor;
pub mod notice;
mod pages;
pub mod parallel;
pub mod prefetch;
pub mod progress;
pub mod region;
pub mod reload;
pub mod serve;
pub mod snapshot;
pub mod state;
pub mod wire;
pub mod zone;
