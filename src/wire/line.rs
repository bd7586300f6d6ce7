//! The line framer: finds the ends of command lines (RFC 5321 §2.3.8, RFC 1939 §3, RFC 3501 §2.2).
//!
//! A command line ends with CRLF and with nothing else. A bare LF does end the *frame*, so that a client that sends LF
//! alone is told so at once instead of waiting for ever; but the framer says so, and such a line must never be run as
//! a command. A bare CR stays in the line, for the grammar to refuse.
//!
//! Memory is bounded by the limit, time is linear in the octets: no octet is looked at twice. What is longer than the
//! limit is dropped up to the end of its line, and reported there once: the octets behind it are framed as usual.

use std::mem;

/// A line as it came, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed {
    /// Ended by CRLF.
    Line {
        /// What stands before the CRLF. A CR in it stands alone; no grammar has that.
        octets: Vec<u8>,
    },
    /// Ended by an LF that no CR stands before: not a line of the protocol.
    BareLf,
    /// Longer than the limit; its octets were dropped.
    Overlong,
}

/// Cuts a stream of octets into lines.
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    /// The octets of the line so far: nothing once the line is overlong, a CR at the end included.
    partial: Vec<u8>,
    overlong: bool,
}

impl Framer {
    /// A framer for lines of at most `limit` octets, their CRLF included.
    pub fn new(limit: usize) -> Self {
        Self { limit, partial: Vec::new(), overlong: false }
    }

    /// Another limit, from the next octet on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes octets from the front of `input` up to the end of a line, or all of them where no line ends in them.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Framed> {
        if let Some(lf) = input.iter().position(|octet| *octet == b'\n') {
            let (head, rest) = input.split_at(lf + 1);
            *input = rest;
            self.take(&head[..lf]);
            return Some(self.end());
        }
        self.take(input);
        *input = &[];
        None
    }

    /// Octets of this line, with no LF in them.
    fn take(&mut self, octets: &[u8]) {
        // The LF is still to come; it counts too.
        if self.overlong || (!octets.is_empty() && self.partial.len() + octets.len() + 1 > self.limit) {
            self.overlong = true;
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(octets);
        }
    }

    /// An LF has come. Leaves the framer as new.
    fn end(&mut self) -> Framed {
        let mut octets = mem::take(&mut self.partial);
        match octets.pop() {
            _ if mem::take(&mut self.overlong) => Framed::Overlong,
            Some(b'\r') => Framed::Line { octets },
            _ => Framed::BareLf,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(limit: usize, pieces: &[&[u8]]) -> Vec<Framed> {
        let mut framer = Framer::new(limit);
        let mut found = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while let Some(framed) = framer.next(&mut input) {
                found.push(framed);
            }
            assert!(framer.partial.len() <= limit);
        }
        found
    }

    fn line(text: &str) -> Framed {
        Framed::Line { octets: text.into() }
    }

    #[test]
    fn crlf_ends_a_line() {
        assert_eq!(frame(100, &[b"NOOP\r\n\r\nQUIT\r\nrest"]), [line("NOOP"), line(""), line("QUIT")]);
    }

    #[test]
    fn bare_lf_is_told_and_its_line_is_no_command() {
        assert_eq!(frame(100, &[b"NOOP\nQUIT\r\n"]), [Framed::BareLf, line("QUIT")]);
    }

    #[test]
    fn a_bare_cr_stays() {
        assert_eq!(frame(100, &[b"NO\rOP\r\nA\r\r\n"]), [line("NO\rOP"), line("A\r")]);
    }

    #[test]
    fn the_limit_counts_the_crlf_and_the_next_line_is_whole() {
        assert_eq!(frame(6, &[b"1234\r\n12345\r\nQUIT\r\n"]), [line("1234"), Framed::Overlong, line("QUIT")]);
    }

    proptest! {
        #[test]
        fn every_split_frames_alike(octets in proptest::collection::vec(prop_oneof![
            Just(b'\r'), Just(b'\n'), Just(b'a')], 0..40), cuts in proptest::collection::vec(0usize..40, 0..8)) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= octets.len()).collect();
            cuts.extend([0, octets.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &octets[pair[0]..pair[1]]).collect();
            prop_assert_eq!(frame(6, &pieces), frame(6, &[&octets]));
        }
    }
}
