//! One corpus of queries over every transport gives the same answers. Over TCP, TLS and HTTPS they
//! are the same bytes; what hickory-server encodes anew is compared by sections, flags, RCODE and
//! EDNS.

use std::fs;
use std::net::{TcpStream, UdpSocket};
use std::path::Path;

use hickory_proto::op::Message;

use crate::clients::{
    ask_framed, ask_http3, ask_quic, block_on, encrypted, fetch, get, http2, post, tls, trust,
};
use crate::common::{PATIENCE, Site, query};

const TYPES: [u16; 5] = [1, 2, 16, 28, 65];
const TRUNCATED: u8 = 0x02;

/// A TSIG record with a key that nobody knows, the least that one can say.
const TSIG: &[u8] = b"\x03key\0\0\xfa\0\xff\0\0\0\0\0\x1d\x0bhmac-sha256\0\
    \0\0\x69\x56\0\0\x01\x2c\0\0\0\0\0\0\0\0";

/// Appends an OPT record.
fn with_edns(mut query: Vec<u8>, flags: u32, options: &[u8]) -> Vec<u8> {
    query[11] = 1;
    query.extend([0, 0, 41, 0x04, 0xd0]);
    query.extend(flags.to_be_bytes());
    query.extend(u16::try_from(options.len()).unwrap().to_be_bytes());
    query.extend(options);
    query
}

/// The apexes of the shipped zones.
fn apexes(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => apexes(&path, found),
            Some(extension) if extension == "zone" => {
                found.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
            }
            _ => {}
        }
    }
}

/// Every type at names that exist, that do not, and that are synthesised; and what is odd. The ID
/// is 0, as DNS over QUIC and caches of DNS over HTTPS want it.
fn corpus(site: &Site) -> Vec<Vec<u8>> {
    const DNSSEC_OK: u32 = 0x8000;
    const VERSION_1: u32 = 0x0001_0000;
    let mut zones = vec!["not-hosted.test".to_owned()];
    apexes(&site.path("zones"), &mut zones);
    let mut corpus = Vec::new();
    for zone in &zones {
        for name in
            [zone.clone(), format!("wWw.{zone}"), format!("nope.{zone}"), format!("_icp.{zone}")]
        {
            for (index, rtype) in TYPES.into_iter().enumerate() {
                let plain = query(0, &name, rtype);
                corpus.push(match index % 3 {
                    0 => plain,
                    1 => with_edns(plain, 0, &[]),
                    _ => with_edns(plain, DNSSEC_OK, &[0, 3, 0, 0]),
                });
            }
        }
    }
    let odd = query(0, "www.filed.example", 1);
    let signed = |mut query: Vec<u8>| {
        query[11] += 1;
        query.extend(TSIG);
        query
    };
    let changed = |at: usize, to: u8| {
        let mut query = odd.clone();
        query[at] = to;
        query
    };
    corpus.extend([
        signed(odd.clone()),
        signed(with_edns(odd.clone(), 0, &[])),
        with_edns(odd.clone(), VERSION_1, &[]),
        with_edns(odd.clone(), 0, &[0xff, 0xfe, 0, 3, 1, 2, 3]),
        changed(2, 0x01),
        changed(3, 0x10),
        query(0, "version.bind", 16),
        query(0, "www.filed.example", 252),
        query(0, "www.filed.example", 65_280),
    ]);
    let last = corpus.len() - 3;
    *corpus[last].last_mut().unwrap() = 3;
    corpus
}

#[test]
fn every_transport_gives_the_same_answers() {
    let mut site = Site::shipped();
    site.server("nsid = \"ns1\"")
        .server("version = \"beiand\"")
        .server("tcp_idle_timeout = \"60s\"");
    let server = encrypted(site).start();
    let corpus = corpus(&server.site);

    let mut tcp = TcpStream::connect(server.tcp()).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let wanted: Vec<Vec<u8>> =
        corpus.chunks(100).flat_map(|part| ask_framed(&mut tcp, part).unwrap()).collect();

    let mut dot = tls(server.address("tls"), &trust(&server, &["dot"])).unwrap();
    let over_tls: Vec<Vec<u8>> =
        corpus.chunks(100).flat_map(|part| ask_framed(&mut dot, part).unwrap()).collect();
    let (by_post, by_get, over_quic, over_http3) = block_on(async {
        let mut http = http2(&server).await;
        let (mut by_post, mut by_get) = (Vec::new(), Vec::new());
        for query in &corpus {
            by_post.push(fetch(&mut http, post(query)).await.into_body());
            by_get.push(fetch(&mut http, get(query)).await.into_body());
        }
        (by_post, by_get, ask_quic(&server, &corpus).await, ask_http3(&server, &corpus).await)
    });
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.connect(server.udp()).unwrap();
    udp.set_read_timeout(Some(PATIENCE)).unwrap();

    let mut rcodes = std::collections::BTreeSet::new();
    let mut errors = std::collections::BTreeSet::new();
    for (index, query) in corpus.iter().enumerate() {
        let wanted = &wanted[index];
        for (transport, reply) in
            [("DoT", &over_tls), ("POST", &by_post), ("GET", &by_get)].map(|(t, r)| (t, &r[index]))
        {
            assert_eq!(reply, wanted, "{transport}, {query:02x?}");
        }
        udp.send(query).unwrap();
        let mut reply = vec![0; 65_535];
        let len = udp.recv(&mut reply).unwrap();
        reply.truncate(len);
        if reply[2] & TRUNCATED == 0 {
            assert_eq!(&reply, wanted, "UDP, {query:02x?}");
        } else {
            assert_eq!((reply[2] ^ TRUNCATED, reply[3]), (wanted[2], wanted[3]), "{query:02x?}");
            assert!(wanted.len() > 512, "cut short though it fits: {query:02x?}");
        }
        let read = |reply: &[u8]| Message::from_vec(reply).unwrap();
        let message = read(wanted);
        assert_eq!(read(&over_quic[index]), message, "DoQ, {query:02x?}");
        assert_eq!(read(&over_http3[index]), message, "DoH3, {query:02x?}");
        // TSIG stands last, and ends with its error: BADKEY.
        for reply in [wanted, &over_quic[index], &over_http3[index]] {
            assert_eq!(reply.ends_with(&[0, 17, 0, 0]), query.ends_with(TSIG), "{query:02x?}");
        }
        rcodes.insert(u16::from(message.metadata.response_code));
        if let Some(edns) = &message.edns {
            let options = edns.options().as_ref();
            let extended = options.iter().filter(|(code, _)| u16::from(*code) == 15);
            errors.extend(extended.map(|(_, option)| format!("{option:?}")));
        }
    }
    println!("{} queries, RCODEs {rcodes:?}, {} extended errors", corpus.len(), errors.len());
    assert!(rcodes.len() >= 4 && errors.len() >= 5, "the corpus asks too little: {errors:?}");
}
