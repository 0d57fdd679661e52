//! Query messages byte by byte, so that any field can be wrong.

use beiand::wire::Rtype;

use crate::common::{query, wire_name};

/// The ID of a case's queries, where it does not give them its own.
const ID: u16 = 0x1D1D;

/// Place of a section's count in the header.
#[derive(Clone, Copy)]
pub enum Section {
    Question = 4,
    Answer = 6,
    Authority = 8,
    Additional = 10,
}

/// Header bits (RFC 1035 §4.1.1, RFC 4035 §3.1.6).
pub mod flag {
    pub const QR: u16 = 1 << 15;
    pub const AA: u16 = 1 << 10;
    pub const TC: u16 = 1 << 9;
    pub const RD: u16 = 1 << 8;
    pub const RA: u16 = 1 << 7;
    pub const Z: u16 = 1 << 6;
    pub const AD: u16 = 1 << 5;
    pub const CD: u16 = 1 << 4;
}

/// Largest reply over UDP to a query without EDNS (RFC 1035 §4.2.1).
const PLAIN_LIMIT: u16 = 512;

/// A message.
#[derive(Clone)]
pub struct Packet {
    pub bytes: Vec<u8>,
    /// The largest reply over UDP that its sender takes.
    pub limit: usize,
}

impl From<Vec<u8>> for Packet {
    fn from(bytes: Vec<u8>) -> Packet {
        Packet { bytes, limit: PLAIN_LIMIT.into() }
    }
}

/// A query for a name, class IN, RD clear, no EDNS.
pub fn ask(name: &str, rtype: Rtype) -> Packet {
    query(ID, name, rtype.0).into()
}

/// A query for a name given label by label.
pub fn ask_labels(labels: &[&[u8]], rtype: Rtype) -> Packet {
    let mut name = Vec::new();
    for label in labels {
        name.push(u8::try_from(label.len()).expect("a length byte"));
        name.extend(*label);
    }
    name.push(0);
    name.extend(rtype.0.to_be_bytes());
    name.extend([0, 1]);
    header().count(Section::Question, 1).bytes(&name)
}

/// A header with every count zero, and nothing else.
pub fn header() -> Packet {
    Packet::from(query(ID, "", 0)[..12].to_vec()).count(Section::Question, 0)
}

/// A record without compression, class IN, TTL 0.
pub fn record(name: &str, rtype: Rtype, rdata: &[u8]) -> Vec<u8> {
    let mut bytes = wire_name(name);
    bytes.extend(rtype.0.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 0, 0]);
    bytes.extend(u16::try_from(rdata.len()).expect("RDATA of a record").to_be_bytes());
    bytes.extend(rdata);
    bytes
}

impl Packet {
    /// The question section, where it is one question that can be read.
    pub fn question(&self) -> Option<&[u8]> {
        if self.bytes.get(4..6)? != [0, 1] {
            return None;
        }
        let name = beiand::wire::name::name_len(self.bytes.get(12..)?)?;
        self.bytes.get(12..12 + name + 4)
    }

    pub fn id(mut self, id: u16) -> Packet {
        self.bytes[..2].copy_from_slice(&id.to_be_bytes());
        self
    }

    /// Sets header bits beside those that are set.
    pub fn flags(mut self, bits: u16) -> Packet {
        self.bytes[2] |= (bits >> 8) as u8;
        self.bytes[3] |= bits as u8;
        self
    }

    pub fn opcode(self, opcode: u8) -> Packet {
        self.flags(u16::from(opcode) << 11)
    }

    /// Sets the class of a message that ends with its question.
    pub fn class(mut self, class: u16) -> Packet {
        let at = self.bytes.len() - 2;
        self.bytes[at..].copy_from_slice(&class.to_be_bytes());
        self
    }

    /// Claims that many entries in a section.
    pub fn count(mut self, section: Section, entries: u16) -> Packet {
        let at = section as usize;
        self.bytes[at..at + 2].copy_from_slice(&entries.to_be_bytes());
        self
    }

    /// Appends bytes that no count knows of.
    pub fn bytes(mut self, bytes: &[u8]) -> Packet {
        self.bytes.extend(bytes);
        self
    }

    /// Appends a record and counts it.
    pub fn with(self, section: Section, record: &[u8]) -> Packet {
        let at = section as usize;
        let entries = u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]) + 1;
        self.count(section, entries).bytes(record)
    }

    /// Appends an OPT record: version 0, 1,232 bytes, no flags, no options.
    pub fn edns(self) -> Packet {
        self.opt(&Opt::default())
    }

    pub fn opt(self, opt: &Opt) -> Packet {
        // Less than 512 means 512 (RFC 6891 §6.2.3).
        let limit = opt.payload.max(PLAIN_LIMIT).into();
        Packet { limit, ..self.with(Section::Additional, &opt.record()) }
    }

    /// Appends an OPT record with one option.
    pub fn option(self, code: u16, data: &[u8]) -> Packet {
        self.opt(&Opt::default().option(code, data))
    }

    /// Every shorter message that begins like this one, of those lengths.
    pub fn cuts(&self, lengths: std::ops::Range<usize>) -> Vec<Packet> {
        lengths.map(|length| self.bytes[..length].to_vec().into()).collect()
    }

    /// As it goes over TCP (RFC 1035 §4.2.2).
    pub fn frame(&self) -> Vec<u8> {
        let length = u16::try_from(self.bytes.len()).expect("a message of at most 65,535 bytes");
        [&length.to_be_bytes()[..], &self.bytes].concat()
    }
}

/// An OPT record (RFC 6891 §6.1.2).
#[derive(Clone)]
pub struct Opt {
    owner: Vec<u8>,
    payload: u16,
    version: u8,
    flags: u16,
    rdata: Vec<u8>,
}

impl Default for Opt {
    fn default() -> Opt {
        Opt { owner: vec![0], payload: 1232, version: 0, flags: 0, rdata: Vec::new() }
    }
}

impl Opt {
    pub fn owner(mut self, name: &str) -> Opt {
        self.owner = wire_name(name);
        self
    }

    pub fn payload(mut self, bytes: u16) -> Opt {
        self.payload = bytes;
        self
    }

    pub fn version(mut self, version: u8) -> Opt {
        self.version = version;
        self
    }

    pub fn flags(mut self, flags: u16) -> Opt {
        self.flags = flags;
        self
    }

    pub fn option(mut self, code: u16, data: &[u8]) -> Opt {
        self.rdata.extend(code.to_be_bytes());
        self.rdata.extend(u16::try_from(data.len()).expect("an option's length").to_be_bytes());
        self.rdata.extend(data);
        self
    }

    /// Sets RDATA that need not be options.
    pub fn rdata(mut self, bytes: &[u8]) -> Opt {
        self.rdata = bytes.to_vec();
        self
    }

    pub fn record(&self) -> Vec<u8> {
        let mut bytes = self.owner.clone();
        bytes.extend(Rtype::OPT.0.to_be_bytes());
        bytes.extend(self.payload.to_be_bytes());
        bytes.extend([0, self.version]);
        bytes.extend(self.flags.to_be_bytes());
        bytes.extend(u16::try_from(self.rdata.len()).expect("RDATA of OPT").to_be_bytes());
        bytes.extend(&self.rdata);
        bytes
    }
}
