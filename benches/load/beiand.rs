//! beiand under test: its variants, and its start from a snapshot.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::data::Data;
use super::peers::{self, Peer};
use super::servers::{PATIENCE, Placement};

/// What is switched on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// The gate alone.
    Plain,
    /// The gate decides and counts, and answers with the real data.
    Observe,
    /// Response rate limiting keeps account of every answer, and withholds none: the limit is the
    /// highest that there is, more than the machine can ask. Loopback is limited like any client.
    Limited,
    /// Decisions are kept in the journal.
    Journal,
}

impl Variant {
    /// As the command line and the report call it.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Plain => "beiand",
            Variant::Observe => "beiand-observe",
            Variant::Limited => "beiand-limited",
            Variant::Journal => "beiand-journal",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Variant> {
        [Variant::Plain, Variant::Observe, Variant::Limited, Variant::Journal]
            .into_iter()
            .find(|variant| variant.name() == name)
    }
}

/// Starts it in the folder: from its snapshot, if it has left one there.
pub fn start(variant: Variant, folder: &Path, data: &Data, placement: &Placement) -> Peer {
    fs::create_dir_all(folder).expect("a folder");
    let port = peers::free_port();
    let config = folder.join("beiand.toml");
    let mode = if variant == Variant::Observe { "observe" } else { "enforce" };
    let mut text = format!(
        "[server]\nlisten = [\"127.0.0.1:{port}\"]\nworkers = {workers}\nsnapshot = {snapshot:?}\n\
         [zones]\npath = {zones:?}\n[filings]\npath = {filings:?}\nprovider = \"hoster\"\n\
         [gate]\nmode = {mode:?}\nnotice_ipv4 = [\"203.0.113.80\"]\nnotice_ttl = 60\n\
         [regions]\nown = [\"10.0.0.0/8\", \"2001:db8:1::/48\"]\n\
         [control]\nsocket = {socket:?}\n",
        workers = placement.workers,
        snapshot = snapshot(folder),
        zones = data.zones_folder,
        filings = data.filings_folder,
        socket = folder.join("beiand.sock"),
    );
    match variant {
        Variant::Plain | Variant::Observe => {}
        Variant::Limited => text += "[rate_limit]\nper_second = 1000000\n",
        Variant::Journal => text += &format!("[journal]\npath = {:?}\n", folder.join("journal")),
    }
    fs::write(&config, text).expect("a file");
    let command = [
        Path::new(env!("CARGO_BIN_EXE_beiand")),
        Path::new("serve"),
        Path::new("--config"),
        &config,
    ];
    peers::spawn(variant.name(), &command, Some(placement.cores), peers::at(port), &config)
}

/// Waits until it has left its snapshot in the folder: the file gets its name when it is whole.
pub fn wait_for_snapshot(folder: &Path) {
    let begun = Instant::now();
    while !snapshot(folder).exists() {
        assert!(begun.elapsed() < PATIENCE, "no snapshot in {}", folder.display());
        thread::sleep(Duration::from_millis(5));
    }
}

fn snapshot(folder: &Path) -> PathBuf {
    folder.join("snapshot")
}
