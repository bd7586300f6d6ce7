//! Headers as they stand in the specification, whole and cut, and what is none.

use proptest::prelude::*;

use super::*;

/// Feeds a reader as a socket would, `step` octets at a time, with what follows the header behind it; the header, and how
/// much was taken.
fn read(octets: &[u8], step: usize) -> (Result<Option<Header>, Malformed>, usize) {
    let mut reader = Reader::default();
    let mut taken = 0;
    loop {
        let wanted = reader.wanted();
        assert!(wanted > 0, "a header that is not complete wants something");
        let next = &octets[taken..octets.len().min(taken + wanted.min(step))];
        if next.is_empty() {
            return (Ok(None), taken);
        }
        taken += next.len();
        match reader.push(next) {
            Ok(None) => {}
            done => return (done, taken),
        }
    }
}

/// However it is cut, the header says this, and nothing behind it is taken.
#[track_caller]
fn says(octets: &[u8], expected: Header) {
    let with_more = [octets, b"EHLO client.example\r\n"].concat();
    for step in 1..=octets.len() {
        assert_eq!(read(&with_more, step), (Ok(Some(expected)), octets.len()), "{step} octets at a time");
    }
    for cut in 0..octets.len() {
        assert_eq!(read(&octets[..cut], usize::MAX), (Ok(None), cut), "cut at {cut}");
    }
}

#[track_caller]
fn is_none(octets: &[u8], expected: Malformed) {
    for step in 1..=octets.len() {
        assert_eq!(read(octets, step).0, Err(expected), "{step} octets at a time: {octets:?}");
    }
}

fn from(address: &str) -> Header {
    Header::From(address.parse().unwrap())
}

fn version_2(version_and_command: u8, family_and_transport: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[version_and_command, family_and_transport], &length, block].concat()
}

const IPV4: [u8; 12] = [192, 0, 2, 7, 192, 0, 2, 25, 0x12, 0x67, 0, 25];

fn ipv6() -> Vec<u8> {
    let address = |last: u16| std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).octets();
    [&address(7)[..], &address(25), &4711u16.to_be_bytes(), &25u16.to_be_bytes()].concat()
}

#[test]
fn version_1_is_a_line() {
    says(b"PROXY TCP4 192.0.2.7 192.0.2.25 4711 25\r\n", from("192.0.2.7:4711"));
    says(b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", from("255.255.255.255:65535"));
    says(b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", from("0.0.0.0:0"));
    says(b"PROXY TCP6 2001:db8::7 2001:db8::25 4711 25\r\n", from("[2001:db8::7]:4711"));
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let line = format!("PROXY TCP6 {longest} {longest} 65535 65535\r\n");
    says(line.as_bytes(), from(&format!("[{longest}]:65535")));
    says(b"PROXY UNKNOWN\r\n", Header::Unknown);
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
    assert_eq!(longest.len(), LINE_OCTETS_MAX);
    says(longest.as_bytes(), Header::Unknown);
}

#[test]
fn what_is_no_line_of_version_1() {
    for line in [
        "PROXY TCP4 192.0.2.7 192.0.2.25 4711\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.25 4711 25 \r\n",
        "PROXY TCP4  192.0.2.7 192.0.2.25 4711 25\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.25 4711 65536\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.25 04711 25\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.25 +4711 25\r\n",
        "PROXY TCP4 192.0.2.07 192.0.2.25 4711 25\r\n",
        "PROXY TCP4 192.0.2 192.0.2.25 4711 25\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::25 4711 25\r\n",
        "PROXY TCP6 192.0.2.7 192.0.2.25 4711 25\r\n",
        "PROXY TCP6 2001:db8::7%eth0 2001:db8::25 4711 25\r\n",
        "PROXY TCP4 client.example 192.0.2.25 4711 25\r\n",
        "PROXY tcp4 192.0.2.7 192.0.2.25 4711 25\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.25 4711 25\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UDP4 192.0.2.7 192.0.2.25 4711 25\r\n",
        "PROXY        \r\n",
    ] {
        is_none(line.as_bytes(), Malformed::Line);
    }
    is_none(format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)).as_bytes(), Malformed::Line);
}

#[test]
fn version_2_has_fixed_places() {
    says(&version_2(0x21, 0x11, &IPV4), from("192.0.2.7:4711"));
    says(&version_2(0x21, 0x21, &ipv6()), from("[2001:db8::7]:4711"));
    says(&version_2(0x21, 0x31, &[b'/'; 216]), Header::Unknown);
    says(&version_2(0x21, 0x00, b""), Header::Unknown);
    says(&version_2(0x21, 0x00, b"anything"), Header::Unknown);
    says(&version_2(0x20, 0x00, b""), Header::Local);
    says(&version_2(0x20, 0x11, &IPV4), Header::Local);
    says(&version_2(0x20, 0xff, b"anything"), Header::Local);
}

#[test]
fn what_stands_behind_the_addresses_is_passed_over() {
    // A client of TLS with a certificate (PP2_TYPE_SSL), a checksum, padding, and what is no TLV at all.
    let ssl = [0x20, 0, 8, 0x07, 0, 0, 0, 0, 0x21, 0, 0];
    for tlvs in [&ssl[..], &[0x03, 0, 4, 1, 2, 3, 4], &[0x04, 0, 200], &[0xff; 1000]] {
        says(&version_2(0x21, 0x11, &[&IPV4[..], tlvs].concat()), from("192.0.2.7:4711"));
    }
    let largest = [&ipv6()[..], &vec![0; usize::from(u16::MAX) - 36]].concat();
    let header = version_2(0x21, 0x21, &largest);
    for step in [1, 7, 512, usize::MAX] {
        let (read, taken) = read(&header, step);
        assert_eq!((read, taken), (Ok(Some(from("[2001:db8::7]:4711"))), FIXED_OCTETS + 65_535));
    }
}

#[test]
fn what_is_no_header_of_version_2() {
    for (version_and_command, family_and_transport) in [
        (0x11, 0x11),
        (0x31, 0x11),
        (0x22, 0x11),
        (0x2f, 0x11),
        (0x21, 0x12),
        (0x21, 0x22),
        (0x21, 0x32),
        (0x21, 0x41),
        (0x21, 0x10),
    ] {
        is_none(&version_2(version_and_command, family_and_transport, &[0; 216]), Malformed::Kind);
    }
    is_none(&version_2(0x21, 0x11, &IPV4[..11]), Malformed::TooShort);
    is_none(&version_2(0x21, 0x21, &ipv6()[..35]), Malformed::TooShort);
    is_none(&version_2(0x21, 0x31, &[0; 215]), Malformed::TooShort);
}

#[test]
fn what_speaks_its_own_protocol_at_once_is_seen_at_once() {
    for (octets, seen_at) in [
        (&b"EHLO client.example\r\n"[..], 1),
        (b"PROXIES\r\n", 5),
        (b"POST / HTTP/1.1\r\n", 2),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 1),
        (b"\r\n\r\n\0\r\nQUIT\r", 12),
        (b"\0", 1),
    ] {
        assert_eq!(read(octets, 1), (Err(Malformed::NoHeader), seen_at));
    }
}

#[tokio::test(start_paused = true)]
async fn patience_with_a_header_ends() {
    let (_proxy, mut stream) = tokio::io::duplex(64);
    let start = tokio::time::Instant::now();
    let error = receive(&mut stream).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed()), (io::ErrorKind::TimedOut, TIMEOUT));
}

#[tokio::test]
async fn nothing_behind_the_header_is_read() {
    let octets = [&version_2(0x21, 0x11, &[&IPV4[..], &[0; 3000]].concat())[..], b"EHLO"].concat();
    let mut stream = &octets[..];
    assert_eq!(receive(&mut stream).await.unwrap(), from("192.0.2.7:4711"));
    assert_eq!(stream, b"EHLO");
    assert_eq!(receive(&mut &octets[..1000]).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

proptest! {
    #[test]
    fn every_cut_says_the_same(
        kind in prop_oneof![Just(0x20u8), Just(0x21), any::<u8>()],
        family in prop_oneof![Just(0x11u8), Just(0x21), Just(0x31), Just(0), any::<u8>()],
        block in proptest::collection::vec(any::<u8>(), 0..300),
        step in 1usize..400,
    ) {
        let header = version_2(kind, family, &block);
        let whole = read(&header, usize::MAX);
        prop_assert_eq!(&read(&header, step).0, &whole.0);
        if whole.0.is_ok() {
            prop_assert_eq!(whole.1, header.len());
        }
    }

    #[test]
    fn any_address_is_understood_in_both_versions(source: SocketAddr, port: u16, step in 1usize..200) {
        let source = SocketAddr::new(source.ip(), port);
        let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {family} {0} {0} {1} 25\r\n", source.ip(), port);
        prop_assert_eq!(read(line.as_bytes(), step), (Ok(Some(Header::From(source))), line.len()));
        let (kind, mut block) = match source.ip() {
            IpAddr::V4(address) => (0x11, [address.octets(); 2].concat()),
            IpAddr::V6(address) => (0x21, [address.octets(); 2].concat()),
        };
        block.extend(port.to_be_bytes());
        block.extend(25u16.to_be_bytes());
        let header = version_2(0x21, kind, &block);
        prop_assert_eq!(read(&header, step), (Ok(Some(Header::From(source))), header.len()));
    }

    /// Whatever comes, it is understood, refused or waited for, in bounded memory, and nothing panics.
    #[test]
    fn noise_does_no_harm(
        start in prop_oneof![Just(&b""[..]), Just(WORD), Just(&b"PROXY TCP4 "[..]), Just(&SIGNATURE[..])],
        noise in proptest::collection::vec(any::<u8>(), 0..2000),
        step in 1usize..2000,
    ) {
        let octets = [start, &noise[..]].concat();
        let mut reader = Reader::default();
        let mut taken = 0;
        while taken < octets.len() {
            let end = octets.len().min(taken + reader.wanted().min(step));
            prop_assert!(end > taken);
            let done = reader.push(&octets[taken..end]);
            taken = end;
            prop_assert!(reader.kept.len() <= LINE_OCTETS_MAX);
            if !matches!(done, Ok(None)) {
                break;
            }
        }
    }
}
