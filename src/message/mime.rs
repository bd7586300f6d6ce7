//! The MIME fields of one header: Content-Type with its defaults (RFC 2045 §5), Content-Transfer-Encoding (§6),
//! Content-Disposition (RFC 2183), Content-Language (RFC 3282), Content-Location (RFC 2557) and their plainer siblings.
//!
//! The first field of a name counts. RFC 2231's continued and encoded parameters are kept as they stand: BODYSTRUCTURE shows
//! parameters, it does not read them.

use super::header::{Words, fields, unfold};
use super::{Disposition, Part, Text};

/// What is left of the addresses, parameters and language tags that one summary may hold.
pub(super) struct Items(pub(super) usize);

impl Items {
    /// Takes one, if one is left.
    pub(super) fn take(&mut self) -> bool {
        let left = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        left
    }
}

/// The type of a part whose header does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DefaultType {
    /// text/plain in US-ASCII (RFC 2045 §5.2).
    Text,
    /// message/rfc822, in multipart/digest (RFC 2046 §5.1.5).
    Message,
}

/// A part with what its header says; places, lines and content are not known yet.
pub(super) fn read(header: &[u8], default: DefaultType, items: &mut Items) -> Part {
    let mut part = Part::default();
    let mut content_type = None;
    let mut encoding = None;
    let mut language = None;
    for field in fields(header) {
        let set = |slot: &mut Option<Text>| {
            slot.get_or_insert_with(|| Text::new(&unfold(field.value)));
        };
        // Nearly all fields of a message are none of these.
        let Some((prefix, kind)) = field.name.split_at_checked(8) else { continue };
        if !prefix.eq_ignore_ascii_case(b"content-") {
            continue;
        }
        match &*kind.to_ascii_lowercase() {
            b"type" => drop(content_type.get_or_insert(field.value)),
            b"transfer-encoding" => drop(encoding.get_or_insert(field.value)),
            b"language" => drop(language.get_or_insert(field.value)),
            b"disposition" if part.disposition.is_none() => part.disposition = disposition(field.value, items),
            b"id" => set(&mut part.id),
            b"description" => set(&mut part.description),
            b"md5" => set(&mut part.md5),
            b"location" => set(&mut part.location),
            _ => {}
        }
    }
    set_type(&mut part, content_type, default, items);
    part.encoding = encoding.and_then(|value| token(&mut Words::new(value))).map_or_else(|| "7BIT".into(), Text::new);
    part.language = language.map(|value| tags(value, items)).unwrap_or_default();
    part
}

/// Makes it application/octet-stream: what can't or must not be looked into. What its header says stays, but not the
/// parameters of the type that it no longer has.
pub(super) fn set_octet_stream(part: &mut Part) {
    part.media_type = "APPLICATION".into();
    part.media_subtype = "OCTET-STREAM".into();
    part.params.clear();
}

/// Makes it text/plain in US-ASCII: the type of what has none, or none that can be read (RFC 2045 §5.2).
pub(super) fn set_plain_text(part: &mut Part) {
    part.media_type = "TEXT".into();
    part.media_subtype = "PLAIN".into();
    part.params = vec![("CHARSET".into(), "US-ASCII".into())];
}

fn set_type(part: &mut Part, value: Option<&[u8]>, default: DefaultType, items: &mut Items) {
    let Some(value) = value else {
        match default {
            DefaultType::Text => set_plain_text(part),
            DefaultType::Message => {
                part.media_type = "MESSAGE".into();
                part.media_subtype = "RFC822".into();
            }
        }
        return;
    };
    let mut words = Words::new(value);
    let media_type = token(&mut words);
    words.skip_blanks_and_comments();
    let subtype = if words.take(b'/') { token(&mut words) } else { None };
    let (Some(media_type), Some(subtype)) = (media_type, subtype) else {
        return set_plain_text(part);
    };
    part.media_type = Text::new(media_type);
    part.media_subtype = Text::new(subtype);
    part.params = params(&mut words, items);
    // RFC 2046 §4.1.2: the default charset of text/plain.
    if part.is("text", "plain") && part.param("charset").is_none() {
        part.params.push(("CHARSET".into(), "US-ASCII".into()));
    }
}

fn disposition(value: &[u8], items: &mut Items) -> Option<Disposition> {
    let mut words = Words::new(value);
    let kind = Text::new(token(&mut words)?);
    Some(Disposition { kind, params: params(&mut words, items) })
}

/// Octets of a token (RFC 2045 §5.1), and with tolerance those above 127.
fn in_token(octet: u8) -> bool {
    !matches!(
        octet,
        0..=b' '
            | 127
            | b'('
            | b')'
            | b'<'
            | b'>'
            | b'@'
            | b','
            | b';'
            | b':'
            | b'\\'
            | b'"'
            | b'/'
            | b'['
            | b']'
            | b'?'
            | b'='
    )
}

fn token<'h>(words: &mut Words<'h>) -> Option<&'h [u8]> {
    words.skip_blanks_and_comments();
    Some(words.take_while(in_token)).filter(|token| !token.is_empty())
}

/// `*(";" attribute "=" value)`. What is no parameter is stepped over.
fn params(words: &mut Words<'_>, items: &mut Items) -> Vec<(Text, Text)> {
    let mut params = Vec::new();
    loop {
        skip_to_semicolon(words);
        if !words.take(b';') {
            return params;
        }
        let Some(name) = token(words) else { continue };
        words.skip_blanks_and_comments();
        if !words.take(b'=') {
            continue;
        }
        words.skip_blanks_and_comments();
        let value = match words.peek() {
            Some(b'"') => Text::new(&words.quoted_string()),
            _ => unquoted(words, name),
        };
        if !items.take() {
            return params;
        }
        params.push((Text::new(name), value));
    }
}

/// A value that should be a token. Boundaries without their quotes hold `=` and `/` (`----=_Part`), names of files blanks.
fn unquoted(words: &mut Words<'_>, name: &[u8]) -> Text {
    let is_file_name = name.eq_ignore_ascii_case(b"name") || name.eq_ignore_ascii_case(b"filename");
    let value =
        words.take_while(|octet| !matches!(octet, b';' | b'(') && (is_file_name || !octet.is_ascii_whitespace()));
    Text::new(value.trim_ascii())
}

fn skip_to_semicolon(words: &mut Words<'_>) {
    loop {
        words.skip_blanks_and_comments();
        match words.peek() {
            None | Some(b';') => return,
            Some(b'"') => drop(words.quoted_string()),
            Some(_) => drop(words.next()),
        }
    }
}

/// Language tags (RFC 3282 §2), comma between them.
fn tags(value: &[u8], items: &mut Items) -> Vec<Text> {
    let mut words = Words::new(value);
    let mut tags = Vec::new();
    loop {
        if let Some(tag) = token(&mut words) {
            if !items.take() {
                return tags;
            }
            tags.push(Text::new(tag));
        }
        if words.next().is_none() {
            return tags;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(header: &str) -> Part {
        read(header.as_bytes(), DefaultType::Text, &mut Items(100))
    }

    /// `TYPE/SUBTYPE; name=value; …`
    fn shown(header: &str) -> String {
        let part = part(header);
        let show = |text: &Text| text.escape_ascii().to_string();
        let params: String =
            part.params.iter().map(|(name, value)| format!("; {}={}", show(name), show(value))).collect();
        format!("{}/{}{params}", show(&part.media_type), show(&part.media_subtype))
    }

    #[test]
    fn types_and_parameters() {
        assert_eq!(shown("Content-Type: text/html; charset=utf-8\r\n"), "text/html; charset=utf-8");
        assert_eq!(
            shown("content-TYPE : Text/Plain (plain); charset=us-ascii (Plain text)\r\n"),
            "Text/Plain; charset=us-ascii"
        );
        assert_eq!(
            shown("Content-Type: text/html;\r\n\tcharset=\"ut\\f-8\" ;; x ; name=a b.txt\r\n"),
            "text/html; charset=utf-8; name=a b.txt"
        );
        assert_eq!(
            shown("Content-Type: multipart/mixed; boundary=----=_Part/1:2\r\n"),
            "multipart/mixed; boundary=----=_Part/1:2"
        );
        assert_eq!(
            shown("Content-Type: image/png; name*0*=utf-8''%e2; name*1=x\r\n"),
            "image/png; name*0*=utf-8\\'\\'%e2; name*1=x"
        );
        assert_eq!(shown("Content-Type: text/html\r\nContent-Type: text/plain\r\n"), "text/html", "the first counts");
    }

    /// RFC 2045 §5.2, RFC 2046 §4.1.2 and §5.1.5.
    #[test]
    fn defaults() {
        let plain = "TEXT/PLAIN; CHARSET=US-ASCII";
        for header in
            ["", "Content-Type: text\r\n", "Content-Type: /plain\r\n", "Content-Type:\r\n", "Content-Type: ;;\r\n"]
        {
            assert_eq!(shown(header), plain, "{header}");
        }
        assert_eq!(shown("Content-Type: text/plain; format=flowed\r\n"), "text/plain; format=flowed; CHARSET=US-ASCII");
        assert_eq!(shown("Content-Type: text/calendar\r\n"), "text/calendar");
        assert_eq!(part("").encoding, "7BIT");
        assert_eq!(part("Content-Transfer-Encoding:  base64 (of course)\r\n").encoding, "base64");
        let digest = read(b"X: y\r\n", DefaultType::Message, &mut Items(100));
        assert!(digest.is("message", "rfc822") && digest.params.is_empty());
    }

    /// RFC 2045 §7 and §8, RFC 2183, RFC 3282, RFC 2557
    #[test]
    fn siblings() {
        let part = part(
            "Content-ID: <a@b>\r\nContent-Description: some\r\n  thing\r\nContent-MD5: Q2hlY2s=\r\nContent-Language: en-GB, (x) de\r\n\
             Content-Location: http://example.org/\r\nContent-Disposition: attachment; filename=\"a;b.txt\"\r\nContent-: x\r\n",
        );
        assert_eq!(part.id.unwrap(), "<a@b>");
        assert_eq!(part.description.unwrap(), "some  thing");
        assert_eq!(part.md5.unwrap(), "Q2hlY2s=");
        assert_eq!(part.language, ["en-GB", "de"]);
        assert_eq!(part.location.unwrap(), "http://example.org/");
        let disposition = part.disposition.unwrap();
        assert_eq!(disposition.kind, "attachment");
        assert_eq!(disposition.params, [("filename".into(), "a;b.txt".into())]);
    }

    #[test]
    fn parameters_are_counted() {
        let many = format!("Content-Type: text/html{}\r\n", "; a=b".repeat(1000));
        assert_eq!(part(&many).params.len(), 100);
    }
}
