//! Clients who mean no good: they are cut off, and nobody else notices.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;

use crate::clients::{
    DNS_MESSAGE, HOST, PATH, ask_framed, block_on, encrypted, fetch, get, http2, is_closed, post,
    tls, trust,
};
use crate::common::{PATIENCE, Server, Site, query};

fn start(lines: &[&str]) -> Server {
    let mut site = Site::new();
    for line in lines {
        site.server(line);
    }
    encrypted(site).start()
}

fn connect(server: &Server, transport: &str) -> TcpStream {
    let stream = TcpStream::connect(server.address(transport)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Somebody else is answered over TLS and over HTTPS.
#[track_caller]
fn others_are_answered(server: &Server) {
    let ask = query(1, "test.example", 1);
    let mut dot = tls(server.address("tls"), &trust(server, &["dot"])).unwrap();
    assert_eq!(ask_framed(&mut dot, std::slice::from_ref(&ask)).unwrap()[0][..2], [0, 1]);
    block_on(async {
        assert_eq!(fetch(&mut http2(server).await, post(&ask)).await.status(), 200);
    });
}

#[test]
fn handshakes_that_stall_hold_nobody_up_and_are_cut_off() {
    let server = start(&["tcp_idle_timeout = \"2s\"", "tcp_max_connections_per_client = 1000"]);
    let mut stalled = Vec::new();
    for transport in ["tls", "https"] {
        for sent in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
            for _ in 0..50 {
                let mut stream = connect(&server, transport);
                stream.write_all(sent).unwrap();
                stalled.push(stream);
            }
        }
    }
    others_are_answered(&server);
    assert!(stalled.iter_mut().all(is_closed));
}

#[test]
fn garbage_on_the_ports_of_tls_is_turned_away() {
    let server = start(&["tcp_idle_timeout = \"60s\""]);
    let plain = [&[0, 30][..], &query(1, "test.example", 1)].concat();
    let web = format!("GET {PATH} HTTP/1.1\r\nhost: {HOST}\r\n\r\n").into_bytes();
    for transport in ["tls", "https"] {
        for garbage in [&plain, &web, &vec![0xff; 20_000], &b"\x16\x03\x01\xff\xff".repeat(2_000)] {
            let mut stream = connect(&server, transport);
            let _ = stream.write_all(garbage);
            assert!(is_closed(&mut stream), "{transport} {:?}", &garbage[..5]);
        }
    }
    // Inside TLS, where HTTP is due.
    let mut stream = tls(server.address("https"), &trust(&server, &["http/1.1"])).unwrap();
    let _ = stream.write_all(&[0xff; 20_000]);
    assert!(is_closed(&mut stream));
    let mut stream = tls(server.address("https"), &trust(&server, &["h2"])).unwrap();
    let _ = stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    assert!(is_closed(&mut stream));
    others_are_answered(&server);
}

#[test]
fn a_request_that_trickles_in_is_cut_off() {
    let server = start(&["tcp_idle_timeout = \"500ms\""]);
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: {HOST}\r\n");
    let body = format!("{head}content-type: {DNS_MESSAGE}\r\ncontent-length: 30\r\n\r\n");
    let encoded = BASE64URL_NOPAD.encode(&query(0, "test.example", 1));
    let after_one = format!("GET {PATH}?dns={encoded} HTTP/1.1\r\nhost: {HOST}\r\n\r\n{head}");
    for begun in ["", &head, &body, &after_one] {
        let mut stream = tls(server.address("https"), &trust(&server, &["http/1.1"])).unwrap();
        stream.write_all(begun.as_bytes()).unwrap();
        let deadline = Instant::now() + PATIENCE;
        // A byte now and then: a header that goes on and on, or a body that does.
        while stream.write_all(b"x").and_then(|()| stream.flush()).is_ok() {
            assert!(Instant::now() < deadline, "the server listens on and on after {begun:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    others_are_answered(&server);
}

#[test]
fn a_body_without_end_is_refused_when_it_has_become_too_long() {
    let server = start(&[]);
    let mut stream = tls(server.address("https"), &trust(&server, &["http/1.1"])).unwrap();
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: {DNS_MESSAGE}\r\n");
    stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).unwrap();
    let chunk = [&b"4000\r\n"[..], &[0; 0x4000], b"\r\n"].concat();
    for _ in 0..5 {
        stream.write_all(&chunk).unwrap();
    }
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    others_are_answered(&server);
}

#[test]
fn ten_thousand_requests_on_one_connection_are_answered() {
    let server = start(&[]);
    block_on(async {
        let http = http2(&server).await;
        let mut tasks = tokio::task::JoinSet::new();
        for lane in 0..50 {
            let mut http = http.clone();
            tasks.spawn(async move {
                for id in 0..200 {
                    let query = query(lane << 8 | id, "test.example", 1);
                    let request = if id % 2 == 0 { get(&query) } else { post(&query) };
                    let response = fetch(&mut http, request).await;
                    assert_eq!(
                        (response.status().as_u16(), &response.body()[..2]),
                        (200, &query[..2])
                    );
                }
            });
        }
        tasks.join_all().await;
    });
}

#[test]
fn the_limits_count_every_connection_of_a_client_whatever_it_speaks() {
    let server = start(&["tcp_max_connections_per_client = 3", "tcp_idle_timeout = \"60s\""]);
    let ask = [query(1, "test.example", 1)];
    let mut plain = TcpStream::connect(server.tcp()).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    ask_framed(&mut plain, &ask).unwrap();
    let mut dot = tls(server.address("tls"), &trust(&server, &["dot"])).unwrap();
    ask_framed(&mut dot, &ask).unwrap();
    let doh = tls(server.address("https"), &trust(&server, &["http/1.1"])).unwrap();
    for transport in ["tls", "https"] {
        assert!(is_closed(&mut connect(&server, transport)), "{transport}");
    }
    ask_framed(&mut plain, &ask).unwrap();
    ask_framed(&mut dot, &ask).unwrap();
    drop(doh);
    // Its seat is free once the server has seen it go.
    let deadline = Instant::now() + PATIENCE;
    while tls(server.address("https"), &trust(&server, &["http/1.1"])).is_err() {
        assert!(Instant::now() < deadline, "the seat of who has gone is never free");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn when_full_a_newcomer_takes_the_place_of_an_idle_connection_of_any_kind() {
    let server = start(&["tcp_max_connections = 1", "tcp_idle_timeout = \"60s\""]);
    let mut idle = tls(server.address("https"), &trust(&server, &["h2"])).unwrap();
    // A connection may be put out once it has been idle for a second.
    let deadline = Instant::now() + PATIENCE;
    let mut dot = loop {
        match tls(server.address("tls"), &trust(&server, &["dot"])) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "no room is made: {error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(is_closed(&mut idle));
    ask_framed(&mut dot, &[query(1, "test.example", 1)]).unwrap();
}

#[test]
fn stopping_answers_what_has_come_and_says_goodbye() {
    let server = start(&["tcp_idle_timeout = \"60s\""]);
    let mut dot = tls(server.address("tls"), &trust(&server, &["dot"])).unwrap();
    let mut doh = tls(server.address("https"), &trust(&server, &["http/1.1"])).unwrap();
    let ask = [query(1, "test.example", 1)];
    ask_framed(&mut dot, &ask).unwrap();
    let encoded = BASE64URL_NOPAD.encode(&ask[0]);
    let get = format!("GET {PATH}?dns={encoded} HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    doh.write_all(get.as_bytes()).unwrap();
    let mut status = [0; 12];
    doh.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    let mark = server.log_mark();
    server.signal(libc::SIGTERM);
    // With TLS's own farewell: an end without it is an error (RFC 8446 §6.1).
    let mut rest = Vec::new();
    dot.read_to_end(&mut rest).expect("close_notify");
    assert!(rest.is_empty());
    doh.read_to_end(&mut rest).expect("close_notify");
    server.logged(mark, |event| crate::common::message(event) == "stopped");
    assert!(!server.log_text().contains("cut off"), "{}", server.log_text());
}
