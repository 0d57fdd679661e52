//! A zone's block in a snapshot: its bytes as they are.

use super::block::{HEADER_LEN, INDEX_ENTRY_LEN, Zone, u32_at};
use crate::wire::name::name_len;

impl Zone {
    /// The bytes for [`Zone::of_saved`]. They hold hashes, under the key that the zone was built
    /// with.
    pub fn as_saved(&self) -> &[u8] {
        self.bytes()
    }

    /// The zone of these bytes; `None` where they cannot be one. The places within the block are
    /// taken on trust: it comes from behind a checksum, out of a file that only this server can
    /// write.
    pub fn of_saved(bytes: &[u8]) -> Option<Zone> {
        let len = bytes.len();
        let apex = bytes.get(HEADER_LEN..HEADER_LEN + usize::from(*bytes.get(20)?))?;
        let is_lower = !apex.iter().any(u8::is_ascii_uppercase);
        let mask = u32_at(bytes, 0) as usize;
        let index = u32_at(bytes, 4) as usize;
        let (nodes, end) = (u32_at(bytes, 8) as usize, u32_at(bytes, 12) as usize);
        let is_sound = name_len(apex)? == apex.len()
            && is_lower
            && (mask + 1).is_power_of_two()
            && index >= HEADER_LEN
            && index.checked_add(INDEX_ENTRY_LEN * (mask + 1))? <= len
            && nodes <= end
            && end <= len;
        is_sound.then(|| Zone::of_block(bytes))
    }
}
