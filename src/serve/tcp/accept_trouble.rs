//! What to do when accepting fails: wait a little longer each time, and say so once.

use std::io;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

/// It is over when nothing has failed for so long: at a limit, each connection that ends lets one
/// accept go well, and the next fails.
const CALM: Duration = Duration::from_secs(5);

/// One listener's spell of failing accepts.
#[derive(Debug, Default)]
pub(super) struct AcceptTrouble {
    /// Since the last success.
    in_a_row: u32,
    /// In the whole spell, and when the last was.
    failures: u32,
    last: Option<Instant>,
}

impl AcceptTrouble {
    /// The pause before the next attempt; none where the failure was the client's and is used up.
    /// Without one, a process out of file descriptors would fail again at once, and for ever.
    pub(super) fn pause_after(
        &mut self,
        error: &io::Error,
        listener: &TcpListener,
    ) -> Option<Duration> {
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) {
            return None;
        }
        if self.last.is_none() {
            let address = listener.local_addr().ok();
            let remedy = match error.raw_os_error() {
                Some(libc::EMFILE) => "raise LimitNOFILE (ulimit -n) or lower the connection limit",
                Some(libc::ENFILE) => "raise fs.file-max",
                _ => "",
            };
            tracing::error!(?address, %error, remedy, "accepting TCP connections failed");
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.failures = self.failures.saturating_add(1);
        self.last = Some(Instant::now());
        Some(pause(self.in_a_row))
    }

    /// To be told of each success.
    pub(super) fn is_over(&mut self, listener: &TcpListener) {
        self.in_a_row = 0;
        if self.last.is_some_and(|last| last.elapsed() >= CALM) {
            let address = listener.local_addr().ok();
            tracing::info!(?address, failures = self.failures, "accepting TCP connections again");
            *self = AcceptTrouble::default();
        }
    }
}

fn pause(failures: u32) -> Duration {
    const FIRST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_secs(1);
    FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener() -> (tokio::runtime::Runtime, TcpListener) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        (runtime, listener)
    }

    #[test]
    fn pauses_grow_to_a_second_and_start_over_after_a_success() {
        let (_runtime, listener) = listener();
        let emfile = io::Error::from_raw_os_error(libc::EMFILE);
        let mut trouble = AcceptTrouble::default();
        let pauses: Vec<u128> =
            (0..8).map(|_| trouble.pause_after(&emfile, &listener).unwrap().as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1000, 1000]);
        trouble.is_over(&listener);
        assert_eq!(trouble.pause_after(&emfile, &listener).unwrap().as_millis(), 20);
    }

    #[test]
    fn a_client_that_went_away_delays_nobody() {
        let (_runtime, listener) = listener();
        let aborted = io::Error::from_raw_os_error(libc::ECONNABORTED);
        assert_eq!(AcceptTrouble::default().pause_after(&aborted, &listener), None);
    }
}
