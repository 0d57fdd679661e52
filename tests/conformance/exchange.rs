//! Bringing a case's bytes to a server, and seeing what comes back. That nothing comes is told by a
//! later query's answer, not by a clock.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::common::{PATIENCE, exchange};
use crate::packet::{Packet, ask};
use beiand::wire::Rtype;

/// The ID of the query that is sent after a case's own, to see that they have been dealt with.
const SENTINEL: u16 = 0xFEED;

/// A server under test.
#[derive(Clone, Copy)]
pub struct Addresses {
    pub udp: SocketAddr,
    pub tcp: SocketAddr,
}

/// How a case's messages reach the server.
pub enum Way {
    /// Each in a datagram.
    Udp(Vec<Packet>),
    /// Each alone on a connection.
    Tcp(Vec<Packet>),
    /// These pieces one after the other on one connection, which stays open.
    Stream(Vec<Vec<u8>>),
    /// The same, and the client's side is closed after the last.
    HalfClosed(Vec<Vec<u8>>),
    /// A datagram with a client cookie, and then one with the cookie that came back, changed by
    /// this function.
    Cookie(fn(&mut Vec<u8>)),
}

/// What a server did with one message, or with one connection.
pub struct Seen {
    /// What it was sent; over a connection that carries more than one message, nothing.
    pub query: Option<Packet>,
    /// The IDs of all the queries in it.
    pub ids: Vec<u16>,
    pub replies: Vec<Vec<u8>>,
    /// It closed the connection.
    pub closed: bool,
    /// The reply may be this long.
    pub limit: usize,
}

impl Way {
    pub fn name(&self) -> &'static str {
        match self {
            Way::Udp(_) | Way::Cookie(_) => "UDP",
            Way::Tcp(_) | Way::Stream(_) | Way::HalfClosed(_) => "TCP",
        }
    }

    pub fn go(&self, to: Addresses) -> Vec<Seen> {
        match self {
            Way::Udp(packets) => packets.iter().map(|packet| datagram(to.udp, packet)).collect(),
            Way::Tcp(packets) => packets
                .iter()
                .map(|packet| {
                    let seen = connection(to.tcp, &[packet.frame()], Shut::Neither);
                    Seen { query: Some(packet.clone()), ..seen }
                })
                .collect(),
            Way::Stream(pieces) => vec![connection(to.tcp, pieces, Shut::Neither)],
            Way::HalfClosed(pieces) => vec![connection(to.tcp, pieces, Shut::Write)],
            Way::Cookie(change) => {
                let first = datagram(to.udp, &with_cookie(&CLIENT_COOKIE));
                let mut cookie = first
                    .replies
                    .first()
                    .and_then(|reply| reply.windows(8).position(|w| w == CLIENT_COOKIE))
                    .map_or(CLIENT_COOKIE.to_vec(), |at| {
                        first.replies[0][at..].iter().take(24).copied().collect()
                    });
                change(&mut cookie);
                vec![datagram(to.udp, &with_cookie(&cookie))]
            }
        }
    }
}

/// The client cookie of the cases.
pub const CLIENT_COOKIE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// A query for an address, with a COOKIE option.
pub fn with_cookie(cookie: &[u8]) -> Packet {
    ask("www.site.example", Rtype::A).option(10, cookie)
}

fn datagram(server: SocketAddr, packet: &Packet) -> Seen {
    let replies = exchange(server, &packet.bytes).into_iter().collect();
    let ids = id_of(&packet.bytes).into_iter().collect();
    Seen { query: Some(packet.clone()), ids, replies, closed: false, limit: packet.limit }
}

/// What of a connection the client closes once everything is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shut {
    Neither,
    Write,
}

fn connection(server: SocketAddr, pieces: &[Vec<u8>], shut: Shut) -> Seen {
    let mut stream = TcpStream::connect(server).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("an option");
    let mut seen = Seen {
        query: None,
        ids: ids_in(&pieces.concat()),
        replies: Vec::new(),
        closed: false,
        limit: usize::from(u16::MAX),
    };
    let after = ask("after.invalid", Rtype::A).id(SENTINEL).frame();
    // A server may close before all is written: what it has said until then counts.
    for piece in pieces {
        let _ = stream.write_all(piece);
    }
    let _ = match shut {
        Shut::Neither => stream.write_all(&after),
        Shut::Write => stream.shutdown(Shutdown::Write),
    };
    loop {
        match read_frame(&mut stream) {
            Ok(reply) if shut == Shut::Neither && reply.starts_with(&SENTINEL.to_be_bytes()) => {
                return seen;
            }
            Ok(reply) => seen.replies.push(reply),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                panic!("a server neither answers nor closes the connection")
            }
            Err(_) => {
                // Who has closed its own side is closed in turn, when all is said.
                seen.closed = shut == Shut::Neither;
                return seen;
            }
        }
    }
}

fn id_of(message: &[u8]) -> Option<u16> {
    message.first_chunk().map(|id| u16::from_be_bytes(*id))
}

/// The IDs of the messages in frames, the last of which may be cut off.
fn ids_in(frames: &[u8]) -> Vec<u16> {
    let mut ids = Vec::new();
    let mut rest = frames;
    while let Some((length, tail)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(tail.len());
        ids.extend(id_of(&tail[..length]));
        rest = &tail[length..];
    }
    ids
}

fn read_frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    Ok(message)
}
