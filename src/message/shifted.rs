//! Two charsets of seven bits that browsers do not read any more, so that encoding_rs has a replacement character for
//! all of a text: ISO-2022-KR (RFC 1557) and HZ (RFC 1843). Old mail from Korea and China is full of them. Both shift
//! between ASCII and a table of two octets a character, which with the eighth bits set is EUC-KR's and GBK's.

use encoding_rs::{EUC_KR, Encoding, GBK};

/// Brings octets of one of the two to UTF-8, and says whether nothing had to be replaced; `None`: it is another charset.
pub(super) fn decode(octets: &[u8], charset: &[u8]) -> Option<(String, bool)> {
    let is = |name: &str| charset.eq_ignore_ascii_case(name.as_bytes());
    if is("iso-2022-kr") || is("csiso2022kr") {
        Some(iso_2022_kr(octets))
    } else if is("hz-gb-2312") || is("hz") {
        Some(hz(octets))
    } else {
        None
    }
}

/// RFC 1557 §2: ESC `$)C` announces the table, SO shifts to it and SI back; a line begins in ASCII.
fn iso_2022_kr(octets: &[u8]) -> (String, bool) {
    let (mut text, mut rest) = (Text::of(EUC_KR), octets);
    while let Some((first, behind)) = rest.split_first() {
        rest = match (first, behind) {
            (0x1b, [b'$', b')', b'C', behind @ ..]) => behind,
            (0x0e, behind) => text.shift(true, behind),
            (0x0f, behind) => text.shift(false, behind),
            (b'\n', behind) => text.line_end(behind),
            (octet, behind) => text.octet(*octet, behind),
        };
    }
    text.finish()
}

/// RFC 1843 §2: `~{` shifts to the table and `~}` back, `~~` is a tilde, a tilde at the end of a line is nothing; a
/// line begins in ASCII.
fn hz(octets: &[u8]) -> (String, bool) {
    let (mut text, mut rest) = (Text::of(GBK), octets);
    while let Some((first, behind)) = rest.split_first() {
        rest = match (first, behind) {
            (b'~', [b'{', behind @ ..]) if !text.shifted => text.shift(true, behind),
            (b'~', [b'}', behind @ ..]) if text.shifted => text.shift(false, behind),
            (b'~', [b'~', behind @ ..]) if !text.shifted => text.octet(b'~', behind),
            (b'~', [b'\n', behind @ ..] | [b'\r', b'\n', behind @ ..]) if !text.shifted => behind,
            (b'\n', behind) => text.line_end(behind),
            (octet, behind) => text.octet(*octet, behind),
        };
    }
    text.finish()
}

/// The octets with the eighth bits of shifted ones set.
struct Text {
    encoding: &'static Encoding,
    octets: Vec<u8>,
    shifted: bool,
}

impl Text {
    fn of(encoding: &'static Encoding) -> Self {
        Self { encoding, octets: Vec::new(), shifted: false }
    }

    fn shift<'t>(&mut self, shifted: bool, behind: &'t [u8]) -> &'t [u8] {
        self.shifted = shifted;
        behind
    }

    fn line_end<'t>(&mut self, behind: &'t [u8]) -> &'t [u8] {
        self.shifted = false;
        self.octet(b'\n', behind)
    }

    fn octet<'t>(&mut self, octet: u8, behind: &'t [u8]) -> &'t [u8] {
        // Blanks and line ends are themselves in the table too.
        let is_of_table = self.shifted && (0x21..0x7f).contains(&octet);
        self.octets.push(if is_of_table { octet | 0x80 } else { octet });
        behind
    }

    fn finish(self) -> (String, bool) {
        let (text, had_errors) = self.encoding.decode_without_bom_handling(&self.octets);
        (text.into_owned(), !had_errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8], charset: &str) -> (String, bool) {
        decode(octets, charset.as_bytes()).unwrap()
    }

    /// RFC 1557 §2
    #[test]
    fn korean() {
        assert_eq!(
            read(b"\x1b$)C\x0eGQ1[\x0f mail\r\n\x0eGQ\r\nGQ", "ISO-2022-KR"),
            ("한글 mail\r\n한\r\nGQ".into(), true)
        );
        assert_eq!(read(b"\x0eG", "csISO2022KR"), ("\u{fffd}".into(), false), "half a character");
        assert_eq!(read(b"\x1b$B", "iso-2022-kr"), ("\u{1b}$B".into(), true), "an escape of another charset");
    }

    /// RFC 1843 §2
    #[test]
    fn chinese() {
        assert_eq!(read(b"~{<:Ky2;S{~}, ~~a~\r\nb~\n", "HZ-GB-2312"), ("己所不欲, ~ab".into(), true), "RFC 1843 §3");
        assert_eq!(read(b"~{<:\nKy~}~", "hz"), ("己\nKy~}~".into(), true), "a line begins in ASCII");
    }

    #[test]
    fn others_are_left_to_others() {
        assert_eq!(decode(b"a", b"utf-8"), None);
    }
}
