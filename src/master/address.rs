//! Addresses as text: what `std::net` takes, and nothing else, at a third of its cost. A zone file
//! is addresses for the most part.

use std::net::Ipv6Addr;

/// Four numbers up to 255, without zeros in front.
pub(super) fn ipv4(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let (mut place, mut number, mut digits) = (0, 0u32, 0);
    for &byte in text {
        match byte {
            b'0'..=b'9' if digits == 0 || number > 0 => {
                number = 10 * number + u32::from(byte - b'0');
                digits += 1;
                if number > 255 {
                    return None;
                }
            }
            b'.' if digits > 0 && place < 3 => {
                octets[place] = number as u8;
                (place, number, digits) = (place + 1, 0, 0);
            }
            _ => return None,
        }
    }
    octets[3] = number as u8;
    (place == 3 && digits > 0).then_some(octets)
}

/// Eight groups of up to four hexadecimal digits, `::` in place of one or more that are zero; the
/// last two may be written as an IPv4 address.
pub(super) fn ipv6(text: &[u8]) -> Option<[u8; 16]> {
    if text.contains(&b'.') {
        return Some(std::str::from_utf8(text).ok()?.parse::<Ipv6Addr>().ok()?.octets());
    }
    let mut groups = [0u16; 8];
    let mut count = 0;
    let (mut rest, mut gap) = match text.strip_prefix(b"::") {
        Some(rest) => (rest, Some(0)),
        None => (text, None),
    };
    while !rest.is_empty() {
        let (mut group, mut digits) = (0, 0);
        while let Some(digit) = rest.get(digits).and_then(|byte| hex_digit(*byte)) {
            group = group << 4 | digit;
            digits += 1;
        }
        if !(1..=4).contains(&digits) {
            return None;
        }
        *groups.get_mut(count)? = group;
        count += 1;
        rest = match &rest[digits..] {
            [] => &[],
            [b':', b':', after @ ..] if gap.is_none() => {
                gap = Some(count);
                after
            }
            [b':', after @ ..] if !after.is_empty() => after,
            _ => return None,
        };
    }
    match gap {
        Some(gap) if count < 8 => groups[gap..].rotate_right(8 - count),
        None if count == 8 => {}
        _ => return None,
    }
    Some(Ipv6Addr::from(groups).octets())
}

fn hex_digit(byte: u8) -> Option<u16> {
    match byte {
        b'0'..=b'9' => Some(u16::from(byte - b'0')),
        b'a'..=b'f' => Some(u16::from(byte - b'a' + 10)),
        b'A'..=b'F' => Some(u16::from(byte - b'A' + 10)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn agree(text: &str) {
        let by_std = text.parse::<Ipv4Addr>().ok().map(|address| address.octets());
        assert_eq!(ipv4(text.as_bytes()), by_std, "{text:?}");
        let by_std = text.parse::<Ipv6Addr>().ok().map(|address| address.octets());
        assert_eq!(ipv6(text.as_bytes()), by_std, "{text:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_std_takes_is_taken_and_nothing_else(
            ipv4 in any::<Ipv4Addr>(), ipv6 in any::<Ipv6Addr>(),
            groups in "(:|::)?([0-9a-fA-F]{1,4}(:|:|:|::)){0,8}[0-9a-f]{0,5}",
            digits in "([0-9]{1,3}\\.){0,4}[0-9]{0,4}", any in "[0-9a-g:.]{0,12}",
        ) {
            for text in [&ipv4.to_string(), &ipv6.to_string(), &groups, &digits, &any] {
                agree(text);
                agree(&format!("::{text}"));
            }
        }
    }
}
