//! Many files as one change: while a file `.hold` stands in a folder, nothing from that folder
//! downwards is taken in; removing it takes everything in at once.

use std::path::{Path, PathBuf};

/// The file that holds a folder back.
pub const HOLD_FILE: &str = ".hold";

/// True where `folder` itself is held back.
pub fn is_held(folder: &Path) -> bool {
    folder.join(HOLD_FILE).symlink_metadata().is_ok()
}

/// The folder, from `path` (a file or folder at or below `root`) up to `root`, whose `.hold` holds
/// `path` back; `None` where it is free.
pub fn held_by(root: &Path, path: &Path) -> Option<PathBuf> {
    path.ancestors()
        .take_while(|folder| folder.starts_with(root))
        .find(|folder| is_held(folder))
        .map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_hold_reaches_downwards_and_not_above_the_root() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let root = temp.path().join("zones");
        fs::create_dir_all(root.join("a/b")).expect("create");
        fs::create_dir_all(root.join("c")).expect("create");
        fs::write(temp.path().join(HOLD_FILE), "").expect("write");
        fs::write(root.join("a/.hold"), "").expect("write");
        assert_eq!(held_by(&root, &root.join("a/b/x.zone")), Some(root.join("a")));
        assert_eq!(held_by(&root, &root.join("a")), Some(root.join("a")));
        assert_eq!(held_by(&root, &root.join("c/x.zone")), None);
    }
}
