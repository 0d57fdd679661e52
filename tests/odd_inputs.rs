//! What may lie in a watched folder and is no file as it should be: bytes that are no text, lines
//! without end, pipes, devices, sockets, links in circles, names that are no names. The server
//! takes none of it amiss, answers for all others, and `beiand check` tells each.

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Record, Site, replace, zone_text};

/// How an odd thing is put at a path.
type Put = fn(&Path);

/// A zone file `<origin>.zone`, or a thing of another name with `zone below.example` in it.
struct OddZone {
    file: &'static [u8],
    put: Put,
    /// For what is asked, and the status of the answer.
    asked: &'static str,
    status: &'static str,
    /// What `beiand check` says of it, and nothing where it is no fault.
    says: &'static [&'static str],
}

/// A filing file, with the domain that is open by it, if any.
struct OddFiling {
    file: &'static [u8],
    put: Put,
    opens: Option<&'static str>,
    says: &'static [&'static str],
}

const LONG: usize = 10 << 20;

fn origin_of(path: &Path) -> &str {
    path.file_stem().and_then(OsStr::to_str).expect("UTF-8")
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::write(path, bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// The zone of the file's name with this body.
fn write_zone(path: &Path, body: &str) {
    write(path, zone_text(origin_of(path), 1, body));
}

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success(), "mkfifo {}", path.display());
}

fn device(path: &Path) {
    symlink("/dev/zero", path).expect("a link");
}

fn socket(path: &Path) {
    // Its file stays when it is closed.
    drop(UnixListener::bind(path).expect("a socket"));
}

fn link_to_itself(path: &Path) {
    symlink(path.file_name().expect("a name"), path).expect("a link");
}

fn link_to_nothing(path: &Path) {
    symlink("nothing", path).expect("a link");
}

fn link_to_the_folder_above(path: &Path) {
    symlink("..", path).expect("a link");
}

fn empty(path: &Path) {
    write(path, "");
}

fn no_text(path: &Path) {
    write(path, vec![0xff; 100_000]);
}

fn nuls(path: &Path) {
    write(path, vec![0; 100_000]);
}

/// Folders in folders, and at the bottom a zone and a record.
fn deep(path: &Path) {
    let bottom = (0..100).fold(path.to_owned(), |path, _| path.join("d"));
    fs::create_dir_all(&bottom).expect("folders");
    write_zone(&bottom.join("deep.example.zone"), "");
    write(&bottom.join("deep.ndjson"), Record::open("deep.example").line());
}

const ZONES: &[OddZone] = &[
    OddZone {
        file: b"bom.example.zone",
        put: |path| write(path, format!("\u{feff}{}", zone_text(origin_of(path), 1, ""))),
        asked: "bom.example",
        status: "NOERROR",
        says: &[],
    },
    OddZone {
        file: b"crlf.example.zone",
        put: |path| write(path, zone_text(origin_of(path), 1, "").replace('\n', "\r\n")),
        asked: "crlf.example",
        status: "NOERROR",
        says: &[],
    },
    OddZone {
        file: b"long-comment.example.zone",
        put: |path| write_zone(path, &format!("; {}", "x".repeat(LONG))),
        asked: "long-comment.example",
        status: "NOERROR",
        says: &[],
    },
    OddZone {
        file: b"long-line.example.zone",
        put: |path| write_zone(path, &format!("@ TXT {}", "x ".repeat(LONG / 2))),
        asked: "long-line.example",
        status: "SERVFAIL",
        says: &["long-line.example.zone:6:"],
    },
    OddZone {
        file: b"long-word.example.zone",
        put: |path| write_zone(path, &"x".repeat(LONG)),
        asked: "long-word.example",
        status: "SERVFAIL",
        says: &["long-word.example.zone:6:"],
    },
    OddZone {
        file: b"brackets.example.zone",
        put: |path| write_zone(path, &"(".repeat(LONG)),
        asked: "brackets.example",
        status: "SERVFAIL",
        says: &["brackets.example.zone:6:"],
    },
    OddZone {
        file: b"nul.example.zone",
        put: |path| write_zone(path, "a\0b A 192.0.2.300\n"),
        asked: "nul.example",
        status: "SERVFAIL",
        says: &["nul.example.zone:6:"],
    },
    OddZone {
        file: b"nuls.example.zone",
        put: nuls,
        asked: "nuls.example",
        status: "SERVFAIL",
        says: &["nuls.example.zone:1:"],
    },
    OddZone {
        file: b"no-text.example.zone",
        put: no_text,
        asked: "no-text.example",
        status: "SERVFAIL",
        says: &["no-text.example.zone:1:"],
    },
    OddZone {
        file: b"empty.example.zone",
        put: empty,
        asked: "empty.example",
        status: "SERVFAIL",
        says: &["empty.example.zone: error", "has no SOA record"],
    },
    OddZone {
        file: b"fifo.example.zone",
        put: fifo,
        asked: "fifo.example",
        status: "SERVFAIL",
        says: &["fifo.example.zone: error", "not a regular file"],
    },
    OddZone {
        file: b"device.example.zone",
        put: device,
        asked: "device.example",
        status: "SERVFAIL",
        says: &["device.example.zone: error", "not a regular file"],
    },
    OddZone {
        file: b"socket.example.zone",
        put: socket,
        asked: "socket.example",
        status: "SERVFAIL",
        says: &["socket.example.zone: error", "cannot be read"],
    },
    OddZone {
        file: b"includes-fifo.example.zone",
        put: |path| {
            fifo(&path.with_file_name("fifo.inc"));
            write_zone(path, "$INCLUDE fifo.inc");
        },
        asked: "includes-fifo.example",
        status: "SERVFAIL",
        says: &["includes-fifo.example.zone:6:", "not a regular file"],
    },
    OddZone {
        file: b"includes-itself.example.zone",
        put: |path| write_zone(path, "$INCLUDE includes-itself.example.zone"),
        asked: "includes-itself.example",
        status: "SERVFAIL",
        says: &["includes-itself.example.zone:6:", "includes itself"],
    },
    OddZone {
        file: b"loop.example.zone",
        put: link_to_itself,
        asked: "loop.example",
        status: "REFUSED",
        says: &["loop.example.zone: error", "leads nowhere"],
    },
    OddZone {
        file: b"nothing.example.zone",
        put: link_to_nothing,
        asked: "nothing.example",
        status: "REFUSED",
        says: &["nothing.example.zone: error", "leads nowhere"],
    },
    OddZone {
        file: b"above",
        put: link_to_the_folder_above,
        asked: "above",
        status: "REFUSED",
        says: &["zones/above: error", "leads back up"],
    },
    OddZone {
        file: b"folder.example.zone",
        put: |path| {
            fs::create_dir(path).expect("a folder");
            write_zone(&path.join("below.example.zone"), "");
        },
        asked: "below.example",
        status: "NOERROR",
        says: &[],
    },
    OddZone {
        file: b"\xff\xfe.example.zone",
        put: |path| write(path, "@ SOA"),
        asked: "example",
        status: "REFUSED",
        says: &["the file name is not UTF-8"],
    },
    OddZone {
        file: b"\xfe-folder",
        put: |path| {
            fs::create_dir(path).expect("a folder");
            write_zone(&path.join("in-no-text.example.zone"), "");
        },
        asked: "in-no-text.example",
        status: "NOERROR",
        says: &[],
    },
    OddZone {
        file: b"deep",
        put: deep,
        asked: "deep.example",
        status: "REFUSED",
        says: &["zones/deep/d/d", "nested too deep"],
    },
];

const FILINGS: &[OddFiling] = &[
    OddFiling {
        file: b"20-bom.ndjson",
        put: |path| write(path, format!("\u{feff}{}", Record::open("bom.example").line())),
        opens: Some("bom.example"),
        says: &[],
    },
    OddFiling {
        file: b"20-crlf.ndjson",
        put: |path| write(path, Record::open("crlf.example").line().replace('\n', "\r\n")),
        opens: Some("crlf.example"),
        says: &[],
    },
    OddFiling {
        file: b"20-long.ndjson",
        put: |path| {
            write(path, Record::open("bom.example").set("remark", &"x".repeat(LONG)).line());
        },
        opens: None,
        says: &["20-long.ndjson:1"],
    },
    OddFiling {
        file: b"20-long.csv",
        put: |path| write(path, format!("domain,status\n\"{}", "x".repeat(LONG))),
        opens: None,
        says: &["20-long.csv:2"],
    },
    OddFiling {
        file: b"20-nul.csv",
        put: |path| write(path, "domain,status\nnul\0.example,in-force\n"),
        opens: None,
        says: &["20-nul.csv:2"],
    },
    OddFiling { file: b"20-nuls.ndjson", put: nuls, opens: None, says: &["20-nuls.ndjson:1"] },
    OddFiling { file: b"20-nuls.csv", put: nuls, opens: None, says: &["20-nuls.csv:1"] },
    OddFiling {
        file: b"20-nuls.json",
        put: nuls,
        opens: None,
        says: &["20-nuls.json: error", "line 1"],
    },
    OddFiling { file: b"20-ff.ndjson", put: no_text, opens: None, says: &["20-ff.ndjson:1"] },
    OddFiling { file: b"20-ff.csv", put: no_text, opens: None, says: &["20-ff.csv:1"] },
    OddFiling {
        file: b"20-ff.json",
        put: no_text,
        opens: None,
        says: &["20-ff.json: error", "not UTF-8"],
    },
    OddFiling { file: b"20-empty.ndjson", put: empty, opens: None, says: &[] },
    OddFiling { file: b"20-empty.csv", put: empty, opens: None, says: &[] },
    OddFiling { file: b"20-empty.json", put: empty, opens: None, says: &[] },
    OddFiling {
        file: b"20-fifo.ndjson",
        put: fifo,
        opens: None,
        says: &["20-fifo.ndjson: error", "not a regular file"],
    },
    OddFiling {
        file: b"20-device.csv",
        put: device,
        opens: None,
        says: &["20-device.csv: error", "not a regular file"],
    },
    OddFiling {
        file: b"20-socket.json",
        put: socket,
        opens: None,
        says: &["20-socket.json: error", "not a regular file"],
    },
    OddFiling {
        file: b"20-loop.ndjson",
        put: link_to_itself,
        opens: None,
        says: &["20-loop.ndjson: error", "cannot be read"],
    },
    OddFiling {
        file: b"20-nothing.ndjson",
        put: link_to_nothing,
        opens: None,
        says: &["20-nothing.ndjson: error", "leads nowhere"],
    },
    OddFiling { file: b"above", put: link_to_the_folder_above, opens: None, says: &[] },
    OddFiling {
        file: b"folder.ndjson",
        put: |path| {
            fs::create_dir(path).expect("a folder");
            write(&path.join("30.ndjson"), Record::open("in-no-text.example").line());
        },
        opens: Some("in-no-text.example"),
        says: &[],
    },
    OddFiling {
        file: b"\xff\xfe.ndjson",
        put: |path| write(path, Record::open("other.example").line()),
        opens: Some("other.example"),
        says: &[],
    },
    OddFiling {
        file: b"deep",
        put: deep,
        opens: None,
        says: &["filings/deep/d/d", "nested too deep"],
    },
];

/// Every odd thing, by its path.
fn odd_things(site: &Site) -> Vec<(PathBuf, Put)> {
    let zones = ZONES.iter().map(|odd| ("zones", odd.file, odd.put));
    let filings = FILINGS.iter().map(|odd| ("filings", odd.file, odd.put));
    zones
        .chain(filings)
        .map(|(folder, file, put)| (site.path(folder).join(OsStr::from_bytes(file)), put))
        .collect()
}

/// Two domains that no odd thing is about.
fn plain_site() -> Site {
    let site = Site::new();
    site.plain_zone("site.example").plain_zone("other.example");
    site.records(&[Record::open("site.example")]);
    site
}

#[track_caller]
fn answers_for_all(server: &common::Server) {
    for odd in ZONES {
        server.dig_until(&[odd.asked, "SOA"], |reply| reply.status == odd.status);
    }
    for domain in FILINGS.iter().filter_map(|odd| odd.opens) {
        let text = server.dig_until(&[&format!("_icp.{domain}"), "TXT"], |reply| {
            reply.data("TXT").iter().any(|text| text.contains("open"))
        });
        assert_eq!(text.status, "NOERROR");
    }
    server.opens("site.example");
}

#[test]
fn check_tells_every_odd_thing_in_its_file_and_line() {
    let site = plain_site();
    for (path, put) in odd_things(&site) {
        put(&path);
    }
    let checked = site.beiand(&["check"]);
    assert_eq!(checked.code, 1, "{checked}");
    let lines: Vec<&str> = checked.stdout.lines().chain(checked.stderr.lines()).collect();
    let zones = ZONES.iter().map(|odd| ("zones", odd.file, odd.says));
    let filings = FILINGS.iter().map(|odd| ("filings", odd.file, odd.says));
    for (folder, file, says) in zones.chain(filings) {
        let file = String::from_utf8_lossy(file);
        let told = lines.iter().filter(|line| says.iter().all(|word| line.contains(word)));
        assert!(says.is_empty() || told.count() >= 1, "{says:?} of {file} in\n{checked}");
        let about = format!("/{folder}/{file}");
        let is_told = lines.iter().any(|line| line.contains(&about));
        assert_eq!(is_told, !says.is_empty(), "{file} in\n{checked}");
    }
    for line in lines.iter().filter(|line| line.contains(": error")) {
        assert!(line.len() < 1_000, "a fault is no longer than can be read: {line}");
    }
}

#[test]
fn a_server_that_starts_among_odd_things_answers_for_all_others() {
    let site = plain_site();
    for (path, put) in odd_things(&site) {
        put(&path);
    }
    let server = site.start();
    answers_for_all(&server);
}

#[test]
fn odd_things_that_come_while_it_runs_stop_no_other_change() {
    let server = plain_site().start();
    server.opens("site.example");
    for (number, (path, put)) in odd_things(&server.site).into_iter().enumerate() {
        put(&path);
        if number % 10 == 0 {
            let text = format!("\"{number}\"");
            let body = format!("@ A 192.0.2.10\n@ TXT {text}\n");
            let zone = zone_text("site.example", 1, &body);
            replace(&server.site.path("zones/site.example.zone"), &zone);
            server.dig_until(&["site.example", "TXT"], |reply| reply.data("TXT") == [&*text]);
        }
    }
    answers_for_all(&server);
    let ran = server.reload(&[]);
    assert_eq!(ran.code, 1, "{ran}");
    server.records(&[]);
    server.blocked("site.example", "no-filing");
}
