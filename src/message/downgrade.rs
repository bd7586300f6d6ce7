//! Headers for readers that expect ASCII: RFC 6858, the simple way to show a message of RFC 6532 to a client that knows
//! nothing of it.
//!
//! What is shown is a surrogate, made when it is asked for and kept nowhere; the message stays as it came. Of each field with
//! UTF-8 in it:
//! - Addresses (RFC 6858 §2.1): a name becomes encoded words; a domain its A-labels, which mean the same; an address
//!   whose local part has no ASCII form is shown as a name with an address under `.invalid`, so that no answer goes to
//!   a stranger.
//! - `Subject:` (RFC 6858 §2.3), and `Comments:` and `Content-Description:`, which are text like it, become encoded words.
//! - Parameters of MIME fields (RFC 6858 §2.2) are written after RFC 2231, as RFC 6857 has it: without its name an
//!   attachment is lost. `boundary` stays: it has to be what stands between the parts.
//! - All others are left out (RFC 6858 §2.4). Lines that are no field stay: who leaves out their header may have
//!   written a body there.
//!
//! Fields with octets above 127 that are no UTF-8 are none of RFC 6532's, and no extension makes them right: they stay
//! as they are. So does everything in bodies: what they say with 8bit, MIME allows.
//!
//! RFC 6857 and 6858 are cited from memory.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::header::{self, Field, Words, unfold};
use super::{Address, Content, ITEMS_MAX, Part, Span, Summary, Text, address};

/// A header, and what is shown in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Where the header is in the message.
    pub place: Span,
    /// What is shown.
    pub octets: Vec<u8>,
}

/// What stands for an address that has no ASCII form (RFC 6858 §2.1).
const NO_ADDRESS: &str = "invalid@internationalized-address.invalid";

/// The longest line with encoded words (RFC 2047 §2), and how much UTF-8 one of them holds: 40 characters of base64 and
/// 12 around them, so that the first has room behind the name of its field.
const LINE_OCTETS: usize = 76;
const WORD_OCTETS: usize = 30;

/// The fields whose values are lists of addresses (RFC 6858 §2.1, RFC 5322 §3.6).
const ADDRESS_FIELDS: [&[u8]; 14] = [
    b"From",
    b"Sender",
    b"Reply-To",
    b"To",
    b"Cc",
    b"Bcc",
    b"Resent-From",
    b"Resent-Sender",
    b"Resent-Reply-To",
    b"Resent-To",
    b"Resent-Cc",
    b"Resent-Bcc",
    b"Return-Path",
    b"Disposition-Notification-To",
];

/// Fields of which nothing but text is expected.
const TEXT_FIELDS: [&[u8]; 3] = [b"Subject", b"Comments", b"Content-Description"];

/// Fields with parameters (RFC 2045 §5, RFC 2183).
const PARAMETER_FIELDS: [&[u8]; 2] = [b"Content-Type", b"Content-Disposition"];

/// Where the headers of a message are: its own, those of its parts, those of messages enclosed in it, in their order.
/// None lies in another. Those of parts that are opaque are not known.
pub fn headers(summary: &Summary) -> Vec<Span> {
    let mut found = Vec::new();
    collect(&summary.structure, &mut found);
    found
}

fn collect(part: &Part, found: &mut Vec<Span>) {
    if !part.header.is_empty() {
        found.push(part.header);
    }
    match &part.content {
        Content::Leaf | Content::Opaque => {}
        Content::Multipart(parts) => parts.iter().for_each(|part| collect(part, found)),
        Content::Message(enclosed) => collect(&enclosed.structure, found),
    }
}

/// What a reader of ASCII is shown for this header; `None`: itself. Takes time and memory in proportion to its length, which
/// should be at most [`HEADER_OCTETS_MAX`](super::HEADER_OCTETS_MAX).
pub fn downgrade(header: &[u8]) -> Option<Vec<u8>> {
    if header.is_ascii() || !header::fields(header).any(|field| needs_utf8(&field)) {
        return None;
    }
    let mut shown = Vec::with_capacity(header.len() + header.len() / 2);
    let mut read = 0;
    for field in header::fields(header) {
        read += field.raw.len();
        if needs_utf8(&field) {
            rewrite(&field, &mut shown);
        } else {
            shown.extend_from_slice(field.raw);
        }
    }
    // The blank line.
    shown.extend_from_slice(&header[read..]);
    Some(shown)
}

fn needs_utf8(field: &Field<'_>) -> bool {
    !field.name.is_empty() && !field.raw.is_ascii() && std::str::from_utf8(field.raw).is_ok()
}

fn rewrite(field: &Field<'_>, shown: &mut Vec<u8>) {
    let is_one_of = |names: &[&[u8]]| names.iter().any(|name| field.is(name));
    let value = unfold(field.value);
    let items = if is_one_of(&ADDRESS_FIELDS) {
        addresses(&value)
    } else if is_one_of(&TEXT_FIELDS) {
        words(&String::from_utf8_lossy(&value))
    } else if is_one_of(&PARAMETER_FIELDS) {
        parameters(&value)
    } else {
        return;
    };
    write(field.name, &items, shown);
}

/// A field of these pieces, folded between them.
fn write(name: &[u8], pieces: &[String], shown: &mut Vec<u8>) {
    let mut line = name.len() + 1;
    shown.extend_from_slice(name);
    shown.push(b':');
    for piece in pieces {
        if line > 0 && line + 1 + piece.len() > LINE_OCTETS {
            shown.extend_from_slice(b"\r\n");
            line = 0;
        }
        shown.push(b' ');
        shown.extend_from_slice(piece.as_bytes());
        line += 1 + piece.len();
    }
    shown.extend_from_slice(b"\r\n");
}

/// Encoded words (RFC 2047 §2), no character divided between two.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, behind) = rest.split_at(rest.floor_char_boundary(WORD_OCTETS));
        words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
        rest = behind;
    }
    words
}

fn addresses(value: &[u8]) -> Vec<String> {
    let list = address::parse_list(value, ITEMS_MAX);
    let mut pieces = Vec::new();
    for (at, entry) in list.iter().enumerate() {
        let ends_group = entry.mailbox.is_none();
        let begins_group = entry.host.is_none() && !ends_group;
        match (&entry.mailbox, &entry.host) {
            (None, _) => pieces.push(";".to_owned()),
            (Some(name), None) => {
                pieces.extend(phrase(name));
                pieces.push(":".to_owned());
            }
            (Some(_), Some(_)) => mailbox(entry, &mut pieces),
        }
        // RFC 5322 §3.4: between addresses, and behind a group; not before its end.
        let next = list.get(at + 1);
        let comma = next.is_some_and(|next| next.mailbox.is_some()) && !begins_group;
        if let Some(last) = pieces.last_mut().filter(|_| comma) {
            last.push(',');
        }
    }
    pieces
}

/// `name <local@domain>`
fn mailbox(entry: &Address, pieces: &mut Vec<String>) {
    let (local_part, host) = (text(&entry.mailbox), text(&entry.host));
    let ascii_host = match idna::domain_to_ascii(&host) {
        _ if host.is_ascii() => Some(host.clone().into_owned()),
        Ok(labels) => Some(labels),
        Err(_) => None,
    };
    let name = entry.name.as_ref().filter(|name| !name.is_empty());
    match ascii_host.filter(|_| local_part.is_ascii()) {
        Some(host) => {
            let local_part = if is_dot_atom(&local_part) { local_part.into_owned() } else { quoted(&local_part) };
            let at = if host.is_empty() { "" } else { "@" };
            match name {
                Some(name) => pieces.extend(phrase(name).into_iter().chain([format!("<{local_part}{at}{host}>")])),
                None => pieces.push(format!("{local_part}{at}{host}")),
            }
        }
        None => {
            let whole = format!("{local_part}@{host}");
            pieces.extend(name.map_or_else(|| words(&whole), |name| phrase(name)));
            pieces.push(format!("<{NO_ADDRESS}>"));
        }
    }
}

fn text(text: &Option<Text>) -> Cow<'_, str> {
    text.as_ref().map_or(Cow::Borrowed(""), |text| lossy(text))
}

fn lossy(octets: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(octets)
}

/// A name: as it is, quoted or in encoded words.
fn phrase(name: &[u8]) -> Vec<String> {
    let name = lossy(name);
    match &*name {
        name if !name.is_ascii() => words(name),
        // Encoded words are atoms, and mean something outside quotes alone (RFC 2047 §5).
        name if name.split(' ').all(is_dot_atom) => vec![name.to_owned()],
        name => vec![quoted(name)],
    }
}

/// RFC 5322 §3.2.3, and the dots that names have (§4.1).
fn is_dot_atom(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&octet))
}

/// RFC 5322 §3.2.4
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// A value and its parameters, each a piece; those with UTF-8 as RFC 2231 §4 has them. Comments are left out.
fn parameters(value: &[u8]) -> Vec<String> {
    let mut words = Words::new(value);
    let mut pieces = Vec::new();
    loop {
        words.skip_blanks_and_comments();
        let name = words.take_while(|octet| !matches!(octet, b';' | b'=' | b'(' | b'"'));
        let name = lossy(name.trim_ascii()).into_owned();
        let piece = if words.take(b'=') {
            words.skip_blanks_and_comments();
            let value = match words.peek() {
                Some(b'"') => words.quoted_string(),
                _ => words.take_while(|octet| octet != b';' && octet != b'(').trim_ascii_end().to_vec(),
            };
            parameter(&name, &lossy(&value))
        } else {
            // The value itself, before the first semicolon.
            Some(name).filter(|name| !name.is_empty() && name.is_ascii())
        };
        pieces.extend(piece);
        words.take_while(|octet| octet != b';');
        if !words.take(b';') {
            break;
        }
        if let Some(last) = pieces.last_mut().filter(|last| !last.ends_with(';')) {
            last.push(';');
        }
    }
    if let Some(last) = pieces.last_mut().filter(|last| last.ends_with(';')) {
        last.pop();
    }
    pieces
}

fn parameter(name: &str, value: &str) -> Option<String> {
    if name.is_empty() || !name.is_ascii() {
        return None;
    }
    if value.is_ascii() || name.eq_ignore_ascii_case("boundary") {
        return Some(format!("{name}={}", quoted(value)));
    }
    let mut written = format!("{}*=utf-8''", name.trim_end_matches('*'));
    for octet in value.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => written.push(char::from(octet)),
            _ => written.push_str(&format!("%{octet:02X}")),
        }
    }
    Some(written)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(header: &str) -> String {
        let shown = downgrade(header.as_bytes()).map_or(header.as_bytes().to_vec(), |shown| shown);
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn what_is_ascii_or_no_utf_8_stays() {
        assert_eq!(downgrade(b"Subject: a\r\n\r\n"), None);
        assert_eq!(downgrade(b"Subject: Gr\xfc\xdfe\r\n\r\n"), None, "Latin-1 is right in no mode");
        assert_eq!(shown("A: b\r\nSubject: é\r\n\r\n"), "A: b\r\nSubject: =?utf-8?B?w6k=?=\r\n\r\n");
        assert_eq!(shown("Subject: é"), "Subject: =?utf-8?B?w6k=?=\r\n", "a header that just ends");
    }

    /// RFC 6858 §2.1
    #[test]
    fn addresses_that_can_be_answered_stay_and_others_are_told() {
        for (given, expected) in [
            ("Zoë <zoe@example.org>", "=?utf-8?B?Wm/Dqw==?= <zoe@example.org>"),
            ("zoë@example.org", "=?utf-8?B?em/Dq0BleGFtcGxlLm9yZw==?=\r\n <invalid@internationalized-address.invalid>"),
            ("Zoe <zoë@example.org>", "Zoe <invalid@internationalized-address.invalid>"),
            ("zoe@bücher.example", "zoe@xn--bcher-kva.example"),
            ("\"Public, J. \\\"Q\\\"\" <a@b>, é <c@d>", "\"Public, J. \\\"Q\\\"\" <a@b>, =?utf-8?B?w6k=?= <c@d>"),
            ("Fête: a@b, Zoë <c@d>;, e@f", "=?utf-8?B?RsOqdGU=?= : a@b, =?utf-8?B?Wm/Dqw==?= <c@d> ;, e@f"),
            ("é:;", "=?utf-8?B?w6k=?= : ;"),
            ("=?utf-8?q?a?= x <a@b>, é <\"x y\"@d>", "=?utf-8?q?a?= x <a@b>, =?utf-8?B?w6k=?= <\"x y\"@d>"),
        ] {
            assert_eq!(shown(&format!("To: {given}\r\n\r\n")), format!("To: {expected}\r\n\r\n"), "{given}");
        }
    }

    /// RFC 6858 §2.2, with RFC 2231 §4 in place of leaving them out.
    #[test]
    fn parameters_are_written_after_rfc_2231() {
        assert_eq!(
            shown("Content-Disposition: attachment (é); filename=\"Grüße 1.txt\";\r\n size=3\r\n\r\n"),
            "Content-Disposition: attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe%201.txt;\r\n size=\"3\"\r\n\r\n"
        );
        assert_eq!(
            shown("Content-Type: multipart/mixed; boundary=\"é\"\r\n\r\n"),
            "Content-Type: multipart/mixed; boundary=\"é\"\r\n\r\n"
        );
        assert_eq!(shown("Content-Type: é\r\n\r\n"), "Content-Type:\r\n\r\n");
    }

    /// RFC 6858 §2.4
    #[test]
    fn other_fields_are_left_out() {
        assert_eq!(shown("X-Note: é\r\n more\r\nReceived: by é\r\nA: b\r\n\r\n"), "A: b\r\n\r\n");
        assert_eq!(downgrade("no field é\r\nA: b\r\n".as_bytes()), None, "this is none");
    }

    #[test]
    fn long_text_is_folded_between_characters() {
        let text = "ä".repeat(100);
        let header = shown(&format!("Subject: {text}\r\n\r\n"));
        assert!(header.lines().all(|line| line.len() <= LINE_OCTETS), "{header}");
        assert_eq!(super::super::charset::decode_words(&unfold(&header.as_bytes()[8..])), text);
    }

    #[test]
    fn headers_of_all_parts_are_found() {
        let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nA: 1\r\n\r\nx\r\n--b\r\n\
            Content-Type: message/rfc822\r\n\r\nB: 2\r\n\r\n--b\r\n\r\nno header\r\n--b--\r\n";
        let found: Vec<_> = headers(&Summary::of(message)).iter().map(|span| span.of(message)).collect();
        let expected: [&[u8]; 5] = [
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
            b"A: 1\r\n\r\n",
            b"Content-Type: message/rfc822\r\n\r\n",
            b"B: 2\r\n\r\n",
            b"\r\n",
        ];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn any_utf_8_becomes_ascii_that_ends_where_it_did(
            name in "(From|To|Subject|Content-Disposition|X-Other)", value in "[^\r\n\0]{0,80}",
        ) {
            let header = format!("A: b\r\n{name}: {value}\r\n\r\n");
            let shown = shown(&header);
            prop_assert!(shown.is_ascii(), "{}", shown);
            prop_assert!(shown.starts_with("A: b\r\n"));
            prop_assert_eq!(header::header_octets(shown.as_bytes()), shown.len(), "no blank line comes into being");
        }

        #[test]
        fn nothing_panics(header in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = downgrade(&header);
        }
    }
}
