//! Text for people and for searching: charsets, and encoded words (RFC 2047). The one page that asks encoding_rs, and mail-parser
//! for what encoding_rs does not know.
//!
//! The octets of encoded words that stand next to each other in one charset are joined before they are decoded: RFC 2047 §5
//! forbids to divide a character between two words, and programs that count octets do it all the same.

use std::borrow::Cow;

use encoding_rs::Encoding;
use mail_parser::decoders::charsets::map::charset_decoder;
use memchr::memmem;

use super::binary::{Encoding as TransferEncoding, q_encoding};
use super::shifted;

/// Brings octets of that charset to UTF-8; what can't be read becomes U+FFFD. Octets that are UTF-8 are taken as that where the
/// charset is none, unknown or US-ASCII, since that is what such messages mostly are; else as Windows-1252, which has a
/// character for every octet.
pub(super) fn decode<'t>(octets: &'t [u8], charset: Option<&[u8]>) -> Cow<'t, str> {
    decode_or_guess(octets, charset).0
}

/// The same, and whether nothing had to be replaced or guessed: whether the octets are what that charset has.
pub(super) fn decode_or_guess<'t>(octets: &'t [u8], charset: Option<&[u8]>) -> (Cow<'t, str>, bool) {
    let charset = charset.unwrap_or_default();
    let is_ascii =
        charset.is_empty() || charset.eq_ignore_ascii_case(b"us-ascii") || charset.eq_ignore_ascii_case(b"ascii");
    if !is_ascii {
        if let Some((text, good)) = shifted::decode(octets, charset) {
            return (Cow::Owned(text), good);
        }
        if let Some(encoding) = Encoding::for_label_no_replacement(charset) {
            let (text, had_errors) = encoding.decode_without_bom_handling(octets);
            return (text, !had_errors);
        }
        // UTF-7 and some of DOS, which browsers do not read any more.
        if let Some(decoder) = charset_decoder(charset) {
            let text = decoder(octets);
            let good = !text.contains(char::REPLACEMENT_CHARACTER);
            return (Cow::Owned(text), good);
        }
    }
    match std::str::from_utf8(octets) {
        Ok(text) => (Cow::Borrowed(text), is_ascii || octets.is_ascii()),
        Err(_) => (encoding_rs::WINDOWS_1252.decode_without_bom_handling(octets).0, false),
    }
}

/// What became of a text with its encodings undone (RFC 5255 §4.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decoded<'t> {
    /// Unicode.
    Text(Cow<'t, str>),
    /// Octets that are not what their charset has, or of a charset that nobody knows.
    Octets(Cow<'t, [u8]>),
}

impl Decoded<'_> {
    /// The UTF-8, or the octets.
    pub(super) fn octets(&self) -> &[u8] {
        match self {
            Decoded::Text(text) => text.as_bytes(),
            Decoded::Octets(octets) => octets,
        }
    }
}

/// A header field's text, unfolded, with its encoded words decoded, if all of it can be.
pub(super) fn decode_field(unfolded: &[u8]) -> Decoded<'_> {
    if memmem::find(unfolded, b"=?").is_none() {
        return match std::str::from_utf8(unfolded) {
            Ok(text) => Decoded::Text(Cow::Borrowed(text)),
            Err(_) => Decoded::Octets(Cow::Borrowed(unfolded)),
        };
    }
    let (mut text, mut octets, mut good) = (String::new(), Vec::new(), true);
    pieces(unfolded, |piece, charset| {
        octets.extend_from_slice(piece);
        if good {
            let (decoded, as_it_should_be) = decode_or_guess(piece, charset);
            good = as_it_should_be;
            text.push_str(&decoded);
        }
    });
    if good { Decoded::Text(Cow::Owned(text)) } else { Decoded::Octets(Cow::Owned(octets)) }
}

/// A header field's text, unfolded, with its encoded words decoded (RFC 2047). Blanks between two of them are not meant (§6.2).
pub(super) fn decode_words(unfolded: &[u8]) -> Cow<'_, str> {
    if memmem::find(unfolded, b"=?").is_none() {
        return decode(unfolded, None);
    }
    let mut text = String::new();
    pieces(unfolded, |octets, charset| text.push_str(&decode(octets, charset)));
    Cow::Owned(text)
}

/// Takes an unfolded field apart: what stands between encoded words, without a charset, and what words mean, with theirs.
fn pieces(unfolded: &[u8], mut take: impl FnMut(&[u8], Option<&[u8]>)) {
    let mut rest = unfolded;
    // The octets of the words before `rest`, and their charset.
    let mut words: Option<(&[u8], Vec<u8>)> = None;
    while let Some((between, word, behind)) = next_word(rest) {
        rest = behind;
        match &mut words {
            Some((charset, octets))
                if between.trim_ascii().is_empty() && charset.eq_ignore_ascii_case(word.charset) =>
            {
                octets.extend(word.octets());
                continue;
            }
            Some((charset, octets)) => take(octets, Some(charset)),
            None => {}
        }
        if words.is_none() || !between.trim_ascii().is_empty() {
            take(between, None);
        }
        words = Some((word.charset, word.octets()));
    }
    if let Some((charset, octets)) = words {
        take(&octets, Some(charset));
    }
    take(rest, None);
}

/// `=?charset*language?encoding?text?=` (RFC 2047 §2, RFC 2231 §5).
struct Word<'h> {
    charset: &'h [u8],
    is_base64: bool,
    text: &'h [u8],
}

impl Word<'_> {
    fn octets(&self) -> Vec<u8> {
        match self.is_base64 {
            true => TransferEncoding::Base64.decode(self.text).into_owned(),
            false => q_encoding(self.text),
        }
    }
}

/// What comes before the next encoded word, the word, and what is behind it. Blanks inside a word are forbidden and frequent.
fn next_word(text: &[u8]) -> Option<(&[u8], Word<'_>, &[u8])> {
    let mut at = 0;
    loop {
        let start = at + memmem::find(&text[at..], b"=?")?;
        // Each search begins where one before ended, or ends the whole: none goes twice over the same octets.
        let charset_end = start + 2 + memchr::memchr(b'?', &text[start + 2..])?;
        if let [encoding @ (b'b' | b'B' | b'q' | b'Q'), b'?', inside @ ..] = &text[charset_end + 1..] {
            let octets = memmem::find(inside, b"?=")?;
            let charset = text[start + 2..charset_end].split(|octet| *octet == b'*').next().unwrap_or_default();
            let word = Word { charset, is_base64: encoding.eq_ignore_ascii_case(&b'b'), text: &inside[..octets] };
            return Some((&text[..start], word, &inside[octets + 2..]));
        }
        at = start + 2;
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
    fn fields_that_are_what_they_say_and_others() {
        let text = |raw: &'static [u8]| match decode_field(raw) {
            Decoded::Text(text) => Ok(text.into_owned()),
            Decoded::Octets(octets) => Err(octets.into_owned()),
        };
        assert_eq!(text(b"plain"), Ok("plain".to_owned()));
        assert_eq!(text("Zoë".as_bytes()), Ok("Zoë".to_owned()));
        assert_eq!(text(b"a =?utf-8?q?=C3=A9?= b"), Ok("a é b".to_owned()));
        assert_eq!(text(b"=?x-unheard-of?q?abc?="), Ok("abc".to_owned()));
        assert_eq!(text(b"caf\xe9"), Err(b"caf\xe9".to_vec()));
        assert_eq!(text(b"a =?utf-8?q?=C3?= b"), Err(b"a \xc3 b".to_vec()));
        assert_eq!(text(b"=?x-unheard-of?q?=C3=A9?= b"), Err("é b".as_bytes().to_vec()));
    }

    #[test]
    fn encoded_words() {
        assert_eq!(decode_words(b"=?iso-8859-1?q?a=E9?= =?utf-8?B?w6k=?= c"), "aéé c");
        assert_eq!(decode_words(b"=?utf-8?q?never closed"), "=?utf-8?q?never closed");
        assert_eq!(decode_words(b"=?"), "=?");
        assert_eq!(decode_words("Zoë".as_bytes()), "Zoë");
        assert_eq!(decode_words(b"=?iso-2022-jp?B?GyRCJDMkcxsoQg==?="), "こん");
        assert_eq!(decode_words(b"a =?utf-8?q?b?= c =?utf-8?q?d?=\te"), "a b c d\te");
        assert_eq!(decode_words(b"=?utf-8*de?q?a_=3F_b_?="), "a ? b ");
        assert_eq!(decode_words(b"=?utf-8?x?a?= =?x =?utf-8?Q??= =?utf-8?Q?=?="), "=?utf-8?x?a?= =?x =");
        assert_eq!(
            decode_words(b"=?utf-8?B?4oI=?= =?UTF-8?B?rA==?= =?utf-8?q?=E2?= =?koi8-r?q?=F0?="),
            "€\u{fffd}П",
            "divided"
        );
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
