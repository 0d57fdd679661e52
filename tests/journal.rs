//! The journal of decisions: what is written by the real server, what `beiand journal` makes of it,
//! and what is left of it after kills, full disks and starts.

mod common;
#[path = "common/random.rs"]
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::Duration;

use common::{Record, Server, Site, append, from_now, message, query, rewrite};
use random::Random;
use serde_json::Value;

fn site() -> Site {
    site_that_keeps(1)
}

/// A site whose journal has files of 1 MiB, of which so many old ones are kept.
fn site_that_keeps(files: usize) -> Site {
    let mut site = Site::new();
    site.config_tail(&format!("[journal]\npath = \"journal\"\nmax_size_mib = 1\nkeep = {files}"));
    site.plain_zone("site.example").records(&[]);
    site
}

fn files(site: &Site) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(site.path("journal")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "ndjson")).collect();
    files.sort();
    files
}

/// Every whole line of the journal; each must be JSON.
#[track_caller]
fn lines(site: &Site) -> Vec<Value> {
    let mut lines = Vec::new();
    for file in files(site) {
        let text = fs::read_to_string(&file).expect("UTF-8");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            lines.push(
                serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("{error}: {line} in {}", file.display())),
            );
        }
    }
    lines
}

/// The lines that speak of a change of this domain.
fn changes(site: &Site, domain: &str) -> Vec<Value> {
    lines(site).into_iter().filter(|line| line["domain"] == domain).collect()
}

/// Ends the server, in this way, and gives what it served.
fn ended(mut server: Server, signal: libc::c_int) -> Site {
    server.signal(signal);
    std::mem::take(&mut server.site)
}

fn place(site: &Site, file: &str, line: u32) -> Value {
    serde_json::json!({ "file": site.path(file), "line": line })
}

#[test]
fn an_opening_and_a_closing_are_told_with_the_line_that_caused_them() {
    let server = site().start();
    server.blocked("site.example", "no-filing");
    append(&server.site.path("filings/10.ndjson"), &Record::open("site.example").line());
    server.opens("site.example");
    let cancelled = Record::open("site.example").set("status", "cancelled");
    append(&server.site.path("filings/10.ndjson"), &cancelled.line());
    server.blocked("site.example", "cancelled");

    let told = changes(&server.site, "site.example");
    let words = |line: &Value| {
        ["event", "before", "after", "cause", "mode"]
            .map(|key| line[key].as_str().map(str::to_owned))
    };
    let want = |words: [&str; 5]| words.map(|word| Some(word.to_owned()));
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(words(&told[0]), want(["opened", "no-filing", "open", "filings", "enforce"]));
    assert_eq!(words(&told[1]), want(["closed", "open", "cancelled", "filings", "enforce"]));
    assert_eq!(told[0]["record"], place(&server.site, "filings/10.ndjson", 2));
    assert_eq!(told[1]["record"], place(&server.site, "filings/10.ndjson", 3));
    assert_eq!(told[0]["since"], "2024-05-01T10:00:00Z");

    let shown = server.beiand(&["journal", "www.site.example"]);
    assert_eq!(shown.code, 0, "{shown}");
    let said: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!(said.len(), 4, "{shown}");
    assert_eq!(said[0], "site.example");
    let file = server.site.path("filings/10.ndjson");
    for (line, begins, says) in [
        (said[1], "  dark from before 20", "because no-filing".to_owned()),
        (said[2], "  open from 20", format!("because open ({}:2)", file.display())),
        (said[3], "  dark from 20", format!(" on, because cancelled ({}:3)", file.display())),
    ] {
        assert!(line.starts_with(begins) && line.contains(&says), "{shown}");
        assert!(line.contains("Z (20") && line.contains("+08:00)"), "in both zones: {shown}");
    }
    // Nobody asked for the time when it was open.
    let shown = server.beiand(&["journal"]);
    assert!(shown.stdout.contains("dark from") && !shown.stdout.contains("open from"), "{shown}");
}

#[test]
fn a_change_by_the_clock_and_one_of_the_zones_folder_are_told_as_such() {
    let site = site();
    site.records(&[Record::in_force("site.example").set("synced_at", &from_now(2))]);
    let server = site.start();
    server.opens("site.example");
    server.site.plain_zone("new.example");
    server.blocked("new.example", "no-filing");
    fs::remove_file(server.site.path("zones/new.example.zone")).expect("a file");
    server.dig_until(&["new.example", "A"], |reply| reply.status == "REFUSED");
    let told = changes(&server.site, "site.example");
    assert_eq!(told.last().map(|line| &line["cause"]), Some(&Value::from("clock")), "{told:?}");
    let told = changes(&server.site, "new.example");
    let events: Vec<_> = told.iter().map(|line| (&line["event"], &line["cause"])).collect();
    let (hosted, unhosted, zone) = ("hosted".into(), "unhosted".into(), "zone".into());
    assert_eq!(events, [(&hosted, &zone), (&unhosted, &zone)]);
}

#[test]
fn names_with_records_of_their_own_are_told_with_their_zone() {
    let site = site();
    site.zone("site.example", "www A 192.0.2.10\nshop A 192.0.2.10\n");
    site.records(&[Record::open("shop.site.example")]);
    let server = site.start();
    server.opens("shop.site.example");
    let cancelled = Record::open("shop.site.example").set("status", "cancelled");
    server.records(&[cancelled]);
    server.blocked("shop.site.example", "cancelled");
    let told = changes(&server.site, "shop.site.example");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["event"], &told[0]["zone"]), (&"closed".into(), &"site.example".into()));
}

#[test]
fn what_changed_while_the_server_was_down_is_found_at_its_start() {
    let site = site();
    for origin in ["goes.example", "stays.example"] {
        site.plain_zone(origin);
    }
    let open = ["site.example", "goes.example", "stays.example"].map(Record::open);
    site.records(&open);
    let server = site.start();
    server.opens("site.example");
    let site = ended(server, libc::SIGKILL);
    let newest = files(&site).pop().expect("a file of the journal");
    // A line that the kill left unfinished.
    append(
        &newest,
        "{\"time\":\"2026-01-01T00:00:00Z\",\"event\":\"closed\",\"domain\":\"stays.exa",
    );
    fs::remove_file(site.path("zones/goes.example.zone")).expect("a file");
    site.plain_zone("comes.example");
    site.records(&open[1..]);

    let server = site.start();
    server.blocked("site.example", "no-filing");
    let of = |domain: &str| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let told = changes(&server.site, domain);
        told.iter().map(|line| (text(&line["event"]), text(&line["cause"]))).collect()
    };
    let start = |event: &str| vec![(event.to_owned(), "start".to_owned())];
    assert_eq!(of("site.example"), start("closed"));
    assert_eq!(of("goes.example"), start("unhosted"));
    assert_eq!(of("comes.example"), start("hosted"));
    assert!(of("stays.example").is_empty(), "{:?}", of("stays.example"));
    let shown = server.beiand(&["journal", "stays.example", "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(shown["periods"].as_array().map(Vec::len), Some(1), "{shown}");
    assert_eq!((&shown["unreadable"], &shown["periods"][0]["shown"]), (&0.into(), &"open".into()));
}

#[test]
fn in_observe_mode_closed_domains_are_told_as_answered() {
    let mut site = site();
    site.gate("mode", "\"observe\"");
    let mut server = site.start();
    server.dig_until(&["site.example", "A"], |reply| reply.data("A") == ["192.0.2.10"]);
    server.site.gate("mode", "\"enforce\"");
    server.site.write_config();
    server.blocked("site.example", "no-filing");
    let shown = server.beiand(&["journal", "site.example", "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let periods: Vec<_> = shown["periods"].as_array().expect("a list").iter().collect();
    let said: Vec<_> = periods.iter().map(|period| &period["shown"]).collect();
    assert_eq!(said, [&Value::from("observed"), &"dark".into()], "{shown}");
    assert_eq!(periods[0]["to"], periods[1]["from"]);
}

// --- Rotation, kills, full disks ----------------------------------------------------------------

const MANY: usize = 700;

fn plain_zone(site: &Site, n: usize) {
    site.plain_zone(&format!("d{n}.example"));
}

fn flip_all(site: &Site, version: u32) {
    let record = |n: usize| flipped(&format!("d{n}.example"), version);
    site.records(&(0..MANY).map(record).collect::<Vec<_>>());
}

/// Of even versions open, of odd ones not synced; either since an instant that tells the version.
fn flipped(domain: &str, version: u32) -> Record {
    let at = instant_of(version);
    let record = Record::in_force(domain).set("approved_at", &at);
    if is_dark(version) { record } else { record.set("synced_at", &at) }
}

fn is_dark(version: u32) -> bool {
    version % 2 == 1
}

fn instant_of(version: u32) -> String {
    let (hours, minutes, seconds) = (version / 3600, version / 60 % 60, version % 60);
    format!("2024-05-01T{hours:02}:{minutes:02}:{seconds:02}Z")
}

#[test]
fn a_full_file_is_followed_by_one_that_begins_with_what_stands_and_the_oldest_goes() {
    let site = site();
    (0..MANY).for_each(|n| plain_zone(&site, n));
    flip_all(&site, 0);
    let server = site.start();
    server.opens("d0.example");
    let first = files(&server.site);
    let mut version = 0;
    let has_gone = |server: &Server| files(&server.site).len() == 2 && !first[0].exists();
    while !has_gone(&server) {
        version += 1;
        assert!(version < 100, "no third file after so many changes: {:?}", files(&server.site));
        flip_all(&server.site, version);
        server.reloaded();
    }
    assert_eq!(first.len(), 1);
    let every = lines(&server.site);
    assert_eq!((&every[0]["event"], &every[1]["event"]), (&"begun".into(), &"standing".into()));
    let stands: usize = every
        .iter()
        .take_while(|line| line["event"] != "closed" && line["event"] != "opened")
        .filter_map(|line| line["domains"].as_array().map(Vec::len))
        .sum();
    assert_eq!(stands, MANY + 1, "each domain once");
    assert_alternating(&every);

    // Nothing is made up by a start from the last file alone.
    let before = every.len();
    let server = ended(server, libc::SIGTERM).start();
    let after = lines(&server.site);
    assert_eq!(after.len(), before + 1, "{:?}", &after[before..]);
    assert_eq!(after[before]["event"], "started");
    let shown = server.beiand(&["journal", "d1.example", "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_contiguous(&shown);
    let last = shown["periods"].as_array().expect("a list").last().expect("a period");
    assert_eq!(last["shown"], if is_dark(version) { "dark" } else { "open" });
}

/// What a line says stood before is what the last line said stands, for each domain.
#[track_caller]
fn assert_alternating(lines: &[Value]) {
    let mut standing: BTreeMap<String, String> = BTreeMap::new();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    for line in lines {
        for domain in line["domains"].as_array().into_iter().flatten() {
            let (domain, after) = (text(domain), text(&line["after"]));
            let before = standing.entry(domain).or_insert_with(|| after.clone());
            assert_eq!(*before, after, "{line}");
        }
        let Some(domain) = line["domain"].as_str() else { continue };
        let (before, after) = (text(&line["before"]), text(&line["after"]));
        let event = if after == "open" { "opened" } else { "closed" };
        assert!(line["event"] == event && before != after, "{line}");
        assert_eq!(
            standing.insert(domain.to_owned(), after).unwrap_or(before.clone()),
            before,
            "{line}"
        );
    }
}

#[track_caller]
fn assert_contiguous(shown: &Value) {
    let periods = shown["periods"].as_array().expect("a list");
    for pair in periods.windows(2) {
        assert_eq!(pair[0]["to"], pair[1]["from"], "{shown}");
        assert_ne!(pair[0]["shown"], pair[1]["shown"], "{shown}");
    }
}

/// What `_icp.<domain> TXT` says: whether the domain is dark, and since when.
fn seen(socket: &UdpSocket, domain: &str) -> Option<(bool, String)> {
    let mut reply = [0; 2_048];
    socket.send(&query(1, &format!("_icp.{domain}"), 16)).ok()?;
    let len = socket.recv(&mut reply).ok()?;
    let text = String::from_utf8_lossy(&reply[..len]).into_owned();
    let since = text.split_once("since=")?.1.get(..20)?.to_owned();
    Some((text.contains("state=blocked"), since))
}

#[test]
fn after_a_hundred_kills_every_line_is_whole_and_no_answer_is_missing() {
    const KILLS: u32 = 100;
    const DOMAINS: usize = 40;
    let mut random = Random::new(17);
    let mut site = site_that_keeps(1_000);
    let domains: Vec<String> = (0..DOMAINS).map(|n| format!("d{n}.example")).collect();
    let write = |site: &Site, version: u32| {
        let records = domains.iter().map(|domain| flipped(domain, version));
        site.records(&records.collect::<Vec<_>>());
    };
    (0..DOMAINS).for_each(|n| plain_zone(&site, n));
    let mut version = 0;
    write(&site, version);
    let mut answered: BTreeSet<(String, bool, String)> = BTreeSet::new();
    for _ in 0..KILLS {
        let server = site.start();
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(server.udp()).expect("a loopback address");
        socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        let (pid, delay) = (server.pid(), Duration::from_micros(random.below(120_000) as u64));
        let kill = std::thread::spawn(move || {
            std::thread::sleep(delay);
            // SAFETY: kill(2) takes two integers; the server is waited for after this thread.
            unsafe { libc::kill(pid as libc::pid_t, libc::SIGKILL) };
        });
        'running: loop {
            version += 1;
            write(&server.site, version);
            loop {
                let domain = &domains[random.below(DOMAINS)];
                let Some((dark, since)) = seen(&socket, domain) else { break 'running };
                let is_taken = since == instant_of(version);
                answered.insert((domain.clone(), dark, since));
                if is_taken {
                    break;
                }
            }
        }
        kill.join().expect("a thread that sleeps and kills");
        site = ended(server, libc::SIGKILL);
        lines(&site);
    }
    let server = site.start();
    let every = lines(&server.site);
    assert_alternating(&every);
    // The first version is among what stood when the journal began, without its instant.
    answered.retain(|(_, _, since)| *since != instant_of(0));
    let told: BTreeSet<(String, bool, String)> = every
        .iter()
        .filter_map(|line| {
            let since = line["since"].as_str()?.to_owned();
            Some((line["domain"].as_str()?.to_owned(), line["after"] != "open", since))
        })
        .collect();
    let missing: Vec<_> = answered.difference(&told).collect();
    let some: Vec<_> = missing.iter().take(5).collect();
    assert!(missing.is_empty(), "{} of {} answers: {some:?}", missing.len(), answered.len());
    let started = every.iter().filter(|line| line["event"] == "started").count();
    println!("{version} versions, {} seen in answers, {started} starts", answered.len());
    assert!(answered.len() > KILLS as usize / 4, "hardly anything was seen: {}", answered.len());
    let shown = server.beiand(&["journal", "d0.example", "--json"]);
    assert_contiguous(&serde_json::from_str(&shown.stdout).expect("JSON"));
}

/// Lets no file of the process grow beyond so many bytes: what goes beyond is not written, as on a
/// full disk.
fn limit_files(server: &Server, bytes: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is a valid rlimit that the call only reads; the process is our child.
    let set = unsafe {
        libc::prlimit(server.pid() as i32, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut())
    };
    assert_eq!(set, 0, "prlimit: {}", std::io::Error::last_os_error());
}

#[test]
fn a_full_disk_holds_no_answer_up_and_the_gap_is_told() {
    // Who exceeds the limit is told by a signal, too, which the server inherits as ignored.
    // SAFETY: no handler is installed.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let site = site();
    (0..MANY).for_each(|n| plain_zone(&site, n));
    flip_all(&site, 0);
    let server = site.start();
    flip_all(&server.site, 1);
    server.reloaded();
    let whole = lines(&server.site).len();
    let newest = files(&server.site).pop().expect("a file of the journal");
    let size = fs::metadata(&newest).expect("a file").len();
    // Room for some of the lines, and half of one.
    limit_files(&server, size + 5_000);
    let mark = server.log_mark();
    for version in 2..=4 {
        flip_all(&server.site, version);
        server.reloaded();
    }
    server.opens("d0.example");
    let told = "the journal of decisions cannot be written";
    server.logged(mark, |event| message(event).starts_with(told));
    let text = fs::read_to_string(&newest).expect("UTF-8");
    assert!(text.ends_with('\n'), "half a line stays: {:?}", text.lines().last());
    let written = lines(&server.site).len() - whole;
    assert!((1..MANY).contains(&written), "{written} lines");

    limit_files(&server, libc::RLIM_INFINITY);
    server.logged(mark, |event| message(event) == "the journal of decisions goes on");
    let every = lines(&server.site);
    let gap = every.iter().find(|line| line["event"] == "gap").expect("a gap");
    assert_eq!(gap["lost"], 3 * MANY - written);
    assert_eq!(server.log_text().matches(told).count(), 1, "{}", server.log_text());
    // Version 4 is what stands; of those whose opening was written, nothing is told again.
    let found = every.iter().filter(|line| line["cause"] == "gap").count();
    assert_eq!(found, MANY - written);
    assert_alternating(&every);
    flip_all(&server.site, 5);
    server.reloaded();
    assert_eq!(changes(&server.site, "d0.example").last().expect("a line")["cause"], "filings");
    let shown = server.beiand(&["journal"]);
    assert!(shown.stdout.contains("gap: ") && shown.code == 0, "{shown}");
}

#[test]
fn a_journal_that_somebody_moved_away_goes_on_in_a_file_of_its_own() {
    let server = site().start();
    server.blocked("site.example", "no-filing");
    fs::rename(server.site.path("journal"), server.site.path("taken-away")).expect("a folder");
    for (version, name) in [(0, "opened"), (1, "closed"), (2, "opened")] {
        server.records(&[flipped("site.example", version)]);
        server.reloaded();
        if version > 0 {
            let told = changes(&server.site, "site.example");
            assert_eq!(told.last().expect("a line")["event"], name);
        }
    }
}

#[test]
fn one_server_at_a_time_writes_a_journal() {
    let first = site().start();
    let mut second = Site::new();
    second.config_tail(&format!("[journal]\npath = {:?}", first.site.path("journal")));
    second.plain_zone("other.example");
    let second = second.start();
    second.blocked("other.example", "no-filing");
    second.logged(0, |event| {
        event["fields"]["error"].as_str().is_some_and(|error| error.contains("another process"))
    });
    assert!(lines(&first.site).iter().all(|line| !line.to_string().contains("other.example")));
}

// --- The verb -----------------------------------------------------------------------------------

#[test]
fn the_verb_answers_for_spans_of_time_and_in_either_form_of_a_name() {
    let site = site();
    assert_eq!(site.beiand(&["journal"]).code, 3, "there is no folder yet");
    fs::create_dir(site.path("journal")).expect("a folder");
    assert_eq!(site.beiand(&["journal"]).code, 1, "nothing is in it");
    let line = |time: &str, event: &str, before: &str, after: &str, line: u32| {
        format!(
            "{{\"time\":\"2026-01-{time}Z\",\"event\":\"{event}\",\"mode\":\"enforce\",\
             \"domain\":\"xn--fsqu00a.xn--fiqs8s\",\"before\":\"{before}\",\"after\":\"{after}\",\
             \"cause\":\"filings\",\"record\":{{\"file\":\"f.csv\",\"line\":{line}}}}}\n"
        )
    };
    let text = [
        line("01T00:00:00", "closed", "open", "cancelled", 3),
        line("02T01:00:00", "reason-changed", "cancelled", "restricted", 4),
        "this is no line\n".to_owned(),
        line("05T00:00:00", "opened", "restricted", "open", 5),
    ];
    rewrite(&site.path("journal/decisions-00000001.ndjson"), &text.concat());
    let shown = site.beiand(&["journal", "www.例子.中国"]);
    let dark = "  dark from 2026-01-01T00:00:00Z (2026-01-01T08:00:00+08:00) to 2026-01-02T01:00:00Z \
                (2026-01-02T09:00:00+08:00), 1 day 1 h, because cancelled (f.csv:3)\n";
    assert!(shown.code == 0 && shown.stdout.contains(dark), "{shown}");
    assert!(shown.stdout.contains("\n1 line could not be read\n"), "{shown}");
    let periods = |args: &[&str]| {
        let ran = site.beiand(&[&["journal", "--json"], args].concat());
        let shown: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let periods = shown["periods"].as_array().expect("a list");
        let verdicts = periods.iter().map(|it| it["verdict"].as_str().expect("a code").to_owned());
        (ran.code, verdicts.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(periods(&["例子.中国"]), (0, "cancelled restricted open".to_owned()));
    assert_eq!(periods(&[]), (0, "cancelled restricted".to_owned()));
    assert_eq!(periods(&["--until", "2026-01-02T09:00:00+08:00"]), (0, "cancelled".to_owned()));
    assert_eq!(periods(&["--since", "2026-01-02T09:00:00+08:00"]), (0, "restricted".to_owned()));
    assert_eq!(periods(&["other.example"]), (1, String::new()));
    assert_eq!(site.beiand(&["journal", "--since", "2026-01-02"]).code, 2);
}
