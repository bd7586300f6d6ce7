//! BINARY (RFC 3516): the octets of a part with its transfer encoding undone (RFC 2045 §6.7, §6.8).

use std::borrow::Cow;

use super::{Content, Span, Summary, section};

/// A content transfer encoding (RFC 2045 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `7bit`, `8bit`, `binary`: the octets are what they are.
    Identity,
    /// `base64`
    Base64,
    /// `quoted-printable`
    QuotedPrintable,
}

/// Why BINARY can't be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BinaryError {
    /// There is no such part.
    #[error("no such part")]
    NoSuchPart,
    /// The part's encoding is none of RFC 2045: `NO [UNKNOWN-CTE]` (RFC 3516 §4.3).
    #[error("unknown content transfer encoding")]
    UnknownEncoding,
}

impl Encoding {
    /// The encoding of that name, in any case; `None`: unknown.
    pub fn named(name: &[u8]) -> Option<Encoding> {
        match &*name.to_ascii_lowercase() {
            b"7bit" | b"8bit" | b"binary" => Some(Encoding::Identity),
            b"base64" => Some(Encoding::Base64),
            b"quoted-printable" => Some(Encoding::QuotedPrintable),
            _ => None,
        }
    }

    /// Undoes the encoding. Damage is stepped over as RFC 2045 §6.7 and §6.8 advise: it never fails. NUL may come out. Never
    /// longer than `octets`.
    pub fn decode(self, octets: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Encoding::Identity => Cow::Borrowed(octets),
            Encoding::Base64 => Cow::Owned(base64(octets)),
            Encoding::QuotedPrintable => Cow::Owned(quoted_printable(octets)),
        }
    }
}

/// Where the part with those numbers lies and how it is encoded: what BINARY[1.2] reads and decodes. An empty path is the
/// whole message; multiparts and enclosed messages are never encoded (RFC 2046 §5.1, §5.2.1).
pub fn place(summary: &Summary, path: &[u32]) -> Result<(Span, Encoding), BinaryError> {
    if path.is_empty() {
        return Ok((summary.structure.whole(), Encoding::Identity));
    }
    let part = section::part(summary, path).ok_or(BinaryError::NoSuchPart)?;
    let encoding = match part.content {
        Content::Multipart(_) | Content::Message(_) => Encoding::Identity,
        Content::Leaf | Content::Opaque => Encoding::named(&part.encoding).ok_or(BinaryError::UnknownEncoding)?,
    };
    Ok((part.body, encoding))
}

/// The decoded octets of BINARY[path]; their count is BINARY.SIZE[path].
pub fn octets<'m>(message: &'m [u8], summary: &Summary, path: &[u32]) -> Result<Cow<'m, [u8]>, BinaryError> {
    let (span, encoding) = place(summary, path)?;
    Ok(encoding.decode(span.of(message)))
}

/// No character of the base64 alphabet.
const NO_DIGIT: u8 = 0xff;

/// The value of each character of base64 (RFC 2045 §6.8, table 1).
const BASE64_DIGITS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < alphabet.len() {
        digits[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// RFC 2045 §6.8: other characters are ignored, and `=` is the end of the data, whatever mailing lists add below.
fn base64(octets: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(octets.len() / 4 * 3);
    let mut bits = 0u32;
    let mut count = 0u32;
    for octet in octets {
        if *octet == b'=' {
            break;
        }
        let digit = BASE64_DIGITS[usize::from(*octet)];
        if digit == NO_DIGIT {
            continue;
        }
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push((bits >> count) as u8);
        }
    }
    decoded
}

/// RFC 2045 §6.7: blanks at the end of a line are not meant, and an `=` that quotes nothing stands for itself.
fn quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(super::header::first_line(rest));
        rest = behind;
        let text = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        let line_end = &line[text.len()..];
        // Only SP and HT are blanks here; trim_ascii_end would also take a bare CR or a form feed.
        let blanks = text.iter().rev().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
        let text = &text[..text.len() - blanks];
        match text.strip_suffix(b"=") {
            // A soft line break.
            Some(text) => quoted_line(text, &mut decoded),
            None => {
                quoted_line(text, &mut decoded);
                decoded.extend_from_slice(line_end);
            }
        }
    }
    decoded
}

/// The "Q" encoding of encoded words (RFC 2047 §4.2): quoted-printable on one line, with `_` for the space.
pub(super) fn q_encoding(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|octet| if *octet == b'_' { b' ' } else { *octet }).collect();
    let mut decoded = Vec::with_capacity(text.len());
    quoted_line(&spaced, &mut decoded);
    decoded
}

fn quoted_line(text: &[u8], decoded: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'=', rest) {
        decoded.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        match rest {
            [high, low, behind @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(hex(*high) << 4 | hex(*low));
                rest = behind;
            }
            _ => decoded.push(b'='),
        }
    }
    decoded.extend_from_slice(rest);
}

/// The value of a hexadecimal digit; lower case is no quoted-printable, but is meant (RFC 2045 §6.7).
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(encoding: &str, octets: &[u8]) -> Vec<u8> {
        Encoding::named(encoding.as_bytes()).unwrap().decode(octets).into_owned()
    }

    #[test]
    fn base64_and_its_damage() {
        assert_eq!(decoded("BASE64", b"SGVsbG8=\r\n"), b"Hello");
        assert_eq!(decoded("base64", b"SGVs\r\nbG8\r\n"), b"Hello", "without padding");
        assert_eq!(decoded("base64", b"SG*V sbG8h=\r\n-- \r\nfooter\r\n"), b"Hello!");
        assert_eq!(decoded("base64", b"AAA="), [0, 0]);
        assert_eq!(decoded("base64", b"A"), b"");
        assert_eq!(decoded("base64", b""), b"");
    }

    #[test]
    fn quoted_printable_and_its_damage() {
        assert_eq!(decoded("Quoted-Printable", b"a=3Db=\r\nc \t\r\nd=20\r\n"), b"a=bc\r\nd \r\n");
        assert_eq!(decoded("quoted-printable", b"a= \r\nb=00"), b"ab\0");
        assert_eq!(decoded("quoted-printable", b"=e2=82=ac=4=XY=\n="), b"\xe2\x82\xac=4=XY");
        assert_eq!(decoded("quoted-printable", b"a\nb\n"), b"a\nb\n");
        assert_eq!(Encoding::named(b"x-uuencode"), None);
    }

    proptest! {
        #[test]
        fn decoding_never_grows(octets in proptest::collection::vec(prop_oneof![Just(b'='), Just(b'\n'), Just(b'A'), any::<u8>()], 0..200)) {
            for encoding in [Encoding::Identity, Encoding::Base64, Encoding::QuotedPrintable] {
                prop_assert!(encoding.decode(&octets).len() <= octets.len());
            }
        }
    }
}
