//! Any bytes as a snapshot, as they are and with right checksums: it is read or left aside, and
//! nothing panics, hangs, or takes more memory than the file.

#![no_main]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use beiand::feed::{Feed, FeedSettings};
use beiand::reload::zone_files::{ZoneFiles, read_chunk};
use beiand::snapshot::{Kind, Snapshot, Unusable, Writer};
use beiand_fuzz::folder;
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| folder("snapshot"));
static RUNNING: AtomicBool = AtomicBool::new(false);

fuzz_target!(|bytes: &[u8]| {
    let path = FOLDER.join("snapshot");
    std::fs::write(&path, bytes).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let _ = read(&path);
    if let Some(sealed) = sealed(bytes) {
        let _ = read(&sealed);
    }
});

/// The input as the chunks of a whole file: kind, length in two bytes, bytes.
fn sealed(mut bytes: &[u8]) -> Option<PathBuf> {
    let path = FOLDER.join("sealed");
    let mut writer = Writer::create(&path, &RUNNING).expect("a file");
    while let [kind, high, low, rest @ ..] = bytes {
        let kinds = [Kind::About, Kind::Filings, Kind::Records, Kind::ZoneFiles, Kind::Zones];
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        writer.put(*kinds.get(usize::from(*kind) % 5)?, &rest[..len]).expect("a chunk");
        bytes = &rest[len..];
    }
    writer.finish().expect("written");
    Some(path)
}

fn read(path: &std::path::Path) -> Result<(), Unusable> {
    let Some(snapshot) = Snapshot::open(path)? else { return Ok(()) };
    let settings = FeedSettings {
        path: "filings".into(),
        provider: "hoster".into(),
        max_bad_lines: 0.0,
        max_shrink: 0.0,
        settle: std::time::Duration::ZERO,
    };
    let feed = Feed::restore(settings, &snapshot);
    if let Ok(feed) = feed {
        for site in feed.store().sites() {
            feed.store().records_of(site).for_each(drop);
        }
    }
    let mut files = ZoneFiles::restore("zones".as_ref(), Default::default(), &snapshot)?;
    let none_yet = files.saved_files();
    let read = |chunk: &[u8]| {
        let (mut saved, mut zones) = (none_yet.clone(), Vec::new());
        read_chunk(chunk, &mut saved, |zone| zones.push(zone))?;
        Ok((saved, zones))
    };
    snapshot.each(Kind::Zones, read, |_, (saved, zones)| {
        files.note_saved(saved);
        assert!(zones.iter().all(|zone| zone.apex().len() <= 255));
        Ok(())
    })
}
