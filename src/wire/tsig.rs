//! TSIG (RFC 8945), as far as it concerns a server that shares a key with nobody: the unsigned record
//! that tells so.

use arrayvec::ArrayVec;

use super::name::MAX_NAME_LEN;
use super::rrtype::Rtype;

const CLASS_ANY: u16 = 255;
/// Type, class, TTL and RDATA length.
const FIXED_LEN: usize = 10;
/// Time signed and fudge.
const TIMES_LEN: usize = 8;
/// RDATA behind the times of a record with neither MAC nor other data: both lengths, the original
/// ID, the error.
const TAIL_LEN: usize = 8;
const BADKEY: u16 = 17;

/// A TSIG record without a MAC.
pub type Unsigned =
    ArrayVec<u8, { MAX_NAME_LEN + FIXED_LEN + MAX_NAME_LEN + TIMES_LEN + TAIL_LEN }>;

/// What a reply bears where the key of the TSIG record at `at`, the last of the message, is not known
/// (RFC 8945 §5.2.1, §5.3.2): key, algorithm, times and ID as they came, no MAC, and BADKEY. `None`
/// where the record cannot be read.
pub fn unknown_key(message: &[u8], at: usize) -> Option<Unsigned> {
    let mut told = Unsigned::new();
    let at = copy_name(message, at, &mut told)?;
    if word(message, at + 2)? != CLASS_ANY {
        return None;
    }
    let rdata_at = at + FIXED_LEN;
    let end = rdata_at + usize::from(word(message, at + 8)?);
    let message = message.get(..end)?;
    let fixed_at = told.len();
    told.extend([0; FIXED_LEN]);
    let algorithm_at = told.len();
    let at = copy_name(message, rdata_at, &mut told)?;
    let times = message.get(at..at + TIMES_LEN)?;
    let id_at = at + TIMES_LEN + 2 + usize::from(word(message, at + TIMES_LEN)?);
    let original_id = word(message, id_at)?;
    if id_at + 6 + usize::from(word(message, id_at + 4)?) != end {
        return None;
    }
    told.extend(times.iter().copied());
    told.extend([0, original_id, BADKEY, 0].into_iter().flat_map(u16::to_be_bytes));
    let rdata_len = (told.len() - algorithm_at) as u16;
    let fixed = [Rtype::TSIG.0, CLASS_ANY, 0, 0, rdata_len];
    let fixed = fixed.into_iter().flat_map(u16::to_be_bytes);
    told[fixed_at..algorithm_at].iter_mut().zip(fixed).for_each(|(to, from)| *to = from);
    Some(told)
}

/// Appends the name at `at`, in lower case and uncompressed, as RFC 8945 §4.2 has it; where it ends in
/// the message.
fn copy_name(message: &[u8], mut at: usize, out: &mut Unsigned) -> Option<usize> {
    let start = out.len();
    let mut end = None;
    // A pointer leads to what stands before it, or there would be no end.
    let mut before = at;
    loop {
        let len = *message.get(at)?;
        match len {
            0 => {
                out.push(0);
                return Some(end.unwrap_or(at + 1));
            }
            1..=63 => {
                let label = message.get(at..=at + usize::from(len))?;
                if out.len() - start + label.len() >= MAX_NAME_LEN {
                    return None;
                }
                out.extend(label.iter().map(u8::to_ascii_lowercase));
                at += label.len();
            }
            0xc0.. => {
                end.get_or_insert(at + 2);
                at = usize::from(word(message, at)? & 0x3fff);
                if at >= before {
                    return None;
                }
                before = at;
            }
            _ => return None,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header, a question, and a TSIG record with a MAC and other data; where that begins.
    fn signed(key: &[u8], algorithm: &[u8]) -> (Vec<u8>, usize) {
        let mut message = vec![0; 12];
        message.extend(b"\x03www\x07example\0\0\x01\0\x01");
        let at = message.len();
        let rdata =
            [algorithm, &[0, 0, 1, 2, 3, 4, 1, 44, 0, 2, 9, 9, 7, 8, 0, 18, 0, 1, 5]].concat();
        message.extend(key);
        message.extend([0, 250, 0, 255, 0, 0, 0, 0, 0, rdata.len() as u8]);
        message.extend(rdata);
        (message, at)
    }

    #[test]
    fn key_algorithm_times_and_id_are_told_as_they_came() {
        let (message, at) = signed(b"\x01K\xc0\x10", b"\x03Alg\0");
        let told = unknown_key(&message, at).expect("it can be read");
        let names = [&b"\x01k\x07example\0"[..], b"\x03alg\0"];
        let rdata = [names[1], &[0, 0, 1, 2, 3, 4, 1, 44, 0, 0, 7, 8, 0, 17, 0, 0]].concat();
        let fixed = [0, 250, 0, 255, 0, 0, 0, 0, 0, rdata.len() as u8];
        assert_eq!(told[..], [names[0], &fixed, &rdata].concat());
    }

    #[test]
    fn the_longest_names_have_room() {
        let name =
            [[&[49][..], &[b'x'; 49]].concat().repeat(5), vec![3, b'a', b'b', b'c', 0]].concat();
        assert_eq!(name.len(), MAX_NAME_LEN);
        let (mut message, at) = signed(&name, &[0xc0, 24]);
        // One letter more.
        assert!(unknown_key(&message, at).is_some());
        let long = at + 250;
        message[long] += 1;
        message.insert(long + 1, b'd');
        assert!(unknown_key(&message, at).is_none());
    }

    #[test]
    fn what_cannot_be_read_is_not_told() {
        let (message, at) = signed(b"\x01k\0", b"\x03alg\0");
        assert!(unknown_key(&message, at).is_some());
        for len in at..message.len() {
            assert!(unknown_key(&message[..len], at).is_none(), "cut at {len}");
        }
        let pointing_to = |target: u8| signed(&[0xc0, target], b"\0");
        for target in [29, 31] {
            let (message, at) = pointing_to(target);
            assert!(unknown_key(&message, at).is_none(), "a pointer to {target}");
        }
        let other_class = |mut message: Vec<u8>| {
            message[at + 6] = 1;
            message
        };
        assert!(unknown_key(&other_class(message), at).is_none());
    }
}
