//! SEARCH inside messages (RFC 3501 §6.4.4): substrings of header fields and of bodies, without regard to case.
//!
//! Texts are compared by i;unicode-casemap ([`collation`](super::collation)); what is not what its charset has is compared
//! as octets besides (RFC 5255 §4.6). ASCII in ASCII, which is most of all mail, goes octet by octet. Linear in the text,
//! whatever the needle.

use std::borrow::Cow;

use memchr::memmem::Finder;

use super::binary::Encoding;
use super::charset::Decoded;
use super::collation::casemap;
use super::header::{fields, unfold};
use super::{Address, Content, Part, Summary, charset};

/// How much is folded in one go: small enough for the processor's nearest cache.
const FOLD_OCTETS: usize = 16 * 1024;

/// What is looked for: made once a search, used on every message. The empty needle is in everything.
#[derive(Clone, Debug)]
pub struct Needle {
    folded: Finder<'static>,
    /// As it is: for octets that are no text.
    exact: Finder<'static>,
}

impl Needle {
    /// Looks for `text`, which the caller has already brought from the search's CHARSET to UTF-8.
    pub fn new(text: &str) -> Needle {
        Needle { folded: Finder::new(&casemap(text)).into_owned(), exact: Finder::new(text).into_owned() }
    }

    /// Whether `text` contains it.
    pub fn is_in(&self, text: &str) -> bool {
        if text.is_ascii() {
            return self.is_in_ascii(text.as_bytes());
        }
        self.folded.find(casemap(text).as_bytes()).is_some()
    }

    fn is_in_ascii(&self, text: &[u8]) -> bool {
        let needle = self.folded.needle();
        if needle.is_empty() {
            return true;
        }
        // Pieces overlap by a needle less one; steps are never shorter than the needle, so nothing is folded thrice.
        let step = FOLD_OCTETS.max(needle.len());
        let mut folded = Vec::new();
        (0..text.len()).step_by(step).any(|start| {
            let end = text.len().min(start + step + needle.len() - 1);
            folded.clear();
            folded.extend(text[start..end].iter().map(u8::to_ascii_uppercase));
            self.folded.find(&folded).is_some()
        })
    }

    /// Whether octets in that charset contain it. Where they are not all what that charset has, what can be read of them
    /// is looked through, and they themselves (RFC 5255 §4.6).
    fn is_in_octets(&self, octets: &[u8], charset: Option<&[u8]>) -> bool {
        let (text, good) = charset::decode_or_guess(octets, charset);
        self.is_in(&text) || (!good && self.exact.find(octets).is_some())
    }

    /// Whether a header field's text, raw, contains it as it stands or with its encoded words decoded: SUBJECT.
    pub fn is_in_field(&self, raw: &[u8]) -> bool {
        let unfolded = unfold(raw);
        self.is_in_octets(&unfolded, None) || self.is_in_words(&unfolded)
    }

    /// Whether the encoded words of an unfolded field contain it; a field without any is not looked into.
    fn is_in_words(&self, unfolded: &[u8]) -> bool {
        memchr::memmem::find(unfolded, b"=?").is_some()
            && (self.is_in(&charset::decode_words(unfolded))
                || match charset::decode_field(unfolded) {
                    Decoded::Text(_) => false,
                    Decoded::Octets(octets) => self.exact.find(&octets).is_some(),
                })
    }

    /// Whether one of the addresses contains it, written `name <local@domain>`: FROM, TO, CC, BCC. No address, nothing found,
    /// not even the empty needle: RFC 3501 §6.4.4 wants it to find messages that have the field.
    pub fn is_in_addresses(&self, addresses: &[Address]) -> bool {
        let mut line = Vec::new();
        addresses.iter().any(|address| {
            line.clear();
            line.extend_from_slice(address.name.as_deref().unwrap_or_default());
            line.extend_from_slice(b" <");
            line.extend_from_slice(address.mailbox.as_deref().unwrap_or_default());
            if let Some(host) = &address.host {
                line.push(b'@');
                line.extend_from_slice(host);
            }
            line.push(b'>');
            self.is_in_octets(&line, None) || address.name.as_ref().is_some_and(|name| self.is_in_words(name))
        })
    }

    /// Whether a field of that name is in the header and contains it: HEADER. `header`: the octets of BODY[HEADER].
    pub fn is_in_header(&self, header: &[u8], name: &[u8]) -> bool {
        fields(header).any(|field| field.is(name) && self.is_in_field(field.value))
    }

    /// Whether any line of the header contains it, names included.
    fn is_in_whole_header(&self, header: &[u8]) -> bool {
        fields(header).any(|field| self.is_in_field(field.raw))
    }

    /// Whether the body contains it: BODY. Text is decoded and brought to UTF-8; enclosed messages are searched with their
    /// headers; what is neither text nor message is not searched, and neither are the headers of parts.
    pub fn is_in_body(&self, message: &[u8], summary: &Summary) -> bool {
        self.is_in_part(message, &summary.structure, false)
    }

    /// Whether header or body contain it: TEXT. The headers of parts are searched too, so that the name of an attachment is
    /// found.
    pub fn is_in_message(&self, message: &[u8], summary: &Summary) -> bool {
        self.is_in_whole_header(summary.structure.header.of(message))
            || self.is_in_part(message, &summary.structure, true)
    }

    /// Whether the body of a part contains it, and with `headers` the headers of the parts inside.
    fn is_in_part(&self, message: &[u8], part: &Part, headers: bool) -> bool {
        let body = part.body.of(message);
        match &part.content {
            Content::Leaf if part.is_text() => {
                let octets =
                    Encoding::named(&part.encoding).map_or(Cow::Borrowed(body), |encoding| encoding.decode(body));
                self.is_in_octets(&octets, part.param("charset").map(|charset| charset.as_bytes()))
            }
            // message/delivery-status and its kin are lines of text; what is opaque might be.
            Content::Leaf if part.media_type.eq_ignore_ascii_case(b"message") => self.is_in_octets(body, None),
            Content::Opaque => self.is_in_octets(body, None),
            Content::Leaf => false,
            Content::Multipart(children) => children.iter().any(|child| {
                (headers && self.is_in_whole_header(child.header.of(message)))
                    || self.is_in_part(message, child, headers)
            }),
            Content::Message(enclosed) => {
                let structure = &enclosed.structure;
                self.is_in_whole_header(structure.header.of(message)) || self.is_in_part(message, structure, headers)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(needle: &str, text: &str) -> bool {
        Needle::new(needle).is_in(text)
    }

    #[test]
    fn case_does_not_matter() {
        assert!(found("HELLO", "well, hello there"));
        assert!(found("ΟΔΥΣΣΕΥΣ", "Ὁ Οδυσσευς"));
        assert!(found("οδυσσευς", "ΟΔΥΣΣΕΥΣ"));
        assert!(found("cafe", "CAFÉ") && found("CAFE\u{301}", "café") && !found("café", "cafe"));
        assert!(found("привет", "ПРИВЕТ"));
        assert!(found("k", "\u{212a}elvin"));
        assert!(!found("hello", "helo"));
        assert!(found("日本", "こんにちは日本"));
        assert!(found("", ""));
    }

    #[test]
    fn pieces_overlap() {
        for needle in ["needle", &"needle".repeat(FOLD_OCTETS / 2)] {
            for at in [0, FOLD_OCTETS - 3, FOLD_OCTETS, 3 * FOLD_OCTETS - 1] {
                let text = format!("{}{}{}", "x".repeat(at), needle.to_uppercase(), "x".repeat(FOLD_OCTETS));
                assert!(found(needle, &text), "at {at}");
            }
        }
    }

    #[test]
    fn fields_raw_and_decoded() {
        let header = b"Subject: =?utf-8?q?Zo=C3=AB?=\r\n fold\r\nX-Empty:\r\n\r\nX-Body: no\r\n";
        let is_in = |needle: &str, name: &str| Needle::new(needle).is_in_header(header, name.as_bytes());
        assert!(is_in("ZOË fold", "subject"));
        assert!(is_in("=c3=ab", "SUBJECT"));
        assert!(is_in("", "x-empty"));
        assert!(!is_in("", "x-absent"));
        assert!(!is_in("", "x-body"));
        assert!(!is_in("x", "x-empty"));
    }

    #[test]
    fn addresses() {
        let list =
            super::super::address::parse_list(b"=?utf-8?q?Zo=C3=AB?= <zoe@Example.org>, Bob <bob@example.com>", 10);
        for there in ["zoë", "zoe@example.org", "ZOE@", "bob <bob", "example.com", "=C3"] {
            assert!(Needle::new(there).is_in_addresses(&list), "{there}");
        }
        assert!(!Needle::new("alice").is_in_addresses(&list));
        assert!(!Needle::new("").is_in_addresses(&[]));
    }

    #[test]
    fn bodies_are_decoded() {
        let message = b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n\
            --b\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n8NLJ18XU\r\n\
            --b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9 br=\r\noken\r\n\
            --b\r\nContent-Type: image/png; name=cat.png\r\n\r\nnot text\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n--b--\r\n";
        let summary = Summary::of(message);
        let body = |needle: &str| Needle::new(needle).is_in_body(message, &summary);
        let text = |needle: &str| Needle::new(needle).is_in_message(message, &summary);
        for both in ["ПРИВЕТ", "CAFÉ", "broken", "subject: inner", "inner text"] {
            assert!(body(both) && text(both), "{both}");
        }
        for text_only in ["outer", "cat.png"] {
            assert!(!body(text_only) && text(text_only), "{text_only}");
        }
        for neither in ["not text", "preamble", "8NLJ18XU"] {
            assert!(!body(neither) && !text(neither), "{neither}");
        }
        assert!(Needle::new("caf=C3").is_in_body(message, &Summary::opaque(message.len() as u32)));
    }

    proptest! {
        #[test]
        fn a_piece_of_a_text_is_in_it(text in "\\PC{0,60}", from in 0usize..60, count in 0usize..60) {
            let piece: String = text.chars().skip(from).take(count).collect();
            prop_assert!(found(&piece, &text));
        }
    }
}
