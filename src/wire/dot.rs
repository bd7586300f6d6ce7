//! Dot-stuffing (RFC 5321 §4.5.2, RFC 1939 §3): how a message of any length ends on a line of its own.
//!
//! [`Decoder`] takes what a client sends after DATA; [`Encoder`] makes what a client gets after RETR. Both take the
//! octets however they were split. A message ends at CRLF `.` CRLF, where its own start counts as a CRLF, and **nowhere
//! else**: LF `.` LF, CR `.` CR and every mixture are text. A dot is taken away only where a real CRLF stands before
//! it, whatever becomes of bare line ends ([`BareNewlines`]).

use super::newline::{Bare, BareNewlines, Newlines};

/// Where the decoder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At the start, or behind a CRLF.
    LineStart,
    /// Behind the dot that begins a line; it is held back.
    Dot,
    /// Behind `.` CR at the start of a line; both are held back.
    DotCr,
    /// Within a line.
    Text,
    /// Behind a CR within a line.
    Cr,
    /// The end was seen.
    End,
}

/// Takes the dots out and finds the end.
#[derive(Debug)]
pub struct Decoder {
    at: At,
    newlines: Newlines,
}

impl Decoder {
    /// At the start of a message.
    pub fn new(policy: BareNewlines) -> Self {
        Self { at: At::LineStart, newlines: Newlines::new(policy) }
    }

    /// The first CR or LF that stood alone, where they are refused.
    pub fn bare_newline(&self) -> Option<Bare> {
        self.newlines.found()
    }

    /// Whether the end was seen.
    pub fn is_done(&self) -> bool {
        self.at == At::End
    }

    /// Appends to `out` what `input` stands for, and returns how many octets of it belong to the message and its end:
    /// all of them, unless the end was seen.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        // Octets from here on are text that was not passed on yet.
        let mut text_from = 0;
        let mut here = 0;
        while here < input.len() && self.at != At::End {
            let octet = input[here];
            self.at = match (self.at, octet) {
                (At::LineStart, b'.') => {
                    self.newlines.push(&input[text_from..here], out);
                    text_from = here + 1;
                    At::Dot
                }
                (At::Dot, b'\r') => {
                    text_from = here + 1;
                    At::DotCr
                }
                (At::DotCr, b'\n') => {
                    text_from = here + 1;
                    At::End
                }
                (At::DotCr, _) => {
                    // It was a line of more than a dot: the CR is text, and this octet is looked at again as text.
                    self.newlines.push(b"\r", out);
                    self.at = At::Cr;
                    continue;
                }
                (At::Cr, b'\n') => At::LineStart,
                (_, b'\r') => At::Cr,
                // Most octets: what follows up to the next CR is text too.
                (_, _) => {
                    let rest = &input[here..];
                    here += rest.iter().position(|octet| *octet == b'\r').unwrap_or(rest.len());
                    self.at = At::Text;
                    continue;
                }
            };
            here += 1;
        }
        self.newlines.push(&input[text_from..here], out);
        here
    }
}

/// Puts the dots in and marks the end.
#[derive(Debug)]
pub struct Encoder {
    at: At,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// At the start of a message.
    pub fn new() -> Self {
        Self { at: At::LineStart }
    }

    /// Appends to `out` what `input` becomes.
    pub fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        for octet in input {
            self.at = match (self.at, octet) {
                (At::LineStart, b'.') => {
                    out.push(b'.');
                    At::Text
                }
                (At::Cr, b'\n') => At::LineStart,
                (_, b'\r') => At::Cr,
                (_, _) => At::Text,
            };
            out.push(*octet);
        }
    }

    /// Appends the end; a CRLF first where the message has none at its end, since the end cannot do without it.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.at != At::LineStart {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What comes out, the first bare newline, whether it ended, and how much was used.
    fn decode(policy: BareNewlines, pieces: &[&[u8]]) -> (Vec<u8>, Option<Bare>, bool, usize) {
        let mut decoder = Decoder::new(policy);
        let mut out = Vec::new();
        let mut used = 0;
        for piece in pieces {
            used += decoder.decode(piece, &mut out);
        }
        (out, decoder.bare_newline(), decoder.is_done(), used)
    }

    fn encode(message: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new();
        let mut out = Vec::new();
        encoder.encode(message, &mut out);
        encoder.finish(&mut out);
        out
    }

    #[test]
    fn ends_at_crlf_dot_crlf_and_leaves_the_rest() {
        let (out, bare, done, used) = decode(BareNewlines::Refuse, &[b"a\r\n..b\r\n.\r\nQUIT\r\n"]);
        assert_eq!((&out[..], bare, done, used), (&b"a\r\n.b\r\n"[..], None, true, 11));
    }

    #[test]
    fn a_dot_as_the_first_line_ends_an_empty_message() {
        assert_eq!(decode(BareNewlines::Refuse, &[b".\r\n"]), (vec![], None, true, 3));
    }

    #[test]
    fn a_single_dot_before_text_is_taken_away() {
        assert_eq!(decode(BareNewlines::Refuse, &[b".a\r\n.\r\n"]).0, b"a\r\n");
    }

    /// The forms of SMTP smuggling (December 2023): none of them ends a message.
    #[test]
    fn no_other_sequence_ends() {
        for (end, bare) in [
            (&b"\n.\n"[..], Bare::Lf),
            (b"\r\n.\n", Bare::Lf),
            (b"\n.\r\n", Bare::Lf),
            (b"\r.\r", Bare::Cr),
            (b"\r.\r\n", Bare::Cr),
            (b"\r\n.\r", Bare::Cr),
            (b"\r\n.\r\r\n", Bare::Cr),
            (b"\n\r.\r\n", Bare::Lf),
            (b"\r\n\0.\r\n", Bare::Lf),
        ] {
            for policy in [BareNewlines::Refuse, BareNewlines::Normalise, BareNewlines::Keep] {
                let input = [b"a", end, b"MAIL"].concat();
                let (out, found, done, used) = decode(policy, &[&input]);
                assert!(!done, "{end:?} ended a message");
                assert_eq!(used, input.len());
                assert!(out.ends_with(b"MAIL"));
                if policy == BareNewlines::Refuse && end != b"\r\n\0.\r\n" {
                    assert_eq!(found, Some(bare), "{end:?}");
                }
            }
        }
    }

    #[test]
    fn normalising_makes_lines_but_no_end() {
        let (out, _, done, _) = decode(BareNewlines::Normalise, &[b"a\n.\n..b\rc\r\n.\r\n"]);
        assert!(done);
        assert_eq!(String::from_utf8_lossy(&out), "a\r\n.\r\n..b\r\nc\r\n");
    }

    #[test]
    fn the_encoder_completes_the_last_line() {
        assert_eq!(encode(b"a\r\n.b"), b"a\r\n..b\r\n.\r\n");
        assert_eq!(encode(b""), b".\r\n");
        assert_eq!(encode(b".\r\n"), b"..\r\n.\r\n");
    }

    fn octets() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a')], 0..40)
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(message in octets()) {
            let (out, _, done, used) = decode(BareNewlines::Keep, &[&encode(&message)]);
            let mut whole = message.clone();
            if !message.is_empty() && !message.ends_with(b"\r\n") {
                whole.extend_from_slice(b"\r\n");
            }
            prop_assert!(done);
            prop_assert_eq!(used, encode(&message).len());
            prop_assert_eq!(out, whole);
        }

        #[test]
        fn every_split_decodes_alike(octets in octets(), first in 0usize..40, second in 0usize..40,
            policy in prop_oneof![Just(BareNewlines::Refuse), Just(BareNewlines::Normalise)]) {
            let (first, second) = (first.min(second).min(octets.len()), second.max(first).min(octets.len()));
            let pieces = [&octets[..first], &octets[first..second], &octets[second..]];
            let whole = decode(policy, &[&octets]);
            prop_assert_eq!(decode(policy, &pieces), whole.clone());
            // The end is where the first CRLF.CRLF is, and nowhere else.
            let framed = [b"\r\n", &octets[..]].concat();
            let end = framed.windows(5).position(|window| window == b"\r\n.\r\n");
            prop_assert_eq!(whole.2, end.is_some());
            if let Some(end) = end {
                prop_assert_eq!(whole.3, end + 3);
            }
        }
    }
}
