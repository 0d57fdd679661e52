//! What goes wrong around a server that runs for years: the log's disk full, its reader stalled, a
//! clock that jumps, signals by the hundred, a kill in the middle of a reload, clients that hold
//! connections by the thousand or let it wait. It goes on answering, takes changes in, and says in
//! the log what happened.

mod common;

use std::fs::File;
use std::io::{ErrorKind, PipeReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::{
    PATIENCE, Record, Reply, Site, anchor, dig_at, eventually, from_now, ndjson, program, query,
    replace, zone_text,
};

/// A `beiand serve` whose standard error is the test's to choose.
struct Process {
    site: Site,
    child: Child,
    address: SocketAddr,
}

/// A free address, which the site's configuration names from then on.
fn address_of(site: &mut Site) -> SocketAddr {
    let address = SocketAddr::from(([127, 0, 0, 1], common::free_port()));
    site.listen(&format!("\"{address}\""));
    site.write_config();
    address
}

fn serve(site: &Site, stderr: Stdio, environment: &[(&str, &Path)]) -> Child {
    Command::new(program())
        .args(["serve", "--config"])
        .arg(site.path("beiand.toml"))
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("beiand starts")
}

impl Process {
    #[track_caller]
    fn start(mut site: Site, stderr: Stdio, environment: &[(&str, &Path)]) -> Process {
        let address = address_of(&mut site);
        let child = serve(&site, stderr, environment);
        let mut process = Process { site, child, address };
        process.wait_until_it_answers();
        process
    }

    #[track_caller]
    fn wait_until_it_answers(&mut self) {
        eventually("the server answers for site.example", || {
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "beiand ended: {ended:?}");
            self.asks_well()
        });
    }

    /// One query without waiting for long: at first nobody listens.
    fn asks_well(&self) -> bool {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(self.address).expect("a loopback address");
        socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
        let mut reply = [0; 2_048];
        socket.send(&query(1, "site.example", 6)).is_ok()
            && socket.recv(&mut reply).is_ok_and(|len| len > 12 && reply[3] & 0xf == 0)
    }

    fn dig(&self, args: &[&str]) -> Reply {
        dig_at(self.address, args)
    }

    #[track_caller]
    fn dig_until(&self, args: &[&str], wanted: impl Fn(&Reply) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = self.dig(args);
            if wanted(&reply) {
                return;
            }
            assert!(Instant::now() < deadline, "dig {args:?}; the last reply was\n{reply}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: kill(2) takes two integers; the pid is that of our child, not yet waited for.
        unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
    }

    /// Changes the zone and the filing, and waits until both are answered.
    #[track_caller]
    fn takes_a_change(&self, version: u32) {
        write_version(&self.site, version);
        let text = format!("\"v={version}\"");
        self.dig_until(&["site.example", "TXT"], |reply| reply.data("TXT") == [text.as_str()]);
        self.dig_until(&["site.example", "A"], |reply| reply.is_notice() == is_dark(version));
    }

    /// Sends SIGTERM and waits for the end.
    #[track_caller]
    fn ends_well(mut self) {
        self.signal(libc::SIGTERM);
        let mut status: Option<ExitStatus> = None;
        eventually("the server ends after SIGTERM", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        assert!(status.is_some_and(|status| status.success()), "it ended with {status:?}");
    }

    /// The exit code of `beiand <args>` with this server's configuration.
    fn beiand(&self, args: &[&str]) -> Option<i32> {
        let output = Command::new(program())
            .args(args)
            .arg("--config")
            .arg(self.site.path("beiand.toml"))
            .output()
            .expect("beiand starts");
        output.status.code()
    }

    /// Bytes of memory that are resident.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("a running process");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a figure");
        let kib: u64 = line.split_whitespace().nth(1).expect("a figure").parse().expect("a number");
        kib * 1024
    }

    /// User and system time of all its threads.
    fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))
            .expect("a running process");
        let after_name = stat.rsplit_once(')').expect("the name is in brackets").1;
        let ticks: u64 = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().expect("a number"))
            .sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every other version of the site has a filing that is not synced yet.
fn is_dark(version: u32) -> bool {
    version % 2 == 1
}

fn write_version(site: &Site, version: u32) {
    let record = match is_dark(version) {
        true => Record::in_force("site.example"),
        false => Record::open("site.example"),
    };
    replace(&site.path("filings/10.ndjson"), &ndjson(&[record]));
    let body = format!("@ A 192.0.2.10\n@ TXT \"v={version}\"\n");
    replace(&site.path("zones/site.example.zone"), &zone_text("site.example", version, &body));
}

fn site() -> Site {
    let site = Site::new();
    write_version(&site, 0);
    site
}

/// Asks for the zone's SOA without a pause, and wants an answer each time.
struct Asking {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Asking {
    fn start(server: SocketAddr) -> Asking {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let (until, count) = (Arc::clone(&stop), Arc::clone(&answered));
        let thread = std::thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
            socket.connect(server).expect("a loopback address");
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            let mut reply = [0; 2_048];
            for id in (0..u16::MAX).cycle().take_while(|_| !until.load(Ordering::Relaxed)) {
                socket.send(&query(id, "site.example", 6)).expect("a datagram");
                let len = socket.recv(&mut reply).expect("an answer to each query");
                assert!(reply[..2] == id.to_be_bytes() && len > 12, "the answer to query {id}");
                assert_eq!((reply[3] & 0xf, reply[7]), (0, 1), "NOERROR and one SOA");
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Asking { stop, answered, thread }
    }

    #[track_caller]
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("every query was answered");
        self.answered.load(Ordering::Relaxed)
    }
}

// --- The log ------------------------------------------------------------------------------------

#[test]
fn a_full_disk_for_the_log_stops_nothing() {
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let process = Process::start(site(), full.into(), &[]);
    let asking = Asking::start(process.address);
    for version in 1..=20 {
        process.takes_a_change(version);
    }
    let reloaded = process.beiand(&["reload", "--wait"]);
    assert_eq!(reloaded, Some(0), "beiand reload --wait");
    assert!(asking.stop() > 0);
    process.ends_well();
}

#[test]
fn a_stalled_reader_of_the_log_stops_nothing() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    make_small(&reader);
    let process = Process::start(site(), writer.into(), &[]);
    let asking = Asking::start(process.address);
    for version in 1..=60 {
        process.takes_a_change(version);
    }
    assert!(asking.stop() > 0);
    process.ends_well();
    drop(reader);
}

#[test]
fn events_that_could_not_be_written_are_told_when_it_goes_again() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    make_small(&reader);
    // A write to the full pipe fails now, as it does on a full disk.
    // SAFETY: sets a flag of a descriptor that is open.
    unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    let process = Process::start(site(), writer.into(), &[]);
    for version in 1..=60 {
        process.takes_a_change(version);
    }
    let log = std::thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).expect("UTF-8");
        log
    });
    process.takes_a_change(61);
    process.takes_a_change(62);
    process.ends_well();
    let log = log.join().expect("the log was read");
    let told = log.lines().filter(|line| line.contains("log events were lost")).count();
    assert!(told >= 1, "nothing was told of lost events:\n{log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("stopped"), "the log goes on to the end: {last}");
}

fn make_small(pipe: &PipeReader) {
    // SAFETY: sets the size of a pipe that is open.
    unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, 4_096) };
}

// --- The clock ----------------------------------------------------------------------------------

/// Debian's package libfaketime has it below the machine's own folder of libraries.
fn faketime_library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
    folders
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists())
        .expect("libfaketimeMT.so.1: apt-get install libfaketime")
}

/// The environment of a process whose wall clock is set off as the file says.
fn faked<'a>(library: &'a Path, clock: &'a Path) -> [(&'static str, &'a Path); 5] {
    let yes = Path::new("1");
    [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", clock),
        ("FAKETIME_NO_CACHE", yes),
        ("FAKETIME_DONT_FAKE_MONOTONIC", yes),
        ("NO_FAKE_STAT", yes),
    ]
}

#[test]
fn a_clock_that_jumps_an_hour_moves_verdicts_forward_only_and_stops_nothing() {
    let site = site();
    let later = Record::in_force("later.example").set("synced_at", &from_now(1_800));
    let much_later = Record::in_force("much-later.example").set("synced_at", &from_now(9_000));
    site.plain_zone("later.example").plain_zone("much-later.example");
    replace(&site.path("filings/20.ndjson"), &format!("{}{}", later.line(), much_later.line()));
    let clock = site.path("clock");
    replace(&clock, "+0\n");
    let log_path = site.path("log");
    let log = File::create(&log_path).expect("a file");
    let process = Process::start(site, log.into(), &faked(&faketime_library(), &clock));
    let says = |text: &str| {
        eventually(&format!("the log says {text}"), || {
            std::fs::read_to_string(&log_path).is_ok_and(|log| log.contains(text))
        });
    };
    let asking = Asking::start(process.address);
    process.dig_until(&["later.example", "A"], Reply::is_notice);
    process.dig_until(&["much-later.example", "A"], Reply::is_notice);

    replace(&clock, "+3600\n");
    process.dig_until(&["later.example", "A"], |reply| reply.data("A") == ["192.0.2.10"]);
    process.dig_until(&["much-later.example", "A"], Reply::is_notice);
    says("clock jumped forward");
    process.takes_a_change(1);
    process.takes_a_change(2);

    // Two hours back: what was opened stays so, and files whose times lie ahead are read as ever.
    replace(&clock, "-3600\n");
    says("clock stepped back");
    process.takes_a_change(3);
    process.takes_a_change(4);
    process.dig_until(&["later.example", "A"], |reply| reply.data("A") == ["192.0.2.10"]);
    process.dig_until(&["much-later.example", "A"], Reply::is_notice);
    std::fs::write(process.site.path("zones/site.example.zone"), {
        zone_text("site.example", 5, "@ A 192.0.2.10\n@ TXT \"written in place\"\n")
    })
    .expect("a file");
    process.dig_until(&["site.example", "TXT"], |r| r.data("TXT") == ["\"written in place\""]);
    assert!(asking.stop() > 0);

    // Nothing spins while the instant that was used lies an hour ahead of the clock.
    let (begun, before) = (Instant::now(), process.cpu_time());
    eventually("two seconds are over", || begun.elapsed() > Duration::from_secs(2));
    let used = process.cpu_time() - before;
    assert!(used < begun.elapsed() / 2, "{used:?} of CPU time in {:?}", begun.elapsed());
    process.ends_well();
}

#[test]
fn a_clock_that_jumps_to_and_fro_under_load_loses_no_query() {
    let site = site();
    let clock = site.path("clock");
    replace(&clock, "+0\n");
    let log_path = site.path("log");
    let log = File::create(&log_path).expect("a file");
    let process = Process::start(site, log.into(), &faked(&faketime_library(), &clock));
    let asking = Asking::start(process.address);
    for (version, offset) in (1..).zip(["+3600", "-3600", "+90000", "+0", "-90000", "+1"]) {
        replace(&clock, &format!("{offset}\n"));
        process.takes_a_change(version);
    }
    let answered = asking.stop();
    println!("6 jumps of the clock, 6 changes, {answered} queries answered, none lost");
    assert!(answered > 0);
    process.ends_well();
}

// --- Connections --------------------------------------------------------------------------------

/// As many connections as were wanted, or as the limit of open files lets this process have.
fn affordable(wanted: usize) -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit that the call may write to.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a valid rlimit that the call only reads.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    // The other tests of this process, and what the server has open beside its connections.
    const SPARE: u64 = 500;
    let allowed = usize::try_from(limit.rlim_max.saturating_sub(SPARE)).unwrap_or(usize::MAX);
    if allowed < wanted {
        println!("{allowed} connections instead of {wanted}: the hard limit of open files");
    }
    allowed.min(wanted)
}

/// A site that lets one client have this many connections.
fn site_for_connections(count: usize, idle_timeout: &str) -> Site {
    let mut site = site();
    site.server(&format!("tcp_max_connections = {}", count + 100));
    site.server(&format!("tcp_max_connections_per_client = {}", count + 100));
    site.server(&format!("tcp_idle_timeout = \"{idle_timeout}\""));
    let body = "@ A 192.0.2.10\n@ TXT \"v=0\"\n".to_owned();
    let text = "x".repeat(250);
    let large: String = (0..100).map(|n| format!("large TXT \"{n} {text}\"\n")).collect();
    replace(&site.path("zones/site.example.zone"), &zone_text("site.example", 0, &(body + &large)));
    site
}

fn framed(query: &[u8]) -> Vec<u8> {
    [&(query.len() as u16).to_be_bytes()[..], query].concat()
}

fn connect(process: &Process) -> TcpStream {
    let stream = TcpStream::connect(process.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// The length of the reply that comes next.
fn reply_on(mut stream: &TcpStream) -> std::io::Result<usize> {
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut reply)?;
    Ok(reply.len())
}

#[test]
fn ten_thousand_idle_connections_stop_nobody_else() {
    let count = affordable(10_000);
    let process = Process::start(site_for_connections(count, "120s"), Stdio::null(), &[]);
    let before = process.resident();
    let idle: Vec<TcpStream> = (0..count).map(|_| connect(&process)).collect();
    // Who has had an answer has been accepted, and so have those before.
    for stream in idle.iter().step_by(500).chain(idle.last()) {
        let mut writing = stream;
        writing.write_all(&framed(&query(1, "site.example", 6))).expect("a query");
        assert!(reply_on(stream).expect("a reply") > 12);
    }
    let each = process.resident().saturating_sub(before) / count as u64;
    let asking = Asking::start(process.address);
    for version in 1..=3 {
        process.takes_a_change(version);
        let reply = process.dig(&["site.example", "SOA", "+tcp"]);
        assert_eq!(reply.status, "NOERROR", "over a connection beside {count} idle ones: {reply}");
    }
    let answered = asking.stop();
    println!("{count} idle connections, {each} bytes of memory each; {answered} queries answered");
    assert!(each < 16 << 10, "{each} bytes for an idle connection");
    process.ends_well();
}

#[test]
fn clients_that_take_no_answers_cost_little_and_stop_nobody_else() {
    const CLIENTS: usize = 300;
    let process = Process::start(site_for_connections(CLIENTS, "120s"), Stdio::null(), &[]);
    let before = process.resident();
    let queries = framed(&query(1, "large.site.example", 16)).repeat(400);
    let asking = Asking::start(process.address);
    let greedy: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| {
            let mut stream = connect(&process);
            stream.write_all(&queries).expect("400 queries");
            stream
        })
        .collect();
    for version in 1..=3 {
        process.takes_a_change(version);
        let reply = process.dig(&["site.example", "SOA", "+tcp"]);
        assert_eq!(reply.status, "NOERROR", "beside clients that take no answers: {reply}");
    }
    let grown = process.resident().saturating_sub(before);
    let answered = asking.stop();
    let asked = CLIENTS * 400 * 25;
    println!(
        "{CLIENTS} clients asked for {asked} KiB and took nothing: {} KiB of memory each; {answered} \
         queries of others answered",
        grown / 1024 / CLIENTS as u64
    );
    assert!(grown < (CLIENTS << 18) as u64, "{grown} bytes for {CLIENTS} slow readers");
    drop(greedy);
    process.ends_well();
}

#[test]
fn clients_that_write_byte_by_byte_are_served_or_let_go_of() {
    const CLIENTS: usize = 300;
    let process = Process::start(site_for_connections(CLIENTS, "10s"), Stdio::null(), &[]);
    let asking = Asking::start(process.address);
    let slow: Vec<TcpStream> = (0..CLIENTS).map(|_| connect(&process)).collect();
    let whole = framed(&query(1, "site.example", 6));
    for byte in &whole {
        for mut stream in &slow {
            stream.set_nodelay(true).expect("an option");
            stream.write_all(&[*byte]).expect("a byte");
        }
    }
    for stream in &slow {
        assert!(reply_on(stream).expect("a reply to the last byte") > 12);
    }
    // One byte in a while is no sign of life: only a whole query is.
    let begun = Instant::now();
    for (number, mut stream) in slow.iter().enumerate() {
        let mut byte = [0];
        eventually(&format!("client {number} is let go of"), || {
            let _ = stream.write(&whole[..1]);
            stream.set_nonblocking(true).expect("an option");
            !matches!(stream.read(&mut byte), Err(error) if error.kind() == ErrorKind::WouldBlock)
        });
    }
    process.takes_a_change(1);
    let answered = asking.stop();
    println!(
        "{CLIENTS} clients wrote byte by byte and were answered, then let go of after {:.1} s; \
         {answered} queries of others answered",
        begun.elapsed().as_secs_f64()
    );
    process.ends_well();
}

/// Lets the process open so many files beside those that it has open now.
fn limit_files(process: &Process, more: usize) {
    let open = std::fs::read_dir(format!("/proc/{}/fd", process.child.id())).expect("a process");
    let most = (open.count() + more) as libc::rlim_t;
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    let pid = process.child.id() as libc::pid_t;
    // SAFETY: `limit` is a valid rlimit that the call only reads; the old one is not asked for.
    let set = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut()) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn out_of_file_descriptors_is_told_once_and_got_over() {
    const CLIENTS: usize = 20;
    let site = site_for_connections(CLIENTS, "120s");
    let log_path = site.path("log");
    let log = File::create(&log_path).expect("a file");
    let process = Process::start(site, log.into(), &[]);
    let log = || std::fs::read_to_string(&log_path).expect("the log");
    let says = |text: &str| eventually(&format!("the log says {text}"), || log().contains(text));
    limit_files(&process, 6);
    let asking = Asking::start(process.address);
    let waiting: Vec<TcpStream> = (0..CLIENTS).map(|_| connect(&process)).collect();
    says("accepting TCP connections failed");
    assert!(log().contains("LimitNOFILE"), "what to do about it:\n{}", log());

    // Files that change meanwhile cannot be opened; what was read before is answered.
    write_version(&process.site, 1);
    for file in ["10.ndjson", "site.example.zone"] {
        eventually(&format!("the log says that {file} cannot be read"), || {
            let is_it = |line: &str| line.contains(file) && line.contains("Too many open files");
            log().lines().any(is_it)
        });
    }
    assert_eq!(process.dig(&["site.example", "TXT"]).data("TXT"), ["\"v=0\""]);

    // Who comes while it lasts waits in the backlog.
    let late = connect(&process);
    let mut writing = &late;
    writing.write_all(&framed(&query(1, "site.example", 6))).expect("a query");
    drop(waiting);
    assert!(reply_on(&late).expect("a reply") > 12);
    drop(late);
    process.dig_until(&["site.example", "TXT"], |reply| reply.data("TXT") == ["\"v=1\""]);
    process.dig_until(&["site.example", "A"], Reply::is_notice);
    process.takes_a_change(2);
    assert_eq!(process.beiand(&["reload", "--wait"]), Some(0), "{}", log());
    assert!(asking.stop() > 0);
    // That it is over is known only when nothing has failed for some seconds.
    eventually("the log says that it is over", || {
        assert_eq!(process.dig(&["site.example", "SOA", "+tcp"]).status, "NOERROR");
        log().contains("accepting TCP connections again")
    });
    for once in ["accepting TCP connections failed", "the zone file cannot be read"] {
        assert_eq!(log().matches(once).count(), 1, "{once}:\n{}", log());
    }
    process.ends_well();
}

// --- Signals ------------------------------------------------------------------------------------

#[test]
fn hundreds_of_sighups_stop_no_answer_and_no_change() {
    let process = Process::start(site(), Stdio::null(), &[]);
    let asking = Asking::start(process.address);
    for version in 1..=20 {
        for _ in 0..40 {
            process.signal(libc::SIGHUP);
        }
        process.takes_a_change(version);
    }
    let answered = asking.stop();
    println!("800 SIGHUPs, 20 changes, {answered} queries answered, none lost");
    assert!(answered > 0);
    process.ends_well();
}

#[test]
fn killed_in_the_middle_of_a_reload_it_starts_with_what_stands_on_disk() {
    let mut site = Site::new();
    for number in 0..200 {
        site.plain_zone(&format!("z{number}.example"));
    }
    write_version(&site, 0);
    let address = address_of(&mut site);
    let child = serve(&site, Stdio::null(), &[]);
    let mut process = Process { site, child, address };
    process.wait_until_it_answers();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for version in 1..=20 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(version.into());
        // All files at once, so that the reload takes its time.
        let body = format!("@ TXT \"v={version}\"\n");
        for number in 0..200 {
            let origin = format!("z{number}.example");
            replace(
                &process.site.path(&format!("zones/{origin}.zone")),
                &zone_text(&origin, version, &body),
            );
        }
        let records: Vec<Record> =
            (0..200).map(|number| Record::open(&format!("z{number}.example"))).collect();
        replace(
            &process.site.path("filings/20.ndjson"),
            &format!("{}{}", anchor().line(), ndjson(&records)),
        );
        write_version(&process.site, version);
        process.signal(libc::SIGHUP);
        // A point in the middle of whatever it does: any will do, so it is no wait for anything.
        std::thread::sleep(Duration::from_micros((random >> 33) % 60_000));
        process.child.kill().expect("a kill");
        process.child.wait().expect("a child");

        process.child = serve(&process.site, Stdio::null(), &[]);
        process.wait_until_it_answers();
        let text = format!("\"v={version}\"");
        for name in ["site.example", "z0.example", "z199.example"] {
            let reply = process.dig(&[name, "TXT"]);
            assert_eq!(reply.data("TXT"), [text.as_str()], "after kill {version}: {reply}");
        }
        assert_eq!(process.dig(&["site.example", "A"]).is_notice(), is_dark(version));
        let reloaded = process.beiand(&["reload", "--wait"]);
        assert_eq!(reloaded, Some(0), "the control socket left behind is taken over");
    }
    process.ends_well();
}
