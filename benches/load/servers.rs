//! The servers under test: which there are, and how each is started.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::beiand::{self, Variant};
use super::data::{self, Data};
use super::dnsdist::{self, Cache};
use super::peers::{self, Peer};
use super::process;

/// How long a server may take to load everything.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Where a server runs.
pub struct Placement {
    /// Its cores, as `taskset -c` has them.
    pub cores: &'static str,
    /// Threads that answer over UDP, of those servers that can be told.
    pub workers: usize,
}

/// One core of the server's own.
pub const ALONE: Placement = Placement { cores: "0", workers: 1 };

/// A running server.
pub struct Server {
    /// As the report calls it.
    pub name: &'static str,
    /// Where it answers.
    pub address: SocketAddr,
    /// What it is.
    pub kind: Kind,
    folder: PathBuf,
    peer: Peer,
    /// The name server behind a dnsdist.
    behind: Option<Peer>,
    start: Start,
    second_start: Option<Start>,
}

/// What a server is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Floor,
    Knot,
    Nsd,
    Bind,
    Dnsdist(Cache),
    Beiand(Variant),
}

/// What a server does with blocked names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It answers them like any other.
    Open,
    /// It answers with the notice address.
    Shut,
}

/// One start of a server.
#[derive(Clone, Copy)]
pub struct Start {
    /// Until it answered for every zone of a sample.
    pub seconds: f64,
    /// Memory then.
    pub mib: f64,
}

/// What is measured of a server once.
pub struct Facts {
    /// From the files.
    pub start: Start,
    /// From its own snapshot.
    pub second_start: Option<Start>,
    /// Memory after all load.
    pub end_mib: f64,
}

impl Server {
    /// Starts a server by its name and waits until it answers for everything.
    pub fn start(
        name: &str,
        folder: &Path,
        data: &Data,
        placement: &Placement,
    ) -> Result<Server, String> {
        let kind = match name {
            "floor" => Kind::Floor,
            "knot" => Kind::Knot,
            "nsd" => Kind::Nsd,
            "bind" => Kind::Bind,
            "dnsdist" => Kind::Dnsdist(Cache::Off),
            "dnsdist-cache" => Kind::Dnsdist(Cache::Second),
            other => match Variant::named(other) {
                Some(variant) => Kind::Beiand(variant),
                None => return Err(format!("no server {other}")),
            },
        };
        let can_share = matches!(kind, Kind::Floor | Kind::Beiand(_));
        if placement.workers > 1 && !can_share {
            return Err("it is measured with one worker only".to_owned());
        }
        let folder = folder.join(name);
        let begun = Instant::now();
        let (peer, behind) = spawn(kind, &folder, data, placement);
        let (name, address) = (peer.name, peer.address);
        let start = Start { seconds: 0.0, mib: 0.0 };
        let second_start = None;
        let mut server = Server { name, address, kind, folder, peer, behind, start, second_start };
        server.start = server.wait_for_all(data, begun)?;
        Ok(server)
    }

    /// Stops it and starts it from the snapshot that it has left, if it does so.
    pub fn start_again(mut self, data: &Data, placement: &Placement) -> Result<Server, String> {
        let Kind::Beiand(variant) = self.kind else { return Ok(self) };
        beiand::wait_for_snapshot(&self.folder);
        let Server { folder, peer, start, .. } = self;
        drop(peer);
        let begun = Instant::now();
        let peer = beiand::start(variant, &folder, data, placement);
        self = Server {
            name: peer.name,
            address: peer.address,
            kind: Kind::Beiand(variant),
            folder,
            peer,
            behind: None,
            start,
            second_start: None,
        };
        self.second_start = Some(self.wait_for_all(data, begun)?);
        Ok(self)
    }

    fn wait_for_all(&mut self, data: &Data, begun: Instant) -> Result<Start, String> {
        if !self.is_floor() {
            let step = (data.zones.len() / 50).max(1);
            for zone in data.zones.iter().rev().step_by(step) {
                let waited = || self.peer.wait_for(&zone.origin, PATIENCE);
                catch_unwind(AssertUnwindSafe(waited))
                    .map_err(|_| "it does not answer for its zones".to_owned())?;
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Start { seconds, mib: self.resident_mib() })
    }

    /// Its first processes; whatever they have started belongs to the server, too.
    pub fn pids(&self) -> Vec<u32> {
        [Some(&self.peer), self.behind.as_ref()].into_iter().flatten().map(Peer::pid).collect()
    }

    /// The process that knows the zones.
    pub fn authority(&self) -> &Peer {
        self.behind.as_ref().unwrap_or(&self.peer)
    }

    /// The folder of its own.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Start and memory; none for the floor.
    pub fn facts(&self) -> Option<Facts> {
        let Server { start, second_start, .. } = *self;
        (!self.is_floor()).then(|| Facts { start, second_start, end_mib: self.resident_mib() })
    }

    /// Whether it is the floor, which knows no zones.
    pub fn is_floor(&self) -> bool {
        self.kind == Kind::Floor
    }

    /// Whether it looks at the files by itself.
    pub fn is_beiand(&self) -> bool {
        matches!(self.kind, Kind::Beiand(_))
    }

    /// What it does with blocked names.
    pub fn gate(&self) -> Gate {
        match self.kind {
            Kind::Floor | Kind::Knot | Kind::Nsd | Kind::Bind => Gate::Open,
            Kind::Beiand(Variant::Observe) => Gate::Open,
            Kind::Beiand(_) | Kind::Dnsdist(_) => Gate::Shut,
        }
    }

    fn resident_mib(&self) -> f64 {
        process::resident_mib(&process::family(&self.pids()))
    }
}

/// The process of a server, and the one behind it.
fn spawn(kind: Kind, folder: &Path, data: &Data, placement: &Placement) -> (Peer, Option<Peer>) {
    let cores = Some(placement.cores);
    let zones = &data.zones;
    let peer = match kind {
        Kind::Floor => {
            let address = peers::at(peers::free_port());
            let this = std::env::current_exe().expect("it runs");
            let words = [address.to_string(), placement.workers.to_string()];
            let command = [&this, Path::new("floor"), Path::new(&words[0]), Path::new(&words[1])];
            peers::spawn("floor", &command, cores, address, Path::new(""))
        }
        Kind::Knot => peers::knot(folder, zones, cores),
        Kind::Nsd => peers::nsd(folder, zones, cores),
        Kind::Bind => peers::bind(folder, zones, cores),
        Kind::Beiand(variant) => beiand::start(variant, folder, data, placement),
        Kind::Dnsdist(cache) => {
            let nsd = peers::nsd(folder, zones, cores);
            let blocked = zones.iter().enumerate().filter(|(number, _)| !data::is_filed(*number));
            dnsdist::write_blocked(folder, blocked.map(|(_, zone)| zone.origin.as_str()));
            let name = match cache {
                Cache::Off => "dnsdist",
                Cache::Second => "dnsdist-cache",
            };
            let address = nsd.address;
            return (dnsdist::start(name, cache, folder, address, placement.cores), Some(nsd));
        }
    };
    (peer, None)
}
