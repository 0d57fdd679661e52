//! DNS cookies (RFC 7873) in the form that servers of an anycast set can share (RFC 9018).

use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::wire::fixed::{get, put};

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
        put(&mut cookie, 0, *client_cookie);
        cookie[8] = VERSION;
        put(&mut cookie, 12, now.to_be_bytes());
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&cookie[..16]);
        match client {
            IpAddr::V4(address) => hasher.write(&address.octets()),
            IpAddr::V6(address) => hasher.write(&address.octets()),
        }
        put(&mut cookie, 16, hasher.finish().to_le_bytes());
        cookie
    }

    /// True for the content of a COOKIE option whose server cookie was made for that client with
    /// this secret, at most an hour ago; clocks of a fleet may differ by five minutes (RFC 9018
    /// §4.3).
    pub fn is_ours(&self, cookie: &[u8], client: IpAddr, now: u32) -> bool {
        const MAX_AGE: u32 = 3_600;
        const MAX_AHEAD: u32 = 300;
        let Ok(&cookie) = <&[u8; 24]>::try_from(cookie) else { return false };
        let made = u32::from_be_bytes(get(&cookie, 12));
        // Serial numbers (RFC 1982): the clock of a cookie goes round.
        let is_fresh = now.wrapping_sub(made) <= MAX_AGE || made.wrapping_sub(now) <= MAX_AHEAD;
        is_fresh && self.cookie(&get(&cookie, 0), client, made) == cookie
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

    #[test]
    fn a_cookie_is_ours_for_its_client_and_an_hour() {
        let secret = CookieSecret::from([7; 16]);
        let [client, other] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
        let cookie = secret.cookie(b"client's", client, 10_000);
        for (now, is_ours) in [(9_700, true), (9_699, false), (13_600, true), (13_601, false)] {
            assert_eq!(secret.is_ours(&cookie, client, now), is_ours, "at {now}");
        }
        assert!(!secret.is_ours(&cookie, other, 10_000));
        assert!(!secret.is_ours(&cookie[..8], client, 10_000));
        assert!(!CookieSecret::from([8; 16]).is_ours(&cookie, client, 10_000));
        for at in 0..cookie.len() {
            let mut forged = cookie;
            forged[at] ^= 1;
            assert!(!secret.is_ours(&forged, client, 10_000), "byte {at}");
        }
    }
}
