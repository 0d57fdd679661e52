//! What the query log and dnstap tell of queries over QUIC and HTTP/3, whose transports are
//! hickory-server's. What they tell of the others is in `query_log`.

use std::fs;

use serde_json::Value;

use crate::clients::{ask_http3, ask_quic, block_on, encrypted};
use crate::common::{Fields, Server, Site, eventually, query};

fn server(settings: &str) -> Server {
    let mut site = Site::new();
    site.plain_zone("dark.example");
    site.config_tail(settings);
    encrypted(site).start()
}

/// One query over each of the two; the replies.
fn ask_both(server: &Server) -> [Vec<u8>; 2] {
    let [over_quic, over_http3] = ["WWW.dark.example", "dark.example"].map(|it| [query(0, it, 1)]);
    let replies = block_on(async {
        [ask_quic(server, &over_quic).await, ask_http3(server, &over_http3).await]
    });
    replies.map(|mut replies| replies.pop().expect("a reply"))
}

#[test]
fn each_query_is_a_line_of_the_query_log() {
    let server = server("[query_log]\npath = \"queries.ndjson\"\nclient = \"full\"");
    ask_both(&server);
    let path = server.site.path("queries.ndjson");
    let text = || fs::read_to_string(&path).unwrap_or_default();
    eventually("two lines", || text().lines().count() >= 2);
    let lines: Vec<Value> =
        text().lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let told = |line: &Value| {
        let keys = ["client", "transport", "name", "type", "rcode", "truncated", "blocked"];
        keys.map(|key| line[key].to_string()).join(" ")
    };
    let of = |transport, name| {
        format!("\"127.0.0.1\" \"{transport}\" \"{name}\" \"A\" 0 false \"no-filing\"")
    };
    let expected = [of("quic", "www.dark.example."), of("http3", "dark.example.")];
    assert_eq!(lines.iter().map(told).collect::<Vec<_>>(), expected);
    assert!(lines.iter().all(|line| line["port"].as_u64().is_some_and(|port| port > 0)));
}

#[test]
fn dnstap_has_each_query_and_its_reply() {
    let server = server("[dnstap]\nkind = \"file\"\npath = \"tap\"\nclient = \"full\"");
    ask_both(&server);
    let written = "beiand_observed_queries_total{outcome=\"written\",to=\"dnstap\"} 2\n";
    eventually("both", || server.beiand(&["stats"]).stdout.contains(written));
    server.signal(libc::SIGTERM);
    server.logged(0, |event| crate::common::message(event) == "stopped");
    let bytes = fs::read(server.site.path("tap")).expect("the file");
    // Kind, family and transport: DNS over QUIC is 7, over HTTPS 4 whichever HTTP it is.
    let told: Vec<_> = messages(&bytes)
        .map(|told| ([1, 2, 3].map(|number| told.value(number)), told.bytes(4).map(<[u8]>::to_vec)))
        .collect();
    let client = Some(vec![127, 0, 0, 1]);
    let wanted =
        [[1, 1, 7], [2, 1, 7], [1, 1, 4], [2, 1, 4]].map(|it| (it.map(Some), client.clone()));
    assert_eq!(told, wanted);
    let names = [b"\x03WWW\x04dark\x07example\0".as_slice(), b"\x04dark\x07example\0"];
    for (index, told) in messages(&bytes).enumerate() {
        let message = told.bytes(if index % 2 == 0 { 10 } else { 14 }).expect("a message");
        assert!(message[12..].starts_with(names[index / 2]), "{told:?}");
        assert!(told.value(6).is_some_and(|port| port > 0), "{told:?}");
    }
}

/// The messages in a file of Frame Streams.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Fields> {
    fn cut<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
        let (len, rest) = bytes.split_first_chunk()?;
        let (frame, rest) = rest.split_at(u32::from_be_bytes(*len) as usize);
        *bytes = rest;
        Some(frame)
    }
    std::iter::from_fn(move || {
        loop {
            match cut(&mut bytes)? {
                // A control frame follows.
                [] => _ = cut(&mut bytes)?,
                frame => return Some(Fields::of(frame).inner(14)),
            }
        }
    })
}
