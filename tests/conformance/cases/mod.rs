//! The table: every case with its source, the bytes that are sent, and what a right answer is; and
//! the zone that they ask for.

mod edns;
mod header;
mod lookup;
mod options;
mod question;
mod size;
mod stream;

use crate::exchange::Way;
use crate::packet::Packet;
use crate::want::Want;

pub use options::SECRET;

/// One row of the table.
pub struct Case {
    pub area: &'static str,
    pub name: &'static str,
    /// RFC and section.
    pub source: &'static str,
    pub way: Way,
    pub wants: Vec<Want>,
}

impl Case {
    /// What is wanted, in words.
    pub fn right_answer(&self) -> String {
        self.wants.iter().map(Want::to_string).collect::<Vec<_>>().join("; ")
    }
}

/// All cases, area by area.
pub fn all() -> Vec<Case> {
    let areas = [
        ("Header", header::cases()),
        ("Question", question::cases()),
        ("EDNS", edns::cases()),
        ("EDNS options", options::cases()),
        ("Sizes and truncation", size::cases()),
        ("TCP", stream::cases()),
        ("Answers", lookup::cases()),
    ];
    areas
        .into_iter()
        .flat_map(|(area, cases)| cases.into_iter().map(move |case| Case { area, ..case }))
        .collect()
}

fn case(
    name: &'static str,
    source: &'static str,
    way: impl Into<Way>,
    wants: impl Into<Vec<Want>>,
) -> Case {
    Case { area: "", name, source, way: way.into(), wants: wants.into() }
}

/// A message alone goes in a datagram.
impl From<Packet> for Way {
    fn from(packet: Packet) -> Way {
        Way::Udp(vec![packet])
    }
}

/// Several go in a datagram each.
impl From<Vec<Packet>> for Way {
    fn from(packets: Vec<Packet>) -> Way {
        Way::Udp(packets)
    }
}

fn over_tcp(packet: Packet) -> Way {
    Way::Tcp(vec![packet])
}

/// The origin of the cases' zone.
pub const ORIGIN: &str = "site.example";

/// What the zone holds beside SOA (negative TTL 300) and NS.
pub fn zone() -> String {
    let mut text = ZONE.to_owned();
    // Some 3 kB: more than any UDP reply holds.
    text.extend((0..40).map(|i| format!("big TXT \"{i:02} {}\"\n", "x".repeat(70))));
    // Some 900 bytes: more than 512, less than 1,232.
    text.extend((0..10).map(|i| format!("medium TXT \"{i:02} {}\"\n", "x".repeat(70))));
    // A referral whose addresses alone are 572 bytes.
    for i in 1..=13 {
        text += &format!(
            "heavy NS ns{i}.heavy\nns{i}.heavy A 192.0.2.{i}\nns{i}.heavy AAAA 2001:db8:1::{i}\n"
        );
    }
    text += &format!("{} A 192.0.2.63\n", "l".repeat(63));
    // 255 bytes with the origin's 14.
    let label = "n".repeat(63);
    text += &format!("{label}.{label}.{label}.{} A 192.0.2.255\n", "n".repeat(48));
    text += &format!("long DNAME {}.{}.{}.{}.\n", label, label, label, "d".repeat(48));
    text
}

const ZONE: &str = r#"@ A 192.0.2.10
@ MX 10 mail
@ TXT "apex"
www A 192.0.2.11
mail A 192.0.2.12
mail AAAA 2001:db8:1::12
alias CNAME www
alias2 CNAME alias
dangling CNAME missing
outside CNAME www.elsewhere.invalid.
self CNAME self
ping CNAME pong
pong CNAME ping
a.ent A 192.0.2.13
*.wild A 192.0.2.14
present.wild TXT "here"
x.under.wild TXT "makes under.wild an empty non-terminal"
*.wildalias CNAME www
old DNAME new
old TXT "beside"
www.new A 192.0.2.15
child NS ns.child
ns.child A 192.0.2.20
outer NS ns1.hoster.example.
signed NS ns1.hoster.example.
signed DS 12345 13 2 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF
srv SRV 1 1 443 mail
unknown TYPE65400 \# 3 010203
svc HTTPS 1 . alpn=h2
svc A 192.0.2.16
byname HTTPS 1 byname alpn=h2
byname A 192.0.2.17
pool HTTPS 1 mail alpn=h2
aliasmode HTTPS 0 svc
aliassvcb SVCB 0 pool2
pool2 SVCB 1 mail alpn=h2
longest 2147483647 TXT "2^31-1 seconds"
zero 0 TXT "no time at all"
\000\255 TXT "any byte"
escaped\.dot TXT "a dot in a label"
MiXeD TXT "case"
"#;
