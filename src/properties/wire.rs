//! Lines, dots, and mailbox names in modified UTF-7.

use super::{Choice, seeds};
use crate::wire::dot::{Decoder, Encoder};
use crate::wire::line::{Framed, Framer};
use crate::wire::newline::{Bare, BareNewlines};
use crate::wire::utf7;

const LINE_OCTETS: usize = 64;

/// - Lines and dot-stuffed text are the same however they arrive; a line is no longer than it may be, and has no LF.
/// - Text ends at the first CRLF.CRLF, and what is behind that is left alone (RFC 5321 §4.1.1.4).
/// - What comes out can be stuffed and sent on, and is the same there, with one end and no earlier one, for receivers who end
///   a line at LF as well: who refuses or normalises bare newlines passes none on (CVE-2023-51764).
/// - A mailbox name that can be read is written and read as itself (RFC 3501 §5.1.3).
pub(super) fn lines_dots_and_names(input: &[u8]) {
    let (choice, octets) = Choice::of(input);
    lines(choice, octets);
    dots(choice, octets);
    names(octets);
}

fn lines(choice: Choice, octets: &[u8]) {
    let lines = choice.same_for_splits(octets, |pieces| {
        let mut framer = Framer::new(LINE_OCTETS);
        let mut lines = Vec::new();
        for mut piece in pieces.iter().copied() {
            while let Some(framed) = framer.next(&mut piece) {
                lines.push(framed);
            }
            assert!(piece.is_empty());
        }
        lines
    });
    for line in lines {
        if let Framed::Line { octets } = line {
            assert!(octets.len() + 2 <= LINE_OCTETS && !octets.contains(&b'\n'));
        }
    }
}

fn stuff(text: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let mut stuffed = Vec::new();
    encoder.encode(text, &mut stuffed);
    encoder.finish(&mut stuffed);
    stuffed
}

/// Text, what was wrong with it, whether it has ended, and how many octets it had.
fn unstuff(policy: BareNewlines, pieces: &[&[u8]]) -> (Vec<u8>, Option<Bare>, bool, usize) {
    let mut decoder = Decoder::new(policy);
    let mut text = Vec::new();
    let used = pieces.iter().map(|piece| decoder.decode(piece, &mut text)).sum();
    (text, decoder.bare_newline(), decoder.is_done(), used)
}

fn dots(choice: Choice, octets: &[u8]) {
    let policy = match (choice.has(0), choice.has(1)) {
        (true, _) => BareNewlines::Keep,
        (false, true) => BareNewlines::Normalise,
        (false, false) => BareNewlines::Refuse,
    };
    let (text, bare, is_done, used) = choice.same_for_splits(octets, |pieces| unstuff(policy, pieces));
    // The first line may be the dot.
    let framed = [b"\r\n", octets].concat();
    let end = memchr::memmem::find(&framed, b"\r\n.\r\n").map(|at| at + 3);
    assert_eq!((is_done, used), (end.is_some(), end.unwrap_or(octets.len())));
    assert!(text.len() <= 2 * octets.len());
    if is_done {
        let is_clean = !has_bare_newline(&text);
        match policy {
            BareNewlines::Refuse => assert_eq!(bare.is_none(), is_clean, "{}", text.escape_ascii()),
            BareNewlines::Normalise => assert!(is_clean, "{}", text.escape_ascii()),
            BareNewlines::Keep => {}
        }
        let stuffed = stuff(&text);
        assert_eq!(unstuff(BareNewlines::Keep, &[&stuffed]), (text, bare_of(&stuffed), true, stuffed.len()));
    }
    // Any octets can be sent, and end where they end.
    let stuffed = stuff(octets);
    let (sent, _, is_done, used) = unstuff(BareNewlines::Keep, &[&stuffed]);
    assert_eq!((is_done, used), (true, stuffed.len()));
    assert_eq!(sent.strip_prefix(octets).map(|end| end.is_empty() || end == b"\r\n"), Some(true));
}

fn bare_of(stuffed: &[u8]) -> Option<Bare> {
    unstuff(BareNewlines::Keep, &[stuffed]).1
}

fn has_bare_newline(text: &[u8]) -> bool {
    let has_cr = |at: usize| text.get(at + 1) == Some(&b'\n');
    let has_lf = |at: usize| at > 0 && text[at - 1] == b'\r';
    text.iter().enumerate().any(|(at, octet)| octet == &b'\r' && !has_cr(at) || octet == &b'\n' && !has_lf(at))
}

fn names(octets: &[u8]) {
    if let Some(name) = utf7::decode(octets) {
        assert_eq!(utf7::decode(utf7::encode(&name).as_bytes()).as_deref(), Some(name.as_str()));
    }
    if let Ok(name) = std::str::from_utf8(octets) {
        let encoded = utf7::encode(name);
        assert!(encoded.bytes().all(|octet| (b' '..=b'~').contains(&octet)), "{encoded}");
        assert_eq!(utf7::decode(encoded.as_bytes()).as_deref(), Some(name));
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut inputs: Vec<Vec<u8>> = [
        &b"a\r\n..b\r\n.\r\nQUIT\r\n"[..],
        b"a\n.\n..b\rc\r\n.\r\n",
        b".\r\n",
        b"\r\n.\r",
        b"&AOQ-bc&-&U,BTFw-",
        "Entw\u{fc}rfe/\u{53f0}\u{5317}/\u{1f514}&".as_bytes(),
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    inputs.extend(seeds::conversations("smtp/smuggling"));
    seeds::with_choices(&[0, 1, 2], &inputs)
}
