//! i;unicode-casemap (RFC 5051 §2): how texts are compared, by SEARCH for substrings, by SORT and THREAD for order and
//! equality (RFC 5255 §4.2, RFC 5256 §7).
//!
//! Each character goes to title case, by Unicode's simple mapping, and is then decomposed as far as it can be, with the
//! compatible decompositions too; the UTF-8 of what comes out is compared octet by octet. So `é` is an `E` and an accent, and
//! `e` is found in it. A character is mapped for itself: what comes of a piece of a text is a piece of what comes of the
//! text, and substrings stay substrings.
//!
//! Texts that can't be brought to Unicode are compared as octets and stand behind all others (RFC 5255 §4.6).

use unicode_normalization::char::decompose_compatible;

use super::charset::Decoded;

/// How many octets of a string take part in the order, after mapping: bounded, since a subject may have a megabyte and a
/// mailbox a hundred thousand of them. Strings that differ only behind it count as the same to SORT.
pub const SORT_OCTETS_MAX: usize = 400;

/// The text as i;unicode-casemap compares it.
pub(super) fn casemap(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    let mut mapped = String::with_capacity(text.len() + text.len() / 4);
    for c in text.chars() {
        match c {
            c if c.is_ascii() => mapped.push(c.to_ascii_uppercase()),
            // Ideographs, most of all text that is not alphabetic, have neither case nor parts.
            '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' => mapped.push(c),
            c => decompose_compatible(titlecase(c), |part| mapped.push(part)),
        }
    }
    mapped
}

/// Unicode's simple mapping to title case. The standard library has the full mapping to upper case, which is another thing
/// for the characters named here.
fn titlecase(c: char) -> char {
    match c {
        // Two letters in one character: the first is a capital.
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        // Georgian has capitals, but no capitalised words.
        '\u{10d0}'..='\u{10fa}' | '\u{10fd}'..='\u{10ff}' => c,
        // Greek with an iota below: one character here, two in the full mapping.
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
            char::from_u32(u32::from(c) + 8).unwrap_or(c)
        }
        '\u{1fb3}' => '\u{1fbc}',
        '\u{1fc3}' => '\u{1fcc}',
        '\u{1ff3}' => '\u{1ffc}',
        c => single_or(c.to_uppercase(), c),
    }
}

/// What a character is mapped to, if that is one character; else itself.
fn single_or(mut mapped: impl Iterator<Item = char>, c: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(mapped), None) => mapped,
        _ => c,
    }
}

/// What stands in front of a text, and of what could not be made one.
const TEXT: u8 = 1;
const OCTETS: u8 = 2;

/// Appends the place of a string in the order: places are compared octet by octet, and equal where the collation finds the
/// strings equal. The empty string has the empty place, which is before all others (RFC 5256 §3).
pub(super) fn place(out: &mut Vec<u8>, decoded: &Decoded<'_>) {
    match decoded {
        Decoded::Text(text) if text.is_empty() => {}
        Decoded::Text(text) => {
            out.push(TEXT);
            out.extend_from_slice(casemap(text).as_bytes());
        }
        Decoded::Octets(octets) => {
            out.push(OCTETS);
            out.extend_from_slice(octets);
        }
    }
}

/// A header's text as a string to be sorted by: encoded words decoded, and [`place`]d, at most [`SORT_OCTETS_MAX`] octets.
pub fn sort_place(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    place(&mut out, &super::charset::decode_field(raw));
    out.truncate(SORT_OCTETS_MAX);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 5051 §2.2 has the example.
    #[test]
    fn the_dz_with_caron() {
        for c in ["\u{1c4}", "\u{1c5}", "\u{1c6}"] {
            assert_eq!(casemap(c), "Dz\u{30c}");
        }
    }

    /// RFC 5051 §2, RFC 5256 §7
    #[test]
    fn case_and_composition_do_not_matter() {
        for (one, other) in [
            ("well, hello", "WELL, Hello"),
            ("οδυσσευς", "ΟΔΥΣΣΕΥΣ"),
            ("привет", "ПРИВЕТ"),
            ("café", "CAFE\u{301}"),
            ("ａｂｃ", "ABC"),
            ("\u{212a}", "k"),
            ("ᾳ", "ᾼ"),
            ("각", "\u{1100}\u{1161}\u{11a8}"),
        ] {
            assert_eq!(casemap(one), casemap(other), "{one} {other}");
        }
        for (one, other) in [("straße", "strasse"), ("a", "b"), ("日", "本"), ("ა", "Ა")] {
            assert_ne!(casemap(one), casemap(other), "{one} {other}");
        }
    }

    /// The order of RFC 5255 §4.6: what is Unicode first.
    #[test]
    fn what_is_no_text_comes_last() {
        let words: [&[u8]; 4] =
            [b"=?koi8-r?q?=E1=CC=C5=CB=D3=C5=CA?=", b"z", b"=?utf-8?q?=D0=92=FF?=", b"=?utf-8?q?=D0=C0?="];
        let places: Vec<_> = words.iter().map(|raw| sort_place(raw)).collect();
        assert!(places[1] < places[0] && places[0] < places[2] && places[2] < places[3], "{places:x?}");
        assert!(sort_place(b"") < sort_place(b"\x01"));
    }

    proptest! {
        #[test]
        fn a_piece_stays_a_piece(text in any::<String>(), from in 0usize..60, count in 0usize..60) {
            let piece: String = text.chars().skip(from).take(count).collect();
            prop_assert!(casemap(&text).contains(&casemap(&piece)));
        }
    }
}
