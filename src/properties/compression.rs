//! Raw DEFLATE that a client sends (RFC 4978), and ours to it.

use super::{Choice, seeds};
use crate::net::compression::{Compression, Corrupt};

/// The window of DEFLATE: so much comes at once, whatever an octet stands for.
const WINDOW_OCTETS: usize = 32 * 1024;

/// - What a client compressed is the same however it arrives, and whether we rest between its pieces or not.
/// - It comes in pieces that have a bound.
/// - What we compress, in any pieces and with any rests, is what it was.
pub(super) fn inflates_alike(input: &[u8]) {
    let (choice, octets) = Choice::of(input);
    let inflated = choice.same_for_splits(octets, |pieces| inflate(pieces, false).ok());
    let [.., pieces] = choice.splits(octets);
    assert_eq!(inflate(&pieces, true).ok(), inflated, "it makes a difference whether we rest");
    let rests = |number: usize| choice.has(number as u8 % 5);
    let mut server = Compression::new();
    let mut sent = Vec::new();
    for (number, piece) in octets.chunks(300).enumerate() {
        sent.extend(server.compress(piece));
        if rests(number) {
            server.rest();
        }
    }
    assert_eq!(inflate(&choice.splits(&sent)[2], true), Ok(octets.to_vec()));
}

/// What it stands for. What came before something that is no DEFLATE does not count: how much of it there is depends on
/// how it came, and the connection is closed.
fn inflate(pieces: &[&[u8]], rests: bool) -> Result<Vec<u8>, Corrupt> {
    let mut client = Compression::new();
    let mut inflated = Vec::new();
    for piece in pieces {
        client.receive(piece.to_vec());
        while let Some(octets) = client.next()? {
            assert!(!octets.is_empty() && octets.len() <= WINDOW_OCTETS);
            inflated.extend(octets);
        }
        if rests && client.can_rest() {
            client.rest();
        }
    }
    Ok(inflated)
}

/// What clients say, compressed: all at once, and in two pieces of which the second refers to the first.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut inputs = vec![b"t1 NOOP\r\n".to_vec()];
    for said in seeds::conversations("imap/fetch").into_iter().take(20) {
        let mut client = Compression::new();
        inputs.push([client.compress(&said.repeat(3)), client.compress(&said.repeat(2))].concat());
        inputs.push(said);
    }
    seeds::with_choices(&[0x00, 0x2a], &inputs)
}
