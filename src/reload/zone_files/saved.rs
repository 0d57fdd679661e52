//! The bookkeeping in a snapshot. The places of the zone files stand beside the zones themselves.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::books::{Books, NewPlaces, Place};
use super::folders::FolderId;
use super::{Included, ZoneFiles};
use crate::filing::Verdict;
use crate::snapshot::{Bytes, Kind, SavedPath, Snapshot, Unusable, Writer, put_u32, put_u64};
use crate::wire::Name;
use crate::zone::{Column, Zone, ZoneTable};

/// The bookkeeping at one moment, to be written at leisure.
#[derive(Debug)]
pub struct ZoneFilesToSave {
    about: Saved,
    places: Books,
    refused: HashSet<Name>,
}

/// Names are written as text.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    root: SavedPath,
    folders: Vec<SavedPath>,
    zones: usize,
    unusual_names: Vec<(String, String)>,
    included: Vec<SavedIncluded>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedIncluded {
    path: SavedPath,
    fingerprint: u64,
    by: Vec<String>,
}

/// Room is made in advance for no more zones than this.
const MOST_EXPECTED: usize = 1 << 24;
/// Bytes of zones in one chunk, about.
const CHUNK: usize = 4 << 20;

impl ZoneFilesToSave {
    /// Appends it, and the zones as they are in service, to a snapshot.
    pub fn write(&self, zones: &ZoneTable, writer: &mut Writer<'_>) -> std::io::Result<()> {
        writer.put_json(Kind::ZoneFiles, &self.about)?;
        let mut chunk = Vec::new();
        for (origin, place) in self.places.iter() {
            let Some(origin) = Name::from_wire(origin) else { continue };
            // A broken zone is read again, and so told of.
            let entry = zones.get(&origin).filter(|entry| !entry.zone.is_broken());
            let Some(entry) = entry else { continue };
            let block = entry.zone.as_saved();
            let print = if self.refused.contains(&origin) { 0 } else { place.fingerprint };
            put_u64(&mut chunk, print);
            put_u32(&mut chunk, place.folder.index() as u32);
            put_u32(&mut chunk, place.read_at);
            put_column(&mut chunk, &entry.column);
            // A block is at most 4 GiB long.
            put_u32(&mut chunk, block.len() as u32);
            chunk.extend_from_slice(block);
            if chunk.len() >= CHUNK {
                writer.put(Kind::Zones, &chunk)?;
                chunk.clear();
            }
        }
        writer.put(Kind::Zones, &chunk)
    }
}

/// Zone files out of a snapshot, put together apart from the books that they are for.
#[derive(Clone, Debug)]
pub struct SavedFiles {
    places: NewPlaces,
    /// How many there are.
    folders: usize,
}

/// Verdicts that are more than one column, or change by themselves, are to be taken anew.
fn put_column(chunk: &mut Vec<u8>, column: &Column) {
    let numbers = match column.is_for_good() {
        true => [column.own.number(), column.other_mainland.number()],
        false => [0; 2],
    };
    chunk.extend(numbers);
    put_u32(chunk, column.since);
}

fn column_of(fields: &mut Bytes<'_>) -> Result<Option<Column>, Unusable> {
    let numbers = fields.take(2)?;
    let since = fields.u32()?;
    let [Some(own), Some(other_mainland)] = [0, 1].map(|at| Verdict::of_number(numbers[at])) else {
        return Ok(None);
    };
    Ok(Some(Column { other_mainland, since, ..Column::of(own) }))
}

/// Hands on the zones of one chunk with their verdicts, where these are to be had, and notes their
/// files.
pub fn read_chunk(
    chunk: &[u8],
    files: &mut SavedFiles,
    mut take: impl FnMut(Zone, Option<Column>),
) -> Result<(), Unusable> {
    let mut fields = Bytes::of(chunk);
    while !fields.is_empty() {
        let fingerprint = fields.u64()?;
        let folder = FolderId::at(fields.u32()? as usize);
        let read_at = fields.u32()?;
        let column = column_of(&mut fields)?;
        let len = fields.u32()? as usize;
        let zone = Zone::of_saved(fields.take(len)?).ok_or(Unusable::Damaged("a zone is none"))?;
        if folder.index() >= files.folders {
            return Err(Unusable::Damaged("a zone file is in no folder"));
        }
        files.places.add(zone.apex(), Place { fingerprint, folder, seen_in: 0, read_at });
        take(zone, column);
    }
    Ok(())
}

impl ZoneFiles {
    /// What a snapshot is to hold. Zones whose file is refused as it stands are to be read again
    /// then, whatever it looks like.
    pub fn to_save<'a>(&self, refused: impl Iterator<Item = &'a Name>) -> ZoneFilesToSave {
        let included = self.included.iter().map(|(path, included)| SavedIncluded {
            path: path.as_path().into(),
            fingerprint: included.fingerprint,
            by: included.by.iter().map(Name::to_string).collect(),
        });
        let unusual = self.unusual_names.iter();
        let about = Saved {
            root: self.root.as_path().into(),
            zones: self.zones.len(),
            folders: self.folders.paths().map(|path| (&**path).into()).collect(),
            unusual_names: unusual
                .map(|(origin, name)| (origin.to_string(), name.to_string_lossy().into_owned()))
                .collect(),
            included: included.collect(),
        };
        let refused = refused.cloned().collect();
        ZoneFilesToSave { about, places: self.zones.without_index(), refused }
    }

    /// The bookkeeping as it was saved, without the places: those are to be noted with
    /// [`ZoneFiles::note_saved`]. What has become of the files since, the next scan finds out.
    pub fn restore(
        root: &Path,
        settle: Duration,
        snapshot: &Snapshot,
    ) -> Result<ZoneFiles, Unusable> {
        let saved: Saved = snapshot.json(Kind::ZoneFiles)?;
        if PathBuf::from(saved.root) != root {
            return Err(Unusable::OtherSettings("zones.path"));
        }
        let no_name = || Unusable::Damaged("a name is none");
        let name = |text: &String| text.parse::<Name>().map_err(|_| no_name());
        let mut files = ZoneFiles::new(root, settle);
        for folder in saved.folders {
            files.folders.restore(&PathBuf::from(folder));
        }
        for (origin, file) in &saved.unusual_names {
            files.unusual_names.insert(name(origin)?, OsString::from(file).into());
        }
        for SavedIncluded { path, fingerprint, by } in saved.included {
            let path = PathBuf::from(path);
            let by: Vec<Name> = by.iter().map(name).collect::<Result<_, _>>()?;
            for origin in &by {
                files.includes_of.entry(origin.clone()).or_default().push(path.clone());
            }
            if !path.exists() {
                files.gone.insert(path.clone(), Instant::now());
            }
            files.included.insert(path, Included { fingerprint, by });
        }
        files.scanned_before = true;
        files.zones.expect(saved.zones.min(MOST_EXPECTED));
        Ok(files)
    }

    /// How many zones are to come.
    pub fn expected(&self) -> usize {
        self.zones.expected()
    }

    /// None yet, of those that a snapshot has beside the rest of this bookkeeping.
    pub fn saved_files(&self) -> SavedFiles {
        SavedFiles { places: self.zones.new_places(), folders: self.folders.paths().len() }
    }

    /// Notes where they stand; none is noted yet.
    pub fn note_saved(&mut self, saved: SavedFiles) {
        self.zones.insert_all_new(saved.places);
    }
}
