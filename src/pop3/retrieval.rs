//! A message on its way out, for RETR and TOP: read in pieces, cut, dot-stuffed.
//!
//! However long the message is, one piece is in memory. Nothing is answered before the first piece is here, so that a
//! message that can't be read gets its `-ERR`; once the answer has begun, only hanging up can tell of a failure: then
//! the client sees no final dot, and keeps nothing.
//!
//! A line ends with CRLF, and so do the lines of all mail that came by DATA. BINARYMIME and APPEND can bring bare LFs, and
//! most POP3 clients end a line there too: to them, LF `.` LF inside such a message would be the end of the answer, and
//! what follows, which a stranger wrote, the answer to their next command. So a dot behind a bare LF is stuffed as well:
//! we differ from RFC 1939 §3 on purpose. Those clients take the dot away again; a strict one shows one dot more.
//!
//! To a client that has not said UTF8, headers with UTF-8 in them are shown as `message::downgrade` writes them (RFC
//! 6856 §2.1): patches, put in the place of those headers on the way.

use std::vec;

use super::maildrop::Entry;
use crate::message::downgrade::Patch;
use crate::wire::dot;

/// How much is read at a time for RETR: what is handed to the socket in one step (DESIGN §4).
const PIECE_OCTETS: usize = 256 * 1024;

/// How much is read at a time for TOP: a header and some lines.
const TOP_PIECE_OCTETS: usize = 16 * 1024;

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Retrieval {
    number: u32,
    entry: Entry,
    /// How much of the message is out, or was left out for a patch.
    offset: u64,
    /// What is shown in the place of headers, in their order; those behind `offset` are left.
    patches: vec::IntoIter<Patch>,
    /// How many octets the message has with its patches.
    octets: u64,
    started: bool,
    top: Option<Top>,
    encoder: Stuffing,
}

/// Whether there is more to come.
#[derive(Debug)]
pub(super) enum Progress {
    /// Another piece is to be read.
    More(Retrieval),
    /// All is out.
    Done,
    /// The message ended before its octets did.
    CutShort,
}

impl Retrieval {
    /// The whole message, or with `lines` its header and so many lines of its body.
    pub(super) fn new(number: u32, entry: Entry, lines: Option<u32>) -> Self {
        Self {
            number,
            entry,
            offset: 0,
            patches: Vec::new().into_iter(),
            octets: entry.octets.into(),
            started: false,
            top: lines.map(Top::new),
            encoder: Stuffing::new(),
        }
    }

    /// The same with these in the place of the message's headers; they lie in their order, none in another.
    pub(super) fn patched(mut self, patches: Vec<Patch>) -> Self {
        for Patch { place, octets } in &patches {
            self.octets = self.octets - u64::from(place.len()) + octets.len() as u64;
        }
        self.patches = patches.into_iter();
        self
    }

    /// How many octets are sent by RETR, dots not counted.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn entry(&self) -> Entry {
        self.entry
    }

    /// Whether TOP asked for it.
    pub(super) fn is_top(&self) -> bool {
        self.top.is_some()
    }

    /// Whether nothing of it is out.
    pub(super) fn is_at_start(&self) -> bool {
        !self.started
    }

    /// Where the next piece begins, and how long it may be.
    pub(super) fn next_piece(&self) -> (u64, usize) {
        let len = if self.is_top() { TOP_PIECE_OCTETS } else { PIECE_OCTETS };
        let (mut offset, mut until) = (self.offset, u64::MAX);
        for Patch { place, .. } in self.patches.as_slice() {
            if u64::from(place.start) > offset {
                until = place.start.into();
                break;
            }
            offset = place.end.into();
        }
        (offset, usize::try_from(until - offset).unwrap_or(usize::MAX).min(len))
    }

    /// Appends to `out` what the piece becomes; and the end of the answer, where it was the last.
    pub(super) fn push(mut self, piece: &[u8], out: &mut Vec<u8>) -> Progress {
        self.started = true;
        let mut done = self.patches_here(out);
        let total = u64::from(self.entry.octets);
        if !done && piece.is_empty() && self.offset < total {
            return Progress::CutShort;
        }
        self.offset += piece.len() as u64;
        done = done || self.show(piece, out);
        // The message may end with a header.
        done = done || self.patches_here(out);
        if done || self.offset >= total {
            self.encoder.finish(out);
            return Progress::Done;
        }
        Progress::More(self)
    }

    /// Shows the patches that begin where we are; whether nothing behind them is wanted.
    fn patches_here(&mut self, out: &mut Vec<u8>) -> bool {
        while self.patches.as_slice().first().is_some_and(|patch| u64::from(patch.place.start) == self.offset) {
            let Some(Patch { place, octets }) = self.patches.next() else { return false };
            self.offset = place.end.into();
            if self.show(&octets, out) {
                return true;
            }
        }
        false
    }

    /// Shows what of these octets is wanted; whether nothing behind them is.
    fn show(&mut self, octets: &[u8], out: &mut Vec<u8>) -> bool {
        let (wanted, done) = match &mut self.top {
            Some(top) => top.cut(octets),
            None => (octets, false),
        };
        self.encoder.encode(wanted, out);
        done
    }
}

/// Dot-stuffing behind CRLF and behind a bare LF.
#[derive(Debug)]
struct Stuffing {
    encoder: dot::Encoder,
    /// The last two octets, and CRLF at the start.
    behind: [u8; 2],
}

impl Stuffing {
    fn new() -> Self {
        Self { encoder: dot::Encoder::new(), behind: *b"\r\n" }
    }

    fn encode(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let mut from = 0;
        for (here, octet) in octets.iter().enumerate() {
            // Behind CRLF, the encoder does it.
            if *octet == b'.' && self.behind[1] == b'\n' && self.behind[0] != b'\r' {
                self.encoder.encode(&octets[from..here], out);
                self.encoder.encode(b".", out);
                from = here;
            }
            self.behind = [self.behind[1], *octet];
        }
        self.encoder.encode(&octets[from..], out);
    }

    fn finish(self, out: &mut Vec<u8>) {
        self.encoder.finish(out);
    }
}

/// Finds the end of the header and counts the lines behind it (RFC 1939 §7). A line ends with LF here, so that a message
/// with bare LFs has lines too.
#[derive(Debug)]
struct Top {
    in_header: bool,
    /// Whether this line holds anything but a CR.
    line_is_blank: bool,
    lines_left: u32,
}

impl Top {
    fn new(lines: u32) -> Self {
        Self { in_header: true, line_is_blank: true, lines_left: lines }
    }

    /// What of the piece belongs to the answer, and whether nothing behind it does.
    fn cut<'a>(&mut self, piece: &'a [u8]) -> (&'a [u8], bool) {
        let mut taken = 0;
        for line in piece.split_inclusive(|octet| *octet == b'\n') {
            taken += line.len();
            self.line_is_blank &= line.iter().all(|octet| matches!(octet, b'\r' | b'\n'));
            if !line.ends_with(b"\n") {
                break;
            }
            if !self.in_header {
                self.lines_left -= 1;
            } else if self.line_is_blank {
                self.in_header = false;
            }
            self.line_is_blank = true;
            if !self.in_header && self.lines_left == 0 {
                return (&piece[..taken], true);
            }
        }
        (piece, false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::Span;
    use crate::store::BodyId;

    const MESSAGE: &[u8] = b"Subject: a\r\nX: y\r\n\r\n.one\r\ntwo\r\nthree";

    /// What the client gets when the message is read in pieces of `step` octets.
    fn retrieve(message: &[u8], lines: Option<u32>, step: usize) -> Vec<u8> {
        retrieve_patched(message, Vec::new(), lines, step)
    }

    fn retrieve_patched(message: &[u8], patches: Vec<Patch>, lines: Option<u32>, step: usize) -> Vec<u8> {
        let entry = Entry { uid: 1, octets: message.len() as u32, body: BodyId(1) };
        let mut retrieval = Retrieval::new(1, entry, lines).patched(patches);
        let mut out = Vec::new();
        loop {
            let (offset, len) = retrieval.next_piece();
            let offset = offset as usize;
            let piece = &message[offset..message.len().min(offset + step.min(len))];
            match retrieval.push(piece, &mut out) {
                Progress::More(rest) => retrieval = rest,
                Progress::Done => return out,
                Progress::CutShort => panic!("all octets are there"),
            }
        }
    }

    /// RFC 1939 §11
    #[test]
    fn retr_sends_all_and_completes_the_last_line() {
        assert_eq!(retrieve(MESSAGE, None, 100), b"Subject: a\r\nX: y\r\n\r\n..one\r\ntwo\r\nthree\r\n.\r\n");
        assert_eq!(retrieve(b"", None, 100), b".\r\n");
    }

    #[test]
    fn top_sends_the_header_the_blank_line_and_so_many_lines() {
        assert_eq!(retrieve(MESSAGE, Some(0), 100), b"Subject: a\r\nX: y\r\n\r\n.\r\n");
        assert_eq!(retrieve(MESSAGE, Some(1), 100), b"Subject: a\r\nX: y\r\n\r\n..one\r\n.\r\n");
        assert_eq!(retrieve(MESSAGE, Some(u32::MAX), 100), retrieve(MESSAGE, None, 100));
        assert_eq!(retrieve(b"Subject: a\r\n", Some(3), 100), b"Subject: a\r\n.\r\n", "a header without an end");
        assert_eq!(retrieve(b"a: b\n\none\ntwo\n", Some(1), 100), b"a: b\n\none\n\r\n.\r\n", "bare LFs are line ends");
        assert_eq!(retrieve(b"\r\none\r\ntwo\r\n", Some(1), 100), b"\r\none\r\n.\r\n", "an empty header");
    }

    #[test]
    fn no_message_ends_an_answer_for_a_client_that_takes_lf_for_a_line() {
        let message = b"a\n.\n+OK forged\n.b\r.\r\n.c\n";
        assert_eq!(retrieve(message, None, 100), b"a\n..\n+OK forged\n..b\r.\r\n..c\n\r\n.\r\n");
    }

    #[test]
    fn a_message_that_ends_early_has_no_end() {
        let entry = Entry { uid: 1, octets: 10, body: BodyId(1) };
        let mut out = Vec::new();
        let Progress::More(rest) = Retrieval::new(1, entry, None).push(b"12345", &mut out) else { panic!("more") };
        assert!(matches!(rest.push(b"", &mut out), Progress::CutShort));
        assert_eq!(out, b"12345");
    }

    #[test]
    fn patches_stand_in_the_place_of_headers() {
        let message = b"A: 1\r\n\r\nbody\r\nB: 2\r\n\r\n.x\r\nC: 3\r\n";
        let patch = |start, end, octets: &[u8]| Patch { place: Span::new(start, end), octets: octets.to_vec() };
        let patches = || vec![patch(0, 8, b".A: long\r\n\r\n"), patch(14, 22, b"\r\n"), patch(26, 32, b"")];
        let shown = b"..A: long\r\n\r\nbody\r\n\r\n..x\r\n.\r\n";
        for step in 1..40 {
            assert_eq!(retrieve_patched(message, patches(), None, step), shown, "in pieces of {step}");
            assert_eq!(retrieve_patched(message, patches(), Some(0), step), b"..A: long\r\n\r\n.\r\n");
            assert_eq!(retrieve_patched(message, patches(), Some(2), step), b"..A: long\r\n\r\nbody\r\n\r\n.\r\n");
            assert_eq!(retrieve_patched(b"A: 1\r\n", vec![patch(0, 6, b"B\r\n")], None, step), b"B\r\n.\r\n");
        }
        let entry = Entry { uid: 1, octets: message.len() as u32, body: BodyId(1) };
        assert_eq!(Retrieval::new(1, entry, None).patched(patches()).octets(), 24);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            message in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a')], 0..60),
            lines in proptest::option::of(0u32..4),
            step in 1usize..10,
        ) {
            prop_assert_eq!(retrieve(&message, lines, step), retrieve(&message, lines, 1000));
        }

        #[test]
        fn a_client_that_ends_lines_at_lf_gets_the_message(
            message in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a')], 0..60),
        ) {
            let answer = retrieve(&message, None, 1000);
            let mut lines: Vec<&[u8]> = answer.split_inclusive(|octet| *octet == b'\n').collect();
            prop_assert_eq!(lines.pop(), Some(&b".\r\n"[..]));
            let taken: Vec<u8> = lines.iter().flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect();
            let mut whole = message.clone();
            if !message.is_empty() && !message.ends_with(b"\r\n") {
                whole.extend_from_slice(b"\r\n");
            }
            prop_assert_eq!(taken, whole);
        }
    }
}
