//! The feed in a snapshot: which files were read how far, and their records.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::change::FeedSettings;
use super::look::{Source, Taken};
use super::refresh::Feed;
use super::rows::Format;
use super::store::{Entries, FileId, FilingStore, SavedStore, read_page, write_page};
use crate::snapshot::{Kind, SavedPath, Snapshot, Unusable, Writer};

/// The feed at one moment, to be written at leisure: its records are shared with it, not copied.
#[derive(Debug)]
pub struct FeedToSave {
    about: Saved,
    entries: Entries,
}

#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    folder: SavedPath,
    provider: String,
    /// By file id.
    paths: Vec<SavedPath>,
    sources: Vec<(FileId, Taken)>,
    store: SavedStore,
}

impl FeedToSave {
    /// Appends it to a snapshot.
    pub fn write(&self, writer: &mut Writer<'_>) -> io::Result<()> {
        writer.put_json(Kind::Filings, &self.about)?;
        let mut chunk = Vec::new();
        for page in self.entries.used() {
            write_page(page, &mut chunk);
            writer.put(Kind::Records, &chunk)?;
        }
        Ok(())
    }
}

impl Feed {
    /// What a snapshot is to hold of the feed as it is now.
    pub fn to_save(&self) -> FeedToSave {
        let (store, entries) = self.store.to_save();
        let taken = self
            .sources
            .values()
            .filter_map(|source| source.taken.clone().map(|taken| (source.id, taken)));
        let about = Saved {
            folder: self.settings.path.as_path().into(),
            provider: self.settings.provider.clone(),
            paths: self.paths.iter().map(|path| path.as_path().into()).collect(),
            sources: taken.collect(),
            store,
        };
        FeedToSave { about, entries }
    }

    /// The feed as it was saved. What has become of its files since, the next
    /// [`Feed::refresh`] finds out.
    pub fn restore(settings: FeedSettings, snapshot: &Snapshot) -> Result<Feed, Unusable> {
        let saved: Saved = snapshot.json(Kind::Filings)?;
        if PathBuf::from(saved.folder) != settings.path {
            return Err(Unusable::OtherSettings("filings.path"));
        }
        if saved.provider != settings.provider {
            return Err(Unusable::OtherSettings("filings.provider"));
        }
        let paths: Vec<PathBuf> = saved.paths.into_iter().map(PathBuf::from).collect();
        let wrong = || Unusable::Damaged("a filing file has no name");
        let mut sources = BTreeMap::new();
        for (id, taken) in saved.sources {
            let path = paths.get(id.0 as usize).ok_or_else(wrong)?;
            let format = Format::of(path).ok_or_else(wrong)?;
            let source = Source {
                id,
                format,
                taken: Some(taken),
                unsettled: None,
                refused: None,
                waiting: None,
            };
            sources.insert(path.clone(), source);
        }
        let pages = snapshot.all(Kind::Records, read_page)?;
        let store = FilingStore::restore(saved.store, pages)?;
        Ok(Feed { settings, store, sources, paths, writers: None })
    }
}
