//! Paths, of which not all are text, in a chunk of JSON.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A path as JSON can hold it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SavedPath {
    /// The usual.
    Text(String),
    /// Not UTF-8: as unpacked from an archive of another system, say.
    Bytes(Vec<u8>),
}

impl From<&Path> for SavedPath {
    fn from(path: &Path) -> SavedPath {
        match path.to_str() {
            Some(text) => SavedPath::Text(text.to_owned()),
            None => SavedPath::Bytes(path.as_os_str().as_bytes().to_vec()),
        }
    }
}

impl From<SavedPath> for PathBuf {
    fn from(saved: SavedPath) -> PathBuf {
        match saved {
            SavedPath::Text(text) => text.into(),
            SavedPath::Bytes(bytes) => OsString::from_vec(bytes).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_back_as_it_was() {
        for bytes in [&b"/zones/a b"[..], b"/zones/\xb1\xb8\xb0\xb8", b"", b"/\xe5\xa4\x87"] {
            let path = PathBuf::from(OsString::from_vec(bytes.to_vec()));
            let json = serde_json::to_vec(&SavedPath::from(&*path)).expect("it can be written");
            let saved: SavedPath = serde_json::from_slice(&json).expect("it can be read");
            assert_eq!(PathBuf::from(saved), path);
        }
    }
}
