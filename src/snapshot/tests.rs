use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

static RUNNING: AtomicBool = AtomicBool::new(false);

fn written(parts: &[&[u8]]) -> (TempDir, std::path::PathBuf) {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("snapshot");
    let mut writer = Writer::create(&path, &RUNNING).expect("a file");
    for part in parts {
        writer.put(Kind::Zones, part).expect("a chunk");
    }
    assert_eq!(writer.finish().expect("it is written"), fs::metadata(&path).expect("it").len());
    (temp, path)
}

fn read(path: &Path) -> Result<Vec<Vec<u8>>, Unusable> {
    let snapshot = Snapshot::open(path)?.expect("there is one");
    snapshot.all(Kind::Zones, |bytes| Ok(bytes.to_vec()))
}

#[test]
fn chunks_come_back_in_their_order() {
    let parts: Vec<Vec<u8>> = (0..100u8).map(|n| vec![n; usize::from(n) * 7]).collect();
    let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let (_temp, path) = written(&slices);
    assert_eq!(read(&path).expect("it is whole"), parts);
    assert!(Snapshot::open(&path.with_extension("none")).expect("no error").is_none());
}

#[test]
fn the_list_of_public_suffixes_is_the_one_that_snapshots_are_held_against() {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).expect("it");
    let version =
        lock.split("name = \"psl\"\nversion = \"").nth(1).and_then(|it| it.split('"').next());
    let version = version.expect("the version of psl");
    assert!(PROGRAM.ends_with(&format!("/psl-{version}")), "say psl-{version} in {PROGRAM:?}");
}

#[test]
fn what_another_version_read_is_read_again() {
    let (_temp, path) = written(&[b"one"]);
    let mut bytes = fs::read(&path).expect("it");
    bytes[HEAD_LEN - 1] ^= 1;
    fs::write(&path, bytes).expect("a write");
    assert!(matches!(read(&path), Err(Unusable::OtherVersion)));
}

#[test]
fn a_chunk_in_anothers_place_is_found() {
    let (_temp, path) = written(&[b"first", b"other"]);
    let bytes = fs::read(&path).expect("it");
    let (first, rest) = bytes[HEAD_LEN..].split_at(CHUNK_HEAD_LEN + 5);
    let (second, end) = rest.split_at(CHUNK_HEAD_LEN + 5);
    for order in [[second, first, end], [first, first, end], [first, end, second]] {
        let swapped = [&bytes[..HEAD_LEN], order[0], order[1], order[2]].concat();
        fs::write(&path, swapped).expect("a write");
        assert!(matches!(read(&path), Err(Unusable::Damaged(_))));
    }
}

#[test]
fn a_full_disk_leaves_the_one_before_and_nothing_else() {
    let (temp, path) = written(&[b"before"]);
    let mut writer = Writer::create(&path, &RUNNING).expect("a file");
    writer.on(fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there"));
    let error = writer.put(Kind::Zones, b"after").expect_err("the disk is full");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    drop(writer);
    assert_eq!(read(&path).expect("it is whole"), [b"before"]);
    assert_eq!(fs::read_dir(temp.path()).expect("the folder").count(), 1);
}

#[test]
fn one_that_is_stopped_leaves_nothing() {
    let (temp, path) = written(&[b"before"]);
    let is_stopping = AtomicBool::new(false);
    let mut writer = Writer::create(&path, &is_stopping).expect("a file");
    writer.put(Kind::Zones, b"after").expect("a chunk");
    is_stopping.store(true, Ordering::Relaxed);
    assert!(writer.finish().is_err());
    assert_eq!(read(&path).expect("it is whole"), [b"before"]);
    assert_eq!(fs::read_dir(temp.path()).expect("the folder").count(), 1);
}

#[test]
fn what_others_can_read_is_not_ours() {
    let (_temp, path) = written(&[b"x"]);
    for mode in [0o640, 0o602] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        assert!(matches!(read(&path), Err(Unusable::NotOurs)));
    }
}

proptest! {
    /// Whatever bit is flipped, and wherever the file is cut.
    #[test]
    fn no_damage_goes_unseen(at in 0.0..1.0f64, bit in 0u8..8, is_cut: bool) {
        let (_temp, path) = written(&[b"some bytes", b"", &[7; 300]]);
        let mut bytes = fs::read(&path).expect("it");
        let at = (bytes.len() as f64 * at) as usize;
        match is_cut {
            true => bytes.truncate(at),
            false => bytes[at] ^= 1 << bit,
        }
        fs::write(&path, bytes).expect("a write");
        prop_assert!(read(&path).is_err());
    }
}
