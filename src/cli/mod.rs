//! The command line: arguments, exit codes, and the verbs.
//!
//! Owns what a person types and reads. What a verb says is built by the rooms below; each verb is
//! a file here, and `show` is how all of them show things, to people or as JSON.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::Config;
use crate::fault::Fault;
use crate::filing::Instant;
use crate::reload::control::MAX_TRACE_MINUTES;
use crate::reload::protocol::Request;
use crate::serve::BindError;
use crate::wire::name::Name;
use crate::wire::rrtype::Rtype;
use log_sink::Sink;
use show::{Format, Show};

pub mod check;
pub mod control;
pub mod explain;
pub mod filings;
pub mod journal;
pub mod limits;
mod log_sink;
pub mod logging;
pub mod manual;
pub mod operate;
pub mod privileges;
pub mod serve;
pub mod service;
pub mod settings;
pub mod show;
pub mod zones;

/// Where the configuration is looked for without `--config`, in this order.
pub const CONFIG_CANDIDATES: [&str; 2] = ["config/beiand.toml", "/etc/beiand/beiand.toml"];

/// How a verb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Fine.
    Fine = 0,
    /// The answer is "no", or faults were found.
    No = 1,
    /// The command line was wrong.
    Usage = 2,
    /// It could not be done.
    Failed = 3,
}

/// Why a verb could not be carried out at all ([`Exit::Failed`]).
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No configuration at any of the usual places.
    #[error(
        "no configuration: looked for {}; name one with --config FILE",
        .looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
    )]
    NoConfig {
        /// The places, in the order of looking.
        looked: Vec<PathBuf>,
    },
    /// The configuration is faulty.
    #[error("the configuration has {}", show::count(.0.len() as u64, "fault"))]
    Config(Vec<Fault>),
    /// The running server could not be asked.
    #[error(transparent)]
    Control(#[from] control::ControlError),
    /// A port could not be bound, or a certificate not be read.
    #[error("cannot listen on {0}")]
    Bind(#[from] BindError),
    /// Privileges could not be dropped.
    #[error(transparent)]
    Privileges(#[from] privileges::PrivilegesError),
    /// Something of the system failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, such as "installing signal handlers".
        doing: String,
        /// What came of it.
        source: io::Error,
    },
    /// Anything else, as a whole sentence without its full stop.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// For `map_err`: what was being done when the system said no.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
        let doing = doing.into();
        move |source| Failure::Io { doing, source }
    }
}

/// An authoritative DNS server that answers for a hosted domain only while its ICP filing is
/// approved, held with this provider, and synced.
#[derive(Debug, Parser)]
#[command(
    name = "beiand",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 fine; 1 the answer is \"no\", or faults were found; 2 wrong usage; 3 any other error."
)]
pub struct Arguments {
    /// The configuration file [default: config/beiand.toml, then /etc/beiand/beiand.toml]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What `beiand` can do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Answer queries until stopped
    Serve,
    /// Read the configuration and all that it names, and report every fault
    Check {
        #[command(flatten)]
        #[allow(missing_docs)]
        output: Output,
    },
    /// Say whether names are open, why, and what their owners should do
    #[command(
        override_usage = "beiand explain [OPTIONS] <NAME>... [TYPE]",
        after_help = explain::AFTER_HELP
    )]
    Explain {
        #[command(flatten)]
        #[allow(missing_docs)]
        arguments: ExplainArguments,
        #[command(flatten)]
        #[allow(missing_docs)]
        output: Output,
    },
    /// Say how the running server is: its data, its load, its last reload, what is refused
    Status {
        #[command(flatten)]
        #[allow(missing_docs)]
        output: Output,
    },
    /// Show every figure that the running server counts
    Stats {
        #[command(flatten)]
        #[allow(missing_docs)]
        output: Output,
    },
    /// Change how much the running server logs, until it ends
    LogLevel {
        /// How much
        #[arg(value_parser = ["error", "warn", "info", "debug", "trace"])]
        level: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        output: Output,
    },
    /// Have the running server log every decision about a domain for a while
    Trace {
        /// The domain, in Unicode or A-labels
        #[arg(value_parser = parse_name)]
        name: Name,
        /// For how long; 0 ends it
        #[arg(long, value_name = "N", default_value_t = 5)]
        #[arg(value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_TRACE_MINUTES)))]
        minutes: u32,
        #[command(flatten)]
        #[allow(missing_docs)]
        output: Output,
    },
    /// Have the running server look at its files now
    Reload {
        #[command(flatten)]
        #[allow(missing_docs)]
        arguments: ReloadArguments,
        #[command(flatten)]
        #[allow(missing_docs)]
        output: Output,
    },
    /// Show from when to when domains were dark, and why, from the journal of decisions
    Journal(journal::JournalArguments),
    /// Check, convert, compare and count filing files
    #[command(subcommand, arg_required_else_help = true)]
    Filings(filings::FilingsVerb),
    /// Check and show zone files, and ask the running server about a zone
    #[command(subcommand, arg_required_else_help = true)]
    Zones(zones::ZonesVerb),
    /// Write the completions of a shell to standard output
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual's pages, one for each verb, into a folder
    ManPages {
        /// The folder; it is made where it is missing
        folder: PathBuf,
    },
}

/// How results are shown.
#[derive(Clone, Copy, Debug, Args)]
pub struct Output {
    /// Show the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Of `beiand explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArguments {
    /// The names that a client asks for, in Unicode or A-labels; `-` for names on standard input;
    /// last perhaps the record type [default: A]
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// The record type that a client asks for, in place of the one behind the names
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_type)]
    pub rtype: Option<Rtype>,
    /// Decide as of this instant (RFC 3339 with offset), instead of now
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    pub at: Option<Instant>,
    /// Ask the running server, instead of reading the files
    #[arg(long, conflicts_with = "at")]
    pub server: bool,
}

/// Of `beiand reload`.
#[derive(Clone, Copy, Debug, Args)]
pub struct ReloadArguments {
    /// Return only when the change is being answered, and say what it was
    #[arg(long)]
    pub wait: bool,
    /// Take in the changes that wait because they would drop too many filing records
    #[arg(long)]
    pub accept_shrink: bool,
}

/// The whole program: reads the arguments, does what they say, gives the exit code.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse().and_then(Arguments::checked) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Fine };
            let _ = error.print();
            return exit.into();
        }
    };
    let show = Show::for_terminal(arguments.verb.format());
    let exit = match dispatch(&arguments, &show) {
        Ok(exit) => exit,
        // Whoever reads has read enough, as `head` does.
        Err(Failure::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Exit::Fine,
        Err(failure) => {
            let _ = show.failure(&mut io::stdout().lock(), &mut io::stderr().lock(), &failure);
            Exit::Failed
        }
    };
    exit.into()
}

fn dispatch(arguments: &Arguments, show: &Show) -> Result<Exit, Failure> {
    let read_config = || {
        find_config(arguments.config.as_deref(), &CONFIG_CANDIDATES.map(Path::new))
            .map(|path| Config::load(&path))
    };
    let config = || read_config()?.map_err(Failure::Config);
    let mut out = io::BufWriter::new(io::stdout().lock());
    if !matches!(arguments.verb, Verb::Serve) {
        Sink::to_stderr().show_progress();
    }
    let exit = match &arguments.verb {
        // Faults of the configuration are what this verb is for.
        Verb::Check { .. } => check::run(read_config()?, show, &mut out),
        Verb::Serve => serve::run(&config()?),
        Verb::Explain { arguments, .. } => explain::run(&config()?, arguments, show, &mut out),
        Verb::Status { .. } => operate::run(&config()?, &Request::Status, show, &mut out),
        Verb::Stats { .. } => operate::run(&config()?, &Request::Stats, show, &mut out),
        Verb::LogLevel { level, .. } => {
            let request = Request::LogLevel { level: level.clone() };
            operate::run(&config()?, &request, show, &mut out)
        }
        Verb::Trace { name, minutes, .. } => {
            let request = Request::Trace { name: name.to_string(), minutes: *minutes };
            operate::run(&config()?, &request, show, &mut out)
        }
        Verb::Reload { arguments, .. } => control::run(&config()?, *arguments, show, &mut out),
        Verb::Journal(arguments) => journal::run(&config()?, arguments, show, &mut out),
        Verb::Filings(verb) => filings::run(&config()?, verb, show, &mut out),
        Verb::Zones(verb) => zones::run(&config()?, verb, show, &mut out),
        Verb::Completions { shell } => manual::completions(*shell, &mut out),
        Verb::ManPages { folder } => manual::pages(folder),
    }?;
    out.flush().map_err(Failure::io("writing the result"))?;
    Ok(exit)
}

impl Arguments {
    /// Checks what the definitions above cannot say.
    fn checked(self) -> Result<Arguments, clap::Error> {
        if let Verb::Explain { arguments, .. } = &self.verb
            && let Err(problem) = explain::Asked::of(arguments)
        {
            return Err(Arguments::command().error(ErrorKind::ValueValidation, problem));
        }
        Ok(self)
    }
}

/// The configuration file to use: the one named, or the first that exists.
pub fn find_config(named: Option<&Path>, candidates: &[&Path]) -> Result<PathBuf, Failure> {
    let named = named.as_ref().map(std::slice::from_ref);
    let candidates = named.unwrap_or(candidates);
    // One that exists and cannot be read is reported by its reading, not passed over.
    let exists = |path: &Path| !matches!(path.try_exists(), Ok(false));
    candidates
        .iter()
        .find(|path| exists(path))
        .map(|path| path.to_path_buf())
        .ok_or_else(|| Failure::NoConfig { looked: candidates.iter().map(PathBuf::from).collect() })
}

impl Verb {
    fn format(&self) -> Format {
        let json = match self {
            Verb::Serve | Verb::Completions { .. } | Verb::ManPages { .. } => false,
            Verb::Check { output }
            | Verb::Explain { output, .. }
            | Verb::Status { output }
            | Verb::Stats { output }
            | Verb::LogLevel { output, .. }
            | Verb::Trace { output, .. }
            | Verb::Reload { output, .. } => output.json,
            Verb::Journal(arguments) => arguments.output.json,
            Verb::Filings(verb) => verb.is_json(),
            Verb::Zones(verb) => verb.is_json(),
        };
        if json { Format::Json } else { Format::Human }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

fn parse_name(text: &str) -> Result<Name, String> {
    // Escapes have a meaning in ASCII names only.
    let ascii = if text.is_ascii() {
        text.to_owned()
    } else {
        idna::domain_to_ascii(text).map_err(|_| "not a domain name (IDNA, UTS #46)".to_owned())?
    };
    ascii.parse().map_err(|error: crate::wire::name::NameError| error.to_string())
}

fn parse_type(text: &str) -> Result<Rtype, String> {
    Rtype::parse(text.as_bytes())
        .ok_or_else(|| "not a record type, such as A, AAAA, MX, HTTPS or TYPE65280".to_owned())
}

fn parse_instant(text: &str) -> Result<Instant, String> {
    Instant::parse(text).map_err(|fault| format!("{fault}; {}", fault.remedy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }

    fn parsed(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' ')).and_then(Arguments::checked)
    }

    #[test]
    fn the_configuration_is_named_before_or_after_the_verb() {
        for line in ["beiand --config a.toml check", "beiand check --config a.toml"] {
            assert_eq!(
                parsed(line).unwrap().config.as_deref(),
                Some(Path::new("a.toml")),
                "{line}"
            );
        }
    }

    #[test]
    fn explain_takes_names_types_and_instants() {
        let Verb::Explain { arguments, output } =
            parsed("beiand explain www.例子.中国 https --at 2026-01-31T08:00:00+08:00 --json")
                .unwrap()
                .verb
        else {
            panic!("not explain")
        };
        let asked = explain::Asked::of(&arguments).unwrap();
        assert_eq!(asked.names(), ["www.xn--fsqu00a.xn--fiqs8s. HTTPS"]);
        assert_eq!(arguments.at, Some(Instant(1_769_817_600)));
        assert!(output.json);
        for bad in [
            "beiand explain",
            "beiand explain a..b",
            "beiand explain a.example NOTYPE",
            "beiand explain a.example --at 2026-01-31",
            "beiand explain a.example --at 2026-01-31T08:00:00",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_first_configuration_that_exists_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        let candidates = [first.as_path(), second.as_path()];
        let message = find_config(None, &candidates).unwrap_err().to_string();
        assert!(message.contains("first") && message.contains("second"), "{message}");
        std::fs::write(&second, "").unwrap();
        assert_eq!(find_config(None, &candidates).unwrap(), second);
        std::fs::write(&first, "").unwrap();
        assert_eq!(find_config(None, &candidates).unwrap(), first);
        assert_eq!(find_config(Some(&second), &candidates).unwrap(), second);
        let message = find_config(Some(Path::new("gone.toml")), &candidates).unwrap_err();
        assert!(message.to_string().contains("gone.toml"), "{message}");
    }
}
