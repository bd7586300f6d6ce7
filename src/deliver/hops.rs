//! Counts the `Received` fields of a message while it streams by: each is a hop, and too many are a circle
//! (RFC 5321 §6.3).

/// The field's name and its colon, in lower case. RFC 5322 §4.5.4 once allowed white space before the colon.
const RECEIVED: &[u8] = b"received";

/// Where in a line of the header the counter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// So many octets of the name have matched since the line began.
    Name(usize),
    /// The whole name has matched; a colon makes it a field.
    Colon,
    /// Somewhere in a line that no longer matters.
    Line,
    /// The header has ended.
    Body,
}

/// Counts for one message. The same for every split.
#[derive(Debug)]
pub(super) struct HopCounter {
    at: At,
    hops: usize,
}

impl HopCounter {
    /// At the start of a message.
    pub(super) fn new() -> Self {
        Self { at: At::Name(0), hops: 0 }
    }

    /// Looks at the next octets; returns the hops so far.
    pub(super) fn count(&mut self, octets: &[u8]) -> usize {
        let mut rest = octets;
        while let (Some((first, behind)), true) = (rest.split_first(), self.at != At::Body) {
            rest = behind;
            self.at = match (self.at, first.to_ascii_lowercase()) {
                // An empty line ends the header; its CR has left the counter at the start of the line.
                (At::Name(0), b'\n') => At::Body,
                (At::Name(0), b'\r') => At::Name(0),
                (_, b'\n') => At::Name(0),
                (At::Name(matched), octet) if octet == RECEIVED[matched] => match matched + 1 {
                    all if all == RECEIVED.len() => At::Colon,
                    matched => At::Name(matched),
                },
                (At::Colon, b' ' | b'\t') => At::Colon,
                (At::Colon, b':') => {
                    self.hops += 1;
                    At::Line
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(message: &str) -> usize {
        let whole = HopCounter::new().count(message.as_bytes());
        for cut in 0..message.len() {
            let mut counter = HopCounter::new();
            counter.count(&message.as_bytes()[..cut]);
            assert_eq!(counter.count(&message.as_bytes()[cut..]), whole, "split at {cut}");
        }
        whole
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
}
