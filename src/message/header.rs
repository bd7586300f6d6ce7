//! The fields of a header as octets (RFC 5322 §2.2): where the header ends, which fields it has, what the words of
//! structured fields are.

use std::borrow::Cow;

/// One field of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'h> {
    /// The name, without colon and the space before it; empty for lines that are no field.
    pub name: &'h [u8],
    /// What is behind the colon, folded as it is, with its line end.
    pub value: &'h [u8],
    /// The whole field with its line end.
    pub raw: &'h [u8],
}

impl Field<'_> {
    /// Whether it has that name, in any case.
    pub fn is(&self, name: &[u8]) -> bool {
        !name.is_empty() && self.name.eq_ignore_ascii_case(name)
    }
}

/// The octets of the first line of `octets`, its end included.
pub(super) fn first_line(octets: &[u8]) -> usize {
    memchr::memchr(b'\n', octets).map_or(octets.len(), |at| at + 1)
}

/// Whether a line (with its end) is the blank one that ends a header.
pub(super) fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\r\n" | b"\n")
}

/// How many octets of `message` are header, the blank line included; all of them where there is no blank line.
pub fn header_octets(message: &[u8]) -> usize {
    let mut at = 0;
    while at < message.len() {
        let line = &message[at..at + first_line(&message[at..])];
        at += line.len();
        if is_blank(line) {
            break;
        }
    }
    at
}

/// The fields of a header in their order, up to its blank line. Lines that are no field are among them, without a name: what
/// HEADER.FIELDS.NOT shows must not lose them.
pub fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = header;
    std::iter::from_fn(move || {
        let mut octets = first_line(rest);
        if octets == 0 || is_blank(&rest[..octets]) {
            return None;
        }
        // Folded lines begin with a blank (RFC 5322 §2.2.3).
        while matches!(rest.get(octets), Some(b' ' | b'\t')) {
            octets += first_line(&rest[octets..]);
        }
        let (raw, behind) = rest.split_at(octets);
        rest = behind;
        Some(field(raw))
    })
}

fn field(raw: &[u8]) -> Field<'_> {
    let no_field = Field { name: &[], value: &[], raw };
    let Some(colon) = memchr::memchr(b':', raw) else { return no_field };
    // Blanks in front of the colon are obsolete (RFC 5322 §4.5.8), blanks inside a name are no name: `From joe Mon 15:06`.
    let name = raw[..colon].trim_ascii_end();
    if name.iter().any(|octet| !octet.is_ascii_graphic()) {
        return no_field;
    }
    Field { name, value: &raw[colon + 1..], raw }
}

/// A field's value on one line (RFC 5322 §2.2.3), without the blanks around it.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if memchr::memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect())
}

/// A field's value as text: on one line, its encoded words (RFC 2047) decoded. Of octets that are in no charset, and not UTF-8,
/// each is a character.
pub fn decoded(value: &[u8]) -> String {
    super::charset::decode_words(&unfold(value)).into_owned()
}

/// Reads the words of a structured field (RFC 5322 §3.2): comments and quoted strings, with no recursion and no failure; what is
/// not closed ends with the field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'h> {
    pub(super) rest: &'h [u8],
}

impl<'h> Words<'h> {
    pub(super) fn new(value: &'h [u8]) -> Words<'h> {
        Words { rest: value }
    }

    /// The next octet, without taking it.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes the next octet.
    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Takes the next octet if it is this one.
    pub(super) fn take(&mut self, octet: u8) -> bool {
        let there = self.peek() == Some(octet);
        if there {
            self.next();
        }
        there
    }

    /// Takes octets for as long as they fit.
    pub(super) fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'h [u8] {
        let octets = self.rest.iter().position(|octet| !fits(*octet)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(octets);
        self.rest = rest;
        taken
    }

    /// Skips blanks, line ends and comments (CFWS).
    pub(super) fn skip_blanks_and_comments(&mut self) {
        while let Some(octet) = self.peek() {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' | 0 => self.rest = &self.rest[1..],
                b'(' => drop(self.comment()),
                _ => return,
            }
        }
    }

    /// Takes a comment that begins here and gives what is in its outer parentheses; comments nest.
    pub(super) fn comment(&mut self) -> Vec<u8> {
        let mut inside = Vec::new();
        let mut depth = 0usize;
        while let Some(octet) = self.next() {
            match octet {
                b'(' => depth += 1,
                b')' if depth == 1 => break,
                b')' => depth -= 1,
                b'\\' => {
                    inside.extend(self.next());
                    continue;
                }
                _ => {}
            }
            if depth > 1 || octet != b'(' {
                inside.push(octet);
            }
        }
        inside
    }

    /// Takes a quoted string that begins here and gives what it means: quotes and quoting backslashes taken off.
    pub(super) fn quoted_string(&mut self) -> Vec<u8> {
        self.next();
        let mut meant = Vec::new();
        while let Some(octet) = self.next() {
            match octet {
                b'"' => break,
                b'\\' => meant.extend(self.next()),
                _ => meant.push(octet),
            }
        }
        meant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_ends_with_its_blank_line() {
        assert_eq!(header_octets(b"A: b\r\n\r\nbody"), 8);
        assert_eq!(header_octets(b"A: b\n\nbody"), 6);
        assert_eq!(header_octets(b"\r\nbody"), 2);
        assert_eq!(header_octets(b"A: b\r\n"), 6);
        assert_eq!(header_octets(b"A: b"), 4);
        assert_eq!(header_octets(b""), 0);
        assert_eq!(header_octets(b"A: b\r\n \r\nC: d\r\n\r\n"), 17, "a line with a blank is folding, not blank");
        assert_eq!(header_octets(b"A: b\r\rbody"), 10, "a bare CR ends no line");
    }

    #[test]
    fn fields_and_what_is_none() {
        let header = b"From joe Mon 15:06\r\nSubject : a\r\n  b\r\nno colon\r\n: x\r\nX:\r\n\r\nBody: no\r\n";
        let found: Vec<_> = fields(header).map(|field| (field.name, field.raw.len())).collect();
        let expected: Vec<(&[u8], usize)> = vec![(b"", 20), (b"Subject", 18), (b"", 10), (b"", 5), (b"X", 4)];
        assert_eq!(found, expected);
        assert_eq!(&*unfold(fields(header).nth(1).unwrap().value), b"a  b");
    }

    #[test]
    fn comments_nest_and_quotes_unquote() {
        let mut words = Words::new(b" (a (b\\) c) d) \"x\\\"y\" z");
        words.rest = &words.rest[1..];
        assert_eq!(words.comment(), b"a (b) c) d");
        words.skip_blanks_and_comments();
        assert_eq!(words.quoted_string(), b"x\"y");
        assert_eq!(Words::new(b"\"never closed\\").quoted_string(), b"never closed");
        assert_eq!(Words::new(b"(((never closed").comment(), b"((never closed");
    }
}
