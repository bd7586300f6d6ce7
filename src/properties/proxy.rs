//! The header that a proxy writes in front of a connection, versions 1 and 2.

use std::net::SocketAddr;

use super::{Choice, seeds};
use crate::net::proxy::{Header, Malformed, Reader};

/// - A header is the same however it arrives, and no octet behind it is read.
/// - An address that it says is written in version 1 and read as the same.
pub(super) fn header_is_read_alike(input: &[u8]) {
    let (choice, octets) = Choice::of(input);
    let (header, used) = choice.same_for_splits(octets, read);
    assert!(used <= octets.len());
    if let Some(Ok(Header::From(address))) = header {
        let family = if address.is_ipv4() { "TCP4" } else { "TCP6" };
        let to = if address.is_ipv4() { "192.0.2.1" } else { "2001:db8::1" };
        let address = SocketAddr::new(address.ip(), address.port());
        let line = format!("PROXY {family} {} {to} {} 25\r\n", address.ip(), address.port());
        assert_eq!(read(&[line.as_bytes()]), (Some(Ok(Header::From(address))), line.len()), "{line}");
    }
}

/// What the header is, where it is complete, and how many octets were read for it.
fn read(pieces: &[&[u8]]) -> (Option<Result<Header, Malformed>>, usize) {
    let mut reader = Reader::default();
    let mut used = 0;
    for mut piece in pieces.iter().copied() {
        while !piece.is_empty() {
            let wanted = reader.wanted();
            assert!(wanted > 0, "it is not complete, and wants nothing");
            let (taken, behind) = piece.split_at(wanted.min(piece.len()));
            piece = behind;
            match reader.push(taken) {
                Ok(None) => used += taken.len(),
                Ok(Some(header)) => return (Some(Ok(header)), used + taken.len()),
                // How much of what is wrong was read does not matter: the connection is closed.
                Err(wrong) => return (Some(Err(wrong)), 0),
            }
        }
    }
    (None, used)
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let version_2 = |rest: &[u8]| [b"\r\n\r\n\0\r\nQUIT\n", rest].concat();
    let inputs = [
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\nEHLO x\r\n".to_vec(),
        b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 25\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        version_2(b"\x20\x00\x00\x00"),
        version_2(b"\x21\x11\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x01\x12\x67\x00\x19"),
        version_2(&[&b"\x21\x21\x00\x27"[..], &[0x20; 36], b"\x03\x00\x00"].concat()),
    ];
    seeds::with_choices(&[0x00, 0xe0], &inputs)
}
