//! `beiand explain`: whether names are open, why, and what their owners should do.
//!
//! | file | idea |
//! | --- | --- |
//! | `mod` | the verb: each name asked for, explained and shown |
//! | `names` | which names, from the command line and standard input |
//! | `files` | the files read, as far as an explanation needs them |
//! | `text` | an explanation laid out for people |
//!
//! What is told is [`crate::explain`]'s; the running server finds it there, too.

mod files;
mod names;
mod text;

use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::json;

use super::show::{Colour, Format, Show};
use super::{Exit, ExplainArguments, Failure, control, settings};
use crate::answer::cookie::CookieSecret;
use crate::config::Config;
use crate::explain::Explanation;
use crate::fault::Fault;
use crate::filing::Instant;
use crate::reload::protocol::Request;
use files::Files;
use names::Question;

pub use names::Asked;

/// What `beiand explain --help` says beside the arguments.
pub const AFTER_HELP: &str = "\
Behind the first name a word without a dot is a record type, which stands last; write a name of
one label with its final dot.

With `-` each line of standard input is a name, and perhaps a type behind it. Empty lines and
lines that begin with # or ; are passed over; a line that is no name is reported, and the rest
goes on.

With --json one name gives one object; several, or standard input, give one object a line.

Exit codes: 0 every name is open; 1 some name is not; 2 something is no name; 3 any other error.";

/// Where explanations come from.
enum Source<'a> {
    Files(Box<Files>),
    Server(&'a Config),
}

/// `beiand explain NAME... [TYPE] [--at TIME] [--server]`.
pub fn run(
    config: &Config,
    arguments: &ExplainArguments,
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let asked = Asked::of(arguments).map_err(Failure::Other)?;
    let mut source = match arguments.server {
        true => Source::Server(config),
        false => {
            let settings =
                settings::rebuild(config, CookieSecret::default()).map_err(Failure::Config)?;
            let at = arguments.at.unwrap_or_else(|| Instant(Timestamp::now().as_second()));
            Source::Files(Box::new(Files::open(settings, at)))
        }
    };
    let writing = || Failure::io("writing the result");
    let mut exit = Exit::Fine;
    let mut is_first = true;
    let is_single = asked.is_single();
    for question in asked.questions(&mut io::stdin().lock()) {
        match question.map_err(Failure::io("reading standard input"))? {
            Ok(question) => {
                let told = source.explain(&question)?;
                match show.format {
                    Format::Json if is_single => show.json(out, &told),
                    Format::Json => show.json_line(out, &told),
                    Format::Human => {
                        let blank = if is_first { Ok(()) } else { writeln!(out) };
                        blank.and_then(|()| text::write(&told, show, out))
                    }
                }
                .map_err(writing())?;
                is_first = false;
                exit = exit.max(if told.open { Exit::Fine } else { Exit::No });
            }
            Err(fault) => {
                exit = exit.max(Exit::Usage);
                report(&fault, show, out).map_err(writing())?;
            }
        }
        // Who feeds the names one by one reads the answers one by one.
        out.flush().map_err(writing())?;
    }
    Ok(exit)
}

/// A line that is no name: in its place among the results for programs, else on standard error.
fn report(fault: &Fault, show: &Show, out: &mut dyn Write) -> io::Result<()> {
    match show.format {
        Format::Json => show.json_line(out, &json!({ "fault": fault })),
        Format::Human => {
            let stderr = io::stderr();
            let show = Show { colour: Colour::for_stream(&stderr), ..*show };
            show.faults(&mut stderr.lock(), std::slice::from_ref(fault))
        }
    }
}

impl Source<'_> {
    fn explain(&mut self, question: &Question) -> Result<Explanation, Failure> {
        let Question { name, rtype } = question;
        match self {
            Source::Files(files) => Ok(files.explain(name, *rtype)),
            Source::Server(config) => {
                let request = Request::Explain { name: name.to_string(), rtype: rtype.to_string() };
                let reply = control::ask_server(config, &request)?;
                reply.explained.map(|told| *told).ok_or(Failure::Other(reply.message))
            }
        }
    }
}
