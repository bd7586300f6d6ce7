//! What all lines are made of (RFC 3501 §9): numbers, strings, lists. By hand, without `format!`: FETCH prints millions of
//! lines. What is beyond ASCII goes as it is, in literals, to clients that have not asked for it otherwise (RFC 6855 §7, §8).

use crate::imap::dialect::Dialect;
use crate::wire::chars::{is_astring_char, is_ctl};

/// A number in decimal.
pub(super) fn number(out: &mut Vec<u8>, number: u64) {
    // u64::MAX has 20 digits.
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A number with a zero in front where it has one digit only.
pub(super) fn two_digits(out: &mut Vec<u8>, number: u8) {
    out.extend_from_slice(&[b'0' + number / 10 % 10, b'0' + number % 10]);
}

/// Which strings are literals, and how a literal is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Literals {
    /// `{n}`: the server's, for all that is not ASCII.
    Plain,
    /// `{n+}`: a client's that does not wait (RFC 7888).
    NonSynchronizing,
    /// `{n}`: the server's to a client that reads UTF-8 in quotes (RFC 6855 §3, RFC 9051 §4.3), for what is no line of it.
    NotUtf8,
}

impl Literals {
    /// What a server uses for this client.
    pub(super) fn of(dialect: Dialect) -> Self {
        if dialect.utf8() { Self::NotUtf8 } else { Self::Plain }
    }
}

/// `{n}` and CRLF.
pub(super) fn literal_header(out: &mut Vec<u8>, octets: u64, literals: Literals) {
    out.push(b'{');
    number(out, octets);
    out.extend_from_slice(if literals == Literals::NonSynchronizing { b"+}\r\n" } else { b"}\r\n" });
}

/// `string = quoted / literal`: quoted where it is one line of 7 bits, or of UTF-8 for who reads that. A NUL has no place in
/// either and is left out.
pub(super) fn string(out: &mut Vec<u8>, octets: &[u8], literals: Literals) {
    let in_line = |octet: &u8| !matches!(octet, 0 | b'\r' | b'\n');
    let utf8 = || literals == Literals::NotUtf8 && std::str::from_utf8(octets).is_ok();
    if octets.iter().all(in_line) && (octets.is_ascii() || utf8()) {
        return quoted(out, octets);
    }
    let nuls = memchr::memchr_iter(0, octets).count();
    literal_header(out, (octets.len() - nuls) as u64, literals);
    match nuls {
        0 => out.extend_from_slice(octets),
        _ => out.extend(octets.iter().filter(|octet| **octet != 0)),
    }
}

/// `quoted`, of octets that can be quoted.
fn quoted(out: &mut Vec<u8>, octets: &[u8]) {
    out.reserve(octets.len() + 2);
    out.push(b'"');
    let mut rest = octets;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// `nstring = string / nil`
pub(super) fn nstring(out: &mut Vec<u8>, octets: Option<&[u8]>, literals: Literals) {
    match octets {
        Some(octets) => string(out, octets, literals),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// `astring = 1*ASTRING-CHAR / string`. `NIL` is quoted, since careless readers take it for nothing.
pub(super) fn astring(out: &mut Vec<u8>, octets: &[u8], literals: Literals) {
    let is_atom = !octets.is_empty() && octets.iter().copied().all(is_astring_char);
    if is_atom && !octets.eq_ignore_ascii_case(b"NIL") {
        out.extend_from_slice(octets);
    } else {
        string(out, octets, literals);
    }
}

/// `text = 1*TEXT-CHAR`, for people: what a line can't carry becomes `?`.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.chars().map(|c| match u8::try_from(c) {
        Ok(octet) if octet.is_ascii() && !is_ctl(octet) => octet,
        _ => b'?',
    }));
}

/// The items with a space between one and the next.
pub(super) fn spaced<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut print: impl FnMut(&mut Vec<u8>, T)) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        print(out, item);
    }
}

/// The items in parentheses, with a space between one and the next.
pub(super) fn list<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, print: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'(');
    spaced(out, items, print);
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(print: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        print(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn numbers() {
        for value in [0, 1, 9, 10, 4_294_967_295, u64::MAX] {
            assert_eq!(printed(|out| number(out, value)), value.to_string());
        }
    }

    #[test]
    fn strings_take_the_form_that_can_carry_them() {
        let astring = |octets: &[u8]| printed(|out| astring(out, octets, Literals::Plain));
        assert_eq!(astring(b"INBOX"), "INBOX");
        assert_eq!(astring(b"a]b"), "a]b");
        assert_eq!(astring(b""), "\"\"");
        assert_eq!(astring(b"nil"), "\"nil\"");
        assert_eq!(astring(b"a b"), "\"a b\"");
        assert_eq!(astring(b"a*"), "\"a*\"");
        assert_eq!(astring(br#"a"\"#), r#""a\"\\""#);
        assert_eq!(astring(b"a\r\nb"), "{4}\r\na\r\nb");
        assert_eq!(astring("ä".as_bytes()), "{2}\r\nä");
        assert_eq!(astring(b"a\0\xe4"), "{2}\r\na\u{fffd}");
        assert_eq!(printed(|out| string(out, b"\xc3\xa4", Literals::NonSynchronizing)), "{2+}\r\nä");
        assert_eq!(printed(|out| nstring(out, None, Literals::Plain)), "NIL");
        assert_eq!(printed(|out| string(out, "ä".as_bytes(), Literals::NotUtf8)), "\"ä\"");
        assert_eq!(printed(|out| string(out, "ä\r\n".as_bytes(), Literals::NotUtf8)), "{4}\r\nä\r\n");
        assert_eq!(printed(|out| string(out, b"\xe4", Literals::NotUtf8)), "{1}\r\n\u{fffd}");
        assert_eq!(printed(|out| text(out, "ä\r\n* BYE")), "???* BYE");
    }
}
