//! What an operator asks of the running server (`beiand status`, `stats`, `zones status`,
//! `log-level`, `trace`), and clients of its socket that mean no good.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use common::{Record, Server, Site, message, replace, zone_text};
use serde_json::Value;

/// `open.example` is filed, `dark.example` is not.
#[track_caller]
fn server() -> Server {
    let site = Site::new();
    site.plain_zone("open.example").plain_zone("dark.example");
    site.records(&[Record::open("open.example")]);
    site.start()
}

#[track_caller]
fn json(server: &Server, args: &[&str]) -> Value {
    let ran = server.beiand(&[args, &["--json"]].concat());
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}\n{ran}"))
}

/// Says the line, if it can be said, and gives what comes back.
fn say(server: &Server, line: &[u8]) -> String {
    let mut stream = UnixStream::connect(server.site.path("beiand.sock")).expect("the socket");
    let _ = stream.write_all(line);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut reply = String::new();
    let _ = BufReader::new(stream).read_line(&mut reply);
    reply
}

#[test]
fn status_tells_what_is_served_and_what_the_last_reload_did() {
    let server = server();
    server.dig(&["open.example", "A"]);
    server.records(&[Record::open("open.example"), Record::open("dark.example")]);
    server.reloaded();
    let reply = json(&server, &["status"]);
    let status = &reply["status"];
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pid"], server.pid());
    assert_eq!(status["ready"], true);
    assert_eq!((&status["zones"], &status["verdicts"]["open"]), (&2.into(), &2.into()), "{reply}");
    assert!(status["queries"].as_u64() >= Some(1), "{reply}");
    assert_eq!(status["log_level"], "info");
    let human = server.beiand(&["status"]);
    assert_eq!(human.code, 0, "{human}");
    for words in ["answering", "2 zones, 0 failed", "2 open", "last reload", " opened, "] {
        assert!(human.stdout.contains(words), "{words} in\n{human}");
    }
}

#[test]
fn status_tells_what_is_refused_and_what_waits() {
    let server = server();
    let records: Vec<Record> =
        (0..300).map(|n| Record::open(&format!("site{n}.example"))).collect();
    server.records(&records);
    server.reloaded();
    let mtime = server.site.path("zones/open.example.zone");
    replace(&mtime, "this is no zone\n");
    server.records(&records[..100]);
    assert_eq!(server.reload(&[]).code, 1);
    let reply = json(&server, &["status"]);
    let status = &reply["status"];
    assert_eq!((&status["zones_refused"], &status["files_waiting"]), (&1.into(), &1.into()));
    let text = reply["faults"].to_string();
    assert!(text.contains("open.example.zone") && text.contains("--accept-shrink"), "{text}");
    let human = server.beiand(&["status"]);
    assert!(human.stdout.contains("1 filing file waiting for beiand reload"), "{human}");

    replace(&mtime, &zone_text("open.example", 2, common::PLAIN));
    server.reload(&["--accept-shrink"]);
    let reply = json(&server, &["status"]);
    assert_eq!(reply["status"]["zones_refused"], 0, "{reply}");
    assert_eq!(reply["status"]["files_waiting"], 0, "{reply}");
    assert_eq!(reply["faults"], Value::Array(Vec::new()), "{reply}");
}

#[test]
fn a_zone_is_told_with_its_serial_file_verdict_and_last_refusal() {
    let server = server();
    let fine = json(&server, &["zones", "status", "Open.Example"]);
    let zone = &fine["zone"];
    assert_eq!((&zone["state"], &zone["serial"]), (&"served".into(), &1.into()), "{fine}");
    assert_eq!(zone["verdict"], "open");
    assert!(zone["file"].as_str().is_some_and(|file| file.ends_with("/open.example.zone")));
    assert!(zone["read"].as_str().is_some_and(|read| read.ends_with('Z')), "{fine}");

    replace(&server.site.path("zones/open.example.zone"), "@ IN SOA what\n");
    server.reload(&[]);
    let refused = server.beiand(&["zones", "status", "open.example"]);
    assert_eq!(refused.code, 1, "{refused}");
    for words in ["served", "serial       1", "refused", "open.example.zone:1"] {
        assert!(refused.stdout.contains(words), "{words} in\n{refused}");
    }
    let unknown = server.beiand(&["zones", "status", "nowhere.example"]);
    assert_eq!(unknown.code, 1, "{unknown}");
    assert!(unknown.stdout.contains("no zone of this origin"), "{unknown}");
    let dark = json(&server, &["zones", "status", "dark.example"]);
    assert_eq!(dark["zone"]["verdict"], "no-filing");
}

#[test]
fn a_traced_domain_has_its_decisions_logged_whatever_the_level() {
    let server = server();
    assert_eq!(server.beiand(&["log-level", "error"]).code, 0);
    let mark = server.log_mark();
    let ran = server.beiand(&["trace", "dark.example", "--minutes", "2"]);
    assert_eq!(ran.code, 0, "{ran}");
    server.dig(&["WWW.dark.example", "A"]);
    server.dig(&["open.example", "A"]);
    server.dig(&["dark.example", "MX", "+tcp"]);
    let decided = |event: &Value| message(event) == "decided";
    let first = server.logged(mark, |event| decided(event));
    let fields = &first["fields"];
    assert_eq!(fields["name"], "www.dark.example.");
    assert_eq!((&fields["qtype"], &fields["verdict"]), (&"A".into(), &"no-filing".into()));
    assert_eq!((&fields["blocked"], &fields["rcode"]), (&"no-filing".into(), &0.into()));
    let second = server.logged(mark, |e| decided(e) && e["fields"]["qtype"] == "MX");
    assert_eq!(second["fields"]["transport"], "stream");
    assert!(second["fields"]["blocked"].is_null(), "{second}");
    let status = json(&server, &["status"]);
    assert_eq!(status["status"]["traces"][0]["name"], "dark.example.");
    assert_eq!(status["status"]["log_level"], "error");

    assert_eq!(server.beiand(&["trace", "dark.example", "--minutes", "0"]).code, 0);
    assert_eq!(json(&server, &["status"])["status"]["traces"], Value::Array(Vec::new()));
    server.dig(&["dark.example", "TXT"]);
    assert!(!server.log_text().contains("open.example."), "{}", server.log_text());
    assert!(!server.log_text().contains("TXT"), "{}", server.log_text());
    for wrong in [&["trace", "a..b"][..], &["trace", "a.example", "--minutes", "9999"]] {
        assert_eq!(server.beiand(wrong).code, 2);
    }
}

#[test]
fn eight_domains_are_traced_at_most() {
    let server = server();
    for n in 0..8 {
        assert_eq!(server.beiand(&["trace", &format!("site{n}.example")]).code, 0);
    }
    let ran = server.beiand(&["trace", "ninth.example"]);
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stderr.contains("8 domains are traced already"), "{ran}");
}

#[test]
fn the_log_level_changes_while_running() {
    let server = server();
    let mark = server.log_mark();
    let ran = server.beiand(&["log-level", "debug"]);
    assert_eq!(ran.code, 0, "{ran}");
    server.logged(mark, |event| message(event) == "log level changed");
    // Half a request: its end is told at level debug, and there only.
    let stream = UnixStream::connect(server.site.path("beiand.sock")).expect("the socket");
    drop(stream);
    server.logged(mark, |event| event["level"] == "DEBUG");
    assert_eq!(server.beiand(&["log-level", "loud"]).code, 2);
    let reply = say(&server, b"{\"verb\":\"log-level\",\"level\":\"loud\"}\n");
    assert!(reply.contains("write one of error, warn, info, debug, trace"), "{reply}");
}

#[test]
fn stats_are_the_figures_of_the_metrics_page() {
    let server = server();
    server.dig(&["dark.example", "A"]);
    let ran = server.beiand(&["stats"]);
    assert_eq!(ran.code, 0, "{ran}");
    let one = "beiand_blocked_replies_total{reason=\"no-filing\"} 1\n";
    assert!(ran.stdout.contains(one), "{ran}");
    assert!(ran.stdout.contains("beiand_zone_verdicts{verdict=\"open\"} 1\n"), "{ran}");
    let stats = json(&server, &["stats"]);
    let stats = stats["stats"].as_array().expect("a list");
    let queries = stats.iter().find(|figure| {
        figure["name"] == "beiand_queries_total"
            && figure["labels"]["transport"] == "udp"
            && figure["labels"]["qtype"] == "A"
    });
    assert_eq!(queries.map(|figure| &figure["value"]), Some(&1.0.into()));
}

#[test]
fn the_socket_has_the_mode_and_the_group_that_are_configured() {
    let mut site = Site::new();
    // SAFETY: getgid takes no pointers and cannot fail.
    let group = unsafe { libc::getgid() };
    site.config_tail(&format!("mode = \"0660\"\ngroup = \"{group}\""));
    let server = site.start();
    let socket = fs::symlink_metadata(server.site.path("beiand.sock")).expect("the socket");
    assert_eq!((socket.permissions().mode() & 0o777, socket.gid()), (0o660, group));
    assert_eq!(server.beiand(&["status"]).code, 0);

    let mut open_to_all = Site::new();
    open_to_all.config_tail("mode = \"0666\"");
    let ran = open_to_all.beiand(&["check"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stdout.contains("everybody on this machine could command the server"), "{ran}");
}

#[test]
fn nonsense_on_the_socket_is_answered_in_words_and_harms_nobody() {
    let server = server();
    for line in [
        &b"\n"[..],
        b"{\"verb\":\"sta",
        b"\xff\xfe\x00\n",
        b"GET /metrics HTTP/1.1\r\n\r\n",
        b"{\"verb\":\"trace\",\"name\":\"a.example\",\"minutes\":4000000000}\n",
        b"{\"verb\":\"trace\",\"name\":\"a.example\",\"minutes\":-1}\n",
        b"{\"verb\":\"zone-status\",\"name\":\"a..b\"}\n",
        b"{\"verb\":\"explain\",\"name\":\"\"}\n",
        &[b'['; 60_000],
        &[b'x'; 1 << 20],
    ] {
        let reply = say(&server, line);
        let read: Value = serde_json::from_str(&reply).unwrap_or_else(|error| {
            panic!(
                "{error}: {reply:?} to {:?}",
                String::from_utf8_lossy(&line[..40.min(line.len())])
            )
        });
        assert_eq!(read["ok"], false, "{reply}");
        assert!(read["message"].as_str().is_some_and(|words| !words.is_empty()), "{reply}");
    }
    assert_eq!(server.beiand(&["status"]).code, 0);
    server.still_answers();
}

#[test]
fn clients_that_stall_or_flood_are_let_go_and_dns_goes_on() {
    let server = server();
    let path = server.site.path("beiand.sock");
    // As many as are served at a time, with half a line each, and a crowd behind them.
    let stalled: Vec<UnixStream> = (0..16)
        .map(|_| {
            let mut stream = UnixStream::connect(&path).expect("the socket");
            stream.write_all(b"{\"verb\":").expect("half a line");
            stream
        })
        .collect();
    for _ in 0..500 {
        // Closed at once; what is written may find nobody.
        if let Ok(mut stream) = UnixStream::connect(&path) {
            let _ = stream.write_all(b"{\"verb\":\"status\"}\n");
        }
    }
    server.still_answers();
    // The server hangs up on each of them by itself.
    let started = Instant::now();
    for mut stream in stalled {
        stream.set_read_timeout(Some(common::PATIENCE)).expect("a timeout");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the server hangs up");
    }
    assert!(started.elapsed() < common::PATIENCE + Duration::from_secs(20));
    common::eventually("the socket serves again", || server.beiand(&["status"]).code == 0);
    server.still_answers();
}
