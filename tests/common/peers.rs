//! Knot DNS, NSD and BIND from the distribution's packages, each on a free loopback port with a
//! folder of its own: what beiand is compared with. Ended when dropped.

#![allow(dead_code, missing_docs)]

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A zone: its origin without the final dot, and its master file.
#[derive(Clone, Debug)]
pub struct ZoneFile {
    pub origin: String,
    pub file: PathBuf,
}

/// A running name server of somebody else's.
pub struct Peer {
    pub name: &'static str,
    pub address: SocketAddr,
    pub config: PathBuf,
    child: Child,
}

impl Peer {
    /// The process that was started; it may have children that do the work.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the server wrote into its log.
    fn log_text(&self) -> String {
        fs::read_to_string(self.config.with_extension("log")).unwrap_or_default()
    }

    /// Waits until the server answers for the zone; how long that took.
    pub fn wait_for(&mut self, origin: &str, patience: Duration) -> Duration {
        let begun = Instant::now();
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(self.address).expect("a loopback address");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let mut query = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in origin.split('.') {
            query.push(label.len() as u8);
            query.extend(label.as_bytes());
        }
        query.extend([0, 0, 6, 0, 1]);
        let mut buffer = [0; 1_500];
        loop {
            let answered = socket.send(&query).is_ok()
                && socket.recv(&mut buffer).is_ok_and(|length| length > 12)
                && buffer[3] & 0x0F == 0
                && buffer[7] > 0;
            if answered {
                return begun.elapsed();
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("{} ended at once: {status}\n{}", self.name, self.log_text());
            }
            assert!(
                begun.elapsed() < patience,
                "{} does not answer for {origin}\n{}",
                self.name,
                self.log_text()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // SAFETY: kill(2) takes two integers; the pid is our child's, not yet waited for.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts Knot DNS in the folder.
pub fn knot(folder: &Path, zones: &[ZoneFile], cores: Option<&str>) -> Peer {
    knot_at(at(free_port()), folder, zones, cores)
}

/// Starts Knot DNS in the folder, listening there.
pub fn knot_at(
    address: SocketAddr,
    folder: &Path,
    zones: &[ZoneFile],
    cores: Option<&str>,
) -> Peer {
    fs::create_dir_all(folder).expect("a folder");
    let mut text = format!(
        "server:\n    rundir: {folder:?}\n    listen: {ip}@{port}\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n    automatic-acl: off\n\
         log:\n  - target: {log:?}\n    any: warning\n\
         database:\n    storage: {db:?}\n\
         template:\n  - id: default\n    zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: none\n    semantic-checks: off\n\
         zone:\n",
        ip = address.ip(),
        port = address.port(),
        log = folder.join("knot.log"),
        db = folder.join("db"),
    );
    for zone in zones {
        writeln!(text, "  - domain: {}\n    file: {:?}", zone.origin, zone.file).expect("a String");
    }
    let config = folder.join("knot.conf");
    fs::write(&config, text).expect("a file");
    spawn("Knot", &[&installed("knotd", "knot"), Path::new("-c"), &config], cores, address, &config)
}

/// Starts NSD in the folder.
pub fn nsd(folder: &Path, zones: &[ZoneFile], cores: Option<&str>) -> Peer {
    let port = free_port();
    fs::create_dir_all(folder).expect("a folder");
    let path = |name: &str| folder.join(name);
    let mut text = format!(
        "server:\n  ip-address: 127.0.0.1@{port}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: {folder:?}\n  database: \"\"\n\
         \x20 pidfile: {:?}\n  logfile: {:?}\n  zonelistfile: {:?}\n  xfrdfile: {:?}\n  xfrdir: {folder:?}\n\
         \x20 server-count: 1\n  minimal-responses: yes\n  round-robin: no\n  refuse-any: no\n  hide-version: yes\n\
         \x20 rrl-ratelimit: 0\n  rrl-whitelist-ratelimit: 0\n\
         remote-control:\n  control-enable: yes\n  control-interface: {:?}\n",
        path("nsd.pid"),
        path("nsd.log"),
        path("zone.list"),
        path("xfrd.state"),
        path("nsd.sock"),
    );
    for zone in zones {
        writeln!(text, "zone:\n  name: {:?}\n  zonefile: {:?}", zone.origin, zone.file)
            .expect("a String");
    }
    let config = path("nsd.conf");
    fs::write(&config, text).expect("a file");
    let nsd = installed("nsd", "nsd");
    let command = [&nsd, Path::new("-d"), Path::new("-c"), &config];
    spawn("NSD", &command, cores, at(port), &config)
}

/// Starts BIND in the folder, without recursion and without a control channel.
pub fn bind(folder: &Path, zones: &[ZoneFile], cores: Option<&str>) -> Peer {
    let port = free_port();
    fs::create_dir_all(folder).expect("a folder");
    let path = |name: &str| folder.join(name);
    // `no-auth`: as the others, nothing in the authority section beside an answer.
    let mut text = format!(
        "options {{\n  directory {folder:?};\n  listen-on port {port} {{ 127.0.0.1; }};\n  listen-on-v6 {{ none; }};\n\
         \x20 pid-file {:?};\n  session-keyfile {:?};\n  lock-file none;\n  recursion no;\n  allow-transfer {{ none; }};\n\
         \x20 notify no;\n  empty-zones-enable no;\n  dnssec-validation no;\n  minimal-responses no-auth;\n\
         \x20 minimal-any no;\n  zero-no-soa-ttl no;\n  rrset-order {{ order none; }};\n  check-names primary ignore;\n  check-integrity no;\n}};\n\
         controls {{ }};\n\
         logging {{\n  channel file {{ file {:?}; severity error; }};\n  category default {{ file; }};\n}};\n",
        path("named.pid"),
        path("session.key"),
        path("named.log"),
    );
    for zone in zones {
        writeln!(text, "zone {:?} {{ type primary; file {:?}; }};", zone.origin, zone.file)
            .expect("a String");
    }
    let config = path("named.conf");
    fs::write(&config, text).expect("a file");
    let named = installed("named", "bind9");
    // One thread: as many as the others have.
    let command = [&named, Path::new("-f"), Path::new("-n1"), Path::new("-c"), &config];
    spawn("BIND", &command, cores, at(port), &config)
}

/// Starts a program, pinned to cores if some are given, as in "0,1".
pub fn spawn(
    name: &'static str,
    command: &[&Path],
    cores: Option<&str>,
    address: SocketAddr,
    config: &Path,
) -> Peer {
    let mut words: Vec<OsString> = Vec::new();
    if let Some(cores) = cores {
        words.extend(["taskset".into(), "-c".into(), cores.into()]);
    }
    words.extend(command.iter().map(|word| word.as_os_str().to_owned()));
    let child = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{words:?}: {error}"));
    Peer { name, address, config: config.to_owned(), child }
}

/// Where a program of a package is.
pub fn installed(program: &str, package: &str) -> PathBuf {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.exists())
        .unwrap_or_else(|| {
            panic!("{program} is not installed: apt-get install {package} (see .ci/run)")
        })
}

/// A port of 127.0.0.1.
pub fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A port that is free for UDP and TCP on 127.0.0.1 now.
pub fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = tcp.local_addr().expect("a bound socket").port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
