//! Files on disk: opened without ever waiting for a pipe, and included ones held inside the zones
//! folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Reads a regular file into `bytes`, whose old content goes away.
pub(super) fn read_file(path: &Path, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.clear();
    // A pipe that nobody writes to would block without O_NONBLOCK; it is refused below.
    let mut file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    if metadata.len() > MAX_FILE_LEN {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 4 GiB"));
    }
    // One byte more than the file has: a read that does not fill the buffer has met the end, and
    // a zone costs one read.
    bytes.resize(metadata.len() as usize + 1, 0);
    let mut len = 0;
    loop {
        let wanted = bytes.len() - len;
        match file.read(&mut bytes[len..]) {
            Ok(count) if count < wanted => {
                bytes.truncate(len + count);
                return Ok(());
            }
            // The file has grown since.
            Ok(count) => {
                len += count;
                if len as u64 > MAX_FILE_LEN {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                bytes.resize(len + len.max(4096), 0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Positions are counted in 32 bits.
const MAX_FILE_LEN: u64 = u32::MAX as u64;

/// Why a file cannot be included.
#[derive(Debug, thiserror::Error)]
pub(super) enum IncludeError {
    #[error("this file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("this file is outside the zones folder")]
    Outside,
}

/// Where an included file really is, links resolved. A relative name is looked for beside the
/// file that includes it, then in the root folder.
pub(super) fn locate(name: &Path, includer: &Path, root: &Path) -> Result<PathBuf, IncludeError> {
    let root = fs::canonicalize(root)?;
    let beside = includer.parent().unwrap_or(Path::new("")).join(name);
    let found = match fs::canonicalize(&beside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::canonicalize(root.join(name))?,
        found => found?,
    };
    if found.starts_with(&root) { Ok(found) } else { Err(IncludeError::Outside) }
}
