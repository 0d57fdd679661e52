//! The configuration file: one TOML file of typed sections, read whole, with every fault of it
//! reported in one go.
//!
//! Owns what the keys are, what they mean, their units and defaults; `config/beiand.toml` shows
//! the same to users. Does not open what the paths name (but for the cookie secret): each room
//! does so for its own.
//!
//! [`Config::load`] reads a file. The sections are plain structs whose `Default` is the default
//! of each key. The reading itself is in `read`, `notice` and `observe` (which key means what), `reader` (TOML
//! and positions) and `values` (what one value may be).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use crate::answer::cookie::CookieSecret;
use crate::fault::{Fault, Severity};
use crate::filing::decide::FilingPolicy;
pub use crate::filing::decide::{OtherMainland, TransferInProgress};
use crate::filing::province::Province;
use crate::notice as notice_page;
use crate::serve::{ObserveSettings, RateLimitSettings, TcpSettings};

mod notice;
mod observe;
mod read;
mod reader;
mod values;

/// Everything that can be configured. Paths are as they can be opened: those in the file are
/// relative to its folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The file that this was read from.
    pub file: PathBuf,
    /// `[server]`
    pub server: Server,
    /// `[rate_limit]`
    pub rate_limit: RateLimitSettings,
    /// `[query_log]` and `[dnstap]`
    pub observe: ObserveSettings,
    /// `[tls]`
    pub tls: Tls,
    /// `[https]`
    pub https: Https,
    /// `[quic]`
    pub quic: Quic,
    /// `[http3]`
    pub http3: Http3,
    /// `[zones]`
    pub zones: Zones,
    /// `[filings]`
    pub filings: Filings,
    /// `[gate]`
    pub gate: Gate,
    /// `[notice]`
    pub notice: Notice,
    /// `[regions]`
    pub regions: Regions,
    /// `[journal]`
    pub journal: Journal,
    /// `[log]`
    pub log: Log,
    /// `[control]`
    pub control: Control,
    /// `[metrics]`
    pub metrics: Metrics,
}

/// `[server]`: DNS over UDP and TCP.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where UDP and TCP queries are taken; never empty. Default 127.0.0.1:5300 and [::1]:5300.
    pub listen: Vec<SocketAddr>,
    /// UDP threads; 0 (default) is one for each core.
    pub workers: usize,
    /// The user, by name or number, to become once every port is bound. Default: stay.
    pub user: Option<String>,
    /// The group, by name or number, to become. Default: the user's own.
    pub group: Option<String>,
    /// What is answered to an NSID option (RFC 5001). Default: nothing.
    pub nsid: Option<Vec<u8>>,
    /// What `version.bind CH TXT` gives; empty (default) is REFUSED.
    pub version: String,
    /// What `id.server CH TXT` gives; empty (default) is REFUSED.
    pub identity: String,
    /// The secret of DNS cookies (RFC 7873, 9018), one for the whole fleet. Default: a random one
    /// at each start.
    pub cookie_secret: Option<CookieSecret>,
    /// TCP connections open at a time, those of DNS over TLS and over HTTPS included. Default
    /// 10,000.
    pub tcp_max_connections: usize,
    /// TCP connections open at a time from one client address. Default 128.
    pub tcp_max_connections_per_client: usize,
    /// Where what has been loaded is kept for the next start. Default: nowhere.
    pub snapshot: Option<PathBuf>,
    /// How long a TCP connection may stand without a whole query, and a client may take to read a
    /// reply (RFC 7766 §6.2.3). Default 10 s.
    pub tcp_idle_timeout: Duration,
}

/// `[tls]`: DNS over TLS (RFC 7858), and the certificate of all that is encrypted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// Where DNS over TLS is taken; empty (default) is nowhere.
    pub listen: Vec<SocketAddr>,
    /// The certificate and its key; always there where anything listens for TLS.
    pub identity: Option<TlsIdentity>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsIdentity {
    /// The certificate chain, PEM, the server's own first.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// `[https]`: DNS over HTTPS (RFC 8484), with the certificate of `[tls]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Https {
    /// Where DNS over HTTPS is taken; empty (default) is nowhere.
    pub listen: Vec<SocketAddr>,
    /// The path of the address. Default `/dns-query`.
    pub path: String,
}

/// `[quic]`: DNS over QUIC (RFC 9250), with the certificate of `[tls]`. Experimental.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quic {
    /// Where DNS over QUIC is taken; empty (default) is nowhere.
    pub listen: Vec<SocketAddr>,
}

/// `[http3]`: DNS over HTTPS by HTTP/3, with the certificate of `[tls]`. Experimental.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Http3 {
    /// Where it is taken; empty (default) is nowhere.
    pub listen: Vec<SocketAddr>,
}

/// `[zones]`: the master files.
#[derive(Clone, Debug, PartialEq)]
pub struct Zones {
    /// The folder of master files. Default `../zones`.
    pub path: PathBuf,
    /// How often the files are looked at where the file system tells of no changes; `None` for
    /// never. Default 60 s.
    pub poll: Option<Duration>,
}

/// `[filings]`: the filing files.
#[derive(Clone, Debug, PartialEq)]
pub struct Filings {
    /// The folder of filing files. Default `filings`.
    pub path: PathBuf,
    /// The access provider that this server belongs to, as the records name it; never empty.
    pub provider: String,
    /// The share of bad lines, 0 to 1, beyond which a file is refused whole. Default 0.001.
    pub max_bad_lines: f64,
    /// The share of all records, 0 to 1, that a change may drop without being asked for. Default
    /// 0.10.
    pub max_shrink: f64,
    /// How long a file that is written in place has to be quiet before it is read, where the file
    /// system does not tell. Default 2 s.
    pub settle: Duration,
    /// How often the files are looked at where the file system tells of no changes; `None` for
    /// never. Default 5 s.
    pub poll: Option<Duration>,
}

/// Whether the gate changes answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateMode {
    /// Blocked names get the notice.
    Enforce,
    /// Decide, count and log as always, but answer with the real data.
    Observe,
}

/// What the target of a CNAME or HTTPS alias outside the hosted zones counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalTargets {
    /// As this provider's own address: the gate fails closed.
    AsOwn,
    /// Open.
    Open,
}

/// `[gate]`: what follows from the filings.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Whether answers are changed. Default [`GateMode::Enforce`].
    pub mode: GateMode,
    /// What A gives at a blocked site name; NODATA where empty (default).
    pub notice_ipv4: Vec<Ipv4Addr>,
    /// What AAAA gives at a blocked site name; NODATA where empty (default).
    pub notice_ipv6: Vec<Ipv6Addr>,
    /// TTL of the notice, in seconds. Default 60.
    pub notice_ttl: u32,
    /// Template of the page address in `_icp` TXT records, with `{domain}` for the site domain;
    /// empty (default) for none.
    pub notice_page: String,
    /// Row 11. Default [`TransferInProgress::Blocked`].
    pub transfer_in_progress: TransferInProgress,
    /// Row 24. Default [`OtherMainland::Filed`].
    pub other_mainland: OtherMainland,
    /// Targets outside the hosted zones. Default [`ExternalTargets::AsOwn`].
    pub external_targets: ExternalTargets,
    /// MX targets are not gated. Default false.
    pub exempt_mail_hosts: bool,
    /// Zones that are never gated: lower-case A-labels, no final dot. Default none.
    pub exempt_zones: Vec<String>,
    /// The addresses of this provider's nameservers: an NS target that has no other address is
    /// not gated. Default none.
    pub nameserver_addresses: Vec<IpAddr>,
    /// Upper bound, in seconds, of the TTL of gated data in open answers. Default none.
    pub max_open_ttl: Option<u32>,
    /// Extended DNS error (RFC 8914) with a notice address. Default 4, Forged Answer.
    pub ede_notice: u16,
    /// Extended DNS error (RFC 8914) with a gated NODATA. Default 16, Censored.
    pub ede_nodata: u16,
    /// App and mini-program filings open websites, too. Default false.
    pub app_filings_open: bool,
    /// Row 20: provinces that accept no forums. Default none.
    pub forum_closed_provinces: Vec<Province>,
}

/// `[notice]`: the web page that blocked domains lead to.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Where the page is served over HTTP; empty (default) is nowhere.
    pub listen: Vec<SocketAddr>,
    /// How it looks and what it says; name and website are never empty where anything listens.
    pub page: notice_page::Settings,
    /// How many may ask at a time, and how long that may take: 4,096 connections in all, 64 of one
    /// client and 10 s by default. When there are as many in all, the one idle longest makes room.
    pub limits: TcpSettings,
}

/// `[regions]`: where addresses are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Regions {
    /// This provider's networks. Where empty (default), every mainland address is own.
    pub own: Vec<IpNet>,
    /// Networks in mainland China. Default none.
    pub mainland: Vec<IpNet>,
    /// Networks outside mainland China. Default none.
    pub overseas: Vec<IpNet>,
    /// A country database in the MaxMind format. Default none.
    pub mmdb: Option<PathBuf>,
}

/// `[journal]`: the journal of decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Its folder; `None` (default) for no journal.
    pub path: Option<PathBuf>,
    /// Bytes of changes after which the next file is begun. Default 64 MiB.
    pub max_size: u64,
    /// Files that are kept beside the one that is written to. Default 20.
    pub keep: usize,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What was refused.
    Warn,
    /// What changed.
    Info,
    /// How it was done.
    Debug,
    /// Each query.
    Trace,
}

/// `[log]`: what is written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// Default [`LogFormat::Human`].
    pub format: LogFormat,
    /// Default [`LogLevel::Info`]; the variable `RUST_LOG` comes first.
    pub level: LogLevel,
}

/// `[control]`: the way of `beiand reload`, `status` and the like to the running server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The Unix socket; `None` for no control. Default `/run/beiand/beiand.sock`.
    pub socket: Option<PathBuf>,
    /// The permission bits of the socket; never anything for others. Default 0600.
    pub mode: u32,
    /// The group, by name or number, that the socket is given to. Default: the server's own.
    pub group: Option<String>,
}

/// `[metrics]`: figures and health over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Where they are asked for; empty (default) is nowhere.
    pub listen: Vec<SocketAddr>,
}

impl Config {
    /// Reads a configuration file. All its faults are reported, in the order of the file.
    pub fn load(path: &Path) -> Result<Config, Vec<Fault>> {
        let refuse = |problem: String, remedy: &str| {
            Err(vec![Fault::of_file(Severity::Error, path, problem, remedy)])
        };
        match std::fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => Config::parse(&text, path),
            Ok(Err(error)) => {
                let valid = error.utf8_error().valid_up_to();
                let line = error.as_bytes().iter().take(valid).filter(|b| **b == b'\n').count() + 1;
                refuse(format!("line {line} is not UTF-8"), "save the file as UTF-8")
            }
            Err(error) => refuse(
                format!("cannot be read: {error}"),
                "name a readable file with --config FILE",
            ),
        }
    }

    /// Reads a configuration from its text. `file` is what faults name, and its folder is what
    /// paths are relative to.
    pub fn parse(text: &str, file: &Path) -> Result<Config, Vec<Fault>> {
        read::read(text, file)
    }

    /// The sections in which `new` differs in a way that takes effect only when the server is
    /// started anew. The other sections can be taken in while it runs.
    pub fn restart_needed_for(&self, new: &Config) -> Vec<&'static str> {
        let notice_server = |config: &Config| (config.notice.listen.clone(), config.notice.limits);
        let changed = [
            ("[server]", self.server != new.server),
            ("[rate_limit]", self.rate_limit != new.rate_limit),
            ("[query_log]", self.observe.query_log != new.observe.query_log),
            ("[dnstap]", self.observe.dnstap != new.observe.dnstap),
            ("[tls]", self.tls != new.tls),
            ("[https]", self.https != new.https),
            ("[quic]", self.quic != new.quic),
            ("[http3]", self.http3 != new.http3),
            ("[notice]", notice_server(self) != notice_server(new)),
            ("[journal]", self.journal != new.journal),
            ("[log]", self.log != new.log),
            ("[control]", self.control != new.control),
            ("[metrics]", self.metrics != new.metrics),
        ];
        changed.iter().filter(|(_, changed)| *changed).map(|(section, _)| *section).collect()
    }
}

impl Gate {
    /// The settings that change a decision.
    pub fn filing_policy(&self) -> FilingPolicy {
        FilingPolicy {
            transfer_in_progress: self.transfer_in_progress,
            other_mainland: self.other_mainland,
            forum_closed_provinces: self
                .forum_closed_provinces
                .iter()
                .map(|province| province.index())
                .collect(),
            app_filings_open: self.app_filings_open,
        }
    }
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: vec![
                SocketAddr::from((Ipv4Addr::LOCALHOST, 5300)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, 5300)),
            ],
            workers: 0,
            user: None,
            group: None,
            nsid: None,
            version: String::new(),
            identity: String::new(),
            cookie_secret: None,
            snapshot: None,
            tcp_max_connections: 10_000,
            tcp_max_connections_per_client: 128,
            tcp_idle_timeout: Duration::from_secs(10),
        }
    }
}

impl Default for Https {
    fn default() -> Https {
        Https { listen: Vec::new(), path: "/dns-query".to_owned() }
    }
}

impl Default for Notice {
    fn default() -> Notice {
        let limits = TcpSettings {
            max_connections: 4_096,
            max_connections_per_client: 64,
            idle_timeout: Duration::from_secs(10),
            evict_idle_after: Duration::ZERO,
            ..TcpSettings::default()
        };
        Notice { listen: Vec::new(), page: notice_page::Settings::default(), limits }
    }
}

impl Default for Zones {
    fn default() -> Zones {
        Zones { path: PathBuf::from("../zones"), poll: Some(Duration::from_secs(60)) }
    }
}

impl Default for Filings {
    fn default() -> Filings {
        Filings {
            path: PathBuf::from("filings"),
            provider: String::new(),
            max_bad_lines: 0.001,
            max_shrink: 0.10,
            settle: Duration::from_secs(2),
            poll: Some(Duration::from_secs(5)),
        }
    }
}

impl Default for Journal {
    fn default() -> Journal {
        Journal { path: None, max_size: 64 << 20, keep: 20 }
    }
}

impl Default for Gate {
    fn default() -> Gate {
        Gate {
            mode: GateMode::Enforce,
            notice_ipv4: Vec::new(),
            notice_ipv6: Vec::new(),
            notice_ttl: 60,
            notice_page: String::new(),
            transfer_in_progress: TransferInProgress::Blocked,
            other_mainland: OtherMainland::Filed,
            external_targets: ExternalTargets::AsOwn,
            exempt_mail_hosts: false,
            exempt_zones: Vec::new(),
            nameserver_addresses: Vec::new(),
            max_open_ttl: None,
            ede_notice: 4,
            ede_nodata: 16,
            app_filings_open: false,
            forum_closed_provinces: Vec::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log { format: LogFormat::Human, level: LogLevel::Info }
    }
}

impl Default for Control {
    fn default() -> Control {
        Control { socket: Some(PathBuf::from("/run/beiand/beiand.sock")), mode: 0o600, group: None }
    }
}

#[cfg(test)]
mod tests;
