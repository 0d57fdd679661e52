//! The faults of one zone, counted all and kept up to a bound: a zone of a million faulty lines
//! costs no more memory than one of a hundred.

use std::path::Path;

use crate::fault::{Fault, Severity};

/// Most errors, and most warnings, that one zone is reported with.
const MAX_FAULTS: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Faults {
    list: Vec<Fault>,
    errors: usize,
    warnings: usize,
}

impl Faults {
    /// Counts a fault, and makes and keeps it where there is room.
    pub(super) fn add(&mut self, severity: Severity, make: impl FnOnce() -> Fault) {
        let count = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= MAX_FAULTS {
            self.list.push(make());
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// True where further errors would not be shown.
    pub(super) fn is_full(&self) -> bool {
        self.errors > MAX_FAULTS
    }

    /// The faults, and a word about those that are not among them: warnings alone, or what the
    /// zone is refused for.
    pub(super) fn finish(mut self, file: &Path) -> Result<Vec<Fault>, Vec<Fault>> {
        for (count, severity) in
            [(self.errors, Severity::Error), (self.warnings, Severity::Warning)]
        {
            if count > MAX_FAULTS {
                let problem = format!("there are more faults than the {MAX_FAULTS} shown");
                self.list.push(Fault::of_file(severity, file, problem, "correct these first"));
            }
        }
        if self.has_errors() { Err(self.list) } else { Ok(self.list) }
    }
}
