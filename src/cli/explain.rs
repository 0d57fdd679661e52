//! `beiand explain`: the verdict for a name, why, and what its owner should do.

use std::io::Write;

use super::show::Show;
use super::{Exit, ExplainArguments, Failure};
use crate::config::Config;

/// `beiand explain NAME [TYPE] [--at TIME]`.
pub fn run(
    config: &Config,
    arguments: &ExplainArguments,
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let _ = (config, show, out);
    Err(Failure::Other(format!("explaining {} cannot be done yet", arguments.name)))
}
