//! Filing records as the tests write them.

use std::collections::BTreeMap;

use super::PROVIDER;

/// One filing record, by the field names of the filing files.
#[derive(Clone, Debug)]
pub struct Record(BTreeMap<&'static str, String>);

impl Record {
    /// A record with a domain and nothing else.
    pub fn bare(domain: &str) -> Record {
        Record(BTreeMap::from([("domain", domain.to_owned())]))
    }

    /// In force, held here, synced: row 5.
    pub fn open(domain: &str) -> Record {
        Record::in_force(domain).set("synced_at", "2024-05-01T18:00:00+08:00")
    }

    /// In force, held here, not synced: row 6.
    pub fn in_force(domain: &str) -> Record {
        Record::numbered(domain)
            .set("status", "in-force")
            .set("approved_at", "2024-05-01T10:00:00+08:00")
            .set("provider", PROVIDER)
    }

    /// In force with another provider: row 10.
    pub fn elsewhere(domain: &str) -> Record {
        Record::in_force(domain).set("provider", "othercloud")
    }

    /// Never approved, an application for it running: rows 2 to 4.
    pub fn applied(domain: &str, application: &str, status: &str) -> Record {
        Record::bare(domain)
            .set("subject", &format!("owner of {domain}"))
            .set("nature", "enterprise")
            .set("status", "none")
            .set("provider", PROVIDER)
            .set("application", application)
            .set("application_status", status)
            .set("application_at", "2024-06-01T10:00:00+08:00")
    }

    fn numbered(domain: &str) -> Record {
        // A number of its own for each domain, so that no two tests' domains share a subject.
        let serial = domain.bytes().fold(7u64, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
        let number = format!("京ICP备2024{:06}号", serial % 1_000_000);
        Record::bare(domain)
            .set("subject_number", &number)
            .set("site_number", &format!("{number}-1"))
            .set("subject", &format!("owner of {domain}"))
            .set("nature", "enterprise")
    }

    pub fn set(mut self, field: &'static str, value: &str) -> Record {
        self.0.insert(field, value.to_owned());
        self
    }

    pub fn without(mut self, field: &str) -> Record {
        self.0.remove(field);
        self
    }

    pub fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }

    /// As a line of NDJSON, with its newline.
    pub fn line(&self) -> String {
        format!("{}\n", serde_json::to_string(&self.0).expect("strings"))
    }
}

/// A record that no test asks for: a file that holds it never becomes empty.
pub fn anchor() -> Record {
    Record::open("anchor.example")
}

/// NDJSON of the records after [`anchor`].
pub fn ndjson(records: &[Record]) -> String {
    let mut text = anchor().line();
    for record in records {
        text.push_str(&record.line());
    }
    text
}

/// An instant so many seconds from now, as the files write it.
pub fn from_now(seconds: i64) -> String {
    let at = jiff::Timestamp::now().as_second() + seconds;
    jiff::Timestamp::from_second(at).expect("a moment near now").to_string()
}
