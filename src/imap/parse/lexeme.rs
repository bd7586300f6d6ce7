//! What all commands are made of (RFC 3501 §9): atoms, strings, numbers, lists. And how a parser of this grammar fails.

use std::borrow::Cow;

use nom::bytes::complete::{take, take_while, take_while1};
use nom::combinator::opt;
use nom::error::ErrorKind;
use nom::multi::separated_list1;
use nom::sequence::{delimited, terminated};
use nom::{IResult, Parser};

use super::Fault;
use crate::imap::command::LiteralHeader;
use crate::wire::chars::{is_astring_char, is_atom_char};

/// What is left of the frame at the place of a fault, and the fault.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure<'f> {
    pub(super) rest: &'f [u8],
    pub(super) fault: Fault,
}

/// Of alternatives that all fail, the one that got furthest says what was expected.
impl<'f> nom::error::ParseError<&'f [u8]> for Failure<'f> {
    fn from_error_kind(rest: &'f [u8], _kind: ErrorKind) -> Self {
        Failure { rest, fault: Fault::Expected("something else") }
    }
    fn append(_rest: &'f [u8], _kind: ErrorKind, other: Self) -> Self {
        other
    }
    fn or(self, other: Self) -> Self {
        if self.rest.len() <= other.rest.len() { self } else { other }
    }
}

pub(super) type Parsed<'f, T> = IResult<&'f [u8], T, Failure<'f>>;

/// A parser of frames.
pub(super) trait Grammar<'f, T>: Parser<&'f [u8], Output = T, Error = Failure<'f>> {}
impl<'f, T, P: Parser<&'f [u8], Output = T, Error = Failure<'f>>> Grammar<'f, T> for P {}

/// The grammar wants something else here; another alternative may do.
pub(super) fn expected<'f, T>(rest: &'f [u8], what: &'static str) -> Parsed<'f, T> {
    Err(nom::Err::Error(Failure { rest, fault: Fault::Expected(what) }))
}

/// No alternative can mend this.
pub(super) fn fail<T>(rest: &[u8], fault: Fault) -> Parsed<'_, T> {
    Err(nom::Err::Failure(Failure { rest, fault }))
}

/// Gives a parser's failure at its first octet a name; failures further on keep theirs.
pub(super) fn named<'f, T>(what: &'static str, mut parser: impl Grammar<'f, T>) -> impl Grammar<'f, T> {
    move |rest: &'f [u8]| match parser.parse(rest) {
        Err(nom::Err::Error(failure)) if failure.rest.len() == rest.len() => expected(rest, what),
        parsed => parsed,
    }
}

/// One octet that stands for itself.
pub(super) fn octet<'f>(wanted: u8, what: &'static str) -> impl Grammar<'f, u8> {
    move |rest: &'f [u8]| match rest.split_first() {
        Some((first, behind)) if *first == wanted => Ok((behind, wanted)),
        _ => expected(rest, what),
    }
}

/// `SP`: exactly one.
pub(super) fn space(rest: &[u8]) -> Parsed<'_, u8> {
    octet(b' ', "a space").parse(rest)
}

/// `SP` and what follows it.
pub(super) fn argument<'f, T>(mut parser: impl Grammar<'f, T>) -> impl Grammar<'f, T> {
    move |rest: &'f [u8]| {
        let (rest, _) = space(rest)?;
        parser.parse(rest)
    }
}

/// `"(" item *(SP item) ")"`
pub(super) fn list1<'f, T>(item: impl Grammar<'f, T>) -> impl Grammar<'f, Vec<T>> {
    delimited(octet(b'(', "("), separated_list1(space, item), octet(b')', ") or a space"))
}

/// `"(" [item *(SP item)] ")"`
pub(super) fn list0<'f, T>(item: impl Grammar<'f, T>) -> impl Grammar<'f, Vec<T>> {
    let items = opt(separated_list1(space, item)).map(Option::unwrap_or_default);
    delimited(octet(b'(', "("), items, octet(b')', ") or a space"))
}

/// A word in capitals: what the grammar's quoted strings are compared with. Letters, digits, `.` and `-`; no other octet
/// is in any of them.
pub(super) fn word<'f>(what: &'static str) -> impl Grammar<'f, String> {
    move |rest: &'f [u8]| {
        let letter = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-');
        let (behind, word) = named(what, take_while1(letter)).parse(rest)?;
        Ok((behind, ascii(word).to_ascii_uppercase()))
    }
}

/// Octets that are known to be ASCII, as text.
pub(super) fn ascii(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

/// `atom = 1*ATOM-CHAR`
pub(super) fn atom(rest: &[u8]) -> Parsed<'_, &[u8]> {
    named("an atom", take_while1(is_atom_char)).parse(rest)
}

/// `astring = 1*ASTRING-CHAR / string`
pub(super) fn astring(rest: &[u8]) -> Parsed<'_, Cow<'_, [u8]>> {
    match rest.first() {
        Some(first) if is_astring_char(*first) => {
            let (rest, octets) = take_while1(is_astring_char).parse(rest)?;
            Ok((rest, octets.into()))
        }
        Some(b'"' | b'{') => string(rest),
        _ => expected(rest, "an atom or a string"),
    }
}

/// `string = quoted / literal`
pub(super) fn string(rest: &[u8]) -> Parsed<'_, Cow<'_, [u8]>> {
    match rest.first() {
        Some(b'"') => quoted(rest),
        Some(b'{') => literal(rest),
        _ => expected(rest, "a string"),
    }
}

/// `nstring = string / nil`
pub(super) fn nstring(rest: &[u8]) -> Parsed<'_, Option<Cow<'_, [u8]>>> {
    let (behind, nil) = opt(nil).parse(rest)?;
    match nil {
        Some(()) => Ok((behind, None)),
        None => string.map(Some).parse(rest),
    }
}

/// `nil = "NIL"` (RFC 3501 §4.5, RFC 9051 §4.5)
pub(super) fn nil(rest: &[u8]) -> Parsed<'_, ()> {
    named("NIL", nom::bytes::complete::tag_no_case(&b"NIL"[..]).map(|_| ())).parse(rest)
}

/// `quoted = DQUOTE *QUOTED-CHAR DQUOTE`, with the UTF-8 that RFC 9051 §9 allows: the meaning decides whether 8-bit is good.
fn quoted(rest: &[u8]) -> Parsed<'_, Cow<'_, [u8]>> {
    let plain = |octet: u8| !matches!(octet, 0 | b'\r' | b'\n' | b'"' | b'\\');
    let (mut rest, _) = octet(b'"', "\"").parse(rest)?;
    let mut text = Cow::Borrowed(&[][..]);
    loop {
        let (behind, run) = take_while(plain).parse(rest)?;
        if std::str::from_utf8(run).is_err() {
            return expected(rest, "ASCII or UTF-8 in quotes");
        }
        if text.is_empty() {
            text = Cow::Borrowed(run);
        } else {
            text.to_mut().extend_from_slice(run);
        }
        match behind {
            [b'"', behind @ ..] => return Ok((behind, text)),
            [b'\\', special @ (b'"' | b'\\'), behind @ ..] => {
                text.to_mut().push(*special);
                rest = behind;
            }
            [b'\\', ..] => return expected(&behind[1..], "\" or \\ behind \\"),
            _ => return expected(behind, "a closing \""),
        }
    }
}

/// `literal = "{" number ["+"] "}" CRLF *CHAR8` (RFC 3501 §9, RFC 7888 §6)
fn literal(rest: &[u8]) -> Parsed<'_, Cow<'_, [u8]>> {
    let (rest, header) = literal_header(rest)?;
    let (rest, _) = named("CRLF behind the head of a literal", nom::bytes::complete::tag(&b"\r\n"[..])).parse(rest)?;
    let count = usize::try_from(header.octets).unwrap_or(usize::MAX);
    let (behind, octets) = named("all octets of the literal", take(count)).parse(rest)?;
    match memchr::memchr(0, octets) {
        Some(at) => expected(&rest[at..], "no NUL in a literal"),
        None => Ok((behind, octets.into())),
    }
}

/// `"{" number ["+"] "}"`, without `~`.
pub(super) fn literal_header(rest: &[u8]) -> Parsed<'_, LiteralHeader> {
    let (rest, _) = octet(b'{', "a literal").parse(rest)?;
    let (rest, octets) = number64(rest)?;
    let (rest, plus) = opt(octet(b'+', "+")).parse(rest)?;
    let (rest, _) = octet(b'}', "}").parse(rest)?;
    Ok((rest, LiteralHeader { octets, non_synchronizing: plus.is_some(), binary: false }))
}

/// `number64` (RFC 9051 §4.2, §9): 0 to 2^63 - 1. RFC 3501's numbers go to 2^32 - 1; where more does no harm, more is taken.
pub(super) fn number64(rest: &[u8]) -> Parsed<'_, u64> {
    let (behind, digits) = named("a number", take_while1(|octet: u8| octet.is_ascii_digit())).parse(rest)?;
    let number = digits.iter().try_fold(0u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0')).filter(|number| *number < 1 << 63)
    });
    match number {
        Some(number) => Ok((behind, number)),
        None => expected(rest, "a number below 9223372036854775808"),
    }
}

/// `nz-number`: 1 to 2^32 - 1, without a zero in front.
pub(super) fn nz_number(rest: &[u8]) -> Parsed<'_, std::num::NonZeroU32> {
    const WHAT: &str = "a number from 1 to 4294967295";
    if rest.first() == Some(&b'0') {
        return expected(rest, WHAT);
    }
    let (behind, number) = named(WHAT, number64).parse(rest)?;
    match u32::try_from(number).ok().and_then(std::num::NonZeroU32::new) {
        Some(number) => Ok((behind, number)),
        None => expected(rest, WHAT),
    }
}

/// A string of text: UTF-8, of which ASCII is the part that RFC 3501 knows.
pub(super) fn utf8<'f>(what: &'static str, parser: impl Grammar<'f, Cow<'f, [u8]>>) -> impl Grammar<'f, String> {
    let mut parser = named(what, parser);
    move |rest: &'f [u8]| {
        let (behind, octets) = parser.parse(rest)?;
        match String::from_utf8(octets.into_owned()) {
            Ok(text) => Ok((behind, text)),
            Err(_) => fail(rest, Fault::Invalid("Not UTF-8")),
        }
    }
}

/// The parser, and nothing behind it.
pub(super) fn whole<'f, T>(parser: impl Grammar<'f, T>) -> impl Grammar<'f, T> {
    terminated(parser, |rest: &'f [u8]| match rest.is_empty() {
        true => Ok((rest, ())),
        false => expected(rest, "the end of the command"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(parsed: Parsed<'_, Cow<'_, [u8]>>) -> Result<(String, String), (&'static str, usize)> {
        match parsed {
            Ok((rest, octets)) => Ok((ascii(&octets), ascii(rest))),
            Err(nom::Err::Error(Failure { rest, fault: Fault::Expected(what) })) => Err((what, rest.len())),
            other => panic!("{other:?}"),
        }
    }

    fn good(octets: &str, rest: &str) -> Result<(String, String), (&'static str, usize)> {
        Ok((octets.to_owned(), rest.to_owned()))
    }

    #[test]
    fn astrings() {
        assert_eq!(text(astring(b"a]b c")), good("a]b", " c"));
        assert_eq!(text(astring(b"\"a b\" c")), good("a b", " c"));
        assert_eq!(text(astring(b"\"\"")), good("", ""));
        assert_eq!(text(astring(br#""\"\\a\"""#)), good(r#""\a""#, ""));
        assert_eq!(text(astring(b"{3}\r\na\r\n)")), good("a\r\n", ")"));
        assert_eq!(text(astring(b"{0+}\r\n)")), good("", ")"));
        assert_eq!(text(astring(b"")), Err(("an atom or a string", 0)));
        assert_eq!(text(astring(b"(a")), Err(("an atom or a string", 2)));
        assert_eq!(text(astring(br#""a\b""#)), Err(("\" or \\ behind \\", 2)));
        assert_eq!(text(astring(b"\"a")), Err(("a closing \"", 0)));
        assert_eq!(text(astring(b"\"a\rb\"")), Err(("a closing \"", 3)));
        assert_eq!(text(astring(b"\"a\xff\"")), Err(("ASCII or UTF-8 in quotes", 3)));
        assert_eq!(text(astring(b"{4}\r\nabc")), Err(("all octets of the literal", 3)));
        assert_eq!(text(astring(b"{3}\r\na\0c")), Err(("no NUL in a literal", 2)));
        assert_eq!(text(astring(b"{3}\nabc")), Err(("CRLF behind the head of a literal", 4)));
        assert_eq!(text(astring(b"{}\r\n")), Err(("a number", 3)));
    }

    #[test]
    fn numbers() {
        assert_eq!(number64(b"007)"), Ok((&b")"[..], 7)));
        assert_eq!(number64(b"9223372036854775807"), Ok((&b""[..], i64::MAX as u64)));
        assert!(number64(b"9223372036854775808").is_err());
        assert!(number64(b"99999999999999999999999").is_err());
        assert_eq!(nz_number(b"4294967295").unwrap().1.get(), u32::MAX);
        for bad in [&b"0"[..], b"01", b"4294967296", b"-1", b"", b"*"] {
            assert!(nz_number(bad).is_err(), "{bad:?}");
        }
    }
}
