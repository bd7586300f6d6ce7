//! Counts the `Received` fields of a message while it streams by: each is a hop, and too many are a circle
//! (RFC 5321 §6.3).
//!
//! Those that we wrote ourselves are counted apart. Nothing is sent on from here, so a message comes here again only by
//! somebody else's hand (a forwarding at its owner's other address, a mailbox that is fetched and sent in again), and each
//! time one more copy stays. A circle of two hosts would leave fifty before [`max_hops`](super::Destination::max_hops) cuts
//! it. Postfix knows such a circle by `Delivered-To`; we write none, since it names a recipient and all of them read the same
//! octets. A host name without a dot (`localhost`) is everybody's, and not looked for.

/// How often a message may have been here. Whoever moves their mail to and fro by hand stays far below.
pub(super) const OWN_HOPS_MAX: usize = 10;

/// The field's name and its colon, in lower case. RFC 5322 §4.5.4 once allowed white space before the colon.
const RECEIVED: &[u8] = b"received";

/// A word of a field that is longer than a host name is none (RFC 1035 §2.3.4).
const WORD_OCTETS: usize = 256;

/// Where in a line of the header the counter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// So many octets of the name have matched since the line began.
    Name(usize),
    /// The whole name has matched; a colon makes it a field.
    Colon,
    /// In the value of such a field.
    Value,
    /// Somewhere in a line that no longer matters.
    Line,
    /// The header has ended.
    Body,
}

/// The value of a `Received` field, word by word.
#[derive(Debug, Default)]
struct Value {
    word: Vec<u8>,
    /// How many comments are open (RFC 5322 §3.2.2).
    comments: usize,
    /// The last word was `by`: the next one is the host.
    is_host_next: bool,
    /// The host has been seen.
    is_told: bool,
}

impl Value {
    /// Takes the next octet; says whether it ended the name of the host that wrote the field, and this is `own`.
    fn take(&mut self, octet: u8, own: &[u8]) -> bool {
        let ends_word = matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(');
        let is_own = ends_word && self.comments == 0 && self.end_word(own);
        match octet {
            b'(' => self.comments += 1,
            b')' => self.comments = self.comments.saturating_sub(1),
            _ if !ends_word && self.comments == 0 && self.word.len() < WORD_OCTETS => self.word.push(octet),
            _ => {}
        }
        is_own
    }

    fn end_word(&mut self, own: &[u8]) -> bool {
        let word = std::mem::take(&mut self.word);
        if word.is_empty() || self.is_told {
            return false;
        }
        if self.is_host_next {
            self.is_told = true;
            return word.eq_ignore_ascii_case(own);
        }
        self.is_host_next = word.eq_ignore_ascii_case(b"by");
        false
    }
}

/// Counts for one message. The same for every split.
#[derive(Debug)]
pub(super) struct HopCounter<'a> {
    own_name: &'a [u8],
    at: At,
    /// The last field, where it is one of these and may go on in the next line.
    value: Option<Value>,
    hops: usize,
    own_hops: usize,
}

impl<'a> HopCounter<'a> {
    /// At the start of a message that comes to the host of this name.
    pub(super) fn new(own_name: &'a str) -> Self {
        Self { own_name: own_name.as_bytes(), at: At::Name(0), value: None, hops: 0, own_hops: 0 }
    }

    /// How many of the hops so far were here.
    pub(super) fn own_hops(&self) -> usize {
        if self.own_name.contains(&b'.') { self.own_hops } else { 0 }
    }

    /// Looks at the next octets; returns the hops so far.
    pub(super) fn count(&mut self, octets: &[u8]) -> usize {
        let mut rest = octets;
        while let (Some((first, behind)), true) = (rest.split_first(), self.at != At::Body) {
            rest = behind;
            if self.at == At::Name(0) {
                self.begin_line(*first);
            }
            self.at = match (self.at, first.to_ascii_lowercase()) {
                // An empty line ends the header; its CR has left the counter at the start of the line.
                (At::Name(0), b'\n') => At::Body,
                (At::Name(0), b'\r') => At::Name(0),
                (At::Value, _) => {
                    let is_own = self.value.as_mut().is_some_and(|value| value.take(*first, self.own_name));
                    self.own_hops += usize::from(is_own);
                    if *first == b'\n' { At::Name(0) } else { At::Value }
                }
                (_, b'\n') => At::Name(0),
                (At::Name(matched), octet) if octet == RECEIVED[matched] => match matched + 1 {
                    all if all == RECEIVED.len() => At::Colon,
                    matched => At::Name(matched),
                },
                (At::Colon, b' ' | b'\t') => At::Colon,
                (At::Colon, b':') => {
                    self.hops += 1;
                    self.value = Some(Value::default());
                    At::Value
                }
                (At::Line, _) => {
                    rest = &rest[rest.iter().position(|octet| *octet == b'\n').unwrap_or(rest.len())..];
                    At::Line
                }
                (_, _) => At::Line,
            };
        }
        self.hops
    }

    /// A line that begins with white space goes on with the field before it (RFC 5322 §2.2.3); any other ends it.
    fn begin_line(&mut self, first: u8) {
        match (first, &self.value) {
            (b' ' | b'\t', Some(_)) => self.at = At::Value,
            (b'\r', _) => {}
            _ => self.value = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_and_own(message: &str, own_name: &str) -> (usize, usize) {
        let mut counter = HopCounter::new(own_name);
        let whole = (counter.count(message.as_bytes()), counter.own_hops());
        for cut in 0..message.len() {
            let mut counter = HopCounter::new(own_name);
            counter.count(&message.as_bytes()[..cut]);
            let split = (counter.count(&message.as_bytes()[cut..]), counter.own_hops());
            assert_eq!(split, whole, "split at {cut}");
        }
        whole
    }

    fn hops(message: &str) -> usize {
        all_and_own(message, "mx.example").0
    }

    #[test]
    fn fields_of_the_header_are_counted() {
        assert_eq!(
            hops("Received: a\r\n\tby b\r\nReceived : c\r\nRECEIVED:\r\nSubject: Received: d\r\n\r\nReceived: e\r\n"),
            3
        );
    }

    #[test]
    fn what_only_looks_like_one_is_not() {
        assert_eq!(
            hops("Received-SPF: pass\r\n Received: folded\r\nX-Received: a\r\nReceive: b\r\nReceived\r\n: c\r\n"),
            0
        );
        assert_eq!(hops("\r\nReceived: a\r\n"), 0);
        assert_eq!(hops(""), 0);
    }

    #[test]
    fn those_that_we_wrote_are_counted_apart() {
        let ours =
            "Received: from a.example ([192.0.2.1])\r\n\tby MX.example with ESMTP\r\n\tid 1; Mon, 1 Jan 2026\r\n";
        assert_eq!(all_and_own(ours, "mx.example"), (1, 1));
        assert_eq!(all_and_own(&ours.repeat(3), "mx.example"), (3, 3));
        assert_eq!(all_and_own(&ours.replace("MX.example", "localhost"), "localhost"), (1, 0), "it is everybody's");
        for other in [
            "Received: from mx.example by b.example; d\r\n",
            "Received: from a (by mx.example (x)) by b.example\r\n",
            "Received: by b.example for mx.example\r\n by mx.example\r\n",
            "Received: by mx.example.org; d\r\n",
            "Received: by\r\nSubject: mx.example\r\n",
            "Received: by b\r\nX: y\r\n by mx.example\r\n",
        ] {
            assert_eq!(all_and_own(other, "mx.example"), (1, 0), "{other}");
        }
        assert_eq!(all_and_own("Received: BY\r\n  mx.example;d\r\n", "mx.example"), (1, 1));
        assert_eq!(all_and_own("Received:by mx.example(x)\n", "mx.example"), (1, 1));
        assert_eq!(all_and_own("\r\nReceived: by mx.example\r\n", "mx.example"), (0, 0));
    }
}
