//! The `beiand` program: see `beiand --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    beiand::cli::run()
}
