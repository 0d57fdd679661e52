//! `beiand serve`: the daemon around the server: log, limits, privileges, signals, the service
//! manager.
//!
//! Owns the order of these things and nothing of what is served.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::{Exit, Failure, limits, logging, privileges, service};
use crate::config::{Config, Server};

/// Serves until a signal asks to stop.
pub fn run(config: &Config) -> Result<Exit, Failure> {
    logging::start(config.log);
    logging::log_panics();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = %config.file.display(),
        pid = std::process::id(),
        "starting"
    );
    allow_open_files(&config.server);
    if let Some(user) = &config.server.user {
        privileges::become_user(user, config.server.group.as_deref())?;
        tracing::info!(user, "gave up root's rights");
    }
    let mut signals = Signals::install()?;
    service::ready("answering");
    loop {
        match signals.wait() {
            Signal::Rescan => {
                service::reloading();
                tracing::info!(signal = "SIGHUP", "looking at all files again");
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
    tracing::info!("stopped");
    Ok(Exit::Fine)
}

/// Files that the server holds open beside its TCP connections, generously.
const OTHER_FILES: u64 = 256;

/// Raises the limit of open files, and tells when it is too low for the configured connections.
fn allow_open_files(server: &Server) {
    let needed = server.tcp_max_connections as u64 + OTHER_FILES;
    match limits::raise_open_files() {
        Ok(limit) if limit < needed => {
            tracing::warn!(limit, needed, "too few open files for tcp_max_connections");
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
