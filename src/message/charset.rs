//! Text for people and for searching: charsets, and encoded words (RFC 2047). The one page that asks mail-parser and encoding_rs.

use std::borrow::Cow;

use encoding_rs::Encoding;
use mail_parser::HeaderValue;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::parsers::MessageStream;

/// Brings octets of that charset to UTF-8; what can't be read becomes U+FFFD. Octets that are UTF-8 are taken as that where the
/// charset is none, unknown or US-ASCII, since that is what such messages mostly are; else as Windows-1252, which has a
/// character for every octet.
pub(super) fn decode<'t>(octets: &'t [u8], charset: Option<&[u8]>) -> Cow<'t, str> {
    let charset = charset.unwrap_or_default();
    let is_ascii =
        charset.is_empty() || charset.eq_ignore_ascii_case(b"us-ascii") || charset.eq_ignore_ascii_case(b"ascii");
    if !is_ascii {
        if let Some(encoding) = Encoding::for_label(charset) {
            return encoding.decode_without_bom_handling(octets).0;
        }
        // UTF-7 and some of DOS, which browsers do not read any more.
        if let Some(decoder) = charset_decoder(charset) {
            return Cow::Owned(decoder(octets));
        }
    }
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(octets).0,
    }
}

/// A header field's text, unfolded, with its encoded words decoded (RFC 2047).
pub(super) fn decode_words(unfolded: &[u8]) -> Cow<'_, str> {
    if memchr::memmem::find(unfolded, b"=?").is_none() {
        return decode(unfolded, None);
    }
    // The parser stops at a line end, and insists on it.
    let line = [unfolded, b"\n"].concat();
    match MessageStream::new(&line).parse_unstructured() {
        HeaderValue::Text(text) => Cow::Owned(text.into_owned()),
        _ => decode(unfolded, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn charsets() {
        assert_eq!(decode(b"caf\xe9", Some(b"ISO-8859-1")), "café");
        assert_eq!(decode(b"\xf0\xd2\xc9\xd7\xc5\xd4", Some(b"koi8-r")), "Привет");
        assert_eq!(decode(b"\x1b$B$3$s\x1b(B", Some(b"iso-2022-jp")), "こん");
        assert_eq!(decode(b"Hi +Jjo-", Some(b"utf-7")), "Hi ☺");
        assert_eq!(decode(b"\x82", Some(b"cp850")), "é");
        assert_eq!(decode("é".as_bytes(), None), "é");
        assert_eq!(decode("é".as_bytes(), Some(b"us-ascii")), "é");
        assert_eq!(decode(b"caf\xe9", Some(b"x-unheard-of")), "café");
    }

    #[test]
    fn encoded_words() {
        assert_eq!(decode_words(b"=?iso-8859-1?q?a=E9?= =?utf-8?B?w6k=?= c"), "aéé c");
        assert_eq!(decode_words(b"=?utf-8?q?never closed"), "=?utf-8?q?never closed");
        assert_eq!(decode_words(b"=?"), "=?");
        assert_eq!(decode_words("Zoë".as_bytes()), "Zoë");
        assert_eq!(decode_words(b"=?iso-2022-jp?B?GyRCJDMkcxsoQg==?="), "こん");
    }

    proptest! {
        #[test]
        fn any_octets_decode(words in "(=\\?|\\?=|utf-8|iso-2022-jp|utf-7|\\?|q|B|[ -~]|\\PC|\n| ){0,40}", octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            decode_words(words.as_bytes());
            decode_words(&octets);
            for charset in ["utf-7", "utf-16", "cp850", "iso-2022-jp", "gb18030", "", "replacement"] {
                decode(&octets, Some(charset.as_bytes()));
            }
            decode(words.as_bytes(), Some(&octets));
        }
    }
}
