//! Blanks around a text, of which most have none.

/// What [`str::trim`] gives, which takes longer where there is nothing to trim.
#[inline]
pub(super) fn trim(text: &str) -> &str {
    let is_blank = |edge: Option<char>| edge.is_some_and(char::is_whitespace);
    let mut characters = text.chars();
    if is_blank(characters.next()) || is_blank(characters.next_back()) { text.trim() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_trimmed_is_what_the_library_trims(text in "[ \t\u{3000}\u{a0}a~京\u{7f}]{0,6}") {
            proptest::prop_assert_eq!(trim(&text), text.trim());
        }
    }
}
