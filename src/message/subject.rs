//! The base subject (RFC 5256 §2.1): what is left of a subject without the marks of replies and forwards, and whether there
//! were any.
//!
//! The procedure repeats its steps until nothing changes; taken at its word it is quadratic in the bracketed words in front
//! of a subject. Here each octet is looked at a fixed number of times: the brackets in a row are found once, and all of them
//! go that would go one after the other.

use std::borrow::Cow;

use super::charset::{Decoded, decode_field};
use super::collation::{SORT_OCTETS_MAX, place};

/// A subject without the marks of replies and forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseSubject {
    /// Its place in the order of i;unicode-casemap: equal for equal subjects, empty for the empty one.
    place: Vec<u8>,
    /// Whether a mark of a reply or a forward was taken off (RFC 5256 §3, THREAD): `[list]` is none.
    pub is_reply: bool,
}

impl BaseSubject {
    /// The base subject of a `Subject:` field, raw and unfolded; none is an empty one.
    pub fn of(raw: Option<&[u8]>) -> BaseSubject {
        let decoded = decode_field(raw.unwrap_or_default());
        let spaced = single_spaces(decoded.octets());
        let (base, is_reply) = base(&spaced);
        // Only ASCII was taken off: UTF-8 stays UTF-8.
        let base = match (&decoded, std::str::from_utf8(base)) {
            (Decoded::Text(_), Ok(text)) => Decoded::Text(Cow::Borrowed(text)),
            _ => Decoded::Octets(Cow::Borrowed(base)),
        };
        let mut at = Vec::new();
        place(&mut at, &base);
        BaseSubject { place: at, is_reply }
    }

    /// Equal for subjects that are equal, whatever their case; empty for the empty one.
    pub fn identity(&self) -> &[u8] {
        &self.place
    }

    /// Its place in the order, as [`sort_place`](super::collation::sort_place) gives it.
    pub fn into_sort_place(mut self) -> Vec<u8> {
        self.place.truncate(SORT_OCTETS_MAX);
        self.place
    }
}

/// Step 1: tabs and what is left of folding become spaces, several spaces become one.
fn single_spaces(octets: &[u8]) -> Cow<'_, [u8]> {
    let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n');
    let is_single = |pair: &[u8]| !(is_blank(&pair[0]) && is_blank(&pair[1]));
    if octets.iter().all(|octet| *octet == b' ' || !is_blank(octet)) && octets.windows(2).all(is_single) {
        return Cow::Borrowed(octets);
    }
    let mut spaced: Vec<u8> = Vec::with_capacity(octets.len());
    for octet in octets {
        match is_blank(octet) {
            true if spaced.last() == Some(&b' ') => {}
            true => spaced.push(b' '),
            false => spaced.push(*octet),
        }
    }
    Cow::Owned(spaced)
}

/// Steps 2 to 6.
fn base(subject: &[u8]) -> (&[u8], bool) {
    let mut is_reply = false;
    let mut rest = subject;
    loop {
        // (2)
        rest = rest.trim_ascii_end_blanks();
        while let Some(before) = strip_suffix(rest, b"(fwd)") {
            is_reply = true;
            rest = before.trim_ascii_end_blanks();
        }
        // (3) to (5)
        loop {
            rest = rest.trim_ascii_start_blanks();
            let blobs = Blobs::of(rest);
            match refwd(blobs.behind) {
                Some(behind) => {
                    is_reply = true;
                    rest = behind;
                }
                None => {
                    // They go one after the other, each as long as something is left of it.
                    rest = if blobs.behind.is_empty() { blobs.last.unwrap_or(blobs.behind) } else { blobs.behind };
                    break;
                }
            }
        }
        // (6)
        match strip_prefix(rest, b"[fwd:").and_then(|inside| strip_suffix(inside, b"]")) {
            Some(inside) => {
                is_reply = true;
                rest = inside;
            }
            None => return (rest, is_reply),
        }
    }
}

/// `*subj-blob`
struct Blobs<'s> {
    /// From the last of them to the end; `None` where there are none.
    last: Option<&'s [u8]>,
    /// What stands behind all of them.
    behind: &'s [u8],
}

impl<'s> Blobs<'s> {
    fn of(text: &'s [u8]) -> Self {
        let mut blobs = Blobs { last: None, behind: text };
        while let Some(behind) = blob(blobs.behind) {
            blobs = Blobs { last: Some(blobs.behind), behind };
        }
        blobs
    }
}

/// `subj-blob = "[" *BLOBCHAR "]" *WSP`: gives what stands behind it.
fn blob(text: &[u8]) -> Option<&[u8]> {
    let inside = text.strip_prefix(b"[")?;
    let end = memchr::memchr2(b'[', b']', inside).filter(|end| inside[*end] == b']')?;
    Some(inside[end + 1..].trim_ascii_start_blanks())
}

/// `subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"`: gives what stands behind it.
fn refwd(text: &[u8]) -> Option<&[u8]> {
    let word =
        strip_prefix(text, b"re").or_else(|| strip_prefix(text, b"fwd")).or_else(|| strip_prefix(text, b"fw"))?;
    let word = word.trim_ascii_start_blanks();
    blob(word).unwrap_or(word).strip_prefix(b":")
}

/// Behind the prefix, in any case.
fn strip_prefix<'s>(text: &'s [u8], prefix: &[u8]) -> Option<&'s [u8]> {
    let (head, behind) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(behind)
}

/// In front of the suffix, in any case.
fn strip_suffix<'s>(text: &'s [u8], suffix: &[u8]) -> Option<&'s [u8]> {
    let (before, tail) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(before)
}

/// Blanks are spaces here: step 1 has left nothing else.
trait Blanks {
    fn trim_ascii_start_blanks(&self) -> &Self;
    fn trim_ascii_end_blanks(&self) -> &Self;
}

impl Blanks for [u8] {
    fn trim_ascii_start_blanks(&self) -> &[u8] {
        &self[self.iter().take_while(|octet| **octet == b' ').count()..]
    }

    fn trim_ascii_end_blanks(&self) -> &[u8] {
        &self[..self.len() - self.iter().rev().take_while(|octet| **octet == b' ').count()]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(subject: &str) -> (String, bool) {
        let spaced = single_spaces(subject.as_bytes());
        let (base, is_reply) = base(&spaced);
        (String::from_utf8_lossy(base).into_owned(), is_reply)
    }

    #[test]
    fn the_marks_of_replies_and_forwards() {
        for (subject, expected) in [
            ("Re: walnuts", "walnuts"),
            ("RE:re: walnuts", "walnuts"),
            ("Fw: walnuts", "walnuts"),
            ("FWD: walnuts", "walnuts"),
            ("re  : walnuts", "walnuts"),
            ("Re[2]: walnuts", "walnuts"),
            ("Re [list] : walnuts", "walnuts"),
            ("[list] Re: walnuts", "walnuts"),
            ("[one][two] re: [three] Fwd: walnuts", "walnuts"),
            ("walnuts (fwd)", "walnuts"),
            ("walnuts (FWD) (fwd) ", "walnuts"),
            ("[Fwd: walnuts]", "walnuts"),
            ("[fwd: [Fwd: Re: walnuts (fwd)] ]", "walnuts"),
            ("Re: [fwd: [list] walnuts]", "walnuts"),
            ("Re:", ""),
            ("re: re: (fwd)", ""),
            ("(fwd)", ""),
            ("[fwd:]", ""),
            ("re: [list]", "[list]"),
        ] {
            assert_eq!(of(subject), (expected.to_owned(), true), "{subject}");
        }
    }

    #[test]
    fn what_is_no_mark() {
        for (subject, expected) in [
            ("", ""),
            ("  walnuts \t and\t\thazelnuts  ", "walnuts and hazelnuts"),
            ("[list] walnuts", "walnuts"),
            ("[one] [two] walnuts", "walnuts"),
            ("[one] [two]", "[two]"),
            ("[one]", "[one]"),
            ("[]", "[]"),
            ("[[one]] walnuts", "[[one]] walnuts"),
            ("[one walnuts", "[one walnuts"),
            ("[fwd: walnuts", "[fwd: walnuts"),
            ("Regarding: walnuts", "Regarding: walnuts"),
            ("re walnuts", "re walnuts"),
            ("re[one][two]: walnuts", "re[one][two]: walnuts"),
            ("Aw: walnuts", "Aw: walnuts"),
            ("walnuts (fwd) now", "walnuts (fwd) now"),
        ] {
            assert_eq!(of(subject), (expected.to_owned(), false), "{subject}");
        }
    }

    #[test]
    fn equal_without_regard_to_case_and_encoding() {
        let identity = |raw: &str| BaseSubject::of(Some(raw.as_bytes())).place;
        assert_eq!(identity("Re: Grüße"), identity("=?utf-8?q?re=3A_GR=C3=9C=C3=9FE?="));
        assert_eq!(identity("=?iso-8859-1?q?re=3A_Gr=FC=DFe?="), identity("GRÜßE (fwd)"));
        assert_eq!(BaseSubject::of(None), BaseSubject { place: Vec::new(), is_reply: false });
        assert_ne!(identity("=?utf-8?q?Gr=FC?="), identity("Gr\u{fffd}"));
    }

    #[test]
    fn long_subjects_of_every_kind_take_linear_time() {
        let many = 200_000;
        for subject in [
            "[a]".repeat(many),
            "[a]".repeat(many) + "x",
            "re:".repeat(many),
            "[a]re:".repeat(many),
            "[a] ".repeat(many) + "re",
            "[fwd:".repeat(many) + &"]".repeat(many),
            "re[a]".repeat(many),
            "[".repeat(many),
            "(fwd)".repeat(many),
            "re ".repeat(many),
            "[fwd:(fwd) [a]".repeat(many) + &"]".repeat(many),
        ] {
            of(&subject);
        }
    }

    /// The procedure as it is written, step by step.
    fn at_its_word(subject: &str) -> (String, bool) {
        let mut text = String::new();
        for c in subject.chars() {
            match c {
                ' ' | '\t' if text.ends_with(' ') => {}
                ' ' | '\t' => text.push(' '),
                c => text.push(c),
            }
        }
        let lower = |text: &str| text.to_ascii_lowercase();
        fn one_blob(text: &str) -> Option<&str> {
            let inside = text.strip_prefix('[')?;
            let end = inside.find(['[', ']']).filter(|end| inside[*end..].starts_with(']'))?;
            Some(inside[end + 1..].trim_start_matches(' '))
        }
        fn leader(text: &str) -> Option<&str> {
            if let Some(behind) = text.strip_prefix(' ') {
                return Some(behind);
            }
            let mut rest = text;
            while let Some(behind) = one_blob(rest) {
                rest = behind;
            }
            let lower = rest.to_ascii_lowercase();
            let length = ["re", "fwd", "fw"].iter().find(|word| lower.starts_with(**word))?.len();
            let rest = rest[length..].trim_start_matches(' ');
            one_blob(rest).filter(|behind| behind.starts_with(':')).unwrap_or(rest).strip_prefix(':')
        }
        let mut is_reply = false;
        loop {
            loop {
                if lower(&text).ends_with("(fwd)") {
                    is_reply = true;
                    text.truncate(text.len() - 5);
                } else if text.ends_with(' ') {
                    text.pop();
                } else {
                    break;
                }
            }
            loop {
                if let Some(rest) = leader(&text) {
                    is_reply |= !text.starts_with(' ');
                    text = rest.to_owned();
                } else if let Some(rest) = one_blob(&text).filter(|rest| !rest.is_empty()) {
                    text = rest.to_owned();
                } else {
                    break;
                }
            }
            if lower(&text).starts_with("[fwd:") && text.ends_with(']') {
                is_reply = true;
                text = text[5..text.len() - 1].to_owned();
            } else {
                return (text, is_reply);
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_the_procedure(subject in "(re|fwd?|RE|:|\\[|\\]|\\[a\\]|\\[Fwd:|\\(fwd\\)| |\t|x|é|\\[fwd\\]){0,14}") {
            prop_assert_eq!(of(&subject), at_its_word(&subject));
        }
    }
}
