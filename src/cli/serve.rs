//! `beiand serve`: the daemon around the server: log, limits, ports, privileges, signals, the
//! service manager.
//!
//! Owns the order of these things and nothing of what is served.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::{Exit, Failure, limits, logging, privileges, service, settings};
use crate::answer::cookie::CookieSecret;
use crate::config::Config;
use crate::huge_pages::HugePages;
use crate::memory;
use crate::monitor::Monitor;
use crate::monitor::page::{self, MetricsPage};
use crate::monitor::tally::Tally;
use crate::notice::{self, Look, LookInUse, Responder, Served};
use crate::reload::rebuild::{ReadAgain, ReadSettings, Rebuild};
use crate::reload::{self, Driver, control};
use crate::serve::{
    self, Certificate, EncryptedSettings, LocalAddrs, Protocol, Settings, TcpSettings,
};
use crate::state::{Phase, Shared, State};

/// How long queries that have come may take to be answered once the server is to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// A time that does not come.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Serves until a signal asks to stop.
pub fn run(config: &Config) -> Result<Exit, Failure> {
    memory::keep_little();
    let log = logging::start(config.log);
    logging::log_panics();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = %config.file.display(),
        pid = std::process::id(),
        "starting"
    );
    allow_open_files(config);
    let secret = CookieSecret::default();
    let settings = settings::rebuild(config, secret).map_err(Failure::Config)?;
    let look = Arc::new(LookInUse::new(
        Look::load(&config.notice.page, &config.file).map_err(Failure::Config)?,
    ));
    let bound = serve::bind(&transport_settings(config))?;
    let certificate = bound.certificate();
    let (notice_listeners, notice_addresses) = serve::bind_listeners(&config.notice.listen)?;
    let (metrics_listeners, metrics_addresses) = serve::bind_listeners(&config.metrics.listen)?;
    log_addresses(bound.local_addrs(), &notice_addresses, &metrics_addresses);
    // Before any thread is started, so that all of them are bound by it.
    if let Some(user) = &config.server.user {
        privileges::become_user(user, config.server.group.as_deref())?;
        tracing::info!(user, "gave up root's rights");
    }
    if let Some(certificate) = &certificate {
        // As it will be read when it changes: by the user that the server is now.
        for fault in certificate.reload() {
            tracing::warn!("{fault}");
        }
    }
    log.detach();
    let mut signals = Signals::install()?;
    let shared = Arc::new(Shared::new(State::default()));
    let mut running =
        bound.run(Arc::clone(&shared)).map_err(Failure::io("starting the threads"))?;
    let read_settings = settings_reader(config.clone(), secret, certificate, Arc::clone(&look));
    let rebuild = Rebuild::new(Arc::clone(&shared), settings, read_settings);
    let driver = Driver::spawn(driver_settings(config), rebuild)
        .map_err(Failure::io("starting the reload thread"))?;
    let counting = running.counting();
    let served = Arc::new(Served::default());
    let log = log.control();
    let of_notice = Arc::clone(&served);
    let monitor = Monitor::new(Arc::clone(&shared), counting, driver.clone(), log, of_notice);
    let monitor = Arc::new(monitor);
    let control = listen_for_control(config, &driver, &monitor);
    let find = find_record(driver.clone());
    let notice = Arc::new(Responder::new(Arc::clone(&shared), look, find, served));
    let metrics = Arc::new(MetricsPage(monitor));
    running
        .serve_page(Protocol::Notice, notice_listeners, config.notice.limits, notice)
        .map_err(Failure::io("starting the notice page"))?;
    running
        .serve_page(Protocol::Metrics, metrics_listeners, page::limits(), metrics)
        .map_err(Failure::io("starting the metrics page"))?;
    tell_when_ready(driver.clone(), Arc::clone(&shared))?;
    loop {
        match signals.wait() {
            Signal::Rescan => {
                service::reloading();
                tracing::info!(signal = "SIGHUP", "looking at all files again");
                driver.rescan();
                service::ready("answering");
            }
            Signal::Stop(signal) => {
                tracing::info!(signal, "stopping");
                break;
            }
        }
    }
    signals.let_the_next_one_kill();
    service::stopping();
    drop(control);
    driver.stop();
    running.stop(DRAIN);
    tracing::info!("stopped");
    Ok(Exit::Fine)
}

/// Reads the configuration again; what can only change with a restart is told, and left.
/// The certificate is looked at on the same occasions.
fn settings_reader(
    started_with: Config,
    secret: CookieSecret,
    certificate: Option<Arc<Certificate>>,
    look: Arc<LookInUse>,
) -> ReadSettings {
    let mut told: Vec<&'static str> = Vec::new();
    let mut read = move || {
        let config = Config::load(&started_with.file)?;
        let waiting = started_with.restart_needed_for(&config);
        if waiting != told {
            for section in &waiting {
                tracing::warn!(section, "takes effect with a restart only");
            }
            told = waiting;
        }
        let mut config = config;
        config.server = started_with.server.clone();
        config.tls = started_with.tls.clone();
        let new_look = Look::load(&config.notice.page, &config.file)?;
        let settings = settings::rebuild(&config, secret)?;
        look.set(new_look);
        Ok(settings)
    };
    Box::new(move || {
        let faults = certificate.as_ref().map(|it| it.reload()).unwrap_or_default();
        match read() {
            Ok(settings) => ReadAgain { settings: Some(settings), faults },
            Err(more) => ReadAgain { settings: None, faults: [more, faults].concat() },
        }
    })
}

/// The thread that takes in changes owns the filings; while it is at a long one, the notice page
/// does without.
fn find_record(driver: reload::Handle) -> notice::FindRecord {
    const PATIENCE: Duration = Duration::from_millis(250);
    Arc::new(move |asked| {
        driver.record_shown(asked).recv_timeout(PATIENCE).map_err(|_| notice::Busy)
    })
}

fn driver_settings(config: &Config) -> reload::Settings {
    reload::Settings {
        zones_poll: config.zones.poll,
        filings_poll: config.filings.poll,
        ..reload::Settings::default()
    }
}

/// The control socket, where it can be made: without it the server serves all the same.
fn listen_for_control(
    config: &Config,
    driver: &reload::Handle,
    monitor: &Arc<Monitor>,
) -> Option<control::Server> {
    let path = config.control.socket.as_deref()?;
    let group = match config.control.group.as_deref().map(privileges::group_number).transpose() {
        Ok(Some(None)) => {
            tracing::warn!(
                group = config.control.group,
                "no control socket: there is no such group"
            );
            return None;
        }
        Ok(group) => group.flatten(),
        Err(error) => {
            tracing::warn!(%error, "no control socket");
            return None;
        }
    };
    let access = control::Access { mode: config.control.mode, group };
    let host = Arc::clone(monitor);
    match control::Server::spawn(path, &access, driver.clone(), host) {
        Ok(server) => {
            tracing::info!(socket = %path.display(), "listening for commands");
            Some(server)
        }
        Err(error) => {
            tracing::warn!(%error, "no control socket: beiand reload cannot reach this server");
            None
        }
    }
}

/// Tells the log and the service manager once the first load is done. Until then queries get
/// SERVFAIL, and a signal to stop is heard. From then on its memory is kept in huge pages.
fn tell_when_ready(driver: reload::Handle, shared: Arc<Shared>) -> Result<(), Failure> {
    let wait = move || {
        if driver.wait_started(NEVER) {
            let state = shared.load();
            if state.phase == Phase::Loading {
                tracing::warn!(
                    "a folder of zones or filings is missing or held back by .hold: \
                     every query gets SERVFAIL (not ready) until it shows"
                );
            }
            let Tally { zones, failed: zones_failed, blocked, .. } = Tally::of_state(&state);
            let records = state.records;
            tracing::info!(zones, zones_failed, records, blocked, "ready");
            service::ready("answering");
            HugePages::open().into_iter().for_each(HugePages::keep);
        }
    };
    let thread = std::thread::Builder::new().name("starting".to_owned()).spawn(wait);
    thread.map(drop).map_err(Failure::io("starting the threads"))
}

/// What the transports are told.
pub fn transport_settings(config: &Config) -> Settings {
    let server = &config.server;
    let Config { tls, https, quic, http3, .. } = config;
    let is_off = [&tls.listen, &https.listen, &quic.listen, &http3.listen]
        .iter()
        .all(|listen| listen.is_empty());
    let encrypted = settings::certificate_files(config).filter(|_| !is_off);
    Settings {
        workers: server.workers,
        tcp: TcpSettings {
            max_connections: server.tcp_max_connections,
            max_connections_per_client: server.tcp_max_connections_per_client,
            idle_timeout: server.tcp_idle_timeout,
            write_timeout: server.tcp_idle_timeout,
            ..TcpSettings::default()
        },
        rate_limit: config.rate_limit.clone(),
        observe: config.observe.clone(),
        encrypted: encrypted.map(|files| EncryptedSettings {
            files,
            tls: tls.listen.clone(),
            https: https.listen.clone(),
            quic: quic.listen.clone(),
            http3: http3.listen.clone(),
            path: https.path.clone(),
        }),
        ..Settings::new(addresses_at_hand(&server.listen, look_for_ipv6_loopback()))
    }
}

/// The listen addresses, without `::1` where the machine has no IPv6 (many containers), so that
/// the shipped configuration works there. Any other address that is missing is an error: somebody
/// counts on it.
fn addresses_at_hand(listen: &[SocketAddr], ipv6_loopback: Loopback) -> Vec<SocketAddr> {
    let (missing, at_hand): (Vec<_>, Vec<_>) = listen.iter().partition(|address| {
        ipv6_loopback == Loopback::Missing && address.ip() == Ipv6Addr::LOCALHOST
    });
    if at_hand.is_empty() {
        return missing;
    }
    for address in missing {
        tracing::warn!(%address, "not listening here: this machine has no IPv6");
    }
    at_hand
}

/// Whether a loopback address can be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loopback {
    AtHand,
    Missing,
}

fn look_for_ipv6_loopback() -> Loopback {
    match UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)) {
        Err(error)
            if matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT)) =>
        {
            Loopback::Missing
        }
        _ => Loopback::AtHand,
    }
}

fn log_addresses(addresses: &LocalAddrs, notice: &Vec<SocketAddr>, metrics: &Vec<SocketAddr>) {
    let by_transport = [
        ("udp", &addresses.udp),
        ("tcp", &addresses.tcp),
        ("tls", &addresses.tls),
        ("https", &addresses.https),
        ("quic", &addresses.quic),
        ("http3", &addresses.http3),
        ("notice", notice),
        ("metrics", metrics),
    ];
    for (transport, addresses) in by_transport {
        for address in addresses {
            tracing::info!(transport, %address, "listening");
        }
    }
}

/// Files that the server holds open beside its connections, generously.
const OTHER_FILES: u64 = 256;

/// Raises the limit of open files, and tells when it is too low for the configured connections.
fn allow_open_files(config: &Config) {
    let notice_connections =
        if config.notice.listen.is_empty() { 0 } else { config.notice.limits.max_connections };
    let needed = (config.server.tcp_max_connections + notice_connections) as u64 + OTHER_FILES;
    match limits::raise_open_files() {
        Ok(limit) if limit < needed => {
            tracing::warn!(limit, needed, "too few open files for the configured connections");
        }
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Finish what has begun, and end; with the signal's name.
    Stop(&'static str),
    /// Look at every file again.
    Rescan,
}

/// The signals that are listened to: SIGTERM and SIGINT stop, SIGHUP rescans. SIGPIPE is ignored
/// from the start of every Rust program.
#[derive(Debug)]
pub struct Signals {
    runtime: Runtime,
    terminate: Stream,
    interrupt: Stream,
    hangup: Stream,
    watchdog: Option<Duration>,
}

impl Signals {
    /// From now on none of these signals ends the process by itself.
    pub fn install() -> Result<Signals, Failure> {
        let doing = "installing the signal handlers";
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(Failure::io(doing))?;
        let entered = runtime.enter();
        let listen = |kind| signal(kind).map_err(Failure::io(doing));
        let terminate = listen(SignalKind::terminate())?;
        let interrupt = listen(SignalKind::interrupt())?;
        let hangup = listen(SignalKind::hangup())?;
        drop(entered);
        let watchdog = service::watchdog_interval();
        Ok(Signals { runtime, terminate, interrupt, hangup, watchdog })
    }

    /// Waits for the next signal, telling the service manager's watchdog meanwhile.
    pub fn wait(&mut self) -> Signal {
        let Signals { runtime, terminate, interrupt, hangup, watchdog } = self;
        runtime.block_on(async {
            // Without a watchdog nothing is told; the tick is then only rare.
            let mut tick = interval(watchdog.unwrap_or(Duration::from_secs(3_600)));
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = terminate.recv() => return Signal::Stop("SIGTERM"),
                    _ = interrupt.recv() => return Signal::Stop("SIGINT"),
                    _ = hangup.recv() => return Signal::Rescan,
                    _ = tick.tick() => if watchdog.is_some() { service::alive() },
                }
            }
        })
    }

    /// While the server drains, a second SIGTERM or SIGINT ends it at once.
    pub fn let_the_next_one_kill(&self) {
        for signal in [libc::SIGTERM, libc::SIGINT] {
            // SAFETY: sets the default action, which runs no code of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn settings(text: &str) -> Settings {
        let text = format!("[filings]\nprovider = \"hoster\"\n{text}");
        transport_settings(&Config::parse(&text, Path::new("etc/beiand.toml")).unwrap())
    }

    #[test]
    fn the_transports_are_told_what_is_configured() {
        let settings = settings(
            "[server]\nlisten = [\"127.0.0.1:53\"]\nworkers = 3\ntcp_idle_timeout = \"4s\"\n\
             tcp_max_connections = 7\ntcp_max_connections_per_client = 2\n\
             [tls]\nlisten = [\"127.0.0.1:853\"]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n\
             [https]\nlisten = [\"127.0.0.1:443\"]\npath = \"/q\"\n\
             [quic]\nlisten = [\"127.0.0.1:853\"]\n[http3]\nlisten = [\"127.0.0.1:443\"]\n",
        );
        assert_eq!(settings.listen, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!(settings.workers, 3);
        assert_eq!(settings.tcp.idle_timeout, Duration::from_secs(4));
        assert_eq!((settings.tcp.max_connections, settings.tcp.max_connections_per_client), (7, 2));
        let encrypted = settings.encrypted.unwrap();
        assert_eq!(encrypted.files.certificate, Path::new("etc/c.pem"));
        let port = |listen: &[SocketAddr]| listen.iter().map(SocketAddr::port).sum::<u16>();
        assert_eq!((port(&encrypted.tls), port(&encrypted.https)), (853, 443));
        assert_eq!((port(&encrypted.quic), port(&encrypted.http3)), (853, 443));
        assert_eq!(encrypted.path, "/q");
    }

    #[test]
    fn without_addresses_for_it_nothing_is_encrypted() {
        let settings = settings("[tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n");
        assert!(settings.encrypted.is_none());
    }

    #[test]
    fn only_the_ipv6_loopback_may_be_missing() {
        let listen: Vec<SocketAddr> =
            ["127.0.0.1:53", "[::1]:53", "[2001:db8::1]:53"].map(|a| a.parse().unwrap()).into();
        assert_eq!(addresses_at_hand(&listen, Loopback::AtHand), listen);
        assert_eq!(addresses_at_hand(&listen, Loopback::Missing), [listen[0], listen[2]]);
        assert_eq!(addresses_at_hand(&listen[1..2], Loopback::Missing), listen[1..2]);
    }
}
