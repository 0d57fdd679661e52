//! What the transports are told: addresses, limits, timeouts, certificates.
//!
//! Plain data with defaults; reading it from the configuration file is `config`'s work.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::observe::ObserveSettings;

/// Everything that [`super::bind()`] and the transports need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses for plain DNS; each is served over UDP and TCP on the same port. Port 0 lets the
    /// system choose one.
    pub listen: Vec<SocketAddr>,
    /// UDP threads for each listen address, and threads of each TCP runtime; 0 = one per core.
    pub workers: usize,
    /// UDP buffers and batches.
    pub udp: UdpSettings,
    /// Response rate limiting over UDP.
    pub rate_limit: RateLimitSettings,
    /// Query log and dnstap.
    pub observe: ObserveSettings,
    /// Limits and timeouts of TCP, and of what is encrypted.
    pub tcp: TcpSettings,
    /// The encrypted transports; off unless given.
    pub encrypted: Option<EncryptedSettings>,
}

impl Settings {
    /// Plain DNS on these addresses, everything else by default.
    pub fn new(listen: Vec<SocketAddr>) -> Settings {
        Settings {
            listen,
            workers: 0,
            udp: UdpSettings::default(),
            rate_limit: RateLimitSettings::default(),
            observe: ObserveSettings::default(),
            tcp: TcpSettings::default(),
            encrypted: None,
        }
    }
}

/// UDP buffers and batches.
#[derive(Clone, Copy, Debug)]
pub struct UdpSettings {
    /// Receive buffer of each socket in bytes; the kernel caps it at `net.core.rmem_max` unless
    /// the process may override that (CAP_NET_ADMIN).
    pub receive_buffer: usize,
    /// Send buffer of each socket in bytes, capped likewise by `net.core.wmem_max`.
    pub send_buffer: usize,
    /// Packets taken in by one system call, 1 to 1024.
    pub batch: usize,
}

impl Default for UdpSettings {
    fn default() -> UdpSettings {
        UdpSettings { receive_buffer: 4 << 20, send_buffer: 1 << 20, batch: 32 }
    }
}

/// Response rate limiting over UDP: so many answers a second of one class to one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitSettings {
    /// Answers a second; 0 (default) limits nothing.
    pub per_second: u32,
    /// Of the answers over the limit every so many-th goes out, truncated; 0: none does.
    pub slip: u32,
    /// Length of the prefix by which IPv4 clients are taken together: 0 to 32.
    pub ipv4_prefix: u8,
    /// The same for IPv6: 0 to 128.
    pub ipv6_prefix: u8,
    /// Clients that are never limited.
    pub exempt: Vec<IpNet>,
}

impl Default for RateLimitSettings {
    fn default() -> RateLimitSettings {
        RateLimitSettings {
            per_second: 0,
            slip: 2,
            ipv4_prefix: 24,
            ipv6_prefix: 56,
            exempt: Vec::new(),
        }
    }
}

/// Limits and timeouts of connections over TCP, whatever is spoken on them: they are counted
/// together.
///
/// When `max_connections` is reached, a new connection takes the place of the one idle longest, if
/// that has been idle for `evict_idle_after`; else the new one is closed. (NSD and Knot stop
/// accepting instead, which leaves newcomers to the mercy of whoever holds the idle ones.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSettings {
    /// Connections in all, over all listen addresses.
    pub max_connections: usize,
    /// Connections of one client: an IPv4 address, or an IPv6 /64. One more is closed at once.
    pub max_connections_per_client: usize,
    /// A connection that completes no query for this long is closed (RFC 7766 §6.2.3); so is one
    /// whose TLS handshake takes longer.
    pub idle_timeout: Duration,
    /// A client that has not taken its replies within this time is disconnected.
    pub write_timeout: Duration,
    /// How long a connection must have been idle before a new one may take its place.
    pub evict_idle_after: Duration,
    /// Connections that may wait for being accepted; the kernel caps it at `net.core.somaxconn`.
    pub backlog: u32,
}

impl Default for TcpSettings {
    fn default() -> TcpSettings {
        TcpSettings {
            max_connections: 10_000,
            max_connections_per_client: 128,
            idle_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            evict_idle_after: Duration::from_secs(1),
            backlog: 1024,
        }
    }
}

/// A certificate chain and its private key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, then its intermediates.
    pub certificate: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// Where encrypted DNS is taken; an empty list is nowhere.
#[derive(Clone, Debug)]
pub struct EncryptedSettings {
    /// Who we are.
    pub files: CertificateFiles,
    /// DNS over TLS (RFC 7858), usually on port 853 of TCP.
    pub tls: Vec<SocketAddr>,
    /// DNS over HTTPS (RFC 8484) by HTTP/2 and HTTP/1.1, usually on port 443 of TCP.
    pub https: Vec<SocketAddr>,
    /// DNS over QUIC (RFC 9250), usually on port 853 of UDP. Experimental.
    pub quic: Vec<SocketAddr>,
    /// DNS over HTTPS by HTTP/3, usually on port 443 of UDP. Experimental.
    pub http3: Vec<SocketAddr>,
    /// The path of the URI template, usually [`EncryptedSettings::DEFAULT_PATH`].
    pub path: String,
}

impl EncryptedSettings {
    /// RFC 8484 §4.1's example, which most clients assume.
    pub const DEFAULT_PATH: &'static str = "/dns-query";

    /// Nothing listens yet.
    pub fn new(files: CertificateFiles) -> EncryptedSettings {
        EncryptedSettings {
            files,
            tls: Vec::new(),
            https: Vec::new(),
            quic: Vec::new(),
            http3: Vec::new(),
            path: EncryptedSettings::DEFAULT_PATH.to_owned(),
        }
    }
}
