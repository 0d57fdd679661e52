//! The snapshot of what has been loaded (`[server] snapshot`): a start from it answers as a start
//! from the files does, whatever has become of the files, or of the snapshot, meanwhile.

mod common;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use beiand::filing::Verdict;
use beiand::snapshot::{Kind, Snapshot, Writer};
use common::{PLAIN, Record, Server, Site, append, eventually, message, replace};

/// Hosts `filed.example` and `unfiled.example`, of which the first is filed.
fn site() -> Site {
    let mut site = Site::new();
    site.server("snapshot = \"snapshot\"");
    site.plain_zone("filed.example").plain_zone("unfiled.example");
    site.records(&[Record::open("filed.example")]);
    site
}

/// The same, served, with a snapshot of it.
#[track_caller]
fn saved() -> Server {
    saved_of(site())
}

#[track_caller]
fn saved_of(site: Site) -> Server {
    let server = site.start();
    server.logged(0, |event| message(event) == "snapshot written");
    server
}

/// Ends the server, does something, and starts it again.
#[track_caller]
fn restarted(mut server: Server, meanwhile: impl FnOnce(&Site)) -> Server {
    let site = std::mem::take(&mut server.site);
    drop(server);
    meanwhile(&site);
    site.start()
}

fn is_from_snapshot(server: &Server, what: &str) -> bool {
    let log = server.log_text();
    log.lines().any(|line| line.contains("read from the snapshot") && line.contains(what))
}

/// How many zone files the start has read.
#[track_caller]
fn zones_read(server: &Server) -> u64 {
    let told = server.logged(0, |event| message(event) == "reloaded");
    told["fields"]["zones_changed"].as_u64().expect("a number")
}

#[track_caller]
fn answers_from_snapshot(server: &Server) {
    for what in ["filings", "zones"] {
        assert!(is_from_snapshot(server, what), "{what}\n{}", server.log_text());
    }
}

#[track_caller]
fn answers_as_ever(server: &Server) {
    server.opens("www.filed.example");
    server.blocked("www.unfiled.example", "no-filing");
    server.still_answers();
}

#[test]
fn without_changes_nothing_is_read_and_the_snapshot_stands() {
    let server = saved();
    let inode = |site: &Site| fs::metadata(site.path("snapshot")).expect("a snapshot").ino();
    let before = inode(&server.site);
    let mode = fs::metadata(server.site.path("snapshot")).expect("a snapshot").mode();
    assert_eq!(mode & 0o777, 0o600, "it holds the key of the hashes");
    let server = restarted(server, |_| {});
    answers_from_snapshot(&server);
    answers_as_ever(&server);
    assert_eq!(zones_read(&server), 0);
    server.reloaded();
    assert_eq!(inode(&server.site), before, "it was written again for nothing");
}

#[test]
fn what_has_changed_meanwhile_is_read_and_nothing_else() {
    let server = saved();
    let server = restarted(server, |site| {
        site.zone("filed.example", "@ A 192.0.2.77\n");
        site.plain_zone("new.example");
        fs::remove_file(site.path("zones/unfiled.example.zone")).expect("it was there");
        append(&site.path("filings/10.ndjson"), &Record::open("new.example").line());
    });
    answers_from_snapshot(&server);
    assert_eq!(server.dig(&["filed.example", "A"]).data("A"), ["192.0.2.77"]);
    server.opens("new.example");
    assert_eq!(zones_read(&server), 2);
    server.dig_until(&["unfiled.example", "A"], |reply| reply.status == "REFUSED");
    // The next snapshot has all of that.
    server.logged(0, |event| message(event) == "snapshot written");
    let server = restarted(server, |_| {});
    assert_eq!(zones_read(&server), 0);
    server.opens("new.example");
    server.dig_until(&["unfiled.example", "A"], |reply| reply.status == "REFUSED");
}

/// As archives of another system leave them: in GBK, say.
#[test]
fn files_and_folders_whose_names_are_no_text_are_kept_too() {
    let site = site();
    let named = |below: &str, name: &[u8]| site.path(below).join(OsStr::from_bytes(name));
    let folder = named("zones", b"\xbf\xcd\xbb\xa7");
    fs::create_dir(&folder).expect("a folder");
    fs::rename(site.path("zones/filed.example.zone"), folder.join("filed.example.zone"))
        .expect("a rename");
    let filings = named("filings", b"\xb1\xb8\xb0\xb8.ndjson");
    fs::write(filings, Record::open("unfiled.example").line()).expect("a file");
    let server = restarted(saved_of(site), |_| {});
    answers_from_snapshot(&server);
    assert_eq!(zones_read(&server), 0);
    server.opens("www.filed.example");
    server.opens("www.unfiled.example");
}

#[test]
fn a_filing_file_rewritten_meanwhile_is_read_anew() {
    let server = saved();
    let server = restarted(server, |site| {
        site.records(&[Record::in_force("filed.example"), Record::open("unfiled.example")]);
    });
    answers_from_snapshot(&server);
    server.blocked("filed.example", "not-synced");
    server.opens("unfiled.example");
}

#[test]
fn an_included_file_changed_or_gone_meanwhile_has_its_zone_read() {
    let site = site();
    fs::write(site.path("zones/hosts.inc"), "www A 192.0.2.1\n").expect("a file");
    site.zone("filed.example", "@ A 192.0.2.10\n$INCLUDE hosts.inc\n");
    let server = saved_of(site);
    let server = restarted(server, |site| {
        replace(&site.path("zones/hosts.inc"), "www A 192.0.2.2\n");
    });
    assert_eq!(server.dig(&["www.filed.example", "A"]).data("A"), ["192.0.2.2"]);
    assert_eq!(zones_read(&server), 1);
    server.logged(0, |event| message(event) == "snapshot written");
    let server = restarted(server, |site| {
        fs::remove_file(site.path("zones/hosts.inc")).expect("it was there");
    });
    // Refused, and told; the last good version stays, as it would have in a server that went on.
    server.logged(0, |event| {
        message(event) == "fault" && event["fields"]["file"].to_string().contains("filed.example")
    });
    assert_eq!(server.dig(&["www.filed.example", "A"]).data("A"), ["192.0.2.2"]);
}

#[test]
fn a_zone_file_that_is_refused_is_told_of_at_each_start_and_its_last_good_version_stays() {
    let mut server = saved();
    for _ in 0..2 {
        server = restarted(server, |site| {
            replace(&site.path("zones/filed.example.zone"), "@ IN SOA nonsense\n");
        });
        server.logged(0, |event| message(event) == "fault");
        server.opens("www.filed.example");
    }
}

#[test]
fn rare_records_come_back_as_they_were() {
    let names = [
        "old.example",
        "new.example",
        "shop.below.example",
        "www.below.example",
        "gone.example",
        "gone-too.example",
        "waiting.example",
    ];
    let mut site = site();
    for zone in ["old", "new", "below", "gone", "gone-too", "waiting"] {
        site.plain_zone(&format!("{zone}.example"));
    }
    site.zone("below.example", &format!("{PLAIN}shop A 192.0.2.11\n"));
    let of_one = |record: Record| {
        record.set("subject_number", "京ICP备2024777777号").set("subject", "one owner")
    };
    site.records(&[
        Record::open("filed.example"),
        Record::open("old.example")
            .set("application", "change-domain")
            .set("application_status", "approved")
            .set("application_at", "2024-06-01T10:00:00+08:00")
            .set("new_domain", "new.example"),
        Record::open("shop.below.example"),
        of_one(Record::open("gone.example")).set("status", "cancelled").without("site_number"),
        of_one(Record::open("gone-too.example")),
        Record::applied("waiting.example", "first", "under-review"),
    ]);
    site.one_port();
    let server = saved_of(site);
    let verdicts = |server: &Server| -> Vec<(Vec<String>, String)> {
        let ask = |name: &&str| {
            let reply = server.dig(&[name, "A"]);
            let data = reply.data("A").iter().map(ToString::to_string).collect();
            (data, format!("{:?}", reply.ede))
        };
        names.iter().map(ask).collect()
    };
    let before = verdicts(&server);
    let different: std::collections::BTreeSet<&String> = before.iter().map(|(_, e)| e).collect();
    assert!(different.len() >= 3, "these records say hardly anything: {before:?}");
    let server = restarted(server, |_| {});
    answers_from_snapshot(&server);
    assert_eq!(verdicts(&server), before);
    // And go on as they would have.
    append(&server.site.path("filings/10.ndjson"), &Record::open("waiting.example").line());
    server.opens("waiting.example");
}

#[test]
fn a_damaged_or_foreign_snapshot_is_left_aside_and_replaced() {
    fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(path).expect("a snapshot");
        change(&mut bytes);
        fs::write(path, bytes).expect("a write");
    }
    type Harm = (&'static str, Box<dyn Fn(&Path)>);
    let flip = |part: usize| -> Harm {
        let flip = move |bytes: &mut Vec<u8>| {
            let at = bytes.len() * part / 10;
            bytes[at] ^= 0x10;
        };
        ("a flipped bit", Box::new(move |path| rewrite(path, flip)))
    };
    let harms: Vec<Harm> = vec![
        ("empty", Box::new(|path| fs::write(path, "").expect("a write"))),
        ("another file", Box::new(|path| fs::write(path, "a".repeat(5_000)).expect("a write"))),
        ("half", Box::new(|path| rewrite(path, |bytes| bytes.truncate(bytes.len() / 2)))),
        (
            "without its end",
            Box::new(|path| rewrite(path, |bytes| bytes.truncate(bytes.len() - 1))),
        ),
        ("another format", Box::new(|path| rewrite(path, |bytes| bytes[8] += 1))),
        ("another seed", Box::new(|path| rewrite(path, |bytes| bytes[13] ^= 1))),
        ("another version", Box::new(|path| rewrite(path, |bytes| bytes[20] ^= 1))),
        (
            "readable by all",
            Box::new(|path| {
                fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("a mode");
            }),
        ),
        (
            "a folder",
            Box::new(|path| {
                fs::remove_file(path).expect("a snapshot");
                fs::create_dir(path).expect("a folder");
            }),
        ),
        flip(1),
        flip(3),
        flip(5),
        flip(7),
        flip(9),
    ];
    let mut server = saved();
    for (what, harm) in harms {
        let server_now = restarted(server, |site| harm(&site.path("snapshot")));
        server_now.logged(0, |event| message(event).starts_with("the snapshot is left aside"));
        answers_as_ever(&server_now);
        server = restarted(server_now, |site| {
            if site.path("snapshot").is_dir() {
                fs::remove_dir(site.path("snapshot")).expect("an empty folder");
            }
        });
        answers_as_ever(&server);
        println!("{what}: left aside");
        server.logged(0, |event| {
            message(event) == "snapshot written" || message(event) == "read from the snapshot"
        });
        if !is_from_snapshot(&server, "zones") {
            server = restarted(server, |_| {});
        }
        answers_from_snapshot(&server);
    }
}

#[test]
fn a_snapshot_of_other_settings_is_left_aside() {
    let server = saved();
    let server = restarted(server, |site| {
        fs::rename(site.path("zones"), site.path("elsewhere")).expect("a rename");
        std::os::unix::fs::symlink(site.path("elsewhere"), site.path("zones")).expect("a link");
    });
    // The same files by another way: they are what they were.
    answers_as_ever(&server);
    let mut server = restarted(server, |_| {});
    let mut site = std::mem::take(&mut server.site);
    drop(server);
    // What is own and what is overseas stands in the zones.
    site.regions("overseas = [\"192.0.2.0/24\", \"2001:db8:1::/48\"]");
    let server = site.start();
    answers_from_snapshot(&server);
    server.opens("www.unfiled.example");
}

/// What the verdicts were taken by has changed with the configuration.
#[test]
fn a_domain_exempt_since_is_open_from_the_first_answer_on() {
    let mut server = saved();
    let mut site = std::mem::take(&mut server.site);
    drop(server);
    site.gate("exempt_zones", r#"["unfiled.example"]"#);
    let server = site.start();
    answers_from_snapshot(&server);
    let reply = server.dig(&["www.unfiled.example", "A"]);
    assert!(!reply.is_notice() && reply.status == "NOERROR", "{reply:?}");
    // The next snapshot has that, and nothing of the one before was taken for it.
    server.logged(0, |event| message(event) == "snapshot written");
    assert!(!server.log_text().contains("verdicts of the snapshot"), "{}", server.log_text());
    let server = restarted(server, |_| {});
    server.logged(0, |event| message(event).ends_with("none changed"));
    server.opens("www.unfiled.example");
}

/// Verdicts in a snapshot count until they are taken anew, behind the first answers: a wrong one does
/// not outlive that.
#[test]
fn verdicts_of_a_snapshot_are_taken_anew_once_it_answers() {
    // So many that it takes more than one slice.
    const MANY: usize = 2000;
    let site = site();
    for number in 0..MANY {
        site.plain_zone(&format!("unfiled{number}.example"));
    }
    let server = restarted(saved_of(site), |_| {});
    server.logged(0, |event| message(event).ends_with("none changed"));
    let server = restarted(server, |site| {
        let path = site.path("snapshot");
        let snapshot = Snapshot::open(&path).expect("whole").expect("there");
        let is_stopping = AtomicBool::new(false);
        let mut writer = Writer::create(&path, &is_stopping).expect("a file");
        for kind in [Kind::About, Kind::Filings, Kind::Records, Kind::ZoneFiles, Kind::Zones] {
            let chunks = snapshot.all(kind, |bytes| Ok(bytes.to_vec())).expect("whole");
            for mut chunk in chunks {
                if kind == Kind::Zones {
                    open_each_zone(&mut chunk);
                }
                writer.put(kind, &chunk).expect("written");
            }
        }
        writer.finish().expect("written");
    });
    server.logged(0, |event| message(event).starts_with("verdicts of the snapshot were"));
    let log = server.log_text();
    let closed = log.lines().filter(|line| line.contains("domain closed")).count();
    assert_eq!(closed, MANY + 1, "each once");
    answers_from_snapshot(&server);
    answers_as_ever(&server);
    // And the next snapshot has it right.
    server.logged(0, |event| message(event) == "snapshot written");
    let server = restarted(server, |_| {});
    server.logged(0, |event| message(event).ends_with("none changed"));
}

/// Makes every verdict in a chunk of zones an open one.
fn open_each_zone(chunk: &mut [u8]) {
    let mut at = 0;
    while at < chunk.len() {
        chunk[at + 16..at + 18].fill(Verdict::Open.number());
        let len = &chunk[at + 22..at + 26];
        at += 26 + u32::from_le_bytes(len.try_into().expect("four bytes")) as usize;
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_costs_nothing_but_a_line() {
    let site = site();
    fs::create_dir_all(site.path("snapshot.new/x")).expect("a folder in the way");
    let server = site.start();
    server.logged(0, |event| message(event) == "no snapshot written");
    answers_as_ever(&server);
    assert!(!server.site.path("snapshot").exists());
}

/// Lets no file grow beyond so many bytes: what goes beyond is not written, as on a full disk.
fn limit_files(bytes: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the limit is only read; who exceeds it is told by a signal, too, for which there is no
    // handler.
    let is_set = unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) == 0
    };
    if is_set { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[test]
fn a_disk_that_fills_while_a_snapshot_is_written_leaves_the_one_before() {
    let mut server = saved();
    let mut site = std::mem::take(&mut server.site);
    drop(server);
    let before = fs::read(site.path("snapshot")).expect("a snapshot");
    let half = before.len() as u64 / 2;
    // SAFETY: it takes no memory and no lock.
    unsafe { site.before_exec(Box::new(move || limit_files(half))) };
    site.plain_zone("new.example");
    let server = site.start();
    let event = server.logged(0, |event| message(event) == "no snapshot written");
    assert!(event["fields"]["error"].to_string().contains("too large"), "{event}");
    answers_as_ever(&server);
    assert_eq!(fs::read(server.site.path("snapshot")).expect("a snapshot"), before);
    assert!(!server.site.path("snapshot.new").exists(), "half of one is left behind");

    let server = restarted(server, |_| {});
    answers_from_snapshot(&server);
    assert_eq!(zones_read(&server), 1);
    server.logged(0, |event| message(event) == "snapshot written");
    answers_as_ever(&server);
}

#[test]
fn a_server_killed_while_it_writes_starts_as_ever() {
    let mut server = saved();
    for round in 0..8 {
        server.signal(libc::SIGKILL);
        server = restarted(server, |site| {
            // Half of the one that was being written, in half of the rounds.
            if round % 2 == 0 {
                fs::write(site.path("snapshot.new"), "half").expect("a write");
            }
            site.zone("filed.example", &format!("@ A 192.0.2.10\nwww A 192.0.2.{round}\n"));
        });
        answers_as_ever(&server);
        let address = format!("192.0.2.{round}");
        assert_eq!(server.dig(&["www.filed.example", "A"]).data("A"), [address]);
    }
    server.logged(0, |event| message(event) == "snapshot written");
    eventually("nothing is left behind", || !server.site.path("snapshot.new").exists());
}
