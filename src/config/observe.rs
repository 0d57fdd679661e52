//! The keys of `[query_log]` and `[dnstap]`: what they are in the file.

use std::path::{Path, PathBuf};

use super::read::{bytes_in_mebibytes, path_apart_from, small};
use super::reader::{Document, Key};
use super::values::Problem;
use crate::serve::{
    ClientDetail, DnstapMessages, DnstapPlace, DnstapSettings, FileSettings, ObserveSettings,
    QueryLogSettings,
};

const MAX_SAMPLE: u64 = 1_000_000_000;
const DEFAULT_MAX_SIZE: u64 = 256 << 20;
const DEFAULT_KEEP: u64 = 4;
/// Longest path of a Unix socket in bytes: `sun_path` less its final zero.
const MAX_SOCKET_PATH: usize = 107;

/// What dnstap is written to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Socket,
    File,
}

/// Reads both sections. Files below a watched folder would be taken for zones or filings.
pub(super) fn read(
    document: &mut Document<'_>,
    folder: &Path,
    watched: &[&PathBuf],
) -> ObserveSettings {
    ObserveSettings {
        query_log: query_log(document, folder, watched),
        dnstap: dnstap(document, folder, watched),
    }
}

fn query_log(
    document: &mut Document<'_>,
    folder: &Path,
    watched: &[&PathBuf],
) -> Option<QueryLogSettings> {
    let section = "query_log";
    let path = path_apart_from(document, (section, "path"), folder, watched);
    // Each key is asked for, so that none is unknown where the log is off.
    let (max_size, keep) = rotation(document, section);
    let (sample, client) = (sample(document, section), client(document, section));
    path.map(|path| QueryLogSettings {
        file: FileSettings { path, max_size, keep },
        sample,
        client,
    })
}

fn dnstap(
    document: &mut Document<'_>,
    folder: &Path,
    watched: &[&PathBuf],
) -> Option<DnstapSettings> {
    let section = "dnstap";
    let path_key = (section, "path");
    let path = path_apart_from(document, path_key, folder, watched);
    let kinds = [("socket", Kind::Socket), ("file", Kind::File)];
    let kind = document.choice((section, "kind"), Kind::Socket, &kinds);
    let (max_size, keep) = rotation(document, section);
    let (sample, client) = (sample(document, section), client(document, section));
    let messages = document.choice(
        (section, "messages"),
        DnstapMessages::Both,
        &[
            ("both", DnstapMessages::Both),
            ("queries", DnstapMessages::Queries),
            ("responses", DnstapMessages::Responses),
        ],
    );
    let identity = told(document, (section, "identity"));
    let version = told(document, (section, "version"));
    let path = path?;
    if kind == Kind::Socket && path.as_os_str().len() > MAX_SOCKET_PATH {
        document.fault_of(
            path_key,
            Problem::new(
                format!("the path of a socket is no longer than {MAX_SOCKET_PATH} bytes"),
                "write a shorter path, as in \"/run/dnstap.sock\"",
            ),
        );
    }
    let place = match kind {
        Kind::Socket => DnstapPlace::Socket(path),
        Kind::File => DnstapPlace::File(FileSettings { path, max_size, keep }),
    };
    Some(DnstapSettings { place, identity, version, messages, sample, client })
}

fn rotation(document: &mut Document<'_>, section: &'static str) -> (u64, usize) {
    let max_size = bytes_in_mebibytes(document, (section, "max_size_mib"), DEFAULT_MAX_SIZE);
    (max_size, small(document.integer((section, "keep"), DEFAULT_KEEP, 0..=10_000)))
}

fn sample(document: &mut Document<'_>, section: &'static str) -> u64 {
    document.integer((section, "sample"), 1, 1..=MAX_SAMPLE)
}

fn client(document: &mut Document<'_>, section: &'static str) -> ClientDetail {
    document.choice(
        (section, "client"),
        ClientDetail::Prefix,
        &[
            ("full", ClientDetail::Full),
            ("prefix", ClientDetail::Prefix),
            ("none", ClientDetail::None),
        ],
    )
}

fn told(document: &mut Document<'_>, key: Key) -> String {
    document.text(key, |text| Ok(text.to_owned())).unwrap_or_default()
}
