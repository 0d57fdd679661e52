//! An exchange as dnstap messages: protocol buffers by hand, since only a dozen fields are written
//! and none is read.
//!
//! The numbers are those of `dnstap.proto` (dnstap.info). What a transport does not know, and what is
//! not to be told of the client, is left out: all of these fields are optional.

use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use super::frames;
use super::outlet::Kept;
use super::settings::{DnstapMessages, DnstapSettings};
use crate::serve::counters::Protocol;

/// Fields of a `Dnstap`.
mod envelope {
    pub(super) const IDENTITY: u32 = 1;
    pub(super) const VERSION: u32 = 2;
    pub(super) const MESSAGE: u32 = 14;
    pub(super) const TYPE: u32 = 15;
    pub(super) const TYPE_MESSAGE: u64 = 1;
}

/// Fields of a `Message`.
mod field {
    pub(super) const TYPE: u32 = 1;
    pub(super) const SOCKET_FAMILY: u32 = 2;
    pub(super) const SOCKET_PROTOCOL: u32 = 3;
    pub(super) const QUERY_ADDRESS: u32 = 4;
    pub(super) const RESPONSE_ADDRESS: u32 = 5;
    pub(super) const QUERY_PORT: u32 = 6;
    pub(super) const RESPONSE_PORT: u32 = 7;
    pub(super) const QUERY_TIME_SEC: u32 = 8;
    pub(super) const QUERY_TIME_NSEC: u32 = 9;
    pub(super) const QUERY_MESSAGE: u32 = 10;
    pub(super) const RESPONSE_TIME_SEC: u32 = 12;
    pub(super) const RESPONSE_TIME_NSEC: u32 = 13;
    pub(super) const RESPONSE_MESSAGE: u32 = 14;
}

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    AuthQuery = 1,
    AuthResponse = 2,
}

/// Writes exchanges as dnstap messages.
#[derive(Debug)]
pub(super) struct Dnstap(DnstapSettings);

impl Dnstap {
    pub(super) fn new(settings: DnstapSettings) -> Dnstap {
        Dnstap(settings)
    }

    /// Appends the messages of an exchange, each in a frame.
    pub(super) fn write(&self, kept: &Kept, buffer: &mut Vec<u8>) {
        if self.0.messages != DnstapMessages::Responses {
            frames::put_data(buffer, &self.envelope(kept, Kind::AuthQuery));
        }
        if self.0.messages != DnstapMessages::Queries && !kept.is_withheld {
            frames::put_data(buffer, &self.envelope(kept, Kind::AuthResponse));
        }
    }

    fn envelope(&self, kept: &Kept, kind: Kind) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128 + kept.query().len() + kept.message().len());
        for (number, text) in
            [(envelope::IDENTITY, &self.0.identity), (envelope::VERSION, &self.0.version)]
        {
            if !text.is_empty() {
                put_bytes(&mut bytes, number, text.as_bytes());
            }
        }
        put_bytes(&mut bytes, envelope::MESSAGE, &self.message(kept, kind));
        put_number(&mut bytes, envelope::TYPE, envelope::TYPE_MESSAGE);
        bytes
    }

    fn message(&self, kept: &Kept, kind: Kind) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(96 + kept.query().len() + kept.message().len());
        put_number(&mut bytes, field::TYPE, kind as u64);
        let family = if kept.client.ip().to_canonical().is_ipv4() { 1 } else { 2 };
        put_number(&mut bytes, field::SOCKET_FAMILY, family);
        if let Some(protocol) = socket_protocol(kept.protocol) {
            put_number(&mut bytes, field::SOCKET_PROTOCOL, protocol);
        }
        if let Some((network, port)) = self.0.client.of(kept.client) {
            put_address(&mut bytes, field::QUERY_ADDRESS, network.addr());
            if let Some(port) = port {
                put_number(&mut bytes, field::QUERY_PORT, port.into());
            }
        }
        if let Some(local) = kept.local {
            self.put_local(&mut bytes, local);
        }
        let taken = (field::QUERY_TIME_SEC, field::QUERY_TIME_NSEC);
        put_time(&mut bytes, taken, kept.taken);
        match kind {
            Kind::AuthQuery => put_bytes(&mut bytes, field::QUERY_MESSAGE, kept.query()),
            Kind::AuthResponse => {
                let replied = (field::RESPONSE_TIME_SEC, field::RESPONSE_TIME_NSEC);
                put_time(&mut bytes, replied, kept.replied);
                put_bytes(&mut bytes, field::RESPONSE_MESSAGE, kept.message());
            }
        }
        bytes
    }

    /// Our own side; of a socket for all addresses only the port is known.
    fn put_local(&self, bytes: &mut Vec<u8>, local: SocketAddr) {
        if !local.ip().is_unspecified() {
            put_address(bytes, field::RESPONSE_ADDRESS, local.ip());
        }
        put_number(bytes, field::RESPONSE_PORT, local.port().into());
    }
}

/// The value of `SocketProtocol`.
fn socket_protocol(protocol: Protocol) -> Option<u64> {
    match protocol {
        Protocol::Udp => Some(1),
        Protocol::Tcp => Some(2),
        Protocol::Tls => Some(3),
        Protocol::Https | Protocol::Http3 => Some(4),
        Protocol::Quic => Some(7),
        Protocol::Notice | Protocol::Metrics => None,
    }
}

/// How a field's value stands behind its number.
#[derive(Clone, Copy)]
enum WireType {
    Varint = 0,
    Bytes = 2,
    Fixed32 = 5,
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn put_key(bytes: &mut Vec<u8>, number: u32, wire_type: WireType) {
    put_varint(bytes, u64::from(number << 3 | wire_type as u32));
}

fn put_number(bytes: &mut Vec<u8>, number: u32, value: u64) {
    put_key(bytes, number, WireType::Varint);
    put_varint(bytes, value);
}

fn put_bytes(bytes: &mut Vec<u8>, number: u32, value: &[u8]) {
    put_key(bytes, number, WireType::Bytes);
    put_varint(bytes, value.len() as u64);
    bytes.extend(value);
}

fn put_address(bytes: &mut Vec<u8>, number: u32, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(address) => put_bytes(bytes, number, &address.octets()),
        IpAddr::V6(address) => put_bytes(bytes, number, &address.octets()),
    }
}

fn put_time(bytes: &mut Vec<u8>, (seconds, nanoseconds): (u32, u32), time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    put_number(bytes, seconds, since.as_secs());
    put_key(bytes, nanoseconds, WireType::Fixed32);
    bytes.extend(since.subsec_nanos().to_le_bytes());
}
