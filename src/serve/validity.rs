//! Until when a certificate is valid: the one field of X.509 (RFC 5280 §4.1.2.5) that rustls does
//! not show.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT`, the certificate's version.
const VERSION: u8 = 0xa0;

/// The last moment at which the certificate is valid; `None` for what is no certificate.
pub(super) fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = take(certificate, SEQUENCE)?;
    let (mut fields, _) = take(certificate, SEQUENCE)?;
    if let Some((_, rest)) = take(fields, VERSION) {
        fields = rest;
    }
    let (_serial, fields) = take(fields, INTEGER)?;
    let (_algorithm, fields) = take(fields, SEQUENCE)?;
    let (_issuer, fields) = take(fields, SEQUENCE)?;
    let (validity, _) = take(fields, SEQUENCE)?;
    let (_not_before, not_after) =
        take(validity, UTC_TIME).or_else(|| take(validity, GENERALIZED_TIME))?;
    let time = match not_after.first()? {
        // Two digits of the year: 1950 to 2049.
        &UTC_TIME => {
            let (text, _) = take(not_after, UTC_TIME)?;
            let century = if text.first()? < &b'5' { "20" } else { "19" };
            format!("{century}{}", std::str::from_utf8(text).ok()?)
        }
        _ => String::from_utf8(take(not_after, GENERALIZED_TIME)?.0.to_vec()).ok()?,
    };
    let civil = DateTime::strptime("%Y%m%d%H%M%SZ", time).ok()?;
    Offset::UTC.to_timestamp(civil).ok()
}

/// The contents of the DER element at the start, if it has this tag, and what follows it.
fn take(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (len, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (len, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if len.len() > 4 {
            return None;
        }
        (len.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    };
    (tag == wanted).then_some(())?;
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_read_in_both_of_its_forms() {
        for (year, end) in [(2020, "2020-03-04T00:00:00Z"), (2049, "2049-03-04T00:00:00Z")]
            .into_iter()
            .chain([(2050, "2050-03-04T00:00:00Z"), (4096, "4096-03-04T00:00:00Z")])
        {
            let mut params = rcgen::CertificateParams::new(["ns1.example".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 3, 4);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            assert_eq!(not_after(certificate.der()).unwrap().to_string(), end);
        }
    }

    #[test]
    fn what_is_cut_short_or_no_certificate_has_no_end() {
        let made = rcgen::generate_simple_self_signed(["ns1.example".to_owned()]).unwrap();
        let der = made.cert.der();
        (0..der.len()).for_each(|len| assert_eq!(not_after(&der[..len]), None, "{len} bytes"));
        assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(not_after(&[0x30, 0x80]), None);
    }
}
