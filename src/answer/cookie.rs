//! DNS cookies (RFC 7873) in the form that servers of an anycast set can share (RFC 9018).

use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// The secret that server cookies are made with; one for a whole fleet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CookieSecret([u8; 16]);

impl fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSecret(…)")
    }
}

impl From<[u8; 16]> for CookieSecret {
    fn from(secret: [u8; 16]) -> CookieSecret {
        CookieSecret(secret)
    }
}

/// A random secret, good for this process alone.
impl Default for CookieSecret {
    fn default() -> CookieSecret {
        use std::hash::{BuildHasher, RandomState};
        let word = || RandomState::new().hash_one(0u8).to_le_bytes();
        let mut secret = [0; 16];
        secret[..8].copy_from_slice(&word());
        secret[8..].copy_from_slice(&word());
        CookieSecret(secret)
    }
}

impl CookieSecret {
    /// The COOKIE option for a client: its own cookie, then the server's (RFC 9018 §4), fresh
    /// each time, so that a client never holds one that is about to run out.
    pub fn cookie(&self, client_cookie: &[u8; 8], client: IpAddr, now: u32) -> [u8; 24] {
        const VERSION: u8 = 1;
        let mut cookie = [0; 24];
        cookie[..8].copy_from_slice(client_cookie);
        cookie[8] = VERSION;
        cookie[12..16].copy_from_slice(&now.to_be_bytes());
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&cookie[..16]);
        match client {
            IpAddr::V4(address) => hasher.write(&address.octets()),
            IpAddr::V6(address) => hasher.write(&address.octets()),
        }
        cookie[16..].copy_from_slice(&hasher.finish().to_le_bytes());
        cookie
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_those_of_rfc_9018_appendix_a() {
        let secret = CookieSecret::from([
            0xe5, 0xe9, 0x73, 0xe5, 0xa6, 0xb2, 0xa4, 0x3f, 0x48, 0xe7, 0xdc, 0x84, 0x9e, 0x37,
            0xbf, 0xcf,
        ]);
        let client_cookie = [0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57];
        let cookie =
            secret.cookie(&client_cookie, IpAddr::from([198, 51, 100, 100]), 1_559_731_985);
        let hex: String = cookie.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "2464c4abcf10c957010000005cf79f111f8130c3eee29480");
    }
}
