//! The gate as operators build it without beiand: dnsdist in front of a name server, with the names
//! of the blocked zones in a constant database that a job makes anew when a filing changes.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::data::NOTICE;
use super::peers::{self, Peer};

/// Whether dnsdist keeps answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// It does not. So it is in front of an authoritative server whose changes are to be seen at
    /// once: dnsdist is told of none, and a kept answer would stay as long as its TTL.
    Off,
    /// For a second: as long as the database of blocked names takes to be looked at again.
    Second,
}

/// Starts dnsdist in the folder, with NSD behind it.
pub fn start(
    name: &'static str,
    cache: Cache,
    folder: &Path,
    nsd: SocketAddr,
    cores: &str,
) -> Peer {
    let address = peers::at(peers::free_port());
    // One listener, as the others have one worker. The names are looked up as in the message, each
    // suffix of two labels or more, which is what a site domain has. Health is asked for by a
    // question that NSD refuses: that is an answer, too.
    let mut text = format!(
        "setSecurityPollSuffix('')\n\
         setLocal('{address}')\n\
         newServer({{address='{nsd}', name='nsd', sockets=1}})\n\
         setServerPolicy(firstAvailable)\n\
         setMaxUDPOutstanding(65535)\n\
         setUDPMultipleMessagesVectorSize(64)\n\
         blocked = newCDBKVStore('{cdb}', 1)\n\
         addAction(KeyValueStoreLookupRule(blocked, KeyValueLookupKeySuffix(2)),\n\
         \x20 SpoofAction({{'{notice}'}}, {{ttl=60, aa=true}}))\n",
        cdb = database(folder).display(),
        notice = std::net::Ipv4Addr::from(NOTICE),
    );
    if cache == Cache::Second {
        // TTLs must not be counted down: the answers are those of an authority.
        text += "getPool(''):setCache(newPacketCache(500000, {maxTTL=1, dontAge=true}))\n";
    }
    let config = folder.join(format!("{name}.conf"));
    fs::write(&config, text).expect("a file");
    let dnsdist = peers::installed("dnsdist", "dnsdist");
    let command = [
        &dnsdist,
        Path::new("--supervised"),
        Path::new("--disable-syslog"),
        Path::new("-C"),
        &config,
    ];
    peers::spawn(name, &command, Some(cores), address, &config)
}

/// Makes the database of blocked names anew: aside, and renamed over the one in use.
pub fn write_blocked<'a>(folder: &Path, names: impl Iterator<Item = &'a str>) {
    let mut input = Vec::new();
    for name in names {
        // Key and value with their lengths; the key is the name in wire form.
        write!(input, "+{},1:", name.len() + 2).expect("a Vec");
        for label in name.split('.') {
            input.push(label.len() as u8);
            input.extend(label.as_bytes());
        }
        input.extend(b"\0->1\n");
    }
    input.push(b'\n');
    let text = folder.join("blocked.txt");
    fs::write(&text, input).expect("a file");
    // `cdb` writes aside and renames by itself.
    let done = Command::new(peers::installed("cdb", "tinycdb"))
        .arg("-c")
        .arg("-t")
        .arg(folder.join("blocked.tmp"))
        .arg(database(folder))
        .arg(&text)
        .stdin(Stdio::null())
        .status()
        .expect("it starts");
    assert!(done.success(), "cdb -c: {done}");
}

fn database(folder: &Path) -> PathBuf {
    folder.join("blocked.cdb")
}
