//! The command line; `main.rs` tells of it.

use std::path::PathBuf;
use std::time::Duration;

use super::data::{Edns, QuerySet};

/// What is to be measured.
pub struct Options {
    pub zones: usize,
    pub filings: usize,
    pub time: Duration,
    pub rounds: usize,
    pub rate: u64,
    pub changes: usize,
    pub changes_rate: u64,
    /// For how long changes of one kind may remain unanswered before the next kind is tried.
    pub changes_patience: Duration,
    /// Those that a server may use while changes are made to it.
    pub changes_cores: &'static [usize],
    pub servers: Vec<String>,
    pub sets: Vec<(QuerySet, Edns)>,
    pub cores: Cores,
    pub out: PathBuf,
    pub data: Option<PathBuf>,
}

/// What the servers run on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cores {
    /// One core.
    One,
    /// One, and two: nothing else is measured then.
    OneAndTwo,
}

/// Reads the command line.
pub fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options {
        zones: 100_000,
        filings: 0,
        time: Duration::from_secs(5),
        rounds: 3,
        rate: 80_000,
        changes: 20,
        changes_rate: 0,
        changes_patience: Duration::from_secs(600),
        changes_cores: &[0],
        servers: ["floor", "knot", "nsd", "beiand"].map(str::to_owned).to_vec(),
        sets: Vec::new(),
        cores: Cores::One,
        out: PathBuf::from("bench-results"),
        data: None,
    };
    let mut sets = QuerySet::ALL.to_vec();
    let mut edns = vec![Edns::With, Edns::Without];
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
        let number =
            || value.replace('_', "").parse::<usize>().map_err(|_| format!("{value} is no number"));
        match word.as_str() {
            "--zones" => options.zones = number()?.max(20),
            "--filings" => options.filings = number()?,
            "--rounds" => options.rounds = number()?.max(1),
            "--rate" => options.rate = number()?.max(1) as u64,
            "--changes" => options.changes = number()?,
            "--changes-rate" => options.changes_rate = number()? as u64,
            "--changes-patience" => {
                options.changes_patience = Duration::from_secs(number()? as u64);
            }
            "--changes-cores" => {
                options.changes_cores = match value.as_str() {
                    "1" => &[0],
                    "2" => &[0, 1],
                    _ => return Err(format!("--changes-cores is 1 or 2, not {value}")),
                };
            }
            "--seconds" => {
                let seconds = value.parse().map_err(|_| format!("{value} is no number"))?;
                options.time = Duration::try_from_secs_f64(seconds)
                    .map_err(|error| format!("{value}: {error}"))?;
            }
            "--servers" => options.servers = value.split(',').map(str::to_owned).collect(),
            "--server-cores" => {
                options.cores = match value.as_str() {
                    "1" => Cores::One,
                    "1,2" => Cores::OneAndTwo,
                    _ => return Err(format!("--server-cores is 1 or 1,2, not {value}")),
                };
            }
            "--sets" => {
                sets = value
                    .split(',')
                    .map(|name| QuerySet::named(name).ok_or_else(|| format!("no set {name}")))
                    .collect::<Result<_, _>>()?;
            }
            "--edns" => {
                edns = value
                    .split(',')
                    .map(|word| match word {
                        "with" => Ok(Edns::With),
                        "without" => Ok(Edns::Without),
                        _ => Err(format!("--edns is with, without or both, not {word}")),
                    })
                    .collect::<Result<_, _>>()?;
            }
            "--data" => options.data = Some(PathBuf::from(value)),
            "--out" => options.out = PathBuf::from(value),
            other => return Err(format!("no option {other}")),
        }
    }
    options.filings = options.filings.max(options.zones);
    if options.changes_rate == 0 {
        options.changes_rate = (options.rate / 4).max(1);
    }
    options.sets = sets.iter().flat_map(|set| edns.iter().map(|edns| (*set, *edns))).collect();
    Ok(options)
}
