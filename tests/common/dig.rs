//! Asking with the real `dig` and reading what it prints; and raw datagrams for what `dig` cannot
//! send.

use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};

use super::{NOTICE_IPV4, NOTICE_IPV6, PATIENCE};

/// A record as `dig` prints it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rr {
    pub owner: String,
    pub ttl: u32,
    pub class: String,
    pub rtype: String,
    pub rdata: String,
}

/// A reply as `dig` prints it. `status` is `TIMEOUT` where none came.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: String,
    pub flags: Vec<String>,
    pub question: Vec<String>,
    pub answer: Vec<Rr>,
    pub authority: Vec<Rr>,
    pub additional: Vec<Rr>,
    /// The OPT record's line, without it `None`.
    pub edns: Option<String>,
    /// Extended errors: code and text.
    pub ede: Vec<(u16, String)>,
    pub raw: String,
}

impl Reply {
    pub fn aa(&self) -> bool {
        self.flag("aa")
    }

    pub fn flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| f == flag)
    }

    /// RDATA of the answer's records of a type, sorted.
    pub fn data(&self, rtype: &str) -> Vec<&str> {
        rdata(&self.answer, rtype)
    }

    /// Types in the answer section, in their order, without repeats.
    pub fn types(&self) -> Vec<&str> {
        let mut types: Vec<&str> = self.answer.iter().map(|r| r.rtype.as_str()).collect();
        types.dedup();
        types
    }

    /// The addresses in the answer are the notice's, and nothing else.
    pub fn is_notice(&self) -> bool {
        let mut addresses =
            self.answer.iter().filter(|r| r.rtype == "A" || r.rtype == "AAAA").peekable();
        addresses.peek().is_some()
            && addresses.all(|r| r.rdata == NOTICE_IPV4 || r.rdata == NOTICE_IPV6)
    }

    /// NOERROR with an empty answer and a SOA beside it.
    pub fn is_nodata(&self) -> bool {
        self.status == "NOERROR" && self.answer.is_empty() && self.soa().is_some()
    }

    /// The SOA of the authority section.
    pub fn soa(&self) -> Option<&Rr> {
        self.authority.iter().find(|r| r.rtype == "SOA")
    }

    /// Every word of the reply but the question's: for "this must not leak".
    pub fn mentions(&self, text: &str) -> bool {
        [&self.answer, &self.authority, &self.additional]
            .into_iter()
            .flatten()
            .any(|r| r.rdata.contains(text) || r.owner.contains(text))
    }
}

/// RDATA of the records of a type, sorted.
pub fn rdata<'r>(records: &'r [Rr], rtype: &str) -> Vec<&'r str> {
    let mut found: Vec<&str> =
        records.iter().filter(|r| r.rtype == rtype).map(|r| r.rdata.as_str()).collect();
    found.sort_unstable();
    found
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

/// Asks a server with `dig`.
pub fn dig_at(server: SocketAddr, args: &[&str]) -> Reply {
    let output = Command::new("dig")
        .env("LC_ALL", "C")
        .arg(format!("@{}", server.ip()))
        .args(["-p", &server.port().to_string()])
        .args(["+norecurse", "+time=3", "+tries=2"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("dig is installed (package bind9-dnsutils)");
    parse_dig(&String::from_utf8_lossy(&output.stdout))
}

/// Reads what `dig` printed.
pub fn parse_dig(text: &str) -> Reply {
    let mut reply =
        Reply { raw: text.to_owned(), status: "TIMEOUT".to_owned(), ..Reply::default() };
    let mut section = "";
    for line in text.lines() {
        if let Some(header) = line.strip_prefix(";; ->>HEADER<<- ") {
            reply.status = field(header, "status: ").to_owned();
        } else if let Some(flags) = line.strip_prefix(";; flags:") {
            let flags = flags.split(';').next().unwrap_or("");
            reply.flags = flags.split_whitespace().map(str::to_owned).collect();
        } else if let Some(edns) = line.strip_prefix("; EDNS: ") {
            reply.edns = Some(edns.to_owned());
        } else if let Some(ede) = line.strip_prefix("; EDE: ") {
            let digits: String = ede.chars().take_while(char::is_ascii_digit).collect();
            let extra = ede.split_once("): (").and_then(|(_, e)| e.strip_suffix(')')).unwrap_or("");
            reply.ede.push((digits.parse().unwrap_or(0), extra.to_owned()));
        } else if let Some(name) =
            line.strip_prefix(";; ").and_then(|l| l.strip_suffix(" SECTION:"))
        {
            section = name;
        } else if line.is_empty() {
            section = "";
        } else if section == "QUESTION" {
            reply.question.push(line.trim_start_matches(';').to_owned());
        } else if !line.starts_with(';') {
            let Some(record) = parse_rr(line) else { continue };
            match section {
                "ANSWER" => reply.answer.push(record),
                "AUTHORITY" => reply.authority.push(record),
                "ADDITIONAL" => reply.additional.push(record),
                _ => {}
            }
        }
    }
    reply
}

fn field<'t>(header: &'t str, name: &str) -> &'t str {
    header.split_once(name).map_or("", |(_, rest)| rest.split(',').next().unwrap_or("")).trim()
}

fn parse_rr(line: &str) -> Option<Rr> {
    let (owner, rest) = word(line)?;
    let (ttl, rest) = word(rest)?;
    let (class, rest) = word(rest)?;
    let (rtype, rest) = word(rest).unwrap_or((rest, ""));
    Some(Rr {
        owner: owner.to_owned(),
        ttl: ttl.parse().ok()?,
        class: class.to_owned(),
        rtype: rtype.to_owned(),
        rdata: rest.trim().to_owned(),
    })
}

fn word(text: &str) -> Option<(&str, &str)> {
    text.trim_start().split_once(|c: char| c.is_ascii_whitespace())
}

// --- Raw datagrams ------------------------------------------------------------------------------

/// Sends a datagram and after it a query that any server answers; returns what came back for the
/// first. The first one's id must not be 0xFEED.
#[track_caller]
pub fn exchange(server: SocketAddr, packet: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(server).expect("a loopback address");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket.send(packet).expect("a datagram");
    socket.send(&query(0xFEED, "after.invalid", 1)).expect("a datagram");
    let mut first = None;
    loop {
        let mut buffer = [0; 65_535];
        let length = socket.recv(&mut buffer).expect("an answer to the ordinary query");
        if buffer[..2] == [0xFE, 0xED] {
            return first;
        }
        first = Some(buffer[..length].to_vec());
    }
}

/// A query message: header with RD clear, one question, no EDNS.
pub fn query(id: u16, name: &str, qtype: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.extend(id.to_be_bytes());
    packet.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    packet.extend(wire_name(name));
    packet.extend(qtype.to_be_bytes());
    packet.extend([0, 1]);
    packet
}

/// A name in wire form; no escapes.
pub fn wire_name(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|l| !l.is_empty()) {
        wire.push(u8::try_from(label.len()).expect("a label of at most 63 bytes"));
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}
