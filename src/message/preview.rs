//! PREVIEW (RFC 8970): the first words of a message, as a person would read them.
//!
//! The words come from the body alone: from its first part of text/plain or text/html that is no attachment and has any; of
//! alternatives the plain one is asked first. What is quoted from others and what stands below a signature's mark is passed
//! over, unless there is nothing else. Encrypted messages, and those without text, have the empty preview (§3.2).
//!
//! Everything is bounded: so many parts are looked at, so many octets of each are decoded.

use std::borrow::Cow;

use mail_parser::decoders::html::add_html_token;

use super::binary::Encoding;
use super::{Content, Part, charset};

/// The longest preview, in characters (RFC 8970 §3.3).
pub(super) const CHARACTERS_MAX: usize = 200;

/// How many parts are looked at for text. The first mostly has some; this many without any are no letter.
const PARTS_MAX: usize = 8;

/// How many octets of a part are decoded: first so many, which is enough for nearly all; then, where they hold less than a
/// preview and there are more, so many: style sheets of 100 KB stand before the words of some newsletters.
const OCTETS: [usize; 2] = [16 * 1024, 256 * 1024];

/// The preview of a message.
pub(super) fn preview(message: &[u8], structure: &Part) -> String {
    let mut parts = Vec::new();
    texts(structure, &mut parts);
    parts
        .into_iter()
        .take(PARTS_MAX)
        .map(|part| of_part(part.body.of(message), part))
        .find(|preview| !preview.is_empty())
        .unwrap_or_default()
}

/// The parts that may hold the words, the best first.
fn texts<'p>(part: &'p Part, parts: &mut Vec<&'p Part>) {
    if parts.len() >= PARTS_MAX
        || part.disposition.as_ref().is_some_and(|is| is.kind.eq_ignore_ascii_case(b"attachment"))
    {
        return;
    }
    match &part.content {
        Content::Leaf if is_plain(part) || is_html(part) => parts.push(part),
        // RFC 1847 §2.2: what is inside is for a key that we do not have.
        Content::Multipart(_) if part.is("multipart", "encrypted") => {}
        Content::Multipart(children) => {
            let from = parts.len();
            children.iter().for_each(|child| texts(child, parts));
            if part.is("multipart", "alternative") {
                parts[from..].sort_by_key(|part| !is_plain(part));
            }
        }
        Content::Message(enclosed) => texts(&enclosed.structure, parts),
        Content::Leaf | Content::Opaque => {}
    }
}

fn is_plain(part: &Part) -> bool {
    part.is("text", "plain")
}

fn is_html(part: &Part) -> bool {
    part.is("text", "html")
}

fn of_part(body: &[u8], part: &Part) -> String {
    let Some(encoding) = Encoding::named(&part.encoding) else { return String::new() };
    let charset = part.param("charset").map(|charset| charset.as_bytes());
    let mut preview = String::new();
    for octets in OCTETS {
        let cut = &body[..octets.min(body.len())];
        let decoded = encoding.decode(cut);
        let text = charset::decode(&decoded, charset);
        preview = if is_html(part) { of_html(&text) } else { of_plain(&text) };
        if cut.len() == body.len() {
            break;
        }
        // The cut may have divided a character, which is then the last one.
        if let Some(whole) = preview.strip_suffix(char::REPLACEMENT_CHARACTER) {
            preview.truncate(whole.len());
        }
        if preview.chars().count() >= CHARACTERS_MAX {
            break;
        }
    }
    preview
}

/// Gathers characters until it is full: white space folded into one space, none at either end; no control characters, and
/// none of those that nobody sees, with which newsletters fill their first line.
#[derive(Default)]
struct Gathered {
    text: String,
    characters: usize,
    space: bool,
    /// A joiner between two characters, which matters only if both come.
    joiner: Option<char>,
}

impl Gathered {
    fn is_full(&self) -> bool {
        self.characters >= CHARACTERS_MAX
    }

    fn push(&mut self, c: char) {
        match c {
            // Soft hyphen, combining grapheme joiner, zero width space, word joiner, byte order mark; marks of direction,
            // which must not reach beyond the preview.
            '\u{ad}' | '\u{34f}' | '\u{200b}' | '\u{2060}' | '\u{feff}' => {}
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            '\u{200c}' | '\u{200d}' => self.joiner = Some(c),
            c if c.is_whitespace() || c.is_control() => {
                self.space = true;
                self.joiner = None;
            }
            c => {
                let between = match self.space {
                    true => Some(' '),
                    false => self.joiner,
                };
                if let Some(between) = between.filter(|_| !self.text.is_empty()) {
                    self.add(between);
                }
                (self.space, self.joiner) = (false, None);
                self.add(c);
            }
        }
    }

    fn add(&mut self, c: char) {
        if !self.is_full() {
            self.text.push(c);
            self.characters += 1;
        }
    }

    /// Adds a line, until it is full.
    fn push_line(&mut self, line: &str) {
        for c in line.chars() {
            if self.is_full() {
                return;
            }
            self.push(c);
        }
        self.push('\n');
    }

    fn into_text(mut self) -> String {
        let end = self.text.trim_end().len();
        self.text.truncate(end);
        self.text
    }
}

fn of_plain(text: &str) -> String {
    let text = match text.trim_start() {
        encrypted if encrypted.starts_with("-----BEGIN PGP MESSAGE-----") => return String::new(),
        // Up to the first empty line, it is about the signature (RFC 9580 §7).
        signed if signed.starts_with("-----BEGIN PGP SIGNED MESSAGE-----") => {
            let mut head = signed.split_inclusive('\n');
            let octets: usize = head.by_ref().take_while(|line| !line.trim_end().is_empty()).map(str::len).sum();
            &signed[octets..]
        }
        text => text,
    };
    match own_words(text) {
        own if !own.is_empty() => own,
        _ => all_words(text),
    }
}

/// What the writer wrote: no lines quoted from others, nor the line that says whose they are, nor what is below `-- `
/// (RFC 3676 §4.3).
fn own_words(text: &str) -> String {
    let mut gathered = Gathered::default();
    // A line that may say whose lines follow.
    let mut held: Option<&str> = None;
    for line in text.lines() {
        if gathered.is_full() || matches!(line.trim_end_matches('\r'), "-- " | "--") {
            break;
        }
        if line.trim_start().starts_with('>') {
            held = None;
        } else if !line.trim().is_empty() {
            if let Some(held) = held.take() {
                gathered.push_line(held);
            }
            match line.trim_end().ends_with(':') {
                true => held = Some(line),
                false => gathered.push_line(line),
            }
        }
    }
    if let Some(held) = held {
        gathered.push_line(held);
    }
    gathered.into_text()
}

/// All words, quoted ones too.
fn all_words(text: &str) -> String {
    let mut gathered = Gathered::default();
    for line in text.lines() {
        if gathered.is_full() {
            break;
        }
        gathered.push_line(line.trim_start_matches(['>', ' ', '\t']));
    }
    gathered.into_text()
}

/// Elements whose content is no text to read, and up to whose end tag nothing is a tag.
const RAW: [&str; 5] = ["script", "style", "title", "template", "noscript"];

/// Elements within a line: their tags do not divide words.
const INLINE: [&str; 27] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "dfn", "em", "font", "i", "ins", "kbd", "mark",
    "q", "s", "samp", "small", "span", "strong", "sub", "sup", "u", "var", "wbr",
];

/// The longest name of a character (`&CounterClockwiseContourIntegral;`), without `&` and `;`.
const ENTITY_OCTETS_MAX: usize = 31;

/// The words of HTML: no tags, comments, scripts or styles; what stands in a blockquote only if there is nothing else. Goes
/// over it once and takes whatever comes.
fn of_html(html: &str) -> String {
    let (mut own, mut quoted) = (Gathered::default(), Gathered::default());
    let mut quotes = 0usize;
    let mut rest = html;
    while !rest.is_empty() && !own.is_full() {
        let gathered = if quotes == 0 { &mut own } else { &mut quoted };
        let text = memchr::memchr2(b'<', b'&', rest.as_bytes()).unwrap_or(rest.len());
        gathered.push_text(&rest[..text]);
        rest = &rest[text..];
        if let Some(behind) = rest.strip_prefix('&') {
            let (c, behind) = entity(behind);
            gathered.push(c);
            rest = behind;
        } else if rest.starts_with('<') {
            let Some(tag) = Tag::read(rest) else {
                gathered.push('<');
                rest = &rest[1..];
                continue;
            };
            rest = tag.behind;
            if tag.is("blockquote") {
                quotes = if tag.end { quotes.saturating_sub(1) } else { quotes + 1 };
            }
            if !tag.end && RAW.iter().any(|name| tag.is(name)) {
                rest = behind_end_tag(rest, tag.name);
            }
            if !tag.name.is_empty() && !INLINE.iter().any(|name| tag.is(name)) {
                gathered.push(' ');
            }
        }
    }
    match own.into_text() {
        own if !own.is_empty() => own,
        _ => quoted.into_text(),
    }
}

impl Gathered {
    /// Adds text, until it is full.
    fn push_text(&mut self, text: &str) {
        for c in text.chars() {
            if self.is_full() {
                return;
            }
            self.push(c);
        }
    }
}

/// A tag, a comment or a declaration; the latter two have no name.
struct Tag<'t> {
    name: &'t str,
    /// `</name>`
    end: bool,
    behind: &'t str,
}

impl<'t> Tag<'t> {
    /// What begins with this `<`; `None`: nothing does, it is a character. What never ends goes to the end of the text.
    fn read(text: &'t str) -> Option<Tag<'t>> {
        let inside = &text[1..];
        if let Some(comment) = inside.strip_prefix("!--") {
            let behind = comment.find("-->").map_or("", |at| &comment[at + 3..]);
            return Some(Tag { name: "", end: false, behind });
        }
        let (end, named) = inside.strip_prefix('/').map_or((false, inside), |named| (true, named));
        match named.bytes().next()? {
            b'a'..=b'z' | b'A'..=b'Z' => {
                let name =
                    named.find(|c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/')).unwrap_or(named.len());
                Some(Tag { name: &named[..name], end, behind: behind_attributes(&named[name..]) })
            }
            b'!' | b'?' if !end => {
                Some(Tag { name: "", end, behind: named.find('>').map_or("", |at| &named[at + 1..]) })
            }
            _ => None,
        }
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// What is behind the `>` of a tag; quoted values may contain one.
fn behind_attributes(attributes: &str) -> &str {
    let octets = attributes.as_bytes();
    let (mut at, mut value) = (0, false);
    while let Some(octet) = octets.get(at) {
        at += 1;
        match octet {
            b'>' => return &attributes[at..],
            b'"' | b'\'' if value => {
                at = memchr::memchr(*octet, &octets[at..]).map_or(octets.len(), |end| at + end + 1);
                value = false;
            }
            b'=' => value = true,
            octet => value &= octet.is_ascii_whitespace(),
        }
    }
    ""
}

/// What is behind the end tag of that name; nothing, if there is none.
fn behind_end_tag<'t>(text: &'t str, name: &str) -> &'t str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        let named = &rest[at + 2..];
        if named.get(..name.len()).is_some_and(|there| there.eq_ignore_ascii_case(name)) {
            return behind_attributes(&named[name.len()..]);
        }
        rest = named;
    }
    ""
}

/// The character that `&` begins, and what is behind it; the `&` itself where it begins none.
fn entity(behind: &str) -> (char, &str) {
    let name = behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '#').unwrap_or(behind.len());
    let (name, rest) = behind.split_at(name);
    let character = match name.strip_prefix('#') {
        Some(number) => numbered(number),
        None => named(name),
    };
    match character {
        // The semicolon is sometimes forgotten.
        Some(c) => (c, rest.strip_prefix(';').unwrap_or(rest)),
        None => ('&', behind),
    }
}

fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    match code.ok()? {
        // What browsers make of it, and what is meant: Windows-1252.
        code @ 0x80..=0x9f => match charset::decode(&[code as u8], Some(b"windows-1252")) {
            Cow::Borrowed(text) => text.chars().next(),
            Cow::Owned(text) => text.chars().next(),
        },
        code => char::from_u32(code),
    }
}

fn named(name: &str) -> Option<char> {
    if name.is_empty() || name.len() > ENTITY_OCTETS_MAX || name.contains('#') {
        return None;
    }
    let token = format!("&{name};");
    let mut text = String::new();
    add_html_token(&mut text, token.as_bytes(), false);
    (text != token).then(|| text.chars().next()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Summary;
    use super::*;

    fn shown(message: &str) -> String {
        Summary::of(message.as_bytes()).preview
    }

    fn html(html: &str) -> String {
        shown(&format!("Content-Type: text/html; charset=utf-8\r\n\r\n{html}"))
    }

    fn plain(text: &str) -> String {
        shown(&format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{text}"))
    }

    #[test]
    fn plain_text() {
        assert_eq!(plain("Hello,\r\n\r\n  see  you\tsoon.\r\n"), "Hello, see you soon.");
        assert_eq!(plain(" \r\n\r\n"), "");
        assert_eq!(plain("a\u{1}b\u{7f}c\u{202e}d"), "a b cd");
        assert_eq!(plain("Words.\r\n-- \r\nAlice\r\n"), "Words.");
        assert_eq!(plain("-- \r\nAlice\r\n"), "-- Alice");
        assert_eq!(
            plain("On Monday, Bob wrote:\r\n> first\r\n>> second\r\n\r\nI agree:\r\nfully.\r\n> third\r\n"),
            "I agree: fully."
        );
        assert_eq!(plain("> only\r\n> quoted\r\n"), "only quoted");
        assert_eq!(plain("A list:\r\n"), "A list:");
    }

    #[test]
    fn two_hundred_characters() {
        assert_eq!(plain(&"ä".repeat(300)), "ä".repeat(200));
        assert_eq!(plain(&format!("{} b", "a".repeat(199))), "a".repeat(199));
        assert_eq!(html(&"x".repeat(100_000)).len(), 200);
    }

    #[test]
    fn pgp_in_text() {
        assert_eq!(plain("-----BEGIN PGP MESSAGE-----\r\n\r\nhQEM\r\n"), "");
        assert_eq!(plain("-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nHello\r\n"), "Hello");
    }

    #[test]
    fn html_is_made_plain() {
        assert_eq!(
            html(
                "<!DOCTYPE html><html><head><title>No</title><style>p > a { color: red }</style>\
                 <script>if (a < b) document.write('</p>')</script></head><!-- <p>not this</p> -->\
                 <body><p>Caf&eacute;&nbsp;&amp; <b>b</b><i>r</i>oken<br>line</p><div>two &#8364;&#x41;&#128;</div>"
            ),
            "Café & broken line two €A€"
        );
        assert_eq!(
            html("<a href='x>y' title=\"a > b\">link</a> 1 < 2 & 3 &unheard; &#xffffffff;"),
            "link 1 < 2 & 3 &unheard; &#xffffffff;"
        );
        assert_eq!(html("<p>mine<blockquote>theirs</blockquote> too"), "mine too");
        assert_eq!(html("<blockquote>theirs</blockquote>"), "theirs");
        assert_eq!(html("Hi&zwnj;&nbsp;&zwnj;&nbsp;\u{34f}\u{ad}there \u{200b}"), "Hi there");
        assert_eq!(html("👩\u{200d}🚒"), "👩\u{200d}🚒");
        assert_eq!(html("a<script>never closed"), "a");
        assert_eq!(html("a<p never closed"), "a");
        assert_eq!(html("a<!-- never closed"), "a");
    }

    #[test]
    fn words_behind_a_long_style_sheet() {
        assert_eq!(html(&format!("<style>{}</style>words", "p{} ".repeat(20_000))), "words");
    }

    #[test]
    fn encodings_and_charsets() {
        let head =
            "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
        assert_eq!(shown(&format!("{head}caf=E9 br=\r\noken\r\n")), "café broken");
        let head = "Content-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        assert_eq!(shown(&format!("{head}8NLJ18XU\r\n")), "Привет");
        assert_eq!(shown("Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin\r\n"), "");
        // A character that the cut divides is no replacement character.
        assert_eq!(plain(&format!("{}xä", " ".repeat(OCTETS[1] - 2))), "x");
    }

    #[test]
    fn the_best_part() {
        let parts = |kind: &str, parts: &[(&str, &str)]| {
            let parts: String =
                parts.iter().map(|(header, body)| format!("--b\r\nContent-Type: {header}\r\n\r\n{body}\r\n")).collect();
            shown(&format!("Content-Type: multipart/{kind}; boundary=b\r\n\r\npreamble\r\n{parts}--b--\r\n"))
        };
        assert_eq!(parts("alternative", &[("text/html", "<p>html"), ("text/plain", "plain")]), "plain");
        assert_eq!(parts("alternative", &[("text/plain", " "), ("text/html", "<p>html")]), "html");
        assert_eq!(parts("mixed", &[("image/png", "png"), ("text/html", "<p>html"), ("text/plain", "plain")]), "html");
        assert_eq!(
            parts("mixed", &[("text/plain\r\nContent-Disposition: attachment", "no"), ("text/plain", "yes")]),
            "yes"
        );
        assert_eq!(parts("encrypted", &[("text/plain", "no")]), "");
        assert_eq!(parts("mixed", &[("text/calendar", "BEGIN:VCALENDAR")]), "");
        assert_eq!(parts("mixed", &[("message/rfc822", "Subject: x\r\n\r\ninside")]), "inside");
    }

    proptest! {
        #[test]
        fn any_text_gives_a_preview(pieces in "(<|</|>|p|style|!--|-->|&|#x?|;|[0-9]{1,9}|=|\"|'| |\r\n|blockquote|\\PC|> ){0,60}") {
            for preview in [html(&pieces), plain(&pieces)] {
                prop_assert!(preview.chars().count() <= CHARACTERS_MAX);
                prop_assert!(!preview.contains(char::is_control));
                prop_assert!(!preview.contains("  "));
                prop_assert_eq!(preview.trim(), &preview);
            }
        }
    }
}
