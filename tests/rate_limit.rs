//! Response rate limiting: what a flood over UDP gets, and who is never limited.

mod common;

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::Instant;

use common::{PATIENCE, Record, Server, Site, query};

/// Queries of one flood: few enough for the receive buffer of either side.
const FLOOD: usize = 200;

/// A server that gives one answer of a class a second, under more settings.
fn limited(settings: &str) -> Server {
    let mut site = Site::new();
    site.plain_zone("open.example").records(&[Record::open("open.example")]);
    site.one_port().config_tail(&format!("[rate_limit]\nper_second = 1\n{settings}"));
    site.start()
}

/// How the queries of a flood were answered, and how long it took.
#[derive(Debug)]
struct Flood {
    whole: usize,
    truncated: usize,
    seconds: usize,
}

impl Flood {
    fn of(server: &Server, packet: &[u8]) -> Flood {
        Flood::before(server, packet, &query(0xffff, "nowhere.open.example", 1))
    }

    /// Sends the query again and again, then one that gets an answer of another class: replies come
    /// in the order of the queries, so that nothing more is to come after its.
    fn before(server: &Server, packet: &[u8], last: &[u8]) -> Flood {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(server.udp()).expect("a loopback address");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let begun = Instant::now();
        for _ in 0..FLOOD {
            socket.send(packet).expect("sent");
        }
        socket.send(last).expect("sent");
        let mut flood = Flood { whole: 0, truncated: 0, seconds: 0 };
        let mut buffer = [0; 1_500];
        loop {
            let len = socket.recv(&mut buffer).expect("an answer of another class is not held up");
            let reply = &buffer[..len];
            if reply[..2] == last[..2] {
                break;
            }
            if reply[2] & 0x02 == 0 {
                flood.whole += 1;
                continue;
            }
            assert_eq!(reply[6..12], [0; 6], "no records: {reply:?}");
            assert_eq!(reply[12..], packet[12..len], "the question is kept");
            flood.truncated += 1;
        }
        flood.seconds = begun.elapsed().as_secs() as usize + 1;
        flood
    }

    fn is_limited(&self) -> bool {
        (1..=1 + self.seconds).contains(&self.whole)
    }
}

/// A query for the A record with a COOKIE option of these bytes.
fn with_cookie(cookie: &[u8]) -> Vec<u8> {
    let mut packet = query(7, "open.example", 1);
    packet[11] = 1;
    packet.extend([0, 0, 41, 4, 208, 0, 0, 0, 0]);
    packet.extend((cookie.len() as u16 + 4).to_be_bytes());
    packet.extend([0, 10]);
    packet.extend((cookie.len() as u16).to_be_bytes());
    packet.extend(cookie);
    packet
}

#[test]
fn a_flood_gets_the_rate_and_every_second_answer_beyond_it_truncated() {
    let server = limited("");
    let flood = Flood::of(&server, &query(7, "open.example", 1));
    assert!(flood.is_limited(), "{flood:?}");
    assert_eq!(flood.truncated, (FLOOD - flood.whole).div_ceil(2), "{flood:?}");
    let event =
        server.logged(0, |event| common::message(event) == "answers withheld: over the rate limit");
    assert_eq!(event["fields"]["prefix"], "127.0.0.0", "{event}");
    let stats = server.beiand(&["stats"]).stdout;
    let figures: BTreeMap<&str, &str> =
        stats.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    for (figure, wanted) in [
        ("beiand_slipped_replies_total", flood.truncated),
        ("beiand_withheld_replies_total", FLOOD - flood.whole - flood.truncated),
    ] {
        let name = format!("{figure}{{transport=\"udp\"}}");
        assert_eq!(figures.get(name.as_str()), Some(&wanted.to_string().as_str()), "{stats}");
    }
}

#[test]
fn without_slip_nothing_goes_out_beyond_the_rate() {
    let flood = Flood::of(&limited("slip = 0"), &query(7, "open.example", 1));
    assert!(flood.is_limited() && flood.truncated == 0, "{flood:?}");
}

#[test]
fn a_resolver_behind_a_limited_prefix_comes_back_over_tcp() {
    let server = limited("slip = 1");
    let flood = Flood::of(&server, &query(7, "open.example", 1));
    assert_eq!(flood.truncated, FLOOD - flood.whole, "{flood:?}");
    for _ in 0..5 {
        assert_eq!(server.dig(&["open.example", "A"]).data("A"), ["192.0.2.10"]);
    }
}

#[test]
fn who_shows_our_cookie_is_not_limited_and_who_forges_one_is() {
    let server = limited("");
    let reply = common::exchange(server.udp(), &with_cookie(b"client's")).expect("an answer");
    let at = reply.windows(8).position(|bytes| bytes == b"client's").expect("a cookie");
    let mut cookie = reply[at..at + 24].to_vec();
    let flood = Flood::of(&server, &with_cookie(&cookie));
    assert_eq!(flood.whole, FLOOD, "{flood:?}");
    cookie[23] ^= 1;
    let no_such_type = query(0xffff, "open.example", 99);
    let flood = Flood::before(&server, &with_cookie(&cookie), &no_such_type);
    assert!(flood.whole <= 1 + flood.seconds, "{flood:?}");
}

#[test]
fn exempt_networks_and_servers_without_a_limit_answer_everything() {
    let exempt = limited("exempt = [\"127.0.0.0/8\"]");
    let site = Site::new();
    site.plain_zone("open.example").records(&[Record::open("open.example")]);
    for server in [exempt, site.start()] {
        let flood = Flood::of(&server, &query(7, "open.example", 1));
        assert_eq!(flood.whole, FLOOD, "{flood:?}");
    }
}
