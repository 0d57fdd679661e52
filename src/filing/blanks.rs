//! Blanks around a text, of which most have none.

/// What [`str::trim`] gives, which takes longer where there is nothing to trim.
#[inline]
pub(super) fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [] => text,
        // No blank of Unicode begins, or ends, with one of these bytes.
        [0x21..=0x7e | 0xe4.., ..] if matches!(text.as_bytes(), [.., 0x21..=0x7e | 0xb0..]) => text,
        _ => text.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_trimmed_is_what_the_library_trims(text in "[ \t\u{3000}\u{a0}a~京号\u{7f}]{0,6}") {
            proptest::prop_assert_eq!(trim(&text), text.trim());
        }
    }

    #[test]
    fn each_blank_there_is_is_trimmed() {
        for blank in (char::MIN..=char::MAX).filter(|character| character.is_whitespace()) {
            assert_eq!(trim(&format!("{blank}a京{blank}")), "a京", "{}", blank.escape_unicode());
        }
    }
}
