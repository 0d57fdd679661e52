//! File name to zone origin and back.

use std::ffi::{OsStr, OsString};

use crate::wire::name::{Name, labels, to_text};

/// What every zone file's name ends with.
const SUFFIX: &str = ".zone";
/// Stands for the root zone, whose own name would leave a file called `.zone`.
const ROOT_STEM: &str = "@";

/// What a file name in the zones folder is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileName {
    /// A zone file's.
    Zone(Name),
    /// Meant as a zone file's, but no domain name: the problem.
    Misnamed(String),
    /// Something else: an included file, an editor's, a hidden one.
    Other,
}

/// Whether a file of this name may be a zone file.
pub(super) fn is_zone(file_name: &OsStr) -> bool {
    file_name.as_encoded_bytes().ends_with(SUFFIX.as_bytes())
}

/// Reads a file's name. `例子.中国.zone` is the zone of the A-labels, `@.zone` the root zone; case is
/// folded; a trailing dot before `.zone` and the escapes of RFC 1035 §5.1 are understood.
pub(super) fn read(file_name: &OsStr) -> FileName {
    let bytes = file_name.as_encoded_bytes();
    if !bytes.ends_with(SUFFIX.as_bytes()) || (is_ignored(file_name) && bytes != SUFFIX.as_bytes())
    {
        return FileName::Other;
    }
    let Some(stem) = file_name.to_str().and_then(|name| name.strip_suffix(SUFFIX)) else {
        return FileName::Misnamed("the file name is not UTF-8".to_owned());
    };
    let parsed = match stem {
        "" => return FileName::Misnamed("the file name has no zone name".to_owned()),
        ROOT_STEM => return FileName::Zone(Name::root()),
        _ if stem.is_ascii() => stem.parse::<Name>(),
        _ => match idna::domain_to_ascii(stem) {
            Ok(ascii) => ascii.parse::<Name>(),
            Err(_) => {
                return FileName::Misnamed("the file name is not a valid IDN".to_owned());
            }
        },
    };
    match parsed {
        Ok(name) if !name.as_wire().iter().any(u8::is_ascii_uppercase) => FileName::Zone(name),
        Ok(name) => FileName::Zone(name.to_lowercase()),
        Err(error) => FileName::Misnamed(format!("the file name is no zone name: {error}")),
    }
}

/// The usual file name of a zone.
pub(super) fn usual_file_name(origin: &Name) -> OsString {
    let text = to_text(origin.as_wire());
    match text.strip_suffix('.') {
        Some("") | None => format!("{ROOT_STEM}{SUFFIX}").into(),
        Some(stem) => format!("{stem}{SUFFIX}").into(),
    }
}

/// True where `file_name`, read as `origin`, is the usual file name of it.
pub(super) fn is_usual(file_name: &OsStr, origin: &Name) -> bool {
    let stem = file_name.as_encoded_bytes().strip_suffix(SUFFIX.as_bytes()).unwrap_or_default();
    let is_plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    // What nearly all names are made of is written in one way only, but for the final dot.
    match stem.iter().all(is_plain) {
        true => !stem.ends_with(b"."),
        false => usual_file_name(origin) == file_name,
    }
}

/// True where `file_name` is the usual file name of `origin`, a name in wire form and in lower case,
/// and nearly whenever it is: where every byte of it stands for itself.
pub(super) fn is_plainly(file_name: &OsStr, origin: &[u8]) -> bool {
    let Some(mut stem) = file_name.as_encoded_bytes().strip_suffix(SUFFIX.as_bytes()) else {
        return false;
    };
    let mut labels = labels(origin);
    let Some(first) = labels.next() else { return false };
    let is_plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    for (at, label) in std::iter::once(first).chain(labels).enumerate() {
        let dot: &[u8] = if at == 0 { b"" } else { b"." };
        let rest = stem.strip_prefix(dot).and_then(|stem| stem.strip_prefix(label));
        match rest {
            Some(rest) if label.iter().all(is_plain) => stem = rest,
            _ => return false,
        }
    }
    stem.is_empty()
}

/// True for what editors and copying tools leave beside the real files, for hidden files and
/// folders, and for a file system's own.
pub(super) fn is_ignored(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.first().is_none_or(|first| matches!(first, b'.' | b'#'))
        || bytes.ends_with(b"~")
        || bytes == b"lost+found"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(file_name: &str) -> Option<String> {
        match read(OsStr::new(file_name)) {
            FileName::Zone(name) => Some(name.to_string()),
            _ => None,
        }
    }

    #[test]
    fn the_origin_is_the_file_name_folded_and_in_a_labels() {
        assert_eq!(zone("Example.COM.zone").as_deref(), Some("example.com."));
        assert_eq!(zone("例子.中国.zone").as_deref(), Some("xn--fsqu00a.xn--fiqs8s."));
        assert_eq!(zone("@.zone").as_deref(), Some("."));
        assert_eq!(zone("_tcp.example.com.zone").as_deref(), Some("_tcp.example.com."));
        assert_eq!(zone("2.0.192.in-addr.arpa.zone").as_deref(), Some("2.0.192.in-addr.arpa."));
    }

    #[test]
    fn a_bad_name_is_told_and_a_foreign_file_is_not() {
        for name in [".zone", "a..b.zone", &format!("{}.zone", "a".repeat(64))] {
            assert!(matches!(read(OsStr::new(name)), FileName::Misnamed(_)), "{name}");
        }
        for name in ["x.inc", ".x.zone", "x.zone~", "#x.zone#", "x.zone.swp", ".#x.zone", "zone"] {
            assert_eq!(read(OsStr::new(name)), FileName::Other, "{name}");
        }
    }

    #[test]
    fn the_usual_file_name_reads_back_as_its_origin() {
        for unusual in ["example.com..zone", "Example.com.zone", r"ex\097mple.com.zone"] {
            let FileName::Zone(origin) = read(OsStr::new(unusual)) else {
                panic!("{unusual} is a zone file's name")
            };
            assert!(!is_usual(OsStr::new(unusual), &origin), "{unusual}");
            assert_eq!(usual_file_name(&origin), "example.com.zone");
        }
        for text in [".", "example.com.", r"0\04725.2.0.192.in-addr.arpa.", r"a\.b.example."] {
            let origin: Name = text.parse().expect("a name");
            if !usual_file_name(&origin).to_string_lossy().contains('/') {
                let file_name = usual_file_name(&origin);
                assert!(is_usual(&file_name, &origin));
                assert_eq!(read(&file_name), FileName::Zone(origin));
            }
        }
    }

    proptest! {
        /// What is plainly a zone's file is its usual one; and so is the other way about, but for
        /// names that need an escape, and the root.
        #[test]
        fn a_plain_name_is_the_usual_one(
            labels in proptest::collection::vec("[a-z0-9_-]{1,3}|[a-zA-Z.@*]{1,2}", 0..4),
            other in "[ab.]{0,4}(\\.zone)?",
        ) {
            let wire: Vec<u8> = labels
                .iter()
                .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat())
                .chain([0])
                .collect();
            let origin = Name::from_wire(&wire).expect("short labels").to_lowercase();
            let usual = usual_file_name(&origin);
            let is_plain = |label: &[u8]| !label.iter().any(|byte| b".@*".contains(byte));
            let all_plain = !labels.is_empty() && origin.labels().all(is_plain);
            prop_assert_eq!(is_plainly(&usual, origin.as_wire()), all_plain);
            let is_other_usual = usual == OsStr::new(&other) && all_plain;
            prop_assert_eq!(is_plainly(OsStr::new(&other), origin.as_wire()), is_other_usual);
        }
    }
}
