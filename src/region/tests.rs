use proptest::strategy::Strategy;

use super::*;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn regions(own: &[&str], mainland: &[&str], overseas: &[&str]) -> Regions {
    Regions::parse(&texts(own), &texts(mainland), &texts(overseas), None)
        .expect("the lists are sound")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn the_longest_prefix_wins_whatever_the_list() {
    let regions = regions(
        &["10.0.0.0/8", "10.1.2.3", "2001:db8:1::/48"],
        &["0.0.0.0/0", "10.1.0.0/16", "2001:db8::/32"],
        &["10.1.2.0/24", "10.255.255.0/24", "2001:db8:1:2::/64", "255.255.255.255"],
    );
    for (address, region, prefix) in [
        ("192.0.2.1", Region::OtherMainland, "0.0.0.0/0"),
        ("9.255.255.255", Region::OtherMainland, "0.0.0.0/0"),
        ("10.0.0.0", Region::Own, "10.0.0.0/8"),
        ("10.1.0.0", Region::OtherMainland, "10.1.0.0/16"),
        ("10.1.2.2", Region::Overseas, "10.1.2.0/24"),
        ("10.1.2.3", Region::Own, "10.1.2.3/32"),
        ("10.1.2.4", Region::Overseas, "10.1.2.0/24"),
        ("10.1.3.0", Region::OtherMainland, "10.1.0.0/16"),
        ("10.2.0.0", Region::Own, "10.0.0.0/8"),
        ("10.255.255.255", Region::Overseas, "10.255.255.0/24"),
        ("11.0.0.0", Region::OtherMainland, "0.0.0.0/0"),
        ("255.255.255.255", Region::Overseas, "255.255.255.255/32"),
        ("::ffff:10.1.2.3", Region::Own, "10.1.2.3/32"),
        ("2001:db8::1", Region::OtherMainland, "2001:db8::/32"),
        ("2001:db8:1::1", Region::Own, "2001:db8:1::/48"),
        ("2001:db8:1:2::1", Region::Overseas, "2001:db8:1:2::/64"),
        ("2001:db8:2::", Region::OtherMainland, "2001:db8::/32"),
    ] {
        assert_eq!(regions.lookup(ip(address)), region, "{address}");
        match regions.why(ip(address)) {
            RegionSource::Listed { prefix: found, .. } => assert_eq!(found.to_string(), prefix),
            other => panic!("{address}: {other}"),
        }
    }
    assert_eq!(regions.why(ip("2001:db9::")), RegionSource::Unknown);
    assert_eq!(regions.lookup(ip("2001:db9::")), Region::Own);
    assert_eq!(regions.why(ip("10.1.2.4")).to_string(), "10.1.2.0/24 of the list \"overseas\"");
}

#[test]
fn without_an_own_list_every_mainland_address_is_own() {
    let regions = regions(&[], &["192.0.2.0/24"], &["198.51.100.0/24"]);
    assert_eq!(regions.lookup(ip("192.0.2.1")), Region::Own);
    assert_eq!(regions.lookup(ip("198.51.100.1")), Region::Overseas);
    assert_eq!(regions.lookup(ip("203.0.113.1")), Region::Own);
    assert_eq!(Regions::default().lookup(ip("203.0.113.1")), Region::Own);
}

#[test]
fn a_mapped_prefix_is_one_of_ipv4() {
    let regions = regions(&[], &[], &["::ffff:192.0.2.0/120"]);
    assert_eq!(regions.lookup(ip("192.0.2.9")), Region::Overseas);
    assert_eq!(regions.lookup(ip("::ffff:192.0.2.9")), Region::Overseas);
}

#[test]
fn faults_say_what_to_write() {
    let told = |text: &str| {
        let faults = Regions::parse(&[], &texts(&[text]), &[], None).expect_err(text);
        assert_eq!(faults.len(), 1, "{text}");
        assert_eq!((faults[0].key, faults[0].text.as_str()), ("mainland", text));
        format!("{}; {}", faults[0].problem, faults[0].remedy)
    };
    assert_eq!(
        told("192.0.2.1/24"),
        "bits are set behind the prefix; write 192.0.2.0/24, or 192.0.2.1 for the one address"
    );
    assert!(told("2001:db8::1/32").contains("write 2001:db8::/32, or"));
    assert!(told("192.0.2.0/33").ends_with("write a length from 0 to 32, as in 192.0.2.0/32"));
    for text in ["192.0.2.0/", "192.0.2.0/+8", "2001:db8::/129"] {
        assert!(told(text).contains("write a length from 0 to"), "{text}");
    }
    for text in ["", "example.com", "192.0.2", "192.0.2.0-192.0.2.255", "300.0.0.0/8"] {
        assert!(told(text).contains("write a prefix such as"), "{text}");
    }
}

#[test]
fn one_prefix_in_two_lists_is_a_fault_and_twice_in_one_is_not() {
    let faults = Regions::parse(&texts(&["10.0.0.0/8"]), &[], &texts(&["10.0.0.0/8"]), None)
        .expect_err("two lists");
    assert_eq!((faults.len(), faults[0].key), (1, "overseas"));
    assert!(faults[0].problem.contains("\"own\""));
    regions(&["10.0.0.0/8", " 10.0.0.0/8 "], &[], &[]);
}

#[test]
fn every_fault_is_told_at_once() {
    let faults = Regions::parse(
        &texts(&["a"]),
        &texts(&["b"]),
        &texts(&["c"]),
        Some(Path::new("none.mmdb")),
    )
    .expect_err("four faults");
    let keys: Vec<_> = faults.iter().map(|fault| fault.key).collect();
    assert_eq!(keys, ["own", "mainland", "overseas", "mmdb"]);
}

proptest::proptest! {
    /// Ranges answer as trying every prefix would.
    #[test]
    fn lookups_agree_with_trying_every_prefix(
        prefixes in proptest::collection::btree_map(small_prefixes(), 0u8..3, 0..12),
        low in 0u32..70,
    ) {
        let of = |list: u8| -> Vec<String> {
            prefixes.iter().filter(|(_, l)| **l == list).map(|(p, _)| p.to_string()).collect()
        };
        // An own list that never matches, so that mainland and own stay apart.
        let own = [of(0), texts(&["192.0.2.0/24"])].concat();
        let regions = Regions::parse(&own, &of(1), &of(2), None).expect("the lists are sound");
        let address = IpAddr::from((10u32 << 24 | low).to_be_bytes());
        let longest = prefixes
            .iter()
            .filter(|(prefix, _)| prefix.contains(&address))
            .max_by_key(|(prefix, _)| prefix.prefix_len());
        let expected = longest.map_or(Region::Own, |(_, list)| {
            [Region::Own, Region::OtherMainland, Region::Overseas][usize::from(*list)]
        });
        proptest::prop_assert_eq!(regions.lookup(address), expected);
    }
}

/// Prefixes within 10.0.0.0/26.
fn small_prefixes() -> impl Strategy<Value = IpNet> {
    (0u32..64, 26u8..=32).prop_map(|(low, length)| {
        let address = IpAddr::from((10u32 << 24 | low).to_be_bytes());
        IpNet::new(address, length).expect("the length fits").trunc()
    })
}

/// A database of IPv4 prefixes, given by their bits, and their countries: by turns in the flat and
/// in the nested form.
fn database(entries: &[(&[u8], &str)]) -> Vec<u8> {
    fn text(out: &mut Vec<u8>, text: &str) {
        out.push(0x40 | text.len() as u8);
        out.extend_from_slice(text.as_bytes());
    }
    fn number(out: &mut Vec<u8>, kind: u8, value: u32) {
        let (bytes, width) = (value.to_be_bytes(), if kind == 5 { 2 } else { 4 });
        out.push(kind << 5 | width);
        out.extend_from_slice(&bytes[4 - usize::from(width)..]);
    }
    // The tree: bits of a prefix lead to an entry, every other way out is empty.
    let mut nodes: Vec<[Option<usize>; 2]> = vec![[None; 2]];
    let mut leaves: Vec<(usize, usize, usize)> = Vec::new();
    for (index, (bits, _)) in entries.iter().enumerate() {
        let mut node = 0;
        for (depth, bit) in bits.iter().enumerate() {
            let bit = usize::from(*bit);
            if depth + 1 == bits.len() {
                leaves.push((node, bit, index));
            } else {
                node = match nodes[node][bit] {
                    Some(next) => next,
                    None => {
                        nodes.push([None; 2]);
                        let next = nodes.len() - 1;
                        nodes[node][bit] = Some(next);
                        next
                    }
                };
            }
        }
    }
    let mut data = Vec::new();
    let mut offsets = Vec::new();
    for (index, (_, code)) in entries.iter().enumerate() {
        offsets.push(data.len());
        data.push(0xe1);
        if index % 2 == 0 {
            text(&mut data, "country_code");
        } else {
            text(&mut data, "country");
            data.push(0xe1);
            text(&mut data, "iso_code");
        }
        text(&mut data, code);
    }
    let mut file = Vec::new();
    for (node, children) in nodes.iter().enumerate() {
        for (bit, child) in children.iter().enumerate() {
            let leaf = leaves.iter().find(|(n, b, _)| (*n, *b) == (node, bit));
            let value = match (child, leaf) {
                (Some(child), _) => *child,
                (None, Some((_, _, index))) => nodes.len() + 16 + offsets[*index],
                (None, None) => nodes.len(),
            };
            file.extend_from_slice(&(value as u32).to_be_bytes()[1..]);
        }
    }
    file.extend_from_slice(&[0; 16]);
    file.extend_from_slice(&data);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    file.push(0xe9);
    for (key, value) in [
        ("binary_format_major_version", 2),
        ("binary_format_minor_version", 0),
        ("ip_version", 4),
        ("record_size", 24),
    ] {
        text_or_long(&mut file, key);
        number(&mut file, 5, value);
    }
    text_or_long(&mut file, "node_count");
    number(&mut file, 6, nodes.len() as u32);
    text_or_long(&mut file, "build_epoch");
    number(&mut file, 6, 0);
    text_or_long(&mut file, "database_type");
    text(&mut file, "test");
    text_or_long(&mut file, "languages");
    file.extend_from_slice(&[0x00, 0x04]);
    text_or_long(&mut file, "description");
    file.push(0xe0);
    return file;

    fn text_or_long(out: &mut Vec<u8>, text: &str) {
        assert!(text.len() < 29, "longer texts have another form");
        out.push(0x40 | text.len() as u8);
        out.extend_from_slice(text.as_bytes());
    }
}

fn with_database(
    bytes: &[u8],
    own: &[&str],
    overseas: &[&str],
) -> Result<Regions, Vec<RegionFault>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("country.mmdb");
    std::fs::write(&path, bytes).expect("the file is written");
    Regions::parse(&texts(own), &[], &texts(overseas), Some(&path))
}

/// 64.0.0.0/2 in mainland China, 128.0.0.0/2 in Hong Kong, 192.0.0.0/3 in mainland China.
fn small_database() -> Vec<u8> {
    database(&[(&[0, 1], "CN"), (&[1, 0], "HK"), (&[1, 1, 0], "CN")])
}

#[test]
fn of_the_country_database_only_cn_is_mainland() {
    let regions =
        with_database(&small_database(), &["127.0.0.1"], &["192.0.2.0/24"]).expect("sound");
    for (address, region, source) in [
        ("63.255.255.255", Region::Own, "not in any list or country database"),
        ("64.0.0.0", Region::OtherMainland, "country CN"),
        ("127.255.255.255", Region::OtherMainland, "country CN"),
        ("127.0.0.1", Region::Own, "127.0.0.1/32 of the list \"own\""),
        ("128.0.0.0", Region::Overseas, "country HK"),
        ("191.255.255.255", Region::Overseas, "country HK"),
        ("192.0.0.0", Region::OtherMainland, "country CN"),
        ("192.0.2.1", Region::Overseas, "192.0.2.0/24 of the list \"overseas\""),
        ("223.255.255.255", Region::OtherMainland, "country CN"),
        ("224.0.0.0", Region::Own, "not in any list or country database"),
        ("255.255.255.255", Region::Own, "not in any list or country database"),
        ("2001:db8::1", Region::Own, "not in any list or country database"),
    ] {
        assert_eq!(regions.lookup(ip(address)), region, "{address}");
        assert_eq!(regions.why(ip(address)).to_string(), source, "{address}");
    }
    let without_own = with_database(&small_database(), &[], &[]).expect("sound");
    assert_eq!(without_own.lookup(ip("64.0.0.0")), Region::Own);
    assert_eq!(without_own.lookup(ip("128.0.0.0")), Region::Overseas);
}

#[test]
fn a_damaged_database_is_a_fault_never_a_panic() {
    let sound = small_database();
    let refused = |bytes: &[u8]| with_database(bytes, &[], &[]).is_err();
    assert!(refused(b"") && refused(b"no database") && refused(&database(&[(&[0], "12")])));
    let metadata = sound.len()
        - sound.windows(3).rev().position(|w| w == b"\xab\xcd\xef").expect("a marker")
        - 3;
    assert!(refused(&sound[metadata..]));
    // Every byte changed in turn: whatever comes out, the process lives.
    for at in 0..sound.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = sound.clone();
            damaged[at] ^= flip;
            let _ = Countries::from_bytes(damaged);
        }
    }
}

/// With a real country database: `BEIAND_TEST_MMDB=country.mmdb cargo test -- --ignored`.
#[test]
#[ignore = "needs a country database, named by BEIAND_TEST_MMDB"]
fn a_real_country_database_knows_where_well_known_addresses_are() {
    let path = std::env::var_os("BEIAND_TEST_MMDB").expect("BEIAND_TEST_MMDB names a database");
    let started = std::time::Instant::now();
    let regions =
        Regions::parse(&texts(&["192.0.2.0/24"]), &[], &[], Some(Path::new(&path))).expect("sound");
    println!(
        "read in {:?}; {:?}",
        started.elapsed(),
        regions.countries.as_ref().map(Countries::sizes)
    );
    for (address, region) in [
        ("114.114.114.114", Region::OtherMainland),
        ("223.5.5.5", Region::OtherMainland),
        ("180.76.76.76", Region::OtherMainland),
        ("2400:3200::1", Region::OtherMainland),
        ("8.8.8.8", Region::Overseas),
        ("2001:4860:4860::8888", Region::Overseas),
        // Hong Kong, Macao, Taiwan.
        ("202.14.67.4", Region::Overseas),
        ("202.175.3.3", Region::Overseas),
        ("168.95.1.1", Region::Overseas),
        // Nobody's.
        ("10.0.0.1", Region::Own),
        ("::1", Region::Own),
    ] {
        assert_eq!(regions.lookup(ip(address)), region, "{address}: {}", regions.why(ip(address)));
    }
    let started = std::time::Instant::now();
    let mut state = 1u32;
    let mut counts = [0u32; 3];
    for _ in 0..1_000_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        counts[regions.lookup(IpAddr::from(state.to_be_bytes())) as usize] += 1;
    }
    println!("1,000,000 lookups in {:?}: {counts:?}", started.elapsed());
}
