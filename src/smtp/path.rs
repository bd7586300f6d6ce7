//! Addresses on the envelope: reverse-path and forward-path (RFC 5321 §4.1.2, RFC 6531 §3.3), parser and printer.
//!
//! A local part is kept as what it means: `"al\ice"@x` and `alice@x` are the same value, and the printer quotes what
//! needs quotes. A domain is kept as it was written, an address literal with its brackets. Source routes are accepted
//! and forgotten (RFC 5321 §3.6.1, appendix C). No control character can be in either half, so an address can go into a trace
//! header as it is.
//!
//! We differ from the grammar on purpose in two points, since refusing would lose real mail: a name without a domain
//! is taken (`alice`; whether it is anybody is the directory's to say; the RFC has this for `postmaster` only), and a
//! label of a domain may have an underscore (hosts are named so, whatever RFC 1123 says).

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while, take_while_m_n, take_while1};
use nom::character::complete::{char, satisfy};
use nom::combinator::{all_consuming, map, opt, recognize, value, verify};
use nom::multi::{fold_many0, separated_list1};
use nom::sequence::{delimited, preceded, separated_pair, terminated};
use nom::{IResult, Parser};

/// RFC 5321 §4.5.3.1.1, in octets.
pub(super) const LOCAL_PART_OCTETS: usize = 64;
/// RFC 5321 §4.5.3.1.2, in octets.
pub(super) const DOMAIN_OCTETS: usize = 255;
/// RFC 5321 §4.5.3.1.3, in octets, with the angle brackets.
pub(super) const PATH_OCTETS: usize = 256;

/// A mailbox as the envelope names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    local_part: String,
    domain: String,
}

impl Path {
    /// The local part, without quotes and backslashes.
    pub fn local_part(&self) -> &str {
        &self.local_part
    }

    /// The local part as addresses have it: a quoted string where it is no dot-string.
    pub fn quoted_local_part(&self) -> Cow<'_, str> {
        if matches!(dot_string(&self.local_part), Ok(("", _))) {
            return Cow::Borrowed(&self.local_part);
        }
        Cow::Owned(format!("\"{}\"", self.local_part.replace('\\', "\\\\").replace('"', "\\\"")))
    }

    /// The domain, or the address literal with its brackets; empty for a bare name.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether it is US-ASCII: otherwise it needs SMTPUTF8 (RFC 6531 §3.4).
    pub fn is_ascii(&self) -> bool {
        self.local_part.is_ascii() && self.domain.is_ascii()
    }

    /// Whether its parts keep the lengths of RFC 5321 §4.5.3.1. As a whole it is shorter than the `<>` form by 2.
    pub(super) fn keeps_lengths(&self) -> bool {
        self.domain.len() <= DOMAIN_OCTETS && self.to_string().len() + 2 <= PATH_OCTETS
    }
}

/// As a person or a program writes it, with or without the angle brackets.
impl FromStr for Path {
    type Err = NotAPath;

    fn from_str(text: &str) -> Result<Path, NotAPath> {
        match all_consuming(alt((path, mailbox))).parse(text) {
            Ok((_, path)) if path.keeps_lengths() => Ok(path),
            _ => Err(NotAPath),
        }
    }
}

/// Why a text names no mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address such as alice@example.org")]
pub struct NotAPath;

/// Without the angle brackets.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.quoted_local_part())?;
        match self.domain.as_str() {
            "" => Ok(()),
            domain => write!(f, "@{domain}"),
        }
    }
}

/// `Reverse-path = Path / "<>"`
pub(super) fn reverse_path(input: &str) -> IResult<&str, Option<Path>> {
    alt((value(None, tag("<>")), map(path, Some))).parse(input)
}

/// `Path = "<" [ A-d-l ":" ] Mailbox ">"`, and a bare name in place of the mailbox.
pub(super) fn path(input: &str) -> IResult<&str, Path> {
    delimited(char('<'), preceded(opt(source_route), mailbox), char('>')).parse(input)
}

/// `A-d-l = At-domain *( "," At-domain )`, with the colon that ends it.
fn source_route(input: &str) -> IResult<&str, ()> {
    value((), terminated(separated_list1(char(','), preceded(char('@'), domain_name)), char(':'))).parse(input)
}

/// `Mailbox = Local-part "@" ( Domain / address-literal )`
pub(super) fn mailbox(input: &str) -> IResult<&str, Path> {
    map((local_part, opt(preceded(char('@'), domain))), |(local_part, domain)| Path {
        local_part,
        domain: domain.unwrap_or_default().to_owned(),
    })
    .parse(input)
}

/// `Domain / address-literal`
pub(super) fn domain(input: &str) -> IResult<&str, &str> {
    alt((address_literal, domain_name)).parse(input)
}

/// `Local-part = Dot-string / Quoted-string`
fn local_part(input: &str) -> IResult<&str, String> {
    alt((map(dot_string, str::to_owned), quoted_string)).parse(input)
}

/// `Dot-string = Atom *("."  Atom)`
fn dot_string(input: &str) -> IResult<&str, &str> {
    recognize(separated_list1(char('.'), take_while1(is_atom_char))).parse(input)
}

/// `Quoted-string = DQUOTE *QcontentSMTP DQUOTE`; `QcontentSMTP = qtextSMTP / quoted-pairSMTP`
fn quoted_string(input: &str) -> IResult<&str, String> {
    let text = satisfy(|c| !matches!(c, '"' | '\\') && !c.is_control());
    let pair = preceded(char('\\'), satisfy(|c| c == ' ' || c.is_ascii_graphic()));
    let content = fold_many0(alt((text, pair)), String::new, |mut content, character| {
        content.push(character);
        content
    });
    delimited(char('"'), content, char('"')).parse(input)
}

/// `Domain = sub-domain *("." sub-domain)`
fn domain_name(input: &str) -> IResult<&str, &str> {
    recognize(separated_list1(char('.'), sub_domain)).parse(input)
}

/// `sub-domain = Let-dig [Ldh-str] / U-label`
fn sub_domain(input: &str) -> IResult<&str, &str> {
    let is_label_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || is_visible_non_ascii(c);
    verify(take_while1(is_label_char), |label: &str| {
        !label.starts_with('-') && !label.ends_with('-') && label.len() <= 63
    })
    .parse(input)
}

/// `address-literal = "[" ( IPv4-address-literal / IPv6-address-literal / General-address-literal ) "]"`
/// (RFC 5321 §4.1.3)
fn address_literal(input: &str) -> IResult<&str, &str> {
    let ipv4 =
        verify(take_while(|c: char| c.is_ascii_digit() || c == '.'), |text: &str| text.parse::<Ipv4Addr>().is_ok());
    let ipv6_digits = take_while(|c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.'));
    let ipv6 = preceded(tag_no_case("IPv6:"), verify(ipv6_digits, |text: &str| text.parse::<Ipv6Addr>().is_ok()));
    // `General-address-literal = Standardized-tag ":" 1*dcontent`
    let label = verify(sub_domain, |label: &str| label.is_ascii() && !label.eq_ignore_ascii_case("ipv6"));
    let content = take_while_m_n(1, DOMAIN_OCTETS, |c: char| c.is_ascii_graphic() && !matches!(c, '[' | ']' | '\\'));
    let general = recognize(separated_pair(label, char(':'), content));
    recognize(delimited(char('['), alt((ipv4, ipv6, general)), char(']'))).parse(input)
}

/// `atext` (RFC 5322 §3.2.3), and beyond ASCII what RFC 6531 §3.3 adds.
fn is_atom_char(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character) || is_visible_non_ascii(character)
}

/// `UTF8-non-ascii` without the C1 control characters, which have no place in a name.
fn is_visible_non_ascii(character: char) -> bool {
    !character.is_ascii() && !character.is_control()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Option<Path> {
        match path(text) {
            Ok(("", path)) => Some(path),
            _ => None,
        }
    }

    fn halves(text: &str) -> Option<(String, String)> {
        parse(text).map(|path| (path.local_part, path.domain))
    }

    fn some(local_part: &str, domain: &str) -> Option<(String, String)> {
        Some((local_part.into(), domain.into()))
    }

    #[test]
    fn plain_addresses() {
        assert_eq!(halves("<alice@example.org>"), some("alice", "example.org"));
        assert_eq!(halves("<a.b+c=d@x-y.example>"), some("a.b+c=d", "x-y.example"));
        assert_eq!(halves("<postmaster>"), some("postmaster", ""));
        assert_eq!(halves("<ürsula@bücher.example>"), some("ürsula", "bücher.example"));
    }

    #[test]
    fn quoted_local_parts_are_what_they_mean() {
        assert_eq!(halves(r#"<"al\ice"@x>"#), some("alice", "x"));
        assert_eq!(halves(r#"<"a b\"c\\"@x>"#), some(r#"a b"c\"#, "x"));
        assert_eq!(halves(r#"<"">"#), some("", ""));
        assert_eq!(parse(r#"<"al\ice"@x>"#).map(|path| path.to_string()).as_deref(), Some("alice@x"));
        assert_eq!(parse(r#"<"a b"@x>"#).map(|path| path.to_string()).as_deref(), Some(r#""a b"@x"#));
    }

    #[test]
    fn source_routes_are_forgotten() {
        assert_eq!(halves("<@one.example,@two.example:alice@x>"), some("alice", "x"));
        assert_eq!(halves("<@one.example:>"), None);
    }

    #[test]
    fn address_literals() {
        assert_eq!(halves("<a@[192.0.2.1]>"), some("a", "[192.0.2.1]"));
        assert_eq!(halves("<a@[IPv6:2001:db8::1]>"), some("a", "[IPv6:2001:db8::1]"));
        assert_eq!(halves("<a@[tag:content]>"), some("a", "[tag:content]"));
        for bad in ["<a@[192.0.2.256]>", "<a@[IPv6:xyz]>", "<a@[]>", "<a@[192.0.2.1>"] {
            assert_eq!(halves(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_no_path() {
        for bad in [
            "alice@x",
            "<alice@x",
            "<>",
            "<@x>",
            "<a@>",
            "<a@@x>",
            "<a@x..y>",
            "<a@-x>",
            "<a@x->",
            "<.a@x>",
            "<a.@x>",
            "<a..b@x>",
            "<a b@x>",
            "<\"a@x>",
            "<a\u{7f}@x>",
            "<\"a\u{1}\"@x>",
            "<a\u{85}@x>",
            "<a@x.>",
        ] {
            assert_eq!(halves(bad), None, "{bad}");
        }
    }

    /// Any path that can be: what the parser would give.
    pub(in crate::smtp) fn any_path() -> impl Strategy<Value = Path> {
        let local_part = prop_oneof!["[a-z]{1,8}", "[ -~]{0,12}", "[a-zäöü.]{1,8}"];
        let domain = prop_oneof![
            Just(String::new()),
            "[a-z][a-z0-9]{0,5}(\\.[a-z0-9]{1,5}){0,3}",
            Just("[192.0.2.1]".to_owned()),
            Just("[IPv6:::1]".to_owned())
        ];
        (local_part, domain).prop_map(|(local_part, domain)| Path { local_part, domain })
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(path in any_path()) {
            prop_assert_eq!(parse(&format!("<{path}>")), Some(path));
        }
    }
}
