//! Numbers out of bytes and into them.

use super::Unusable;

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// Reads from their first on.
    pub fn of(bytes: &'a [u8]) -> Bytes<'a> {
        Bytes(bytes)
    }

    /// True when none are left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next so many. An error where fewer are left, as with all that follows.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Unusable> {
        let short = Unusable::Damaged("a chunk is too short");
        let (taken, rest) = self.0.split_at_checked(len).ok_or(short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number of 32 bits.
    pub fn u32(&mut self) -> Result<u32, Unusable> {
        let mut number = [0; 4];
        number.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(number))
    }

    /// A number of 64 bits.
    pub fn u64(&mut self) -> Result<u64, Unusable> {
        let mut number = [0; 8];
        number.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(number))
    }
}

/// Appends a number for [`Bytes::u32`].
pub fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends a number for [`Bytes::u64`].
pub fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}
