//! The fields of a filing record as a file writes them: their names, and one text for each.

use std::fmt;

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A field of a filing record (DESIGN 7): a CSV column or an NDJSON key.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum Field {
            $($(#[$doc])* $variant,)*
        }

        impl Field {
            /// Every field, in the order in which the design lists them.
            pub const ALL: [Field; [$($name),*].len()] = [$(Field::$variant),*];

            /// Its name in files.
            pub fn name(self) -> &'static str {
                match self {
                    $(Field::$variant => $name,)*
                }
            }
        }
    };
}

fields! {
    /// The filed domain; the only field that must not be empty.
    Domain = "domain",
    /// 主体备案号.
    SubjectNumber = "subject_number",
    /// 服务备案号.
    SiteNumber = "site_number",
    /// Name of the subject.
    Subject = "subject",
    /// Nature of the subject.
    Nature = "nature",
    /// Province of the filing.
    Province = "province",
    /// Website, app, mini-program or quick app.
    Kind = "kind",
    /// Web or forum.
    Site = "site",
    /// Number of the BBS preapproval document.
    BbsPreapproval = "bbs_preapproval",
    /// Of the filing: never approved, in force, cancelled.
    Status = "status",
    /// First approval of the filing.
    ApprovedAt = "approved_at",
    /// The access provider of this record.
    Provider = "provider",
    /// Access with that provider.
    Access = "access",
    /// Approval of the filing or transfer with that provider.
    HeldSince = "held_since",
    /// When it reached our system.
    SyncedAt = "synced_at",
    /// The application in progress.
    Application = "application",
    /// How far it has come.
    ApplicationStatus = "application_status",
    /// When that status was reached.
    ApplicationAt = "application_at",
    /// Where a change of domain leads.
    NewDomain = "new_domain",
    /// 是否限制接入.
    Restricted = "restricted",
    /// On the authority's list of unlawful domains.
    Blacklisted = "blacklisted",
    /// Free text; the authority's reasons for a rejection.
    Remark = "remark",
    /// When the record was last touched; decides nothing.
    UpdatedAt = "updated_at",
}

impl Field {
    /// The field of a name, blanks around it and letter case ignored.
    pub fn parse(name: &str) -> Option<Field> {
        let name = name.trim();
        Field::ALL.into_iter().find(|field| name.eq_ignore_ascii_case(field.name()))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One text for each field; a field that was not set is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    texts: [&'a str; Field::ALL.len()],
}

impl<'a> Fields<'a> {
    /// The field's text as it was set.
    pub fn get(&self, field: Field) -> &str {
        self.texts[field as usize]
    }

    /// Sets the field's text.
    pub fn set(&mut self, field: Field, text: &'a str) {
        self.texts[field as usize] = text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_fields() {
        for field in Field::ALL {
            assert_eq!(Field::parse(&format!(" {} ", field.name().to_uppercase())), Some(field));
            let mut fields = Fields::default();
            fields.set(field, "x");
            assert_eq!(
                Field::ALL.map(|each| !fields.get(each).is_empty()),
                Field::ALL.map(|each| each == field)
            );
        }
        assert_eq!(Field::parse("domains"), None);
    }
}
