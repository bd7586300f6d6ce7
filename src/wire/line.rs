//! The line framer: finds the ends of command lines (RFC 5321 §2.3.8, RFC 1939 §3, RFC 3501 §2.2).
//!
//! A command line ends with CRLF and with nothing else. A bare LF is reported where it stands, so that a client that
//! sends LF alone is told so at once instead of waiting for ever; but it ends nothing: the whole line up to its CRLF is
//! dropped, and nothing in it is taken for a command. A bare CR stays in the line, for the grammar to refuse.
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
    /// There is an LF that no CR stands before. What comes up to the next CRLF is no line; only further such LFs are
    /// reported in it.
    BareLf,
    /// Longer than the limit; its octets were dropped.
    Overlong,
}

/// Cuts a stream of octets into lines.
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    /// The octets of the line so far, a CR at their end included; nothing once the line is dropped.
    partial: Vec<u8>,
    after_cr: bool,
    fate: Fate,
}

/// What becomes of a line when it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    /// It is given out.
    #[default]
    Kept,
    /// It is dropped, and that is reported.
    Overlong,
    /// It is dropped; its bare LF was reported.
    Broken,
}

impl Framer {
    /// A framer for lines of at most `limit` octets, their CRLF included.
    pub fn new(limit: usize) -> Self {
        Self { limit, partial: Vec::new(), after_cr: false, fate: Fate::Kept }
    }

    /// Another limit, from the next octet on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes octets from the front of `input` up to something to report, or all of them where there is nothing.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Framed> {
        while let Some(lf) = input.iter().position(|octet| *octet == b'\n') {
            self.take(&input[..lf]);
            *input = &input[lf + 1..];
            let framed = self.take_lf();
            if framed.is_some() {
                return framed;
            }
        }
        self.take(input);
        *input = &[];
        None
    }

    /// Octets of this line, with no LF in them.
    fn take(&mut self, octets: &[u8]) {
        let Some(last) = octets.last() else { return };
        self.after_cr = *last == b'\r';
        // The LF is still to come; it counts too.
        if self.fate == Fate::Kept && self.partial.len() + octets.len() + 1 > self.limit {
            self.fate = Fate::Overlong;
            self.partial = Vec::new();
        }
        if self.fate == Fate::Kept {
            self.partial.extend_from_slice(octets);
        }
    }

    /// An LF. Behind a CR it leaves the framer as new.
    fn take_lf(&mut self) -> Option<Framed> {
        let mut octets = mem::take(&mut self.partial);
        if !mem::take(&mut self.after_cr) {
            self.fate = Fate::Broken;
            return Some(Framed::BareLf);
        }
        match mem::take(&mut self.fate) {
            Fate::Kept => {
                octets.pop();
                Some(Framed::Line { octets })
            }
            Fate::Overlong => Some(Framed::Overlong),
            Fate::Broken => None,
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
    fn a_bare_lf_is_told_and_ends_no_line() {
        assert_eq!(frame(100, &[b"NOOP\nQUIT\r\nRSET\r\n"]), [Framed::BareLf, line("RSET")]);
        assert_eq!(frame(100, &[b"A\nB\n\r\nRSET\r\n"]), [Framed::BareLf, Framed::BareLf, line("RSET")]);
        assert_eq!(frame(6, &[b"1234567\n1234567\r\nRSET\r\n"]), [Framed::BareLf, line("RSET")]);
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
