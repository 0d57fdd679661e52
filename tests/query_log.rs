//! The query log and dnstap: what is told of queries, to whom, and that nobody waits for it.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use common::{Fields, PATIENCE, Record, Server, Site, eventually, query};
use serde_json::Value;
use tempfile::TempDir;

const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";

/// A site with an open and a blocked domain.
fn site(settings: &str) -> Site {
    let mut site = Site::new();
    site.plain_zone("open.example").plain_zone("dark.example");
    site.records(&[Record::open("open.example")]);
    site.one_port().config_tail(settings);
    site
}

fn logged_queries(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// The lines of a log, once there are so many.
#[track_caller]
fn lines(path: &Path, count: usize) -> Vec<Value> {
    eventually(&format!("{count} lines"), || logged_queries(path).len() >= count);
    let lines = logged_queries(path);
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

/// What the server counts of the queries that it observed.
fn observed(server: &Server, to: &str, outcome: &str) -> u64 {
    let stats = server.beiand(&["stats"]).stdout;
    let figure = format!("beiand_observed_queries_total{{outcome=\"{outcome}\",to=\"{to}\"}} ");
    let line = stats.lines().find_map(|line| line.strip_prefix(&figure));
    line.unwrap_or_else(|| panic!("no {figure}in\n{stats}")).parse().expect("a number")
}

fn client(server: &Server) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
    client.connect(server.udp()).expect("loopback");
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    client
}

/// Asks so many times, and gets so many replies, whoever else is slow.
fn flood(client: &UdpSocket, queries: usize) {
    const AT_ONCE: usize = 50;
    let mut buffer = [0; 1_500];
    for number in 0..queries {
        client.send(&query(number as u16, "open.example", 1)).expect("sent");
        if number % AT_ONCE == AT_ONCE - 1 {
            for _ in 0..AT_ONCE {
                assert!(client.recv(&mut buffer).expect("a reply") > 12);
            }
        }
    }
}

/// Asks the server to stop; all of its threads must.
#[track_caller]
fn stops(server: &Server) {
    server.signal(libc::SIGTERM);
    server.logged(0, |event| common::message(event) == "stopped");
    assert!(!server.log_text().contains("did not stop in time"), "{}", server.log_text());
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

// --- The query log -----------------------------------------------------------------------------

#[test]
fn a_query_is_a_line_that_tells_question_and_answer() {
    let server = site("[query_log]\npath = \"queries.ndjson\"\nclient = \"full\"").start();
    let path = server.site.path("queries.ndjson");
    let before = jiff::Timestamp::now().as_second();
    server.dig(&["WWW.open.example", "A"]);
    let [line] = lines(&path, 1).try_into().expect("one");
    let time: jiff::Timestamp = line["time"].as_str().expect("a text").parse().expect("RFC 3339");
    assert!((before..=jiff::Timestamp::now().as_second()).contains(&time.as_second()), "{line}");
    assert!(line["port"].as_u64().is_some_and(|port| port > 0), "{line}");
    let told = |line: &Value, keys: &[&str]| {
        keys.iter().map(|key| line[key].to_string()).collect::<Vec<_>>().join(" ")
    };
    let keys = ["client", "transport", "name", "type", "rcode", "truncated", "blocked"];
    let first = "\"127.0.0.1\" \"udp\" \"www.open.example.\" \"A\" 0 false null";
    assert_eq!(told(&line, &keys), first, "{line}");

    let reply = server.dig(&["dark.example", "AAAA", "+tcp", "+noedns"]);
    assert!(reply.is_notice(), "{reply}");
    let line = &lines(&path, 2)[1];
    let second = "\"127.0.0.1\" \"tcp\" \"dark.example.\" \"AAAA\" 0 false \"no-filing\"";
    assert_eq!(told(line, &keys), second, "{line}");
    let size = format!("MSG SIZE  rcvd: {}", line["bytes"]);
    assert!(reply.raw.contains(&size), "{line}\n{reply}");

    server.dig(&["nowhere.invalid", "TYPE65280"]);
    let line = &lines(&path, 3)[2];
    let third = "\"127.0.0.1\" \"udp\" \"nowhere.invalid.\" \"TYPE65280\" 5 false null";
    assert_eq!(told(line, &keys), third, "{line}");
    assert_eq!((observed(&server, "query_log", "written"), server_lost(&server)), (3, 0));
}

fn server_lost(server: &Server) -> u64 {
    observed(server, "query_log", "lost")
}

#[test]
fn encrypted_queries_are_logged_too() {
    let site = site(
        "[query_log]\npath = \"queries.ndjson\"\n[tls]\nlisten = [\"127.0.0.1:0\"]\n\
         certificate = \"cert.pem\"\nkey = \"key.pem\"\n[https]\nlisten = [\"127.0.0.1:0\"]",
    );
    let made = rcgen::generate_simple_self_signed(["ns1.hoster.example".to_owned()]).expect("one");
    fs::write(site.path("cert.pem"), made.cert.pem()).expect("written");
    fs::write(site.path("key.pem"), made.signing_key.serialize_pem()).expect("written");
    let server = site.start();
    let path = server.site.path("queries.ndjson");
    for (index, (transport, how)) in [("tls", "+tls"), ("https", "+https")].iter().enumerate() {
        let asked = Command::new("kdig")
            .args(["@127.0.0.1", "-p", &server.address(transport).port().to_string(), how])
            .args(["open.example", "A"])
            .output()
            .expect("kdig is installed (package knot-dnsutils)");
        assert!(String::from_utf8_lossy(&asked.stdout).contains("192.0.2.10"), "{asked:?}");
        assert_eq!(lines(&path, index + 1)[index]["transport"], *transport);
    }
}

#[test]
fn of_the_client_no_more_is_told_than_is_configured() {
    for (settings, client) in
        [("", Value::from("127.0.0.0/24")), ("client = \"none\"", Value::Null)]
    {
        let server = site(&format!("[query_log]\npath = \"q\"\n{settings}")).start();
        server.dig(&["open.example", "A"]);
        let line = &lines(&server.site.path("q"), 1)[0];
        assert_eq!((&line["client"], &line["port"]), (&client, &Value::Null), "{line}");
    }
}

#[test]
fn with_a_sample_of_two_every_second_query_is_logged() {
    let server = site("[query_log]\npath = \"q\"\nsample = 2").start();
    for number in 0..6 {
        let transport = if number % 3 == 0 { "+tcp" } else { "+notcp" };
        server.dig(&[&format!("n{number}.open.example"), "A", transport]);
    }
    let names: Vec<Value> =
        lines(&server.site.path("q"), 3).iter().map(|line| line["name"].clone()).collect();
    assert_eq!(names, ["n0.open.example.", "n2.open.example.", "n4.open.example."]);
}

#[test]
fn a_log_that_was_moved_away_is_begun_anew_and_one_that_is_there_is_written_on() {
    let site = site("[query_log]\npath = \"q\"");
    let [path, aside] = ["q", "q.yesterday"].map(|name| site.path(name));
    fs::write(&path, "{\"from\":\"before\"}\n").expect("written");
    let server = site.start();
    server.dig(&["open.example", "A"]);
    assert_eq!(lines(&path, 2)[0]["from"], "before");
    fs::rename(&path, &aside).expect("moved");
    server.dig(&["dark.example", "A"]);
    assert_eq!(lines(&path, 1)[0]["name"], "dark.example.");
    assert_eq!(lines(&aside, 2)[1]["name"], "open.example.");
}

#[test]
fn a_long_log_is_put_aside_and_the_oldest_are_dropped() {
    let server = site("[query_log]\npath = \"q\"\nmax_size_mib = 1\nkeep = 2\n").start();
    let [path, first, second, third] = ["q", "q.1", "q.2", "q.3"].map(|it| server.site.path(it));
    let client = client(&server);
    let mut asked = 0;
    eventually("it is begun", || path.exists());
    // What is put aside stays for a while, so that the next file cannot have its number.
    let number = || fs::metadata(&path).map(|file| file.ino()).ok();
    let (mut put_aside, mut current) = (0, number());
    while put_aside < 3 {
        flood(&client, 2_000);
        asked += 2_000;
        assert!(asked < 60_000, "put aside {put_aside} times");
        let count = |outcome| observed(&server, "query_log", outcome);
        eventually("all counted", || count("written") + count("lost") == asked);
        let before = std::mem::replace(&mut current, number());
        put_aside += usize::from(before != current);
    }
    for file in [&path, &first, &second] {
        assert!(fs::metadata(file).expect("kept").len() <= 1 << 20);
        // Each line is whole.
        assert!(!logged_queries(file).is_empty());
    }
    assert!(!third.exists());
}

#[test]
fn what_the_rate_limit_withholds_is_told_as_such() {
    let site = site("[query_log]\npath = \"q\"\n[rate_limit]\nper_second = 1\nslip = 0");
    let server = site.start();
    let client = client(&server);
    for _ in 0..20 {
        client.send(&query(7, "open.example", 1)).expect("sent");
    }
    let withheld = lines(&server.site.path("q"), 20);
    let withheld = withheld.iter().filter(|line| line["withheld"] == true).count();
    assert!((1..20).contains(&withheld), "{withheld} of 20");
    let stats = server.beiand(&["stats"]).stdout;
    assert!(stats.contains(&format!("withheld_replies_total{{transport=\"udp\"}} {withheld}\n")));
}

#[test]
fn a_log_that_cannot_be_written_costs_no_answer_and_comes_back() {
    let server = site("[query_log]\npath = \"missing/q\"").start();
    let cannot = "observed queries cannot be written";
    let event = server.logged(0, |event| common::message(event) == cannot);
    assert!(event["fields"]["place"].as_str().is_some_and(|at| at.ends_with("missing/q")));
    assert_eq!(server.dig(&["open.example", "A"]).data("A"), ["192.0.2.10"]);
    eventually("a loss", || server_lost(&server) == 1);
    server.logged(0, |event| common::message(event) == "observed queries lost");
    fs::create_dir(server.site.path("missing")).expect("made");
    let path = server.site.path("missing/q");
    eventually("a line", || {
        server.dig(&["open.example", "A"]);
        !logged_queries(&path).is_empty()
    });
    server.logged(0, |event| common::message(event) == "observed queries are written again");
}

#[test]
fn nothing_is_observed_until_a_start_with_one_of_the_sections() {
    let server = site("").start();
    common::append(&server.site.path("beiand.toml"), "[query_log]\npath = \"q\"\n");
    server.reloaded();
    server.logged(0, |event| {
        common::message(event) == "takes effect with a restart only"
            && event["fields"]["section"] == "[query_log]"
    });
    server.dig(&["open.example", "A"]);
    let stats = server.beiand(&["stats"]).stdout;
    assert!(stats.contains("beiand_queries_total") && !stats.contains("observed"), "{stats}");
    assert!(!server.site.path("q").exists());
}

#[test]
fn faults_in_the_sections_are_told_with_what_to_write_instead() {
    let site = site("[query_log]\npath = \"zones/q\"\nsample = 0\n[dnstap]\nkind = \"pipe\"");
    let ran = site.beiand(&["check"]);
    for fault in [
        "\"zones/q\": the query log would be read as zones or filings there",
        "\"0\": out of range; write a number from 1 to",
        "\"pipe\": not a value of kind; write \"socket\" or \"file\"",
    ] {
        assert!(format!("{ran}").contains(fault), "{fault}\n{ran}");
    }
}

// --- dnstap ------------------------------------------------------------------------------------

/// A reader of Frame Streams on a Unix socket.
struct Reader(UnixStream);

/// A frame: data, or the number of a control frame.
#[derive(Debug, PartialEq)]
enum Frame {
    Data(Vec<u8>),
    Control(u32),
}

impl Reader {
    /// Takes the server's connection, up to START.
    fn accept(listener: &UnixListener) -> Reader {
        let (stream, _) = listener.accept().expect("the server connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut reader = Reader(stream);
        assert_eq!(reader.frame(), Frame::Control(4), "READY");
        reader.control(1, CONTENT_TYPE);
        assert_eq!(reader.frame(), Frame::Control(2), "START");
        reader
    }

    fn control(&mut self, kind: u32, content_type: &[u8]) {
        let mut body = kind.to_be_bytes().to_vec();
        if !content_type.is_empty() {
            body.extend([0, 0, 0, 1, 0, 0, 0, content_type.len() as u8]);
            body.extend(content_type);
        }
        let frame = [&[0; 4], &(body.len() as u32).to_be_bytes()[..], &body].concat();
        self.0.write_all(&frame).expect("the server reads");
    }

    fn number(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.read_exact(&mut bytes).expect("the server writes");
        u32::from_be_bytes(bytes)
    }

    fn frame(&mut self) -> Frame {
        let len = self.number();
        let is_control = len == 0;
        let len = if is_control { self.number() } else { len };
        let mut bytes = vec![0; len as usize];
        self.0.read_exact(&mut bytes).expect("the server writes");
        if !is_control {
            return Frame::Data(bytes);
        }
        let (kind, fields) = bytes.split_first_chunk::<4>().expect("a kind");
        let kind = u32::from_be_bytes(*kind);
        assert_eq!(fields.ends_with(CONTENT_TYPE), kind != 3, "all but STOP name what comes");
        Frame::Control(kind)
    }

    fn message(&mut self) -> Fields {
        match self.frame() {
            Frame::Data(bytes) => Fields::of(&bytes),
            control => panic!("no data, but {control:?}"),
        }
    }
}

#[test]
fn dnstap_tells_query_and_reply_as_they_were_sent() {
    let site = site(
        "[dnstap]\npath = \"tap\"\nclient = \"full\"\nidentity = \"ns1\"\nversion = \"beiand\"",
    );
    let listener = UnixListener::bind(site.path("tap")).expect("a socket");
    let server = site.start();
    let mut reader = Reader::accept(&listener);
    let client = client(&server);
    let asked = query(0x1234, "open.example", 1);
    let before = seconds_now();
    client.send(&asked).expect("sent");
    let mut buffer = [0; 1_500];
    let replied = client.recv(&mut buffer).map(|len| &buffer[..len]).expect("a reply");
    let port = client.local_addr().expect("bound").port();
    for (kind, field, message) in [(1, 10, asked.as_slice()), (2, 14, replied)] {
        let envelope = reader.message();
        assert_eq!(envelope.bytes(1), Some(&b"ns1"[..]), "{envelope:?}");
        assert_eq!(envelope.bytes(2), Some(&b"beiand"[..]));
        assert_eq!(envelope.value(15), Some(1));
        let told = envelope.inner(14);
        assert_eq!([1, 2, 3].map(|number| told.value(number)), [kind, 1, 1].map(Some), "{told:?}");
        assert_eq!(told.bytes(4), Some(&[127, 0, 0, 1][..]));
        assert_eq!(told.bytes(5), Some(&[127, 0, 0, 1][..]));
        assert_eq!(told.value(6), Some(port.into()));
        assert_eq!(told.value(7), Some(server.udp().port().into()));
        let now = before..=seconds_now();
        assert!(told.value(8).is_some_and(|time| now.contains(&time)), "{told:?}");
        assert_eq!(told.value(12).is_some_and(|time| now.contains(&time)), kind == 2, "{told:?}");
        assert_eq!(told.bytes(field), Some(message));
        assert_eq!(told.bytes(if kind == 1 { 14 } else { 10 }), None);
    }
    server.dig(&["dark.example", "A", "+tcp"]);
    for _ in 0..2 {
        let told = reader.message().inner(14);
        assert_eq!((told.value(3), told.value(7)), (Some(2), Some(server.tcp().port().into())));
    }
    server.signal(libc::SIGTERM);
    assert_eq!(reader.frame(), Frame::Control(3), "STOP");
    reader.control(5, b"");
    assert_eq!(reader.0.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn dnstap_tells_only_the_messages_and_the_network_that_are_configured() {
    let site = site("[dnstap]\npath = \"tap\"\nmessages = \"responses\"\nsample = 2");
    let listener = UnixListener::bind(site.path("tap")).expect("a socket");
    let server = site.start();
    let mut reader = Reader::accept(&listener);
    for _ in 0..4 {
        server.dig(&["open.example", "A"]);
    }
    for _ in 0..2 {
        let envelope = reader.message();
        assert!(envelope.bytes(1).is_none() && envelope.bytes(2).is_none(), "{envelope:?}");
        let told = envelope.inner(14);
        assert_eq!(told.value(1), Some(2));
        assert_eq!((told.bytes(4), told.value(6)), (Some(&[127, 0, 0, 0][..]), None));
    }
    eventually("the count", || observed(&server, "dnstap", "written") == 2);
}

/// A reader that has accepted everything, and reads no more.
#[test]
fn a_reader_that_stalls_holds_no_answer_up_and_what_is_lost_is_counted() {
    let site = site("[dnstap]\npath = \"tap\"");
    let listener = UnixListener::bind(site.path("tap")).expect("a socket");
    let server = site.start();
    let reader = Reader::accept(&listener);
    let client = client(&server);
    let is_lost = (0..50).any(|_| {
        flood(&client, 2_000);
        observed(&server, "dnstap", "lost") > 0
    });
    assert!(is_lost, "no end to what is kept");
    drop(reader);
    server.logged(0, |event| common::message(event) == "observed queries lost");
    // It is gone; another one comes.
    let mut reader = Reader::accept(&listener);
    server.dig(&["dark.example", "A"]);
    assert_eq!(reader.message().inner(14).value(1), Some(1));
    flood(&client, 20_000);
    stops(&server);
}

#[test]
fn a_reader_of_something_else_is_left_alone() {
    let site = site("[dnstap]\npath = \"tap\"");
    let listener = UnixListener::bind(site.path("tap")).expect("a socket");
    let server = site.start();
    let (stream, _) = listener.accept().expect("the server connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut reader = Reader(stream);
    assert_eq!(reader.frame(), Frame::Control(4), "READY");
    reader.control(1, b"protobuf:something.Else");
    let event =
        server.logged(0, |event| common::message(event) == "observed queries cannot be written");
    assert_eq!(event["fields"]["error"], "the reader does not take dnstap");
    assert_eq!(reader.0.read(&mut [0]).expect("the end"), 0);
    server.still_answers();
}

/// What BIND's `dnstap-read` makes of a file, one message a line.
fn dnstap_read(file: &Path) -> Vec<String> {
    let output = Command::new("dnstap-read")
        .arg(file)
        .output()
        .expect("dnstap-read is installed (package bind9-dnsutils)");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The parts of such a line that stay the same: all but the time and the client's port.
fn without_time(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').skip(2).collect();
    words.join(" ")
}

#[test]
fn a_file_is_read_by_the_dnstap_read_of_bind() {
    let site = site("[dnstap]\nkind = \"file\"\npath = \"tap\"\nclient = \"none\"");
    fs::write(site.path("tap"), "of an earlier run").expect("written");
    let server = site.start();
    let path = server.site.path("tap");
    server.dig(&["www.open.example", "A"]);
    server.dig(&["dark.example", "AAAA", "+tcp"]);
    eventually("both", || observed(&server, "dnstap", "written") == 2);
    assert_eq!(fs::read_to_string(path.with_extension("1")).expect("kept"), "of an earlier run");
    stops(&server);
    assert!(fs::read(&path).expect("the file").ends_with(&[0, 0, 0, 4, 0, 0, 0, 3]), "no STOP");
    let told: Vec<String> = dnstap_read(&path).iter().map(|line| without_time(line)).collect();
    let expected = [
        "AQ ? -> SERVER UDP 57b www.open.example/IN/A",
        "AR ? <- SERVER UDP 89b www.open.example/IN/A",
        "AQ ? -> SERVER TCP 53b dark.example/IN/AAAA",
        "AR ? <- SERVER TCP 116b dark.example/IN/AAAA",
    ];
    let at = server.udp().to_string();
    assert_eq!(told, expected.map(|line| line.replace("SERVER", &at)), "one port for both");
}

/// The `fstrm_capture` of the Frame Streams library.
struct Capture(Child);

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_usual_reader_of_dnstap_takes_what_is_sent() {
    let site = site("[dnstap]\npath = \"tap.sock\"");
    let folder = TempDir::new().expect("a folder");
    let captured = folder.path().join("captured");
    let capture = Command::new("fstrm_capture")
        .args(["-t", "protobuf:dnstap.Dnstap", "-u"])
        .arg(site.path("tap.sock"))
        .arg("-w")
        .arg(&captured)
        .stderr(Stdio::null())
        .spawn()
        .expect("fstrm_capture is installed (package fstrm-bin)");
    let mut capture = Capture(capture);
    let server = site.start();
    let mut asked = 0;
    eventually("a message", || {
        server.dig(&["open.example", "A"]);
        asked += 1;
        observed(&server, "dnstap", "written") > 0
    });
    let count = |outcome| observed(&server, "dnstap", outcome);
    eventually("all counted", || count("written") + count("lost") == asked);
    let written = count("written");
    drop(server);
    // It writes its own file to the end when it is asked to go.
    // SAFETY: kill(2) takes two integers; the pid is that of our child, not yet waited for.
    unsafe { libc::kill(capture.0.id() as libc::pid_t, libc::SIGTERM) };
    capture.0.wait().expect("it ends");
    let read = dnstap_read(&captured);
    assert_eq!(read.len() as u64, 2 * written, "{read:#?}");
    assert!(read.iter().all(|line| line.contains("open.example/IN/A")), "{read:#?}");
}
