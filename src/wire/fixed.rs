//! Fields of a few bytes, read and written as what they are: one load, one store. `copy_from_slice`
//! calls a function for two bytes, and an answer has some sixty such fields.

/// The bytes at that place.
///
/// # Panics
/// Where they go beyond the end, as indexing does.
#[inline(always)]
pub fn get<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    // The slice has just that length: there is no other case.
    bytes[at..at + N].first_chunk().copied().unwrap_or([0; N])
}

/// Writes the bytes at that place.
///
/// # Panics
/// Where they go beyond the end, as indexing does.
#[inline(always)]
pub fn put<const N: usize>(out: &mut [u8], at: usize, bytes: [u8; N]) {
    if let Some(place) = out[at..at + N].first_chunk_mut() {
        *place = bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_got_and_nothing_else_changes() {
        let mut bytes = [0; 8];
        put(&mut bytes, 3, 0x0102_0304u32.to_be_bytes());
        assert_eq!(bytes, [0, 0, 0, 1, 2, 3, 4, 0]);
        assert_eq!(u16::from_be_bytes(get(&bytes, 4)), 0x0203);
    }

    #[test]
    #[should_panic(expected = "range end index 9 out of range")]
    fn beyond_the_end_is_a_panic_and_no_silence() {
        put(&mut [0; 8], 5, [0; 4]);
    }
}
