//! What the fuzz targets share: where a fault may stand, and how it may be shown.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use beiand::fault::Fault;

/// A folder for a target's files, on a file system in memory where there is one. It stays behind;
/// `fuzz/run` takes it away.
pub fn folder(target: &str) -> PathBuf {
    let above = std::env::var_os("BEIAND_FUZZ_FOLDER").map_or_else(std::env::temp_dir, Into::into);
    let folder = above.join(format!("beiand-fuzz-{target}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the target");
    std::fs::canonicalize(folder).expect("a folder for the target")
}

/// A text whose lines all end as `\n` ends them.
pub fn with_line_feeds(text: &[u8]) -> String {
    String::from_utf8_lossy(text).replace("\r\n", "\n").replace('\r', "\n")
}

/// The text without a byte order mark, which takes no column.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Panics unless the fault stands inside the text, whose lines end in `\n`, and one line of a
/// terminal shows it. Gives the line that it stands on.
pub fn assert_placed<'t>(fault: &Fault, text: &'t str) -> Option<&'t str> {
    let shown = fault.to_string();
    assert!(
        !shown.chars().any(char::is_control),
        "control characters reach the terminal: {shown:?}"
    );
    if fault.line == 0 {
        assert_eq!(fault.column, 0, "a column without a line: {fault}");
        return None;
    }
    let line = text.split('\n').nth(fault.line as usize - 1);
    let line = line.unwrap_or_else(|| panic!("there is no line {}: {fault}", fault.line));
    assert!(
        fault.column as usize <= line.chars().count() + 1,
        "there is no column {} in {line:?}: {fault}",
        fault.column
    );
    Some(line)
}

/// The text of a file that a fault names: the input itself, or what that includes.
pub fn text_of<'t>(fault: &Fault, input: &Path, text: &'t str) -> Cow<'t, str> {
    if fault.file == input {
        return Cow::Borrowed(text);
    }
    let bytes = std::fs::read(&fault.file)
        .unwrap_or_else(|error| panic!("{error}: no file that was read: {fault}"));
    Cow::Owned(with_line_feeds(&bytes))
}
