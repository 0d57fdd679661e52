//! The manual's pages and the shells' completions, made from the definitions of the command line,
//! so that they cannot tell of anything else.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::builder::Resettable;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Arguments, Exit, Failure};

/// The manual's section for programs of the system's administrator.
const SECTION: &str = "8";

/// What only the page of the program itself tells; roff.
const PROGRAM: &str = r#".SH "EXIT STATUS"
.TP
0
fine
.TP
1
the answer is "no", or faults were found
.TP
2
wrong usage
.TP
3
any other error
.SH SIGNALS
.TP
SIGHUP
look at every zone, filing file and setting again
.TP
SIGTERM, SIGINT
answer what has come, and end
.SH FILES
.TP
config/beiand.toml, /etc/beiand/beiand.toml
the configuration, in the order in which it is looked for; every key is explained in it
.TP
.I ORIGIN\fR.zone
a master file (RFC 1035) for each zone, below the folder that [zones] path names
.TP
*.csv, *.ndjson, *.json
filing records, in the folder that [filings] path names
.TP
decisions-*.ndjson
the journal of decisions, in the folder that [journal] path names
.TP
\&.hold
while a file of this name stands in a watched folder, nothing from that folder is taken in
"#;

/// `beiand completions SHELL`.
pub fn completions(shell: Shell, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "beiand", &mut script);
    out.write_all(&script).map_err(Failure::io("writing the completions"))?;
    Ok(Exit::Fine)
}

/// `beiand man-pages FOLDER`.
pub fn pages(folder: &Path) -> Result<Exit, Failure> {
    let doing = || format!("writing the manual into {}", folder.display());
    fs::create_dir_all(folder).map_err(Failure::io(doing()))?;
    // The page has a section of its own for what the help says last, the exit codes.
    let mut program =
        Arguments::command().disable_help_subcommand(true).after_help(Resettable::Reset);
    program.build();
    write_pages(&program, folder).map_err(Failure::io(doing()))?;
    Ok(Exit::Fine)
}

/// The page of a command, and those of its own commands.
fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    // Once built, a command is displayed by all the names that lead to it, hyphens between.
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let page = Man::new(command.clone())
        .title(name)
        .section(SECTION)
        .source(concat!("beiand ", env!("CARGO_PKG_VERSION")))
        .manual("beiand");
    let mut text = Vec::new();
    page.render(&mut text)?;
    if name == command.get_name() {
        text.extend_from_slice(PROGRAM.as_bytes());
    }
    fs::write(folder.join(format!("{name}.{SECTION}")), text)?;
    command.get_subcommands().try_for_each(|verb| write_pages(verb, folder))
}
