//! Which key means what: from a TOML text to a [`Config`], and the rules that hold between keys.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::{Document, Key, Span};
use super::values::{
    Problem, parse_address, parse_character_string, parse_cookie_secret, parse_domain,
    parse_file_mode, parse_filled, parse_ipv4, parse_ipv6, parse_network, parse_nsid,
    parse_page_template, parse_province, parse_socket_address,
};
use super::{
    Config, Control, ExternalTargets, Filings, Gate, GateMode, Http3, Https, Journal, Log,
    LogFormat, LogLevel, Metrics, OtherMainland, Quic, Regions, Server, Tls, TlsIdentity,
    TransferInProgress, Zones,
};
use super::{notice, observe};
use crate::fault::Fault;
use crate::serve::RateLimitSettings;

/// Longest path of the control socket in bytes: `sun_path` less its final zero, and less the
/// `.<process number>` under which the socket is made before it is moved into place.
const MAX_SOCKET_PATH: usize = 107 - ".4194304".len();

/// TTLs have 31 bits (RFC 2181 §8).
const MAX_TTL: Duration = Duration::from_secs(0x7fff_ffff);

const DAY: Duration = Duration::from_secs(86_400);

/// Reads the whole text.
pub(super) fn read(text: &str, file: &Path) -> Result<Config, Vec<Fault>> {
    let mut document = Document::new(text, file);
    let config = config(&mut document, file);
    let faults = document.finish();
    if faults.is_empty() { Ok(config) } else { Err(faults) }
}

/// Every key there is, as (section, key).
#[cfg(test)]
pub(super) fn known_keys() -> Vec<Key> {
    let mut document = Document::new("", Path::new(""));
    let _ = config(&mut document, Path::new(""));
    document.known_keys()
}

fn config(document: &mut Document<'_>, file: &Path) -> Config {
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut listening = Listening::default();
    let server = server(document, folder, &mut listening);
    let rate_limit = rate_limit(document);
    let tls = tls(document, folder, &mut listening);
    let https = https(document, &mut listening);
    let quic = Quic { listen: listening.read(document, "quic", Over::Udp) };
    let http3 = Http3 { listen: listening.read(document, "http3", Over::Udp) };
    let metrics = metrics(document, &mut listening);
    let notice = notice::read(document, folder, &mut listening);
    listening.report_duplicates(document);
    report_missing_certificate(
        document,
        &[
            ("tls", &tls.listen),
            ("https", &https.listen),
            ("quic", &quic.listen),
            ("http3", &http3.listen),
        ],
    );
    let (zones, filings) = (zones(document, folder), filings(document, folder));
    let watched = [&zones.path, &filings.path];
    let observe = observe::read(document, folder, &watched);
    let journal = journal(document, folder, &watched);
    Config {
        file: file.to_path_buf(),
        server,
        rate_limit,
        observe,
        tls,
        https,
        quic,
        http3,
        zones,
        filings,
        gate: gate(document),
        notice,
        regions: regions(document, folder),
        journal,
        log: log(document),
        control: control(document, folder),
        metrics,
    }
}

fn server(document: &mut Document<'_>, folder: &Path, listening: &mut Listening) -> Server {
    let default = Server::default();
    let listen_key = ("server", "listen");
    let faults_before = document.fault_count();
    let listen = match document.list(listen_key, parse_socket_address) {
        Some(list) => {
            if list.is_empty() && document.fault_count() == faults_before {
                document.fault_of(
                    listen_key,
                    Problem::new(
                        "no address to listen on",
                        "write at least one, as in [\"127.0.0.1:5300\"]",
                    ),
                );
            }
            listening.add(list, Over::Both)
        }
        None => default.listen,
    };
    let user_key = ("server", "user");
    let group_key = ("server", "group");
    let user = document.text(user_key, parse_filled);
    let group = document.text(group_key, parse_filled);
    if matches!(user.as_deref(), Some("root" | "0")) {
        document.fault_of(
            user_key,
            Problem::new(
                "the server is to give up root's rights, not to keep them",
                "name a user without rights, as in \"beiand\", or leave the key out",
            ),
        );
    }
    if document.has(group_key) && !document.has(user_key) {
        document.fault_of(
            group_key,
            Problem::new("a group without a user", "set user, too, or leave group out"),
        );
    }
    Server {
        listen,
        workers: small(document.integer(("server", "workers"), 0, 0..=1_024)),
        user,
        group,
        nsid: document.text(("server", "nsid"), parse_nsid).filter(|nsid| !nsid.is_empty()),
        version: document.text(("server", "version"), parse_character_string).unwrap_or_default(),
        identity: document.text(("server", "identity"), parse_character_string).unwrap_or_default(),
        cookie_secret: document
            .secret(("server", "cookie_secret"), |text| parse_cookie_secret(text, folder)),
        snapshot: path(document, ("server", "snapshot"), folder),
        tcp_max_connections: small(document.integer(
            ("server", "tcp_max_connections"),
            default.tcp_max_connections as u64,
            1..=1_000_000,
        )),
        tcp_max_connections_per_client: small(document.integer(
            ("server", "tcp_max_connections_per_client"),
            default.tcp_max_connections_per_client as u64,
            1..=1_000_000,
        )),
        tcp_idle_timeout: document
            .duration(
                ("server", "tcp_idle_timeout"),
                Duration::from_millis(100)..=Duration::from_secs(3_600),
            )
            .unwrap_or(default.tcp_idle_timeout),
    }
}

fn rate_limit(document: &mut Document<'_>) -> RateLimitSettings {
    let default = RateLimitSettings::default();
    let networks = document.list(("rate_limit", "exempt"), parse_network).unwrap_or_default();
    let mut number = |key, default: u32, most| {
        // The range bounds it.
        let number = document.integer(("rate_limit", key), default.into(), 0..=most);
        u32::try_from(number).unwrap_or(default)
    };
    RateLimitSettings {
        per_second: number("per_second", default.per_second, 1_000_000),
        slip: number("slip", default.slip, 1_000),
        ipv4_prefix: number("ipv4_prefix", default.ipv4_prefix.into(), 32) as u8,
        ipv6_prefix: number("ipv6_prefix", default.ipv6_prefix.into(), 128) as u8,
        exempt: networks.into_iter().map(|(network, _)| network).collect(),
    }
}

fn tls(document: &mut Document<'_>, folder: &Path, listening: &mut Listening) -> Tls {
    let listen = listening.read(document, "tls", Over::Tcp);
    let (certificate_key, key_key) = (("tls", "certificate"), ("tls", "key"));
    let certificate = path(document, certificate_key, folder);
    let key = path(document, key_key, folder);
    for (there, missing) in [(certificate_key, key_key), (key_key, certificate_key)] {
        if document.has(there) && !document.has(missing) {
            document.fault_of(
                there,
                Problem::new(
                    format!("{} is missing beside it", missing.1),
                    format!("set {} in [tls], too", missing.1),
                ),
            );
        }
    }
    Tls {
        listen,
        identity: certificate.zip(key).map(|(certificate, key)| TlsIdentity { certificate, key }),
    }
}

fn https(document: &mut Document<'_>, listening: &mut Listening) -> Https {
    let listen = listening.read(document, "https", Over::Tcp);
    let path = document.text(("https", "path"), |text| {
        let printable = text.bytes().all(|b| b.is_ascii_graphic() && !b"?#{}".contains(&b));
        if text.starts_with('/') && printable {
            return Ok(text.to_owned());
        }
        Err(Problem::new("not the path of a web address", "write it as in \"/dns-query\""))
    });
    Https { listen, path: path.unwrap_or(Https::default().path) }
}

fn report_missing_certificate(
    document: &mut Document<'_>,
    encrypted: &[(&'static str, &Vec<SocketAddr>)],
) {
    if document.has(("tls", "certificate")) || document.has(("tls", "key")) {
        return;
    }
    for &(section, listen) in encrypted {
        if !listen.is_empty() {
            document.fault_of(
                (section, "listen"),
                Problem::new(
                    "listening here takes a certificate",
                    "set certificate and key in [tls]",
                ),
            );
        }
    }
}

fn zones(document: &mut Document<'_>, folder: &Path) -> Zones {
    let default = Zones::default();
    Zones {
        path: path(document, ("zones", "path"), folder).unwrap_or(folder.join(default.path)),
        poll: poll(document, ("zones", "poll"), default.poll),
    }
}

fn filings(document: &mut Document<'_>, folder: &Path) -> Filings {
    let default = Filings::default();
    let provider_key = ("filings", "provider");
    let provider = document.text(provider_key, parse_filled);
    if !document.has(provider_key) {
        document.fault_of(
            provider_key,
            Problem::new(
                "provider is missing in [filings]",
                "name the access provider that this server belongs to, as the filing records \
                 name it: provider = \"hoster\"",
            ),
        );
    }
    Filings {
        path: path(document, ("filings", "path"), folder).unwrap_or(folder.join(default.path)),
        provider: provider.unwrap_or_default(),
        max_bad_lines: document.share(("filings", "max_bad_lines"), default.max_bad_lines),
        max_shrink: document.share(("filings", "max_shrink"), default.max_shrink),
        settle: document
            .duration(("filings", "settle"), Duration::ZERO..=Duration::from_secs(3_600))
            .unwrap_or(default.settle),
        poll: poll(document, ("filings", "poll"), default.poll),
    }
}

fn gate(document: &mut Document<'_>) -> Gate {
    let default = Gate::default();
    Gate {
        mode: document.choice(
            ("gate", "mode"),
            default.mode,
            &[("enforce", GateMode::Enforce), ("observe", GateMode::Observe)],
        ),
        notice_ipv4: values(document.list(("gate", "notice_ipv4"), parse_ipv4)),
        notice_ipv6: values(document.list(("gate", "notice_ipv6"), parse_ipv6)),
        notice_ttl: ttl(document, ("gate", "notice_ttl"), 0).unwrap_or(default.notice_ttl),
        notice_page: document
            .text(("gate", "notice_page"), parse_page_template)
            .unwrap_or_default(),
        transfer_in_progress: document.choice(
            ("gate", "transfer_in_progress"),
            default.transfer_in_progress,
            &[
                ("blocked", TransferInProgress::Blocked),
                ("after-initial-review", TransferInProgress::AfterInitialReview),
                ("open", TransferInProgress::Open),
            ],
        ),
        other_mainland: document.choice(
            ("gate", "other_mainland"),
            default.other_mainland,
            &[
                ("filed", OtherMainland::Filed),
                ("as-own", OtherMainland::AsOwn),
                ("open", OtherMainland::Open),
            ],
        ),
        external_targets: document.choice(
            ("gate", "external_targets"),
            default.external_targets,
            &[("as-own", ExternalTargets::AsOwn), ("open", ExternalTargets::Open)],
        ),
        exempt_mail_hosts: document.flag(("gate", "exempt_mail_hosts"), default.exempt_mail_hosts),
        exempt_zones: values(document.list(("gate", "exempt_zones"), parse_domain)),
        nameserver_addresses: values(
            document.list(("gate", "nameserver_addresses"), parse_address),
        ),
        max_open_ttl: ttl(document, ("gate", "max_open_ttl"), 1),
        ede_notice: ede(document, ("gate", "ede_notice"), default.ede_notice),
        ede_nodata: ede(document, ("gate", "ede_nodata"), default.ede_nodata),
        app_filings_open: document.flag(("gate", "app_filings_open"), default.app_filings_open),
        forum_closed_provinces: values(
            document.list(("gate", "forum_closed_provinces"), parse_province),
        ),
    }
}

fn regions(document: &mut Document<'_>, folder: &Path) -> Regions {
    let [own, mainland, overseas] = ["own", "mainland", "overseas"]
        .map(|list| (list, document.list(("regions", list), parse_network).unwrap_or_default()));
    let lists = [&own, &mainland, &overseas];
    for (index, (list, networks)) in lists.iter().enumerate() {
        for (network, span) in networks {
            let earlier = lists
                .iter()
                .take(index)
                .find(|(_, networks)| networks.iter().any(|(other, _)| other == network));
            if let Some((other, _)) = earlier {
                document.fault(
                    span.clone(),
                    Problem::new(
                        format!("this network stands in {other}, too"),
                        format!("leave it in either {other} or {list}"),
                    ),
                );
            }
        }
    }
    Regions {
        own: values(Some(own.1)),
        mainland: values(Some(mainland.1)),
        overseas: values(Some(overseas.1)),
        mmdb: path(document, ("regions", "mmdb"), folder),
    }
}

fn journal(document: &mut Document<'_>, folder: &Path, watched: &[&PathBuf]) -> Journal {
    let default = Journal::default();
    let path = path_apart_from(document, ("journal", "path"), folder, watched);
    let max_size = bytes_in_mebibytes(document, ("journal", "max_size_mib"), default.max_size);
    let keep = small(document.integer(("journal", "keep"), default.keep as u64, 0..=1_000_000));
    Journal { path, max_size, keep }
}

fn log(document: &mut Document<'_>) -> Log {
    let default = Log::default();
    Log {
        format: document.choice(
            ("log", "format"),
            default.format,
            &[("human", LogFormat::Human), ("json", LogFormat::Json)],
        ),
        level: document.choice(
            ("log", "level"),
            default.level,
            &[
                ("error", LogLevel::Error),
                ("warn", LogLevel::Warn),
                ("info", LogLevel::Info),
                ("debug", LogLevel::Debug),
                ("trace", LogLevel::Trace),
            ],
        ),
    }
}

fn control(document: &mut Document<'_>, folder: &Path) -> Control {
    let key = ("control", "socket");
    let mode =
        document.text(("control", "mode"), parse_file_mode).unwrap_or(Control::default().mode);
    let group = document.text(("control", "group"), parse_filled);
    let Some(socket) = document.text(key, |text| {
        let socket = (!text.is_empty()).then(|| folder.join(text));
        match &socket {
            Some(path) if path.as_os_str().len() > MAX_SOCKET_PATH => Err(Problem::new(
                format!("the path of a socket is no longer than {MAX_SOCKET_PATH} bytes"),
                "write a shorter path, as in \"/run/beiand/beiand.sock\"",
            )),
            _ => Ok(socket),
        }
    }) else {
        return Control { mode, group, ..Control::default() };
    };
    Control { socket, mode, group }
}

fn metrics(document: &mut Document<'_>, listening: &mut Listening) -> Metrics {
    Metrics { listen: listening.read(document, "metrics", Over::Tcp) }
}

/// The addresses of every section, to find two that are the same: the second could not be bound.
#[derive(Default)]
pub(super) struct Listening(Vec<(SocketAddr, Span, Over)>);

/// What an address is bound for: one of UDP and one of TCP do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Both,
    Tcp,
    Udp,
}

impl Over {
    fn meets(self, other: Over) -> bool {
        self == other || self == Over::Both || other == Over::Both
    }
}

impl Listening {
    /// The key `listen` of a section; nothing by default.
    pub(super) fn read(
        &mut self,
        document: &mut Document<'_>,
        section: &'static str,
        over: Over,
    ) -> Vec<SocketAddr> {
        let list = document.list((section, "listen"), parse_socket_address);
        self.add(list.unwrap_or_default(), over)
    }

    fn add(&mut self, list: Vec<(SocketAddr, Span)>, over: Over) -> Vec<SocketAddr> {
        self.0.extend(list.iter().map(|(address, span)| (*address, span.clone(), over)));
        values(Some(list))
    }

    fn report_duplicates(self, document: &mut Document<'_>) {
        for (index, (address, span, over)) in self.0.iter().enumerate() {
            let mut before = self.0.iter().take(index);
            let earlier = before.any(|(other, _, its)| other == address && its.meets(*over));
            if earlier && address.port() != 0 {
                document.fault(
                    span.clone(),
                    Problem::new("this address is listened on twice", "leave one of them out"),
                );
            }
        }
    }
}

fn values<T>(list: Option<Vec<(T, Span)>>) -> Vec<T> {
    list.unwrap_or_default().into_iter().map(|(value, _)| value).collect()
}

/// A path, relative to the configuration's folder.
pub(super) fn path(document: &mut Document<'_>, key: Key, folder: &Path) -> Option<PathBuf> {
    document.text(key, parse_filled).map(|path| folder.join(path))
}

/// As [`path`], for what the server writes itself: it must not stand in a folder that is read.
pub(super) fn path_apart_from(
    document: &mut Document<'_>,
    key: Key,
    folder: &Path,
    watched: &[&PathBuf],
) -> Option<PathBuf> {
    let path = path(document, key, folder)?;
    if watched.iter().any(|watched| path.starts_with(watched)) {
        document.fault_of(
            key,
            Problem::new(
                format!("the {} would be read as zones or filings there", key.0.replace('_', " ")),
                "name a place outside of these folders",
            ),
        );
    }
    Some(path)
}

/// A size in MiB, given in bytes.
pub(super) fn bytes_in_mebibytes(document: &mut Document<'_>, key: Key, default: u64) -> u64 {
    const LARGEST: u64 = 1 << 50;
    document.integer(key, default >> 20, 1..=LARGEST >> 20) << 20
}

/// How often to look; 0 is never.
fn poll(document: &mut Document<'_>, key: Key, default: Option<Duration>) -> Option<Duration> {
    match document.duration(key, Duration::ZERO..=DAY) {
        Some(interval) => (!interval.is_zero()).then_some(interval),
        None => default,
    }
}

/// A TTL in seconds, of `least` or more.
fn ttl(document: &mut Document<'_>, key: Key, least: u64) -> Option<u32> {
    let ttl = document.duration(key, Duration::from_secs(least)..=MAX_TTL)?;
    if ttl.subsec_nanos() != 0 {
        document.fault_of(key, Problem::new("a TTL is in whole seconds", "write it as in 60"));
    }
    u32::try_from(ttl.as_secs()).ok()
}

/// A code of RFC 8914.
fn ede(document: &mut Document<'_>, key: Key, default: u16) -> u16 {
    let code = document.integer(key, u64::from(default), 0..=u64::from(u16::MAX));
    u16::try_from(code).unwrap_or(default)
}

/// A number whose range was checked to fit.
pub(super) fn small(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
