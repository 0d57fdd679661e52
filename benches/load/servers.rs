//! The servers under test: how each is started, told of a change, and checked against the others.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::SERVER_CORE;
use super::data::{self, Data, Edns, NOTICE, QuerySet};
use super::generator::{self, Load};
use super::peers::{self, Peer};
use super::process;
use super::sockets::{Address, Batch, Wait};

/// How long a server may take to load everything.
const PATIENCE: Duration = Duration::from_secs(600);

/// A running server.
pub struct Server {
    /// As the report calls it.
    pub name: &'static str,
    /// Where it answers.
    pub address: SocketAddr,
    kind: Kind,
    peer: Peer,
    started_in: Duration,
    resident_mib: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Floor,
    Knot,
    Nsd,
    Bind,
    Beiand,
}

/// What is measured of a server once.
pub struct Facts {
    /// From its start until it answered for every zone of a sample, in seconds.
    pub start_seconds: f64,
    /// Memory then, in MiB.
    pub start_mib: f64,
    /// Memory after all load, in MiB.
    pub end_mib: f64,
}

/// How long changes took to be answered, in milliseconds.
#[derive(Default)]
pub struct Changes {
    /// One zone file replaced; each time.
    pub zone: Vec<f64>,
    /// A thousand zone files replaced, until the last was answered.
    pub thousand_zones: f64,
    /// One filing appended; each time. Empty for servers that know no filings.
    pub filing: Vec<f64>,
    /// A thousand filings appended, until the last was answered.
    pub thousand_filings: Option<f64>,
    /// Queries of the load meanwhile that had no answer, or one that fits none, in a million.
    pub lost_per_million: f64,
}

impl Server {
    /// Starts a server by its name and waits until it answers for everything.
    pub fn start(name: &str, folder: &Path, data: &Data) -> Result<Server, String> {
        let core = Some(SERVER_CORE);
        let begun = Instant::now();
        let (kind, mut peer) = match name {
            "floor" => {
                let port = peers::free_port();
                let this = std::env::current_exe().map_err(|error| error.to_string())?;
                let text = PathBuf::from(port.to_string());
                let command = [&this, Path::new("floor"), &text];
                (Kind::Floor, peers::spawn("floor", &command, core, peers::at(port), Path::new("")))
            }
            "knot" => (Kind::Knot, peers::knot(&folder.join("knot"), &data.zones, core)),
            "nsd" => (Kind::Nsd, peers::nsd(&folder.join("nsd"), &data.zones, core)),
            "bind" => (Kind::Bind, peers::bind(&folder.join("bind"), &data.zones, core)),
            "beiand" => (Kind::Beiand, beiand(folder, data)),
            other => return Err(format!("no server {other}")),
        };
        if kind != Kind::Floor {
            let step = (data.zones.len() / 50).max(1);
            for zone in data.zones.iter().rev().step_by(step) {
                let mut waited = || peer.wait_for(&zone.origin, PATIENCE);
                let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut waited));
                waited.map_err(|_| "it does not answer for its zones".to_owned())?;
            }
        }
        let started_in = begun.elapsed();
        let resident_mib = process::resident_mib(&process::family(peer.pid()));
        Ok(Server { name: peer.name, address: peer.address, kind, peer, started_in, resident_mib })
    }

    /// Its first process.
    pub fn pid(&self) -> u32 {
        self.peer.pid()
    }

    /// Start and memory; none for the floor.
    pub fn facts(&self) -> Option<Facts> {
        (self.kind != Kind::Floor).then(|| Facts {
            start_seconds: self.started_in.as_secs_f64(),
            start_mib: self.resident_mib,
            end_mib: process::resident_mib(&process::family(self.pid())),
        })
    }

    /// [`Self::change_times`] while queries come in at a steady rate.
    pub fn change_times_under_load(&self, data: &Data, times: usize, rate: u64) -> Changes {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let load = scope.spawn(|| {
                let queries = data.queries(QuerySet::Uniform, Edns::With, 7);
                let (mut answered, mut lost) = (0, 0);
                while !is_over.load(Ordering::Relaxed) {
                    let second = Duration::from_secs(1);
                    let rate = Load::Rate(rate);
                    let measured =
                        generator::run(self.address, self.pid(), &rate, second, &queries);
                    answered += measured.answered;
                    lost += measured.lost + measured.strange;
                }
                lost as f64 * 1e6 / (answered + lost).max(1) as f64
            });
            let mut changes = self.change_times(data, times);
            is_over.store(true, Ordering::Relaxed);
            changes.lost_per_million = load.join().expect("the load does not panic");
            changes
        })
    }

    /// Replaces zone files and appends filings, and waits for the answers.
    fn change_times(&self, data: &Data, times: usize) -> Changes {
        let mut changes = Changes::default();
        // Zones with a filing, spread over all.
        let filed: Vec<usize> = (0..data.zones.len()).filter(|n| data::is_filed(*n)).collect();
        let pick = |i: usize| filed[i * 997 % filed.len()];
        for time in 0..times {
            let number = pick(time);
            let address = [10, 255, self.kind as u8, time as u8];
            let begun = Instant::now();
            self.replace_zones(data, &[number], address);
            self.wait_for(&data.zones[number].origin, address);
            changes.zone.push(millis(begun));
        }
        let many: Vec<usize> = (0..1_000.min(filed.len() / 4)).map(|i| filed[i * 3 + 1]).collect();
        let address = [10, 254, self.kind as u8, 1];
        let begun = Instant::now();
        self.replace_zones(data, &many, address);
        for number in &many {
            self.wait_for(&data.zones[*number].origin, address);
        }
        changes.thousand_zones = millis(begun);
        if self.kind != Kind::Beiand {
            return changes;
        }
        for time in 0..times {
            let number = pick(time + times);
            let line = cancelled(&data.zones[number].origin, number);
            let begun = Instant::now();
            append(data, &line);
            self.wait_for(&data.zones[number].origin, NOTICE);
            changes.filing.push(millis(begun));
        }
        let lines: String = many.iter().map(|n| cancelled(&data.zones[*n].origin, *n)).collect();
        let begun = Instant::now();
        append(data, &lines);
        for number in &many {
            self.wait_for(&data.zones[*number].origin, NOTICE);
        }
        changes.thousand_filings = Some(millis(begun));
        changes
    }

    fn replace_zones(&self, data: &Data, numbers: &[usize], address: [u8; 4]) {
        for number in numbers {
            let zone = &data.zones[*number];
            let serial = 2_030_000_000 + u32::from(address[3]);
            let aside = zone.file.with_extension("tmp");
            fs::write(&aside, data::zone_text(*number, serial, address)).expect("a file");
            fs::rename(&aside, &zone.file).expect("a rename");
        }
        let config = &self.peer.config;
        let one = (numbers.len() == 1).then(|| data.zones[numbers[0]].origin.clone());
        let (program, package, verb) = match self.kind {
            Kind::Knot => ("knotc", "knot", "zone-reload"),
            Kind::Nsd => ("nsd-control", "nsd", "reload"),
            Kind::Bind => {
                // SAFETY: kill(2) takes two integers; the pid is our child's, not yet waited for.
                unsafe { libc::kill(self.pid() as libc::pid_t, libc::SIGHUP) };
                return;
            }
            Kind::Beiand | Kind::Floor => return,
        };
        let done = Command::new(peers::installed(program, package))
            .arg("-c")
            .arg(config)
            .arg(verb)
            .args(one)
            .stdout(Stdio::null())
            .status()
            .expect("it starts");
        assert!(done.success(), "{program} {verb}: {done}");
    }

    /// Waits until the domain's A record is this.
    fn wait_for(&self, origin: &str, address: [u8; 4]) {
        let packet = query(origin, 1);
        let begun = Instant::now();
        loop {
            let reply = ask(self.address, &packet);
            if reply.is_some_and(|r| r.windows(6).any(|w| w[..2] == [0, 4] && w[2..] == address)) {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{} never answers the change of {origin}",
                self.name
            );
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn beiand(folder: &Path, data: &Data) -> Peer {
    let port = peers::free_port();
    let config = folder.join("beiand.toml");
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:{port}\"]\nworkers = 1\n\
         [zones]\npath = {:?}\n[filings]\npath = {:?}\nprovider = \"hoster\"\n\
         [gate]\nnotice_ipv4 = [\"203.0.113.80\"]\nnotice_ttl = 60\n\
         [regions]\nown = [\"10.0.0.0/8\", \"2001:db8:1::/48\"]\n\
         [control]\nsocket = {:?}\n",
        data.zones_folder,
        data.filings_folder,
        folder.join("beiand.sock"),
    );
    fs::write(&config, text).expect("a file");
    let command = [
        Path::new(env!("CARGO_BIN_EXE_beiand")),
        Path::new("serve"),
        Path::new("--config"),
        &config,
    ];
    peers::spawn("beiand", &command, Some(SERVER_CORE), peers::at(port), &config)
}

fn cancelled(origin: &str, number: usize) -> String {
    data::filing(origin, number, "2024-01-02T15:00:00+08:00").replace(",in-force,", ",cancelled,")
}

fn append(data: &Data, lines: &str) {
    let mut file = OpenOptions::new()
        .append(true)
        .open(data.filings_folder.join("10.csv"))
        .expect("the filing file");
    file.write_all(lines.as_bytes()).expect("a write");
}

fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}

/// Asks every server a sample of the set and says where the answers differ. The floor has no say;
/// of a blocked name beiand must give the notice.
pub fn disagreement(servers: &[Server], set: QuerySet, edns: Edns, data: &Data) -> Option<String> {
    let queries = data.queries(set, edns, 99);
    for index in 0..2_000.min(queries.len()) {
        let packet = queries.get(index);
        let mut answers: BTreeMap<Vec<u8>, &str> = BTreeMap::new();
        for server in servers.iter().filter(|s| s.kind != Kind::Floor) {
            let Some(reply) = ask(server.address, packet) else {
                return Some(format!("{} did not answer query {index}", server.name));
            };
            if set == QuerySet::Blocked && server.kind == Kind::Beiand {
                if !reply.windows(6).any(|w| w[..2] == [0, 4] && w[2..] == NOTICE) {
                    return Some(format!("{} gives no notice for query {index}", server.name));
                }
                continue;
            }
            answers.insert(essence(&reply), server.name);
        }
        if answers.len() > 1 {
            return Some(format!("query {index}, {}: {answers:?}", packet.escape_ascii()));
        }
    }
    None
}

/// RCODE, AA and the answers' types, TTLs and (but for names, which may be compressed) data.
fn essence(reply: &[u8]) -> Vec<u8> {
    let mut essence = vec![reply[2] & 0x04, reply[3] & 0x0F, reply[6], reply[7]];
    let skip_name = |mut at: usize| loop {
        match reply.get(at) {
            Some(0) => return at + 1,
            Some(length) if length & 0xC0 == 0xC0 => return at + 2,
            Some(length) => at += 1 + usize::from(*length),
            None => return at,
        }
    };
    let mut at = skip_name(12) + 4;
    let mut records = Vec::new();
    for _ in 0..reply[7] {
        at = skip_name(at);
        let Some(fixed) = reply.get(at..at + 10) else { break };
        let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        let mut record = fixed[..8].to_vec();
        if fixed[1] != 15 {
            record.extend(reply.get(at + 10..at + 10 + length).unwrap_or_default());
        }
        records.push(record);
        at += 10 + length;
    }
    records.sort();
    essence.extend(records.concat());
    essence
}

fn query(origin: &str, qtype: u8) -> Vec<u8> {
    let mut packet = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in origin.split('.') {
        packet.push(label.len() as u8);
        packet.extend(label.as_bytes());
    }
    packet.extend([0, 0, qtype, 0, 1]);
    packet
}

fn ask(server: SocketAddr, packet: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.connect(server).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    socket.send(packet).ok()?;
    let mut buffer = [0; 4_096];
    let length = socket.recv(&mut buffer).ok()?;
    (length > 12).then(|| buffer[..length].to_vec())
}

/// The floor that no server on this machine gets below: receive a batch, set QR, send it back.
pub fn be_the_floor(port: u16) -> ! {
    let socket = UdpSocket::bind(("127.0.0.1", port)).expect("the port is free");
    let mut batch = Batch::new();
    loop {
        let came = batch.receive(&socket, Wait::ForOne);
        for slot in 0..came {
            if let Some(flags) = batch.bytes(slot).get_mut(2) {
                *flags |= 0x80;
            }
        }
        let mut sent = 0;
        while sent < came {
            match batch.send(&socket, came, Address::Received) {
                0 => break,
                count => sent += count,
            }
        }
    }
}
