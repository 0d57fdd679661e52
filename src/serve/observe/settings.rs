//! What is observed, how much of it, and where it is written. Plain data; reading it from the
//! configuration file is `config`'s work.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

/// What is observed; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObserveSettings {
    /// The query log.
    pub query_log: Option<QueryLogSettings>,
    /// dnstap.
    pub dnstap: Option<DnstapSettings>,
}

/// The query log: one line of JSON for each query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryLogSettings {
    /// Where to.
    pub file: FileSettings,
    /// Every so many-th query is told; 1 is each.
    pub sample: u64,
    /// How much of the client is told.
    pub client: ClientDetail,
}

/// dnstap: queries and replies in wire form, with who asked and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnstapSettings {
    /// Where to.
    pub place: DnstapPlace,
    /// What this server calls itself; left out where empty.
    pub identity: String,
    /// What it says of its version; left out where empty.
    pub version: String,
    /// Which messages are told.
    pub messages: DnstapMessages,
    /// Every so many-th query is told; 1 is each.
    pub sample: u64,
    /// How much of the client is told beside the messages.
    pub client: ClientDetail,
}

/// Where dnstap goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnstapPlace {
    /// A Unix stream socket that somebody else listens on.
    Socket(PathBuf),
    /// A file.
    File(FileSettings),
}

/// Which messages of an exchange dnstap tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnstapMessages {
    /// AUTH_QUERY and AUTH_RESPONSE.
    Both,
    /// AUTH_QUERY.
    Queries,
    /// AUTH_RESPONSE.
    Responses,
}

/// A file that is put aside once it is long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// The file; those put aside have `.1`, `.2` and so on behind their names, `.1` the newest.
    pub path: PathBuf,
    /// Bytes after which it is put aside.
    pub max_size: u64,
    /// Files put aside that are kept.
    pub keep: usize,
}

/// How much of a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientDetail {
    /// Address and port.
    Full,
    /// The network: /24 of IPv4, /48 of IPv6.
    Prefix,
    /// Nothing.
    None,
}

impl ClientDetail {
    /// The network of an address, and the port, as far as they may be told.
    pub(super) fn of(self, client: SocketAddr) -> Option<(IpNet, Option<u16>)> {
        let address = client.ip().to_canonical();
        match self {
            ClientDetail::Full => Some((IpNet::from(address), Some(client.port()))),
            ClientDetail::Prefix => {
                let len = match address {
                    IpAddr::V4(_) => 24,
                    IpAddr::V6(_) => 48,
                };
                IpNet::new(address, len).ok().map(|network| (network.trunc(), None))
            }
            ClientDetail::None => None,
        }
    }
}
