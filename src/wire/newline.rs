//! Bare CR and bare LF in a message: found, and refused or made whole.
//!
//! RFC 5321 §2.3.8 has lines end with CRLF and nothing else, and RFC 5322 §2.3 forbids CR and LF alone in a message.
//! What one server takes for a line's end and the next does not is how messages are smuggled, so nothing is guessed:
//! a stray octet is reported with its place, and where the configuration says so it becomes a CRLF.

/// What to do with a CR or LF that stands alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BareNewlines {
    /// Leave it as it is and report it: the message is refused.
    #[default]
    Refuse,
    /// Make it a CRLF. For senders that upload files with the line ends of their system.
    Normalise,
    /// It means nothing: the message is binary (RFC 3030 §3).
    Keep,
}

/// The first octet that should not stand alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// A CR that no LF follows.
    Cr,
    /// An LF that no CR stands before.
    Lf,
}

/// Passes octets on and looks at their line ends. The same for every split.
#[derive(Debug)]
pub struct Newlines {
    policy: BareNewlines,
    after_cr: bool,
    found: Option<Bare>,
}

impl Newlines {
    /// At the start of a message.
    pub fn new(policy: BareNewlines) -> Self {
        Self { policy, after_cr: false, found: None }
    }

    /// The first stray octet so far, where they are refused.
    pub fn found(&self) -> Option<Bare> {
        self.found
    }

    /// Appends to `out` what `input` becomes.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        match self.policy {
            BareNewlines::Keep => out.extend_from_slice(input),
            BareNewlines::Refuse => {
                if self.found.is_none() {
                    self.found = self.first_bare(input);
                }
                out.extend_from_slice(input);
            }
            BareNewlines::Normalise => self.normalise(input, out),
        }
    }

    /// The message has ended: nothing follows that could complete a CR.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.after_cr) {
            match self.policy {
                BareNewlines::Keep => {}
                BareNewlines::Refuse => self.found = self.found.or(Some(Bare::Cr)),
                BareNewlines::Normalise => out.push(b'\n'),
            }
        }
    }

    fn first_bare(&mut self, input: &[u8]) -> Option<Bare> {
        let mut rest = input;
        while let Some(first) = rest.first() {
            match (self.after_cr, *first) {
                (true, b'\n') => {
                    self.after_cr = false;
                    rest = &rest[1..];
                }
                (true, _) => return Some(Bare::Cr),
                (false, b'\n') => return Some(Bare::Lf),
                (false, b'\r') => {
                    self.after_cr = true;
                    rest = &rest[1..];
                }
                (false, _) => rest = &rest[text_len(rest)..],
            }
        }
        None
    }

    /// A CR is passed on when it comes; the LF that completes it follows at once or when it turns out to be missing.
    fn normalise(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut rest = input;
        while let Some(first) = rest.first() {
            let taken = match (self.after_cr, *first) {
                (true, octet) => {
                    out.push(b'\n');
                    self.after_cr = false;
                    usize::from(octet == b'\n')
                }
                (false, b'\n') => {
                    out.extend_from_slice(b"\r\n");
                    1
                }
                (false, b'\r') => {
                    out.push(b'\r');
                    self.after_cr = true;
                    1
                }
                (false, _) => {
                    let len = text_len(rest);
                    out.extend_from_slice(&rest[..len]);
                    len
                }
            };
            rest = &rest[taken..];
        }
    }
}

/// How many octets stand before the next CR or LF.
fn text_len(octets: &[u8]) -> usize {
    octets.iter().position(|octet| matches!(octet, b'\r' | b'\n')).unwrap_or(octets.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pass(policy: BareNewlines, pieces: &[&[u8]]) -> (Vec<u8>, Option<Bare>) {
        let mut newlines = Newlines::new(policy);
        let mut out = Vec::new();
        for piece in pieces {
            newlines.push(piece, &mut out);
        }
        newlines.finish(&mut out);
        (out, newlines.found())
    }

    #[test]
    fn stray_octets_are_found_and_left() {
        for (input, bare) in [
            (&b"a\r\nb\r\n"[..], None),
            (b"a\nb\r\n", Some(Bare::Lf)),
            (b"a\rb\r\n", Some(Bare::Cr)),
            (b"a\r\r\n", Some(Bare::Cr)),
            (b"a\r\n\n", Some(Bare::Lf)),
            (b"a\r", Some(Bare::Cr)),
        ] {
            assert_eq!(pass(BareNewlines::Refuse, &[input]), (input.to_vec(), bare));
            assert_eq!(pass(BareNewlines::Keep, &[input]), (input.to_vec(), None));
        }
    }

    #[test]
    fn stray_octets_become_crlf() {
        let (out, bare) = pass(BareNewlines::Normalise, &[b"\na\r\n\rb\r\r\nc\n\n\r"]);
        assert_eq!(String::from_utf8_lossy(&out), "\r\na\r\n\r\nb\r\n\r\nc\r\n\r\n\r\n");
        assert_eq!(bare, None);
    }

    proptest! {
        #[test]
        fn every_split_is_alike(octets in proptest::collection::vec(prop_oneof![
            Just(b'\r'), Just(b'\n'), Just(b'a')], 0..30), cut in 0usize..30,
            policy in prop_oneof![Just(BareNewlines::Refuse), Just(BareNewlines::Normalise)]) {
            let (head, tail) = octets.split_at(cut.min(octets.len()));
            let whole = pass(policy, &[&octets]);
            prop_assert_eq!(&pass(policy, &[head, tail]), &whole);
            if policy == BareNewlines::Normalise {
                prop_assert_eq!(pass(BareNewlines::Refuse, &[&whole.0]).1, None);
            }
        }
    }
}
