//! The log: events to standard error, for people or as JSON; panics too.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io;
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::reload;

use super::log_sink::Sink;
use super::show::Colour;
use crate::config::{Log, LogFormat, LogLevel};
use crate::monitor::{self, Log as _};

/// The log that was started. Dropping it writes the last events.
#[derive(Debug)]
pub struct Started {
    sink: Sink,
    control: Arc<LogControl>,
}

/// Puts another filter in place of the present one; `None` where the log was started before.
type SetFilter = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// How much is logged, to be asked and changed while running.
pub struct LogControl {
    sink: Sink,
    set_filter: Option<SetFilter>,
    /// The level, or the directives of `RUST_LOG`.
    shown: Mutex<String>,
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogControl").field("shown", &self.level()).finish_non_exhaustive()
    }
}

impl monitor::Log for LogControl {
    fn level(&self) -> String {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_level(&self, level: &str) -> Result<(), String> {
        let known = LEVELS.iter().find(|(word, _)| *word == level);
        let Some((word, known)) = known else {
            let words: Vec<&str> = LEVELS.iter().map(|(word, _)| *word).collect();
            return Err(format!("{level:?} is no log level; write one of {}", words.join(", ")));
        };
        let set = self.set_filter.as_ref().ok_or("the log of this process is another's")?;
        set(configured(*known)).map_err(|error| error.to_string())?;
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = (*word).to_owned();
        Ok(())
    }

    fn lost(&self) -> u64 {
        self.sink.lost_in_all()
    }
}

impl Started {
    /// Has a thread write the events from now on, so that no other waits for the log's reader.
    pub fn detach(&self) {
        if let Err(error) = self.sink.detach() {
            tracing::warn!(%error, "no thread for the log: a slow reader of it may hold others up");
        }
    }

    /// To ask and change how much is logged.
    pub fn control(&self) -> Arc<LogControl> {
        Arc::clone(&self.control)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.sink.flush_briefly();
    }
}

/// Starts the log, for the whole process. `RUST_LOG` comes before the configured level; one that
/// cannot be read is told and left out.
pub fn start(log: Log) -> Started {
    let variable = std::env::var("RUST_LOG").ok();
    let (filter, bad) = filter(log.level, variable.as_deref());
    let sink = Sink::to_stderr();
    sink.show_progress();
    // It would tell them by `eprintln!`, which panics where standard error is the trouble.
    let builder = tracing_subscriber::fmt().log_internal_errors(false);
    let shown = match &variable {
        Some(directives) if bad.is_none() && !directives.is_empty() => directives.clone(),
        _ => word_of(log.level).to_owned(),
    };
    let builder = builder.with_env_filter(filter).with_writer(sink.clone());
    // A log that was started before, as in tests of one process, stays.
    let (set_filter, started): (SetFilter, _) = match log.format {
        LogFormat::Human => {
            let colour = Colour::for_stream(&io::stderr());
            let builder = builder.with_ansi(colour == Colour::Always).with_target(false);
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            (Box::new(move |filter| handle.reload(filter)), builder.try_init())
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(false).with_ansi(false);
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            (Box::new(move |filter| handle.reload(filter)), builder.try_init())
        }
    };
    let control = LogControl {
        sink: sink.clone(),
        set_filter: started.is_ok().then_some(set_filter),
        shown: Mutex::new(shown),
    };
    if let Some((text, problem)) = bad {
        tracing::warn!(RUST_LOG = text, problem, "RUST_LOG is not understood and left out");
    }
    Started { sink, control: Arc::new(control) }
}

/// Has every panic logged as an event, on one line, like everything else.
pub fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let backtrace = Backtrace::capture();
        let backtrace =
            (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(
            thread = std::thread::current().name(),
            file = info.location().map(|place| place.file()),
            line = info.location().map(|place| place.line()),
            panic = panic_message(info),
            backtrace,
            "a thread panicked: please report this"
        );
    }));
}

fn panic_message<'p>(info: &'p PanicHookInfo<'_>) -> &'p str {
    let payload = info.payload();
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

/// Whatever the level: crates that log each query, or each of a client's mistakes, as if it were
/// ours, and the decisions that somebody asked for by `beiand trace`.
const ALWAYS: [&str; 4] =
    ["hickory_server=error", "hickory_net=error", "hickory_proto=error", "beiand_trace=info"];

/// Each level and the word for it.
const LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

fn word_of(level: LogLevel) -> &'static str {
    LEVELS.iter().find(|(_, known)| *known == level).map_or("info", |(word, _)| word)
}

/// The filter to use, and the variable with its problem if it was no good.
fn filter(level: LogLevel, variable: Option<&str>) -> (EnvFilter, Option<(String, String)>) {
    match variable {
        None | Some("") => (configured(level), None),
        Some(text) => match EnvFilter::try_new(text) {
            Ok(filter) => (filter, None),
            Err(error) => (configured(level), Some((text.to_owned(), error.to_string()))),
        },
    }
}

fn configured(level: LogLevel) -> EnvFilter {
    let always = ALWAYS.iter().filter_map(|directive| directive.parse().ok());
    let all = EnvFilter::default().add_directive(level_filter(level).into());
    always.fold(all, EnvFilter::add_directive)
}

fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_comes_before_the_configuration() {
        let (chosen, bad) = filter(LogLevel::Warn, None);
        assert!(chosen.to_string().ends_with("warn") && bad.is_none(), "{chosen}");
        assert!(chosen.to_string().contains("hickory_server=error"), "no query is logged");
        let (chosen, bad) = filter(LogLevel::Warn, Some("beiand=debug"));
        assert_eq!((chosen.to_string().as_str(), bad), ("beiand=debug", None));
        let (chosen, bad) = filter(LogLevel::Warn, Some("beiand=lots"));
        assert!(chosen.to_string().ends_with("warn"), "{chosen}");
        assert_eq!(bad.unwrap().0, "beiand=lots");
    }

    /// Set in the child process that panics.
    const CHILD: &str = "BEIAND_TEST_PANICS";

    #[test]
    fn a_panic_is_an_event_with_its_place() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cli::logging::tests::child", "--ignored", "--nocapture"])
            .env(CHILD, "1")
            .env_remove("RUST_LOG")
            .output()
            .unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        let event: serde_json::Value = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .next()
            .unwrap_or_else(|| panic!("no event in {log}"));
        assert_eq!(event["level"], "ERROR");
        assert_eq!(event["fields"]["thread"], "worker-7");
        assert_eq!(event["fields"]["panic"], "the answer is 43");
        assert!(event["fields"]["file"].as_str().unwrap().ends_with("logging.rs"), "{event}");
        assert!(!log.contains("panicked at"), "{log}");
    }

    #[test]
    #[ignore = "run by a_panic_is_an_event_with_its_place, in a process of its own"]
    fn child() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let _started = start(Log { format: LogFormat::Json, level: LogLevel::Info });
        log_panics();
        let worker = std::thread::Builder::new().name("worker-7".to_owned());
        let answer = 43;
        let _ = worker.spawn(move || panic!("the answer is {answer}")).unwrap().join();
    }
}
