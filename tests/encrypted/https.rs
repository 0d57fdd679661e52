//! DNS over HTTPS as RFC 8484 and RFC 9110 have it: methods, statuses, how long a response may be
//! kept, HTTP/1.1 beside HTTP/2.

use std::io::{Read, Write};

use data_encoding::BASE64URL_NOPAD;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;

use crate::clients::{
    DNS_MESSAGE, HOST, PATH, block_on, encrypted, fetch, get, http2, post, tls, trust,
};
use crate::common::{Record, Site, query};

fn request(method: &str, path: &str, media_type: &str, body: &[u8]) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(method).uri(format!("https://{HOST}{path}"));
    let builder = match media_type {
        "" => builder,
        media_type => builder.header("content-type", media_type),
    };
    builder.body(Full::from(body.to_vec())).unwrap()
}

#[test]
fn every_fault_of_a_request_has_its_status() {
    let server = encrypted(Site::new()).start();
    let good = query(0, "test.example", 1);
    let encoded = BASE64URL_NOPAD.encode(&good);
    let with = |value: &str| format!("{PATH}?{value}");
    let mut response_bit = good.clone();
    response_bit[2] |= 0x80;
    let most = [&good[..], &vec![0; 65_535 - good.len()]].concat();
    let too_much = [&most[..], &[0]].concat();
    let cases = [
        ("GET", with(&format!("dns={encoded}")), "", &[][..], 200),
        ("GET", with(&format!("a=b&dns={encoded}&c")), "", &[], 200),
        ("POST", PATH.to_owned(), DNS_MESSAGE, &good, 200),
        ("POST", with("dns=ignored"), "Application/DNS-Message; a=b", &good, 200),
        // Not DNS as it should be, but DNS all the same: FORMERR is an answer.
        ("POST", PATH.to_owned(), DNS_MESSAGE, &most, 200),
        ("POST", PATH.to_owned(), DNS_MESSAGE, &good[..good.len() - 1], 200),
        ("GET", PATH.to_owned(), "", &[], 400),
        ("GET", with("dns="), "", &[], 400),
        ("GET", with(&format!("dns={encoded}=")), "", &[], 400),
        ("GET", with("dns=AA*A"), "", &[], 400),
        ("GET", with("dns=AAA+"), "", &[], 400),
        ("GET", with(&format!("DNS={encoded}")), "", &[], 400),
        ("POST", PATH.to_owned(), DNS_MESSAGE, &[], 400),
        ("POST", PATH.to_owned(), DNS_MESSAGE, &good[..11], 400),
        ("POST", PATH.to_owned(), DNS_MESSAGE, &response_bit, 400),
        ("GET", "/".to_owned(), "", &[], 404),
        ("GET", format!("{PATH}/?dns={encoded}"), "", &[], 404),
        ("POST", "/dns-query2".to_owned(), DNS_MESSAGE, &good, 404),
        ("PUT", PATH.to_owned(), DNS_MESSAGE, &good, 405),
        ("DELETE", PATH.to_owned(), "", &[], 405),
        ("OPTIONS", PATH.to_owned(), "", &[], 405),
        ("POST", PATH.to_owned(), DNS_MESSAGE, &too_much, 413),
        ("POST", PATH.to_owned(), "", &good, 415),
        ("POST", PATH.to_owned(), "application/json", &good, 415),
    ];
    block_on(async {
        let mut http = http2(&server).await;
        for (method, path, media_type, body, status) in cases {
            let response = fetch(&mut http, request(method, &path, media_type, body)).await;
            let what = format!("{method} {path} {media_type:?} with {} bytes", body.len());
            assert_eq!(response.status(), status, "{what}");
            let headers = response.headers();
            let media_type = if status == 200 { DNS_MESSAGE } else { "text/plain; charset=utf-8" };
            assert_eq!(headers["content-type"], media_type, "{what}");
            assert_eq!(headers.contains_key("cache-control"), status == 200, "{what}");
            let allow = headers.get("allow").map(|value| value.to_str().unwrap());
            assert_eq!(allow, (status == 405).then_some("GET, POST"), "{what}");
            assert!(!response.body().is_empty(), "{what}");
        }
    });
}

#[test]
fn a_response_is_kept_no_longer_than_its_shortest_record() {
    let site = Site::new();
    site.zone("open.example", "www A 192.0.2.10\nshort 30 A 192.0.2.11\nalias 20 CNAME www");
    site.zone("dark.example", "www A 192.0.2.10");
    site.records(&[Record::open("open.example")]);
    let server = encrypted(site).start();
    block_on(async {
        let mut http = http2(&server).await;
        for (name, max_age) in [
            ("www.open.example", "max-age=3600"),
            ("short.open.example", "max-age=30"),
            ("alias.open.example", "max-age=20"),
            // Negative: the SOA's minimum (RFC 8484 §5.1, RFC 2308 §5).
            ("nope.open.example", "max-age=300"),
            // The notice.
            ("www.dark.example", "max-age=60"),
            // REFUSED.
            ("www.elsewhere.example", "max-age=0"),
        ] {
            for request in [get(&query(0, name, 1)), post(&query(0, name, 1))] {
                let response = fetch(&mut http, request).await;
                assert_eq!(response.headers()["cache-control"], max_age, "{name}");
            }
        }
    });
}

#[test]
fn http_1_1_is_spoken_with_several_requests_on_a_connection() {
    let server = encrypted(Site::new()).start();
    let mut stream = tls(server.address("https"), &trust(&server, &["http/1.1"])).unwrap();
    let good = query(9, "test.example", 1);
    let encoded = BASE64URL_NOPAD.encode(&good);
    let head = format!("HTTP/1.1\r\nhost: {HOST}\r\n");
    let requests = [
        format!("GET {PATH}?dns={encoded} {head}\r\n").into_bytes(),
        [
            format!(
                "POST {PATH} {head}content-type: {DNS_MESSAGE}\r\ncontent-length: {}\r\n\r\n",
                good.len()
            )
            .as_bytes(),
            &good,
        ]
        .concat(),
        format!("DELETE {PATH} {head}connection: close\r\n\r\n").into_bytes(),
    ];
    stream.write_all(&requests.concat()).unwrap();
    let mut responses = Vec::new();
    let _ = stream.read_to_end(&mut responses);
    let text = String::from_utf8_lossy(&responses);
    let statuses: Vec<&str> =
        text.match_indices("HTTP/1.1 ").map(|(at, _)| &text[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "200", "405"], "{text}");
}
