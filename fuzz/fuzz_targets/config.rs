//! Any text as the configuration: every fault of it stands on a line that exists, shows what
//! stands there, and can be shown on one line.

#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use beiand::config::Config;
use beiand_fuzz::{assert_placed, folder};
use libfuzzer_sys::fuzz_target;

/// In a folder of its own: a cookie secret may name a file.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| folder("config").join("beiand.toml"));

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return refused_as_a_file(bytes);
    };
    match Config::parse(text, &FILE) {
        Ok(config) => {
            assert_eq!(config, Config::parse(text, &FILE).expect("what was just read"));
            assert!(config.restart_needed_for(&config).is_empty());
            assert!(!config.server.listen.is_empty() && !config.filings.provider.is_empty());
            config.gate.filing_policy();
        }
        Err(faults) => {
            assert!(faults.iter().any(|fault| fault.is_error()), "refused for nothing");
            for fault in &faults {
                assert_eq!(fault.file, *FILE);
                if let Some(line) = assert_placed(fault, text) {
                    assert!(line.contains(&fault.text), "{line:?} does not hold the text: {fault}");
                }
            }
        }
    }
});

/// What is not UTF-8 gets no further than the file itself.
fn refused_as_a_file(bytes: &[u8]) {
    std::fs::write(&*FILE, bytes).expect("written");
    let faults = Config::load(&FILE).expect_err("a file that is not UTF-8");
    assert_eq!(faults.len(), 1);
    assert_eq!(Path::new(&faults[0].file), *FILE);
}
