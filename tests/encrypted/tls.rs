//! DNS over TLS and over QUIC: clients that people use, protocols and versions, padding, identifiers.

use std::net::SocketAddr;
use std::process::Command;

use crate::clients::{
    HOST, ask_framed, ask_quic, block_on, encrypted, fetch, get, http2, quic, tls, trust,
    trusting_with,
};
use crate::common::{Server, Site, query};

/// What `kdig` prints; it must be content.
fn kdig(server: &Server, address: SocketAddr, how: &[&str]) -> String {
    let authority = format!("+tls-ca={}", server.site.path("cert.pem").display());
    let output = Command::new("kdig")
        .args([&format!("@{}", address.ip()), "-p", &address.port().to_string()])
        .args(["+timeout=10", "+retry=0", &authority, &format!("+tls-hostname={HOST}")])
        .args(how)
        .args(["test.example", "A"])
        .output()
        .expect("kdig is installed (package knot-dnsutils)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kdig {how:?}:\n{text}{errors}");
    text
}

#[test]
fn kdig_is_answered_over_tls_and_https() {
    let server = encrypted(Site::new()).start();
    for (transport, how, session) in [
        ("tls", &["+tls"][..], ";; TLS session (TLS1.3)"),
        ("https", &["+https=/dns-query"], "HTTP session (HTTP/2-POST)"),
        ("https", &["+https=/dns-query", "+https-get"], "HTTP session (HTTP/2-GET)"),
    ] {
        let text = kdig(&server, server.address(transport), how);
        assert!(text.contains("status: REFUSED") && text.contains(session), "{how:?}:\n{text}");
    }
}

#[test]
fn tls_1_2_and_1_3_are_spoken_and_the_protocol_is_agreed_on() {
    let server = encrypted(Site::new()).start();
    let certificate = std::fs::read_to_string(server.site.path("cert.pem")).unwrap();
    let ask = [query(7, "test.example", 1)];
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = trusting_with(&[version], &[&certificate], &["dot"]);
        let mut dot = tls(server.address("tls"), &config).unwrap();
        assert_eq!(dot.conn.alpn_protocol(), Some(&b"dot"[..]));
        assert_eq!(ask_framed(&mut dot, &ask).unwrap()[0][..2], [0, 7]);
    }
    for (transport, offered, agreed) in [
        ("tls", &[][..], None),
        ("https", &["http/1.1", "h2"], Some("h2")),
        ("https", &["http/1.1"], Some("http/1.1")),
    ] {
        let stream = tls(server.address(transport), &trust(&server, offered)).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), agreed.map(str::as_bytes), "{offered:?}");
    }
    for (transport, offered) in [("tls", "h2"), ("https", "dot")] {
        let error = tls(server.address(transport), &trust(&server, &[offered])).unwrap_err();
        assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    }
}

#[test]
fn queries_in_one_record_are_all_answered_in_order() {
    let server = encrypted(Site::new()).start();
    let mut dot = tls(server.address("tls"), &trust(&server, &["dot"])).unwrap();
    let queries: Vec<_> = (0..2_000).map(|id| query(id, "test.example", 1)).collect();
    let replies = ask_framed(&mut dot, &queries).unwrap();
    let ids: Vec<u16> = replies.iter().map(|r| u16::from_be_bytes([r[0], r[1]])).collect();
    assert_eq!(ids, (0..2_000).collect::<Vec<u16>>());
}

#[test]
fn replies_are_padded_where_the_query_asks_for_it_and_the_way_is_encrypted() {
    const BLOCK: usize = 468;
    let server = encrypted(Site::shipped()).start();
    let with_option = |name: &str, code: u8| {
        let mut query = query(0, name, 1);
        query[11] = 1;
        query.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 7, 0, code, 0, 3, 0, 0, 0]);
        query
    };
    let names = ["www.filed.example", "www.nofiling.example", "nope.filed.example"];
    let padded = names.map(|name| with_option(name, 12));
    let plain = names.map(|name| with_option(name, 13));
    let mut dot = tls(server.address("tls"), &trust(&server, &["dot"])).unwrap();
    let mut over_tls = ask_framed(&mut dot, &padded).unwrap();
    let unpadded = ask_framed(&mut dot, &plain).unwrap();
    let mut tcp = std::net::TcpStream::connect(server.tcp()).unwrap();
    assert_eq!(ask_framed(&mut tcp, &padded).unwrap(), unpadded, "not over plain TCP");
    block_on(async {
        let mut http = http2(&server).await;
        over_tls.push(fetch(&mut http, get(&padded[0])).await.into_body());
    });
    for (reply, unpadded) in over_tls.iter().zip(unpadded.iter().chain([&unpadded[0]])) {
        assert_eq!(reply.len(), BLOCK);
        assert!(unpadded.len() < BLOCK - 4);
        // The option is the last of OPT, and OPT is the last record: all is as without, and zeros.
        assert!(reply[unpadded.len() + 4..].iter().all(|byte| *byte == 0));
        assert_eq!(reply[unpadded.len()..][..2], [0, 12]);
        assert_eq!(reply[..12], unpadded[..12]);
    }
}

#[test]
fn dns_over_quic_answers_with_id_0_each_on_its_own_stream() {
    let server = encrypted(Site::new()).start();
    block_on(async {
        let reply = &ask_quic(&server, &[query(0, "test.example", 1)]).await[0];
        assert_eq!((&reply[..2], reply[3] & 0x0f), (&[0, 0][..], 5));

        let connection = quic(server.address("quic"), &server, "doq").await;
        let mut streams = Vec::new();
        for name in ["a.example", "b.example", "c.example"] {
            let (mut send, receive) = connection.open_bi().await.unwrap();
            send.write_all(&crate::clients::frame(&query(0, name, 1))).await.unwrap();
            send.finish().unwrap();
            streams.push((name, receive));
        }
        for (name, mut receive) in streams {
            let reply = receive.read_to_end(1_000).await.unwrap();
            assert_eq!(reply[15..16], name.as_bytes()[..1]);
        }
    });
}
