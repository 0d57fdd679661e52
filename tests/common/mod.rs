//! The harness of the integration tests: a folder with configuration, zones and filings, the real
//! `beiand` serving it on ports of its own, and the real `dig` asking.
//!
//! Nothing here sleeps to wait for the server: [`Server::dig_until`] and [`eventually`] poll for
//! what a user would see, and [`Server::reload`] returns when a change is being answered.

#![allow(dead_code, missing_docs, unused_imports)]

mod dig;
mod fields;
pub mod http;
mod record;

pub use dig::{Reply, Rr, dig_at, exchange, query, rdata, wire_name};
pub use fields::Fields;
pub use record::{Record, anchor, from_now, ndjson};

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::io::{self, BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long a poll goes on before the test fails. Generous, so that a busy machine fails nothing.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// `filings.provider` in the tests.
pub const PROVIDER: &str = "hoster";
/// The notice addresses.
pub const NOTICE_IPV4: &str = "203.0.113.80";
pub const NOTICE_IPV6: &str = "2001:db8::80";
/// The notice TTL.
pub const NOTICE_TTL: u32 = 60;

/// The section of the configuration that has the notice page served, on a port of its own; keys may
/// be added behind it.
pub const NOTICE_PAGE: &str = r#"
[notice]
listen = ["127.0.0.1:0"]
name = "某某云"
name_english = "Hoster Cloud"
website = "https://www.hoster.example/"
filing_system = "https://beian.hoster.example/"
support = "https://www.hoster.example/support"
phone = "400-000-0000"
email = "support@hoster.example"
"#;

// --- The folder --------------------------------------------------------------------------------

/// A temporary folder with `beiand.toml`, `zones/` and `filings/`.
pub struct Site {
    dir: TempDir,
    listen: String,
    server: Vec<String>,
    filings: Vec<String>,
    gate: BTreeMap<String, String>,
    regions: String,
    tail: String,
    verbatim: Option<String>,
    before_exec: Option<BeforeExec>,
}

/// What the child does between fork and exec.
pub type BeforeExec = Box<dyn FnMut() -> io::Result<()> + Send + Sync>;

impl Default for Site {
    fn default() -> Site {
        Site::new()
    }
}

impl Site {
    pub fn new() -> Site {
        let dir = tempfile::Builder::new().prefix("beiand-test-").tempdir().expect("a temp folder");
        for folder in ["zones", "filings"] {
            fs::create_dir(dir.path().join(folder)).expect("a folder in a fresh one");
        }
        let gate = [
            ("notice_ipv4", format!("[\"{NOTICE_IPV4}\"]")),
            ("notice_ipv6", format!("[\"{NOTICE_IPV6}\"]")),
            ("notice_ttl", NOTICE_TTL.to_string()),
        ];
        Site {
            dir,
            listen: "\"127.0.0.1:0\"".to_owned(),
            server: Vec::new(),
            filings: Vec::new(),
            gate: gate.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
            regions: REGIONS.to_owned(),
            tail: String::new(),
            verbatim: None,
            before_exec: None,
        }
    }

    /// The repository's own zones and filings instead of empty folders.
    pub fn shipped() -> Site {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut site = Site::new();
        copy_tree(&root.join("zones"), &site.path("zones"));
        copy_tree(&root.join("config/filings"), &site.path("filings"));
        site.gate("exempt_zones", r#"["hoster.example"]"#);
        site.gate(
            "nameserver_addresses",
            r#"["192.0.2.53", "192.0.2.54", "2001:db8:1::53", "2001:db8:1::54"]"#,
        );
        site.gate("forum_closed_provinces", r#"["藏"]"#);
        site
    }

    /// The repository's zones and filings under its own `config/beiand.toml`, but for the ports and
    /// the form of the log: what a newcomer starts.
    pub fn as_shipped() -> Site {
        let mut site = Site::shipped();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/beiand.toml");
        let mut config = fs::read_to_string(&file).expect("the shipped configuration");
        for (shipped, here) in [
            ("listen = [\"127.0.0.1:5300\", \"[::1]:5300\"]", "listen = [\"127.0.0.1:0\"]"),
            ("path = \"../zones\"", "path = \"zones\""),
            ("format = \"human\"", "format = \"json\""),
        ] {
            assert_eq!(config.matches(shipped).count(), 1, "{shipped} in {}", file.display());
            config = config.replace(shipped, here);
        }
        site.verbatim = Some(config);
        site
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Sets a key of `[gate]`; the value as TOML text.
    pub fn gate(&mut self, key: &str, value: &str) -> &mut Site {
        self.gate.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Adds a line to `[server]`.
    pub fn server(&mut self, line: &str) -> &mut Site {
        self.server.push(line.to_owned());
        self
    }

    /// Adds a line to `[filings]`.
    pub fn filings_setting(&mut self, line: &str) -> &mut Site {
        self.filings.push(line.to_owned());
        self
    }

    /// Replaces what stands in `[regions]`.
    pub fn regions(&mut self, lines: &str) -> &mut Site {
        self.regions = lines.to_owned();
        self
    }

    /// Appends text to the configuration, for other tables.
    pub fn config_tail(&mut self, text: &str) -> &mut Site {
        self.tail.push_str(text);
        self.tail.push('\n');
        self
    }

    /// UDP and TCP on the same free port, for clients that retry over TCP.
    pub fn one_port(&mut self) -> &mut Site {
        self.listen = format!("\"127.0.0.1:{}\"", free_port());
        self
    }

    /// Replaces the list of listen addresses; TOML text of the elements.
    pub fn listen(&mut self, elements: &str) -> &mut Site {
        self.listen = elements.to_owned();
        self
    }

    /// Writes `zones/<origin>.zone`: a SOA and two NS as every zone has them, then `body`.
    pub fn zone(&self, origin: &str, body: &str) -> &Site {
        replace(&self.path(&format!("zones/{origin}.zone")), &zone_text(origin, 1, body));
        self
    }

    /// A zone whose apex and `www` have an address of ours.
    pub fn plain_zone(&self, origin: &str) -> &Site {
        self.zone(origin, PLAIN)
    }

    /// Writes `filings/10.ndjson`.
    pub fn records(&self, records: &[Record]) -> &Site {
        replace(&self.path("filings/10.ndjson"), &ndjson(records));
        self
    }

    /// The text of the configuration as it stands.
    pub fn config(&self) -> String {
        if let Some(text) = &self.verbatim {
            return text.clone();
        }
        let mut text = String::new();
        let socket = self.path("beiand.sock");
        writeln!(text, "[server]\nlisten = [{}]\nworkers = 1", self.listen).expect("a String");
        for line in &self.server {
            writeln!(text, "{line}").expect("a String");
        }
        text.push_str("[zones]\npath = \"zones\"\n[filings]\npath = \"filings\"\n");
        writeln!(text, "provider = \"{PROVIDER}\"").expect("a String");
        for line in &self.filings {
            writeln!(text, "{line}").expect("a String");
        }
        text.push_str("[gate]\n");
        for (key, value) in &self.gate {
            writeln!(text, "{key} = {value}").expect("a String");
        }
        writeln!(text, "[regions]\n{}", self.regions).expect("a String");
        writeln!(text, "[log]\nformat = \"json\"\n[control]\nsocket = {socket:?}")
            .expect("a String");
        text.push_str(&self.tail);
        text
    }

    /// Writes `beiand.toml` and returns its path.
    pub fn write_config(&self) -> PathBuf {
        let path = self.path("beiand.toml");
        replace(&path, &self.config());
        path
    }

    /// Runs `beiand <args> --config <file>` to its end.
    pub fn beiand(&self, args: &[&str]) -> Ran {
        let config = self.write_config();
        run_beiand(args, &config)
    }

    /// Has the child that becomes the server do this first.
    ///
    /// # Safety
    ///
    /// As of [`CommandExt::pre_exec`]: no memory is taken, no lock.
    pub unsafe fn before_exec(&mut self, work: BeforeExec) -> &mut Site {
        self.before_exec = Some(work);
        self
    }

    /// Starts `beiand serve` and waits until it says that it is ready.
    #[track_caller]
    pub fn start(self) -> Server {
        Server::start(self)
    }
}

/// `[regions]` of the tests: ours, another mainland provider's, overseas.
const REGIONS: &str = r#"
own = ["192.0.2.0/24", "2001:db8:1::/48"]
mainland = ["198.51.100.0/24", "2001:db8:2::/48"]
overseas = ["203.0.113.0/26", "2001:db8:3::/48"]
"#;

/// The body of a zone with an address of ours at its apex and at `www`.
pub const PLAIN: &str = "@ A 192.0.2.10\n@ AAAA 2001:db8:1::10\n@ MX 10 mx.hoster.example.\n@ TXT \"v=spf1 -all\"\nwww A 192.0.2.10\n";

/// A zone file: SOA (negative TTL 300) and NS, then `body`.
pub fn zone_text(origin: &str, serial: u32, body: &str) -> String {
    format!(
        "$ORIGIN {origin}.\n$TTL 3600\n\
         @ SOA ns1.hoster.example. hostmaster.hoster.example. {serial} 14400 3600 1209600 300\n\
         @ NS ns1.hoster.example.\n@ NS ns2.hoster.example.\n{body}\n"
    )
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).unwrap_or_else(|e| panic!("{}: {e}", from.display())) {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

// --- Writing files -----------------------------------------------------------------------------

/// Writes beside the file and renames over it.
pub fn replace(path: &Path, text: &str) {
    let aside = path.with_file_name(format!(
        ".{}.tmp",
        path.file_name().and_then(|n| n.to_str()).expect("a file name in UTF-8")
    ));
    fs::write(&aside, text).unwrap_or_else(|e| panic!("{}: {e}", aside.display()));
    fs::rename(&aside, path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Truncates and writes in place, then closes.
pub fn rewrite(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Appends and closes.
pub fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file.write_all(text.as_bytes()).expect("an append");
}

// --- The server --------------------------------------------------------------------------------

/// A running `beiand serve`. Dropping it sends SIGTERM and waits.
pub struct Server {
    pub site: Site,
    child: Child,
    udp: SocketAddr,
    tcp: SocketAddr,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    #[track_caller]
    fn start(mut site: Site) -> Server {
        let config = site.write_config();
        let mut command = Command::new(program());
        if let Some(work) = site.before_exec.take() {
            // SAFETY: promised by whoever gave it.
            unsafe { command.pre_exec(work) };
        }
        let mut child = command
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("beiand starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let stderr = child.stderr.take().expect("stderr was piped");
        let sink = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                lock(&sink).push(event);
            }
        });
        let deadline = Instant::now() + PATIENCE;
        loop {
            if lock(&log).iter().any(|e| message(e) == "ready") {
                break;
            }
            if let Some(status) = child.try_wait().expect("a child") {
                panic!("beiand ended before it was ready: {status}\n{}", render(&lock(&log)));
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                panic!("beiand never said \"ready\"\n{}", render(&lock(&log)));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let udp = address_of("udp", &lock(&log));
        let tcp = address_of("tcp", &lock(&log));
        Server { site, child, udp, tcp, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where the log says that something listens, such as `notice`.
    pub fn listening(&self, transport: &str) -> SocketAddr {
        let address = |event: &Value| -> Option<SocketAddr> {
            let is_it = message(event) == "listening" && event["fields"]["transport"] == transport;
            event["fields"]["address"].as_str().filter(|_| is_it)?.parse().ok()
        };
        let found = lock(&self.log).iter().find_map(address);
        found.unwrap_or_else(|| panic!("no address for {transport}\n{}", self.log_text()))
    }

    pub fn udp(&self) -> SocketAddr {
        self.udp
    }

    /// The first address of a transport, as the log names it: "tls", "https", "quic", "http3".
    #[track_caller]
    pub fn address(&self, transport: &str) -> SocketAddr {
        address_of(transport, &lock(&self.log))
    }

    pub fn tcp(&self) -> SocketAddr {
        self.tcp
    }

    /// Asks with `dig`; the arguments after the server and the port.
    pub fn dig(&self, args: &[&str]) -> Reply {
        let address = if args.contains(&"+tcp") { self.tcp } else { self.udp };
        dig_at(address, args)
    }

    /// Asks until the reply is as wanted; fails with the last reply and the log.
    #[track_caller]
    pub fn dig_until(&self, args: &[&str], wanted: impl Fn(&Reply) -> bool) -> Reply {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = self.dig(args);
            if wanted(&reply) {
                return reply;
            }
            if Instant::now() > deadline {
                panic!(
                    "dig {args:?} never gave what was wanted; last:\n{reply}\n{}",
                    self.log_text()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the name's A query gives the notice address for this reason.
    #[track_caller]
    pub fn blocked(&self, name: &str, reason: &str) -> Reply {
        let text = format!("icp:{reason}");
        self.dig_until(&[name, "A"], |r| {
            r.is_notice() && r.ede.iter().any(|(_, extra)| *extra == text)
        })
    }

    /// Waits until the name's A query gives addresses other than the notice, and no EDE.
    #[track_caller]
    pub fn opens(&self, name: &str) -> Reply {
        self.dig_until(&[name, "A"], |r| {
            !r.data("A").is_empty() && !r.is_notice() && r.ede.is_empty()
        })
    }

    /// Replaces `filings/10.ndjson` by rename.
    pub fn records(&self, records: &[Record]) {
        self.site.records(records);
    }

    /// `beiand reload --wait`: returns when what stands on disk is being answered.
    pub fn reload(&self, more: &[&str]) -> Ran {
        let mut args = vec!["reload", "--wait"];
        args.extend(more);
        run_beiand(&args, &self.site.path("beiand.toml"))
    }

    /// As [`Server::reload`], and it must have gone well.
    #[track_caller]
    pub fn reloaded(&self) {
        let ran = self.reload(&[]);
        assert_eq!(ran.code, 0, "beiand reload --wait\n{ran}\n{}", self.log_text());
    }

    /// Runs a verb of `beiand` with this server's configuration.
    pub fn beiand(&self, args: &[&str]) -> Ran {
        run_beiand(args, &self.site.path("beiand.toml"))
    }

    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: kill(2) takes two integers; the pid is that of our child, not yet waited for.
        unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
    }

    /// How many events the log holds now; a mark for [`Server::logged`].
    pub fn log_mark(&self) -> usize {
        lock(&self.log).len()
    }

    /// Waits for an event after the mark.
    #[track_caller]
    pub fn logged(&self, mark: usize, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = lock(&self.log).iter().skip(mark).find(|e| wanted(e)) {
                return event.clone();
            }
            if Instant::now() > deadline {
                panic!("the log never said what was wanted\n{}", self.log_text());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log_text(&self) -> String {
        render(&lock(&self.log))
    }

    /// Sends a datagram and then an ordinary query; what came back for the first, if anything
    /// did. One worker takes them in order, so that silence is told from slowness.
    #[track_caller]
    pub fn send_raw(&self, packet: &[u8]) -> Option<Vec<u8>> {
        exchange(self.udp, packet)
    }

    /// That the server still answers, after whatever was done to it.
    #[track_caller]
    pub fn still_answers(&self) {
        let reply = self.dig(&["version.of.nothing.invalid", "A"]);
        assert_eq!(reply.status, "REFUSED", "the server is gone?\n{reply}\n{}", self.log_text());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(libc::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(10);
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

/// The program under test: the one built, or the one that the variable `BEIAND` names, so that an
/// installed package can be put to the same tests.
pub fn program() -> std::ffi::OsString {
    std::env::var_os("BEIAND").unwrap_or_else(|| env!("CARGO_BIN_EXE_beiand").into())
}

#[track_caller]
fn address_of(transport: &str, log: &[Value]) -> SocketAddr {
    log.iter()
        .find(|e| message(e) == "listening" && e["fields"]["transport"] == transport)
        .and_then(|e| e["fields"]["address"].as_str()?.parse().ok())
        .unwrap_or_else(|| panic!("no address for {transport}\n{}", render(log)))
}

fn lock(log: &Mutex<Vec<Value>>) -> MutexGuard<'_, Vec<Value>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The message of a log event.
pub fn message(event: &Value) -> &str {
    event["fields"]["message"].as_str().unwrap_or("")
}

fn render(events: &[Value]) -> String {
    let mut text = String::from("--- log of beiand ---\n");
    for event in events {
        match event {
            Value::String(line) => writeln!(text, "{line}"),
            event => {
                writeln!(text, "{} {}", event["level"].as_str().unwrap_or(""), event["fields"])
            }
        }
        .expect("a String");
    }
    text
}

/// What a finished `beiand` said.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {}\n{}\n{}", self.code, self.stdout, self.stderr)
    }
}

fn run_beiand(args: &[&str], config: &Path) -> Ran {
    let Output { status, stdout, stderr } = Command::new(program())
        .args(args)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .output()
        .expect("beiand starts");
    Ran {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

// --- Odds and ends -----------------------------------------------------------------------------

/// Polls until the condition holds.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
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
