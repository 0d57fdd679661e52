//! A file that is put aside once it is long, and begun anew when somebody has moved it away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use super::frames::{self, Control};
use super::outlet::Sink;
use super::settings::FileSettings;

/// Who asked for what is not for everybody's eyes.
const MODE: u32 = 0o640;

/// See the module's description.
#[derive(Debug)]
pub(super) struct RotatedFile {
    settings: FileSettings,
    /// What stands at its beginning and at its end.
    begin: Vec<u8>,
    end: Vec<u8>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    len: u64,
}

impl RotatedFile {
    /// Of lines: one that is there is written on.
    pub(super) fn of_lines(settings: FileSettings) -> RotatedFile {
        RotatedFile { settings, begin: Vec::new(), end: Vec::new(), current: None }
    }

    /// Of Frame Streams: nothing may stand behind their end, so one that is there is put aside.
    pub(super) fn of_frames(settings: FileSettings) -> RotatedFile {
        let [begin, end] = [Control::Start, Control::Stop].map(frames::control);
        RotatedFile { settings, begin, end, current: None }
    }

    fn begin(&mut self) -> io::Result<Current> {
        let open = |path| OpenOptions::new().append(true).create(true).mode(MODE).open(path);
        let mut file = open(&self.settings.path)?;
        if !self.begin.is_empty() && file.metadata()?.len() > 0 {
            self.put_aside()?;
            file = open(&self.settings.path)?;
        }
        let mut current = Current { len: file.metadata()?.len(), file };
        current.append(&self.begin)?;
        Ok(current)
    }

    /// Makes room at the path.
    fn put_aside(&self) -> io::Result<()> {
        let FileSettings { path, keep, .. } = &self.settings;
        let aside = |number: usize| {
            let mut name = path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        if *keep == 0 {
            return fs::remove_file(path);
        }
        for number in (1..*keep).rev() {
            match fs::rename(aside(number), aside(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(path, aside(1))
    }

    /// Whether what is written to is what stands at the path.
    fn is_in_place(&self, current: &Current) -> bool {
        let key = |found: &fs::Metadata| (found.dev(), found.ino());
        match (fs::metadata(&self.settings.path), current.file.metadata()) {
            (Ok(there), Ok(ours)) => key(&there) == key(&ours),
            _ => false,
        }
    }
}

impl Current {
    /// Appends all or nothing.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.len += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Where even that fails, a reader finds one line or frame that is cut off.
                let _ = self.file.set_len(self.len);
                Err(error)
            }
        }
    }
}

impl Sink for RotatedFile {
    fn open(&mut self) -> io::Result<()> {
        if self.current.as_ref().is_some_and(|current| self.is_in_place(current)) {
            return Ok(());
        }
        self.close();
        self.current = Some(self.begin()?);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open()?;
        let begun = self.begin.len() as u64;
        let is_full = |current: &Current| {
            current.len > begun && current.len + bytes.len() as u64 > self.settings.max_size
        };
        if self.current.as_ref().is_some_and(is_full) {
            self.close();
            self.put_aside()?;
            self.open()?;
        }
        let current = self.current.as_mut().ok_or(io::ErrorKind::NotFound)?;
        current.append(bytes)
    }

    fn close(&mut self) {
        if let Some(mut current) = self.current.take() {
            let _ = current.append(&self.end);
        }
    }

    fn place(&self) -> String {
        self.settings.path.display().to_string()
    }
}
