//! Whether the servers under test give the same answers, and how one of them is asked.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::data::{Data, Edns, NOTICE, QuerySet};
use super::servers::{Gate, Server};

/// Asks every server a sample of the set and says where the answers differ. The floor has no say;
/// of a blocked name, who has a gate must give the notice, and the others the real data.
pub fn disagreement(servers: &[Server], set: QuerySet, edns: Edns, data: &Data) -> Option<String> {
    let queries = data.queries(set, edns, 99);
    for index in 0..2_000.min(queries.len()) {
        let packet = queries.get(index);
        let mut answers: BTreeMap<Vec<u8>, &str> = BTreeMap::new();
        for server in servers.iter().filter(|s| !s.is_floor()) {
            let Some(reply) = ask(server.address, packet) else {
                return Some(format!("{} did not answer query {index}", server.name));
            };
            if set == QuerySet::Blocked && server.gate() == Gate::Shut {
                if !has_address(&reply, NOTICE) {
                    return Some(format!("{} gives no notice for query {index}", server.name));
                }
                continue;
            }
            answers.insert(essence(&reply), server.name);
        }
        if answers.len() > 1 {
            return Some(format!("query {index}, {}: {answers:?}", packet.escape_ascii()));
        }
    }
    None
}

/// RCODE, AA and the answers' types, TTLs and (but for names, which may be compressed) data.
fn essence(reply: &[u8]) -> Vec<u8> {
    let mut essence = vec![reply[2] & 0x04, reply[3] & 0x0F, reply[6], reply[7]];
    let skip_name = |mut at: usize| loop {
        match reply.get(at) {
            Some(0) => return at + 1,
            Some(length) if length & 0xC0 == 0xC0 => return at + 2,
            Some(length) => at += 1 + usize::from(*length),
            None => return at,
        }
    };
    let mut at = skip_name(12) + 4;
    let mut records = Vec::new();
    for _ in 0..reply[7] {
        at = skip_name(at);
        let Some(fixed) = reply.get(at..at + 10) else { break };
        let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        let mut record = fixed[..8].to_vec();
        if fixed[1] != 15 {
            record.extend(reply.get(at + 10..at + 10 + length).unwrap_or_default());
        }
        records.push(record);
        at += 10 + length;
    }
    records.sort();
    essence.extend(records.concat());
    essence
}

/// Whether the address is in an A record of the reply.
pub fn has_address(reply: &[u8], address: [u8; 4]) -> bool {
    reply.windows(6).any(|w| w[..2] == [0, 4] && w[2..] == address)
}

/// A query without EDNS.
pub fn query(origin: &str, qtype: u8) -> Vec<u8> {
    let mut packet = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in origin.split('.') {
        packet.push(label.len() as u8);
        packet.extend(label.as_bytes());
    }
    packet.extend([0, 0, qtype, 0, 1]);
    packet
}

/// The reply, if there is one in two seconds.
pub fn ask(server: SocketAddr, packet: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.connect(server).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    socket.send(packet).ok()?;
    let mut buffer = [0; 4_096];
    let length = socket.recv(&mut buffer).ok()?;
    (length > 12).then(|| buffer[..length].to_vec())
}
