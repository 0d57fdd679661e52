//! What the service manager (systemd) is told: ready, reloading, stopping, alive. Nothing without
//! `NOTIFY_SOCKET`.

use std::time::Duration;

use sd_notify::NotifyState;

/// Queries are being answered; `status` is what `systemctl status` shows.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// What is being done before that, such as how far the loading is.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The files are being looked at again; [`ready`] must follow.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the monotonic clock cannot be read"),
    }
}

/// The server is about to end.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The server is alive.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often [`alive`] is to be called: twice as often as the service manager asks for.
pub fn watchdog_interval() -> Option<Duration> {
    let mut microseconds = 0;
    (sd_notify::watchdog_enabled(false, &mut microseconds) && microseconds > 0)
        .then(|| Duration::from_micros(microseconds) / 2)
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
