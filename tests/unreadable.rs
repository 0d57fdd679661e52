//! Files and folders that the server may not read: it says so, goes on with what it has, and takes
//! them in as soon as they can be read.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use common::{Ran, Record, Server, Site, zone_text};

/// A site whose server is no more than any other user, and cannot read everything as root can.
fn site() -> Site {
    let mut site = Site::new();
    set_mode(&site.path(""), 0o777);
    if fs::metadata(site.path("")).expect("a folder").uid() == 0 {
        site.server("user = \"nobody\"");
    }
    site.plain_zone("site.example").records(&[Record::open("site.example")]);
    site
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Puts a file in place that nobody may read.
fn put_unreadable(path: &Path, text: &str) {
    let aside = path.with_file_name(".aside");
    fs::write(&aside, text).expect("a file");
    set_mode(&aside, 0);
    fs::rename(&aside, path).expect("a rename");
}

fn text_zone(text: &str) -> String {
    zone_text("site.example", 2, &format!("@ A 192.0.2.10\n@ TXT \"{text}\"\n"))
}

#[track_caller]
fn says(ran: &Ran, words: &[&str]) {
    for word in words {
        assert!(ran.to_string().contains(word), "{word} in\n{ran}");
    }
}

/// That each of two reloads in a row tells of the file, and of nothing else.
#[track_caller]
fn is_told(server: &Server, file: &str) {
    for _ in 0..2 {
        let ran = server.reload(&[]);
        assert_eq!(ran.code, 1, "{ran}");
        says(&ran, &[file, "cannot be read", "Permission denied"]);
        assert_eq!(ran.to_string().matches("Permission denied").count(), 1, "{ran}");
    }
}

#[test]
fn a_zone_is_taken_in_when_it_can_be_read() {
    let server = site().start();
    let path = server.site.path("zones/site.example.zone");
    put_unreadable(&path, &text_zone("may be read"));
    is_told(&server, "site.example.zone");
    assert_eq!(server.dig(&["site.example", "A"]).data("A"), ["192.0.2.10"], "the last good one");
    set_mode(&path, 0o644);
    server.dig_until(&["site.example", "TXT"], |r| r.data("TXT") == ["\"may be read\""]);
    server.reloaded();
}

#[test]
fn a_zone_that_cannot_be_read_at_the_start_is_not_ready_until_it_can() {
    let site = site();
    site.plain_zone("other.example");
    let path = site.path("zones/site.example.zone");
    set_mode(&path, 0);
    let server = site.start();
    assert_eq!(server.dig(&["site.example", "SOA"]).status, "SERVFAIL");
    assert_eq!(server.dig(&["other.example", "SOA"]).status, "NOERROR");
    set_mode(&path, 0o644);
    server.opens("site.example");
}

#[test]
fn an_included_file_is_taken_in_when_it_can_be_read() {
    let server = site().start();
    let part = server.site.path("zones/part.inc");
    put_unreadable(&part, "@ TXT \"may be read\"\n");
    server.site.zone("site.example", "@ A 192.0.2.10\n$INCLUDE part.inc\n");
    is_told(&server, "site.example.zone:7");
    set_mode(&part, 0o644);
    server.dig_until(&["site.example", "TXT"], |r| r.data("TXT") == ["\"may be read\""]);
    server.reloaded();
}

#[test]
fn an_included_file_that_comes_later_is_waited_for() {
    let server = site().start();
    server.site.zone("site.example", "@ A 192.0.2.10\n$INCLUDE part.inc\n");
    let ran = server.reload(&[]);
    assert_eq!(ran.code, 1, "{ran}");
    says(&ran, &["site.example.zone:7", "cannot be read"]);
    fs::write(server.site.path("zones/part.inc"), "@ TXT \"came later\"\n").expect("a file");
    server.dig_until(&["site.example", "TXT"], |r| r.data("TXT") == ["\"came later\""]);
}

#[test]
fn a_folder_is_taken_in_and_watched_when_it_can_be_read() {
    let site = site();
    let folder = site.path("zones/below");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("below.example.zone"), zone_text("below.example", 1, ""))
        .expect("a file");
    set_mode(&folder, 0);
    let server = site.start();
    is_told(&server, "zones/below");
    assert_eq!(server.dig(&["below.example", "SOA"]).status, "REFUSED");
    server.opens("site.example");
    set_mode(&folder, 0o755);
    server.dig_until(&["below.example", "SOA"], |r| r.status == "NOERROR");
    let second = zone_text("second.example", 1, "");
    fs::write(folder.join("second.example.zone"), second).expect("a file");
    server.dig_until(&["second.example", "SOA"], |r| r.status == "NOERROR");

    // Closed again, it drops nothing.
    set_mode(&folder, 0);
    server.reload(&[]);
    assert_eq!(server.dig(&["below.example", "SOA"]).status, "NOERROR");
    set_mode(&folder, 0o755);
    server.reloaded();
}

#[test]
fn a_folder_that_cannot_be_read_at_the_start_is_not_ready_never_refused_and_never_dark() {
    for folder in ["zones", "filings"] {
        let site = site();
        let path = site.path(folder);
        set_mode(&path, 0);
        let server = site.start();
        assert_eq!(server.dig(&["site.example", "A"]).status, "SERVFAIL", "{folder}");
        set_mode(&path, 0o755);
        server.opens("site.example");
    }
}

#[test]
fn filings_are_taken_in_when_they_can_be_read() {
    let server = site().start();
    let path = server.site.path("filings/20.ndjson");
    put_unreadable(&path, &Record::in_force("site.example").line());
    is_told(&server, "20.ndjson");
    let status = server.beiand(&["status"]);
    says(&status, &["20.ndjson", "Permission denied"]);
    server.opens("site.example");
    set_mode(&path, 0o644);
    server.blocked("site.example", "not-synced");
    server.reloaded();

    let below = server.site.path("filings/below");
    fs::create_dir(&below).expect("a folder");
    set_mode(&below, 0);
    is_told(&server, "filings/below");
    set_mode(&below, 0o755);
    fs::write(below.join("30.ndjson"), Record::open("site.example").line()).expect("a file");
    server.opens("site.example");
    server.reloaded();
}

#[test]
fn a_configuration_is_taken_in_when_it_can_be_read() {
    let mut server = site().start();
    server.site.gate("notice_ttl", "25");
    server.records(&[]);
    server.blocked("site.example", "no-filing");
    let path = server.site.path("beiand.toml");
    let aside = server.site.path("aside.toml");
    fs::write(&aside, server.site.config()).expect("a file");
    set_mode(&aside, 0);
    let mark = server.log_mark();
    fs::rename(&aside, &path).expect("a rename");
    server.logged(mark, |event| event["fields"].to_string().contains("Permission denied"));
    assert_ne!(server.dig(&["site.example", "A"]).answer[0].ttl, 25);
    set_mode(&path, 0o644);
    server.dig_until(&["site.example", "A"], |r| r.answer.first().is_some_and(|a| a.ttl == 25));
}
