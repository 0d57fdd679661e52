//! How changed files are taken in (DESIGN 4): every way of writing them, what is refused, and
//! what the operator says, through the real file system, the real binary and `dig`.

mod common;

use std::fs;
use std::io::Write as _;
use std::net::UdpSocket;
use std::os::unix::fs::symlink;
use std::thread;

use common::{
    NOTICE_IPV4, NOTICE_TTL, PLAIN, PROVIDER, Record, Server, Site, append, exchange, ndjson,
    query, replace, rewrite, zone_text,
};

/// Hosts `site.example` and `other.example`; only the anchor is filed.
#[track_caller]
fn unfiled() -> Server {
    let site = Site::new();
    site.plain_zone("site.example").plain_zone("other.example").records(&[]);
    let server = site.start();
    server.blocked("site.example", "no-filing");
    server
}

/// As [`unfiled`], with `site.example` filed in `10.ndjson`.
#[track_caller]
fn filed() -> Server {
    let server = unfiled();
    server.records(&[Record::open("site.example")]);
    server.opens("site.example");
    server
}

// --- Every way of writing a filing file --------------------------------------------------------

#[test]
fn a_file_renamed_over_is_taken_at_once() {
    let server = unfiled();
    replace(&server.site.path("filings/10.ndjson"), &ndjson(&[Record::open("site.example")]));
    server.opens("site.example");
}

#[test]
fn a_new_file_is_taken_at_once_and_later_files_win() {
    let server = unfiled();
    replace(&server.site.path("filings/20.ndjson"), &Record::in_force("site.example").line());
    server.blocked("site.example", "not-synced");
    replace(&server.site.path("filings/30.ndjson"), &Record::open("site.example").line());
    server.opens("site.example");
    // An earlier file's change does not.
    replace(&server.site.path("filings/15.ndjson"), &Record::in_force("site.example").line());
    server.reloaded();
    server.opens("site.example");
}

#[test]
fn a_file_rewritten_in_place_is_taken_when_it_is_closed() {
    let mut site = Site::new();
    site.filings_setting("settle = \"30s\"");
    site.plain_zone("site.example").plain_zone("other.example");
    site.records(&[Record::open("site.example")]);
    let server = site.start();
    server.opens("site.example");
    let path = server.site.path("filings/10.ndjson");
    let mut file = fs::File::create(&path).expect("the file");
    let all = ndjson(&[Record::open("site.example"), Record::open("third.example")]);
    let half = all.find("site.example").expect("it is there");
    file.write_all(&all.as_bytes()[..half]).expect("a write");
    file.flush().expect("a flush");
    // A later change of another file has been taken in, so the server has looked at this one, too.
    replace(&server.site.path("filings/20.ndjson"), &Record::open("other.example").line());
    server.opens("other.example");
    server.opens("site.example");
    file.write_all(&all.as_bytes()[half..]).expect("a write");
    drop(file);
    server.reloaded();
    server.opens("site.example");
    rewrite(&path, &ndjson(&[Record::in_force("site.example"), Record::open("third.example")]));
    server.blocked("site.example", "not-synced");
}

#[test]
fn an_append_is_taken_line_by_line() {
    let server = unfiled();
    let path = server.site.path("filings/10.ndjson");
    append(&path, &Record::open("site.example").line());
    server.opens("site.example");
    append(&path, &Record::in_force("site.example").line());
    server.blocked("site.example", "not-synced");
    append(&path, &Record::open("site.example").line());
    server.opens("site.example");
}

#[test]
fn half_a_line_waits_for_its_other_half() {
    let server = unfiled();
    let path = server.site.path("filings/10.ndjson");
    let line = Record::open("site.example").line();
    let (first, second) = line.split_at(line.len() / 2);
    append(&path, first);
    server.reload(&[]);
    server.blocked("site.example", "no-filing");
    append(&path, second);
    server.opens("site.example");
}

#[test]
fn csv_is_taken_and_appended_to() {
    let server = unfiled();
    let path = server.site.path("filings/20.csv");
    // A byte order mark, CRLF, columns in an order of their own, one that nobody knows.
    replace(
        &path,
        "\u{feff}status,domain,note,provider,subject_number,approved_at,synced_at\r\n\
         in-force,site.example,\"a, b\",hoster,京ICP备2024000001号,2024-05-01T10:00:00+08:00,2024-05-01T18:00:00+08:00\r\n",
    );
    server.opens("site.example");
    append(
        &path,
        "in-force,other.example,,hoster,京ICP备2024000002号,2024-05-01T10:00:00+08:00,2024-05-01T18:00:00+08:00\r\n",
    );
    server.opens("other.example");
}

#[test]
fn a_symlink_swap_is_one_change() {
    // As Kubernetes mounts a ConfigMap.
    let site = Site::new();
    site.plain_zone("site.example").plain_zone("other.example");
    let filings = site.path("filings");
    for (version, record) in
        [("..v1", Record::open("site.example")), ("..v2", Record::open("other.example"))]
    {
        fs::create_dir(filings.join(version)).expect("a folder");
        fs::write(filings.join(version).join("10.ndjson"), ndjson(&[record])).expect("a file");
    }
    symlink("..v1", filings.join("..data")).expect("a link");
    symlink("..data/10.ndjson", filings.join("10.ndjson")).expect("a link");
    let server = site.start();
    server.opens("site.example");
    server.blocked("other.example", "no-filing");
    symlink("..v2", filings.join("..data_tmp")).expect("a link");
    fs::rename(filings.join("..data_tmp"), filings.join("..data")).expect("a rename");
    server.opens("other.example");
    server.blocked("site.example", "no-filing");
}

#[test]
fn a_folder_removed_and_made_again_is_watched_again() {
    let server = filed();
    let folder = server.site.path("filings");
    fs::rename(&folder, server.site.path("filings.old")).expect("a rename");
    server.reload(&[]);
    server.opens("site.example");
    fs::create_dir(&folder).expect("a folder");
    replace(
        &folder.join("10.ndjson"),
        &ndjson(&[Record::open("site.example"), Record::open("other.example")]),
    );
    server.opens("other.example");
    server.opens("site.example");
    append(&folder.join("10.ndjson"), &Record::in_force("other.example").line());
    server.blocked("other.example", "not-synced");
}

// --- What is refused, and what waits for the operator ------------------------------------------

#[test]
fn a_file_gone_closes_nothing_until_the_operator_says_so() {
    let server = filed();
    fs::remove_file(server.site.path("filings/10.ndjson")).expect("a removal");
    server.reload(&[]);
    server.opens("site.example");
    let ran = server.reload(&["--accept-shrink"]);
    assert_eq!(ran.code, 0, "{ran}");
    server.blocked("site.example", "no-filing");
}

#[test]
fn a_file_emptied_closes_nothing_until_the_operator_says_so() {
    let server = filed();
    rewrite(&server.site.path("filings/10.ndjson"), "");
    server.reload(&[]);
    server.opens("site.example");
    let ran = server.reload(&["--accept-shrink"]);
    assert_eq!(ran.code, 0, "{ran}");
    server.blocked("site.example", "no-filing");
}

#[test]
fn a_file_renamed_keeps_its_records() {
    let server = filed();
    fs::rename(server.site.path("filings/10.ndjson"), server.site.path("filings/11.ndjson"))
        .expect("a rename");
    server.reloaded();
    server.opens("site.example");
    append(&server.site.path("filings/11.ndjson"), &Record::open("other.example").line());
    server.opens("other.example");
}

#[test]
fn a_change_that_drops_many_records_waits() {
    let many: Vec<Record> = (0..400).map(|i| Record::open(&format!("d{i}.example"))).collect();
    let server = unfiled();
    let mut all = many.clone();
    all.push(Record::open("site.example"));
    server.records(&all);
    server.opens("site.example");
    let mark = server.log_mark();
    server.records(&many[..200]);
    let ran = server.reload(&[]);
    assert_ne!(ran.code, 0, "something waits\n{ran}");
    server.opens("site.example");
    server.logged(mark, |e| e["level"] == "WARN" || e["level"] == "ERROR");
    let ran = server.reload(&["--accept-shrink"]);
    assert_eq!(ran.code, 0, "{ran}");
    server.blocked("site.example", "no-filing");
}

#[test]
fn thousands_of_verdicts_change_in_one_look() {
    let names: Vec<String> = (0..2_500).map(|n| format!("site{n}.example")).collect();
    let records = |is_cancelled: fn(usize) -> bool| -> Vec<Record> {
        let status = |n| if is_cancelled(n) { "cancelled" } else { "in-force" };
        let numbered = names.iter().enumerate();
        numbered.map(|(n, name)| Record::open(name).set("status", status(n))).collect()
    };
    let site = Site::new();
    names.iter().for_each(|name| _ = site.plain_zone(name));
    site.records(&records(|_| false));
    let server = site.start();
    let notice: std::net::Ipv4Addr = NOTICE_IPV4.parse().expect("an address");
    let is_blocked = |name: &String| {
        let reply = exchange(server.udp(), &query(7, name, 1)).expect("a reply");
        reply.windows(4).any(|bytes| bytes == notice.octets())
    };
    server.opens(&names[2_499]);
    assert!(!names.iter().any(is_blocked));
    server.records(&records(|n| n % 3 == 0));
    server.reloaded();
    for (n, name) in names.iter().enumerate() {
        assert_eq!(is_blocked(name), n % 3 == 0, "{name}");
    }
}

#[test]
fn a_bad_line_is_skipped_and_the_others_count() {
    let mut site = Site::new();
    site.filings_setting("max_bad_lines = 0.9");
    site.plain_zone("site.example").plain_zone("other.example").records(&[]);
    let server = site.start();
    server.blocked("site.example", "no-filing");
    let mark = server.log_mark();
    let text = format!(
        "{}{{\"domain\": \n{}",
        Record::open("site.example").line(),
        Record::open("other.example").line()
    );
    replace(&server.site.path("filings/20.ndjson"), &text);
    server.opens("site.example");
    server.opens("other.example");
    let event = server.logged(mark, |e| {
        e["fields"]["file"].as_str().is_some_and(|f| f.ends_with("20.ndjson"))
            && !e["fields"]["line"].is_null()
    });
    assert_eq!(event["fields"]["line"].to_string().trim_matches('"'), "2", "{event}");
    let checked = server.beiand(&["check"]);
    assert_eq!(checked.code, 1, "{checked}");
    assert!(format!("{}{}", checked.stdout, checked.stderr).contains("20.ndjson:2"), "{checked}");
}

#[test]
fn a_file_with_too_many_bad_lines_is_refused_whole() {
    let server = filed();
    let bad = format!("{}not json\nnor this\n", ndjson(&[Record::in_force("site.example")]));
    replace(&server.site.path("filings/10.ndjson"), &bad);
    let ran = server.reload(&[]);
    assert_ne!(ran.code, 0, "{ran}");
    server.opens("site.example");
    server.records(&[Record::in_force("site.example")]);
    server.blocked("site.example", "not-synced");
}

#[test]
fn an_error_of_the_public_query_is_never_no_filing() {
    let server = unfiled();
    let path = server.site.path("filings/30-miit.json");
    replace(
        &path,
        r#"{"code":200,"success":true,"params":{"total":1,"list":[{"domain":"site.example","mainLicence":"京ICP备2024000077号","serviceLicence":"京ICP备2024000077号-1","natureName":"企业","limitAccess":"否","updateRecordTime":"2024-05-01 10:00:00"}]}}"#,
    );
    server.blocked("site.example", "held-elsewhere");
    replace(&path, r#"{"code":429,"msg":"请求过于频繁","success":false,"params":null}"#);
    server.reload(&[]);
    server.blocked("site.example", "held-elsewhere");
}

// --- Many files as one change ------------------------------------------------------------------

#[test]
fn nothing_is_taken_in_while_hold_stands() {
    let server = unfiled();
    let hold = server.site.path("filings/.hold");
    fs::write(&hold, "").expect("a file");
    replace(&server.site.path("filings/20.ndjson"), &Record::open("site.example").line());
    replace(&server.site.path("filings/21.ndjson"), &Record::open("other.example").line());
    server.reload(&[]);
    server.blocked("site.example", "no-filing");
    server.blocked("other.example", "no-filing");
    fs::remove_file(&hold).expect("a removal");
    server.opens("site.example");
    server.opens("other.example");
}

#[test]
fn zones_are_held_back_as_well() {
    let server = filed();
    let hold = server.site.path("zones/.hold");
    fs::write(&hold, "").expect("a file");
    server.site.zone("site.example", "@ A 192.0.2.99\n");
    server.reload(&[]);
    assert_eq!(server.dig(&["site.example", "A"]).data("A"), ["192.0.2.10"]);
    fs::remove_file(&hold).expect("a removal");
    server.dig_until(&["site.example", "A"], |r| r.data("A") == ["192.0.2.99"]);
}

#[test]
fn reload_wait_returns_when_the_change_is_answered() {
    let server = filed();
    for round in 0..10 {
        let record = if round % 2 == 0 {
            Record::in_force("site.example")
        } else {
            Record::open("site.example")
        };
        server.records(&[record]);
        server.site.zone("other.example", &format!("@ TXT \"round {round}\"\n"));
        server.reloaded();
        assert_eq!(server.dig(&["site.example", "A"]).is_notice(), round % 2 == 0);
        assert_eq!(
            server.dig(&["other.example", "TXT"]).data("TXT"),
            [format!("\"round {round}\"")]
        );
    }
}

// --- Zones -------------------------------------------------------------------------------------

#[test]
fn zones_are_added_replaced_and_removed() {
    let server = filed();
    let path = server.site.path("zones/deep/er/new.example.zone");
    assert_eq!(server.dig(&["new.example", "SOA"]).status, "REFUSED");
    fs::create_dir_all(path.parent().expect("it has one")).expect("folders");
    replace(&path, &zone_text("new.example", 1, "@ TXT \"one\"\n"));
    server.dig_until(&["new.example", "TXT"], |r| r.data("TXT") == ["\"one\""]);
    rewrite(&path, &zone_text("new.example", 2, "@ TXT \"two\"\n"));
    server.dig_until(&["new.example", "TXT"], |r| r.data("TXT") == ["\"two\""]);
    fs::remove_file(&path).expect("a removal");
    server.dig_until(&["new.example", "TXT"], |r| r.status == "REFUSED");
    server.opens("site.example");
}

#[test]
fn a_bad_zone_keeps_its_last_good_version_and_stops_no_other() {
    let server = filed();
    let mark = server.log_mark();
    server.site.zone("site.example", "@ A 192.0.2.99\nwww A 192.0.2.300\n");
    server.site.zone("other.example", "@ TXT \"came through\"\n");
    server.dig_until(&["other.example", "TXT"], |r| r.data("TXT") == ["\"came through\""]);
    let event = server.logged(mark, |e| {
        e["fields"]["file"].as_str().is_some_and(|f| f.ends_with("site.example.zone"))
            && !e["fields"]["line"].is_null()
    });
    assert_eq!(event["fields"]["line"].to_string().trim_matches('"'), "7", "{event}");
    assert_eq!(server.dig(&["site.example", "A"]).data("A"), ["192.0.2.10"], "the last good one");
    server.site.zone("site.example", "@ A 192.0.2.99\n");
    server.dig_until(&["site.example", "A"], |r| r.data("A") == ["192.0.2.99"]);
}

#[test]
fn a_zone_refused_before_the_command_came_is_told_all_the_same() {
    let server = filed();
    let mark = server.log_mark();
    server.site.zone("site.example", "@ A 192.0.2.99\nwww A 192.0.2.300\n");
    // By its event.
    server.logged(mark, |e| e["fields"]["zones_refused"] == 1);
    let ran = server.reload(&[]);
    assert_eq!(ran.code, 1, "what stands on disk is not being answered: {ran}");
    assert!(format!("{ran}").contains("site.example.zone:7"), "{ran}");
    server.site.zone("site.example", "@ A 192.0.2.99\n");
    server.reloaded();
}

#[test]
fn an_included_file_is_part_of_its_zone() {
    let server = filed();
    let part = server.site.path("zones/parts/hosts.inc");
    fs::create_dir(part.parent().expect("it has one")).expect("a folder");
    replace(&part, "host A 192.0.2.41\n");
    server.site.zone("site.example", "@ A 192.0.2.10\n$INCLUDE parts/hosts.inc\n");
    server.dig_until(&["host.site.example", "A"], |r| r.data("A") == ["192.0.2.41"]);
    replace(&part, "host A 192.0.2.42\n");
    server.dig_until(&["host.site.example", "A"], |r| r.data("A") == ["192.0.2.42"]);
}

// --- Configuration, signals, what the log says -------------------------------------------------

#[test]
fn settings_of_the_gate_change_with_the_configuration() {
    let mut server = unfiled();
    let reply = server.dig(&["site.example", "A"]);
    assert_eq!(reply.answer[0].ttl, NOTICE_TTL, "{reply}");
    server.site.gate("notice_ttl", "25").gate("notice_ipv4", "[\"203.0.113.99\"]");
    server.site.write_config();
    server.dig_until(&["site.example", "A"], |r| {
        r.data("A") == ["203.0.113.99"] && r.answer[0].ttl == 25
    });
    server.site.gate("mode", "\"observe\"");
    server.site.write_config();
    server.dig_until(&["site.example", "A"], |r| r.data("A") == ["192.0.2.10"]);
    server.site.gate("mode", "\"enforce\"").gate("exempt_zones", "[\"other.example\"]");
    server.site.write_config();
    server.dig_until(&["site.example", "A"], |r| r.data("A") == ["203.0.113.99"]);
    server.opens("other.example");
}

/// What was last read of a file that is gone stays in force through a change of the limits.
#[test]
fn other_limits_for_filings_close_nothing_that_waits() {
    let mut server = filed();
    fs::remove_file(server.site.path("filings/10.ndjson")).expect("a removal");
    assert_eq!(server.reload(&[]).code, 1, "the loss waits");
    server.site.filings_setting("max_bad_lines = 0.5");
    server.site.write_config();
    assert_eq!(server.reload(&[]).code, 1, "the loss waits still");
    server.opens("site.example");
}

#[test]
fn a_configuration_with_folders_that_are_not_there_changes_nothing() {
    let server = filed();
    for (old, new) in [
        ("[zones]\npath = \"zones\"", "[zones]\npath = \"zonse\""),
        ("\"filings\"", "\"fillings\""),
    ] {
        let config = server.site.config();
        assert!(config.contains(old), "{config}");
        let changed = config.replace(old, new);
        replace(&server.site.path("beiand.toml"), &changed);
        let ran = server.reload(&[]);
        assert!(
            ran.code != 0 && ran.to_string().contains("the changed configuration names"),
            "{ran}"
        );
        server.opens("site.example");
        assert_eq!(server.dig(&["site.example", "SOA"]).status, "NOERROR");
    }
}

/// Writes the configuration with another line in place of `filings.provider`.
fn change_provider(server: &Server, line: &str) {
    let own = format!("provider = \"{PROVIDER}\"");
    let config = server.site.config();
    assert!(config.contains(&own), "{config}");
    replace(&server.site.path("beiand.toml"), &config.replace(&own, line));
}

#[test]
fn another_provider_closes_nothing_until_the_operator_says_so() {
    let server = filed();
    let mark = server.log_mark();
    change_provider(&server, "provider = \"hostel\"");
    let told = server.logged(mark, |e| e["level"] == "ERROR");
    for words in ["beiand.toml", "hostel", "1 of 1 open domains", "site.example", "--accept-shrink"]
    {
        assert!(told["fields"].to_string().contains(words), "{words} in {told}");
    }
    assert_eq!(server.reload(&[]).code, 1, "it waits");
    let status = server.beiand(&["status"]);
    assert!(status.stdout.contains("1 of 1 open domains"), "{status}");
    server.opens("site.example");

    // The former settings are in force, and change with the files.
    server.records(&[Record::open("site.example"), Record::open("other.example")]);
    server.opens("other.example");

    let ran = server.reload(&["--accept-shrink"]);
    assert_eq!(ran.code, 0, "{ran}");
    server.blocked("site.example", "held-elsewhere");
    server.blocked("other.example", "held-elsewhere");
    let status = server.beiand(&["status"]);
    assert!(!status.stdout.contains("open domains would close"), "{status}");
}

#[test]
fn another_provider_that_the_records_know_is_taken_in_at_once() {
    let server = filed();
    change_provider(&server, "provider = \"othercloud\"");
    assert_eq!(server.reload(&[]).code, 1, "it waits");
    server.records(&[Record::open("site.example").set("provider", "othercloud")]);
    server.reload(&[]);
    server.opens("site.example");
    server.reloaded();
    server.records(&[Record::open("site.example")]);
    server.blocked("site.example", "held-elsewhere");
}

#[test]
fn another_provider_is_not_taken_in_while_hold_stands() {
    let server = unfiled();
    let hold = server.site.path("filings/.hold");
    fs::write(&hold, "").expect("a file");
    server.records(&[Record::elsewhere("site.example").set("synced_at", "2024-05-02T10:00:00Z")]);
    change_provider(&server, "provider = \"othercloud\"");
    let ran = server.reload(&[]);
    assert!(ran.code == 1 && ran.to_string().contains("on hold"), "{ran}");
    server.blocked("site.example", "no-filing");
    fs::remove_file(&hold).expect("a removal");
    server.reloaded();
    server.opens("site.example");
}

#[test]
fn a_bad_configuration_changes_nothing() {
    let mut server = unfiled();
    let mark = server.log_mark();
    server.site.gate("notice_tll", "5");
    server.site.write_config();
    server.logged(mark, |e| e["level"] == "ERROR" || e["level"] == "WARN");
    assert_eq!(server.dig(&["site.example", "A"]).answer[0].ttl, NOTICE_TTL);
    let checked = server.beiand(&["check"]);
    assert_eq!(checked.code, 1, "{checked}");
    assert!(
        format!("{}{}", checked.stdout, checked.stderr).contains("notice_ttl"),
        "did you mean\n{checked}"
    );
}

#[test]
fn sighup_looks_at_everything() {
    let server = unfiled();
    server.records(&[Record::open("site.example")]);
    server.signal(libc::SIGHUP);
    server.opens("site.example");
    server.signal(libc::SIGHUP);
    server.still_answers();
}

#[test]
fn the_log_says_what_opened_and_what_closed_and_why() {
    let server = unfiled();
    let mark = server.log_mark();
    server.records(&[Record::open("site.example")]);
    server.logged(mark, |e| e["fields"]["domain"] == "site.example");
    server.opens("site.example");
    let mark = server.log_mark();
    server.records(&[Record::open("site.example").set("status", "cancelled")]);
    server.logged(mark, |e| {
        e["fields"]["domain"] == "site.example" && e["fields"].to_string().contains("cancelled")
    });
}

#[test]
fn no_query_is_lost_while_files_change() {
    let server = filed();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(server.udp()).expect("a loopback address");
    socket.set_read_timeout(Some(common::PATIENCE)).expect("a timeout");
    let mut buffer = [0; 2_048];
    for id in 0..3_000u16 {
        if id % 100 == 0 {
            server.site.zone("other.example", &format!("@ TXT \"{id}\"\n"));
            let synced = Record::open("site.example").set("remark", &id.to_string());
            server.records(&[synced]);
        }
        socket.send(&query(id, "www.site.example", 1)).expect("a datagram");
        let length = socket.recv(&mut buffer).expect("an answer to each query");
        assert_eq!(buffer[..2], id.to_be_bytes());
        assert!(buffer[..length].ends_with(&[192, 0, 2, 10]), "never dark, never another answer");
    }
}

/// A file that is gone before it is read is told of.
#[test]
fn zone_files_that_vanish_while_their_folder_is_read_stop_nothing() {
    let server = filed();
    let folder = server.site.path("zones/comes-and-goes");
    let come_and_go = || {
        for _ in 0..20 {
            fs::create_dir(&folder).expect("a folder");
            for number in 0..100 {
                let origin = format!("z{number}.example");
                replace(&folder.join(format!("{origin}.zone")), &zone_text(&origin, 1, PLAIN));
            }
            fs::remove_dir_all(&folder).expect("it was there");
        }
    };
    thread::scope(|scope| {
        let changes = scope.spawn(come_and_go);
        while !changes.is_finished() {
            let ran = server.reload(&[]);
            assert!([0, 1].contains(&ran.code), "{ran}");
            assert_eq!(server.dig(&["www.site.example", "A"]).data("A"), ["192.0.2.10"]);
        }
    });
    server.site.plain_zone("new.example");
    server.blocked("new.example", "no-filing");
    for number in [0, 50, 99] {
        let name = format!("z{number}.example");
        server.dig_until(&[&name, "A"], |reply| reply.status == "REFUSED");
    }
    server.reloaded();
    server.opens("www.site.example");
}

#[test]
fn of_a_filing_file_replaced_while_it_is_read_the_last_one_counts() {
    let server = unfiled();
    server.site.plain_zone("last.example");
    let fillers: String =
        (0..20_000).map(|number| Record::open(&format!("elsewhere{number}.cn")).line()).collect();
    let file = server.site.path("filings/20.ndjson");
    let version = |is_open: bool| {
        let of = |name| if is_open { Record::open(name) } else { Record::in_force(name) };
        of("site.example").line() + &fillers + &of("last.example").line()
    };
    let [dark, open] = [false, true].map(version);
    replace(&file, &open);
    let names = ["site.example", "last.example"];
    names.iter().for_each(|name| drop(server.opens(name)));
    let replace_often = || {
        for round in 0..200 {
            let text = if round % 2 == 0 { &dark } else { &open };
            // By another file, or within the one that is being read.
            if round % 4 < 2 { replace(&file, text) } else { rewrite(&file, text) }
        }
    };
    thread::scope(|scope| {
        let changes = scope.spawn(replace_often);
        while !changes.is_finished() {
            for reply in names.map(|name| server.dig(&[name, "A"])) {
                assert_eq!((&*reply.status, reply.data("A").len()), ("NOERROR", 1), "{reply}");
                let told = reply.ede.iter().all(|(_, reason)| reason == "icp:not-synced");
                assert!(told, "a record was lost\n{reply}");
            }
        }
    });
    for (text, is_open) in [(&dark, false), (&open, true)] {
        replace(&file, text);
        server.reloaded();
        for name in names {
            assert_eq!(server.dig(&[name, "A"]).is_notice(), !is_open, "{name}");
        }
    }
}

#[test]
fn sigterm_ends_the_server_and_frees_its_port() {
    let mut site = Site::new();
    site.one_port();
    site.plain_zone("site.example").records(&[]);
    let server = site.start();
    let address = server.udp();
    drop(server);
    UdpSocket::bind(address).expect("the port is free again");
}

#[test]
fn what_is_held_back_at_a_cold_start_is_not_ready_and_never_refused() {
    for folder in ["zones", "filings"] {
        let site = Site::new();
        site.plain_zone("site.example").records(&[Record::open("site.example")]);
        fs::write(site.path(folder).join(".hold"), "").expect("a file");
        let server = site.start();
        let reply = server.dig(&["site.example", "A"]);
        assert_eq!(reply.status, "SERVFAIL", "{folder}: {reply}");
        fs::remove_file(server.site.path(folder).join(".hold")).expect("a removal");
        server.opens("site.example");
    }
}
