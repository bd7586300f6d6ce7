//! Addresses as scripts see them: a local part and a domain, and what of them is asked for (RFC 5228 §2.7.4, RFC 5233 §4).

use std::borrow::Cow;
use std::fmt;

use crate::message::address::parse_list;
use crate::sieve::program::AddressPart;

/// An address of the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// What it means, without the quotes that it may be written in.
    pub local_part: String,
    /// As it is written; empty, where a local part stands for itself (`postmaster`).
    pub domain: String,
}

impl Path {
    /// `sieve-address` (RFC 5228 §2.4.2.3): an address alone, or behind a name in angle brackets; no route, no group.
    pub(crate) fn of_redirect(text: &str) -> Option<Path> {
        let [address] = <[_; 1]>::try_from(parse_list(text.as_bytes(), 2)).ok()?;
        let utf8 = |text: crate::message::Text| String::from_utf8(text.as_bytes().to_vec()).ok();
        let path = Path { local_part: utf8(address.mailbox?)?, domain: utf8(address.host?)? };
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-');
        let is_domain = !path.domain.is_empty() && (path.domain.chars().all(is_name) || path.domain.starts_with('['));
        // Readers of headers take what they get; here somebody is to be told what they have mistyped.
        let text = text.trim();
        let in_brackets = text.strip_suffix('>').and_then(|text| Some(text.rsplit_once('<')?.1));
        let addr_spec = in_brackets.unwrap_or(text);
        let is_whole = addr_spec.starts_with('"') || addr_spec == path.to_string();
        let is_plain = !path.local_part.is_empty() && !path.local_part.contains(char::is_control);
        (address.adl.is_none() && is_domain && is_whole && is_plain).then_some(path)
    }

    /// The local part as addresses have it: a quoted string where it is no dot-string (RFC 5321 §4.1.2).
    pub fn quoted_local_part(&self) -> Cow<'_, str> {
        let is_atom = |atom: &str| !atom.is_empty() && atom.chars().all(|c| is_atom_text(c) || !c.is_ascii());
        if self.local_part.split('.').all(is_atom) {
            return Cow::Borrowed(&self.local_part);
        }
        Cow::Owned(format!("\"{}\"", self.local_part.replace('\\', "\\\\").replace('"', "\\\"")))
    }

    /// What of it a test looks at; `None`: it has no such part.
    pub(super) fn part(&self, part: AddressPart, separators: &str) -> Option<Cow<'_, [u8]>> {
        let found = Found { local_part: self.local_part.as_bytes(), domain: self.domain.as_bytes() };
        match part {
            // A name alone is a good address in an envelope (RFC 5321 §4.1.1.3), and has all parts but a domain.
            AddressPart::LocalPart | AddressPart::User | AddressPart::Detail => found.of_local_part(part, separators),
            AddressPart::All | AddressPart::Domain => found.part(part, separators),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.quoted_local_part())?;
        if self.domain.is_empty() { Ok(()) } else { write!(f, "@{}", self.domain) }
    }
}

/// `atext` (RFC 5322 §3.2.3)
fn is_atom_text(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

/// An address of a header field, in its octets.
#[derive(Clone, Copy)]
pub(super) struct Found<'f> {
    pub(super) local_part: &'f [u8],
    /// Empty: it is no valid address.
    pub(super) domain: &'f [u8],
}

impl<'f> Found<'f> {
    /// What of it a test looks at; `None`: it has no such part, and nothing matches. What is no valid address has no parts
    /// (RFC 5228 §2.7.4).
    pub(super) fn part(self, part: AddressPart, separators: &str) -> Option<Cow<'f, [u8]>> {
        let Found { local_part, domain } = self;
        if part == AddressPart::All {
            return Some(match domain {
                [] => Cow::Borrowed(local_part),
                _ => Cow::Owned([local_part, b"@", domain].concat()),
            });
        }
        if domain.is_empty() || local_part.is_empty() {
            return None;
        }
        if part == AddressPart::Domain { Some(domain.into()) } else { self.of_local_part(part, separators) }
    }

    /// The local part, or what of it is asked for. It is cut as where accounts are looked up (RFC 5233 §4): what begins with a
    /// separator has no user to cut from.
    fn of_local_part(self, part: AddressPart, separators: &str) -> Option<Cow<'f, [u8]>> {
        let local_part = self.local_part;
        let separator = local_part.iter().position(|octet| separators.as_bytes().contains(octet)).filter(|at| *at > 0);
        match (part, separator) {
            (AddressPart::User, Some(at)) => Some(local_part[..at].into()),
            (AddressPart::Detail, at) => at.map(|at| local_part[at + 1..].into()),
            _ => Some(local_part.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_to_redirect_to() {
        let of = |text| Path::of_redirect(text).map(|path| path.to_string());
        for (text, path) in [
            ("bart@example.com", "bart@example.com"),
            (" bart@example.com ", "bart@example.com"),
            ("Bart Simpson <bart+x@example.com>", "bart+x@example.com"),
            ("\"Simpson, Bart\" <bart@example.com>", "bart@example.com"),
            ("\"bart simpson\"@example.com", "\"bart simpson\"@example.com"),
            ("b\u{e4}rt@b\u{fc}cher.example", "b\u{e4}rt@b\u{fc}cher.example"),
            ("bart@[192.0.2.1]", "bart@[192.0.2.1]"),
        ] {
            assert_eq!(of(text).as_deref(), Some(path), "{text}");
        }
        for text in [
            "",
            "bart",
            "@example.com",
            "bart@",
            "bart@exa mple.com",
            "bart simpson@example.com",
            "a@example.com, b@example.com",
            "group: a@example.com;",
            "<@route.example:bart@example.com>",
            "bart@@example.com",
            "bart@example.com\r\nX: y",
            "bart@example.com (comment)",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn parts() {
        let part = |address: &'static str, part| {
            let (local_part, domain) = address.split_once('@').unwrap_or((address, ""));
            let found = Found { local_part: local_part.as_bytes(), domain: domain.as_bytes() };
            found.part(part, "+").map(|part| String::from_utf8(part.into_owned()).unwrap())
        };
        use AddressPart::{All, Detail, Domain, LocalPart, User};
        for (address, which, expected) in [
            ("ken+sieve+x@example.org", All, Some("ken+sieve+x@example.org")),
            ("ken+sieve+x@example.org", LocalPart, Some("ken+sieve+x")),
            ("ken+sieve+x@example.org", Domain, Some("example.org")),
            ("ken+sieve+x@example.org", User, Some("ken")),
            ("ken+sieve+x@example.org", Detail, Some("sieve+x")),
            ("ken@example.org", User, Some("ken")),
            ("ken@example.org", Detail, None),
            ("ken+@example.org", Detail, Some("")),
            ("+ken@example.org", User, Some("+ken")),
            ("+ken@example.org", Detail, None),
            ("ken", All, Some("ken")),
            ("ken", LocalPart, None),
            ("ken", Domain, None),
        ] {
            assert_eq!(part(address, which).as_deref(), expected, "{address} {which:?}");
        }
        let found = Found { local_part: b"ken-a+b", domain: b"example.org" };
        assert_eq!(found.part(Detail, "+-").as_deref(), Some(b"a+b".as_slice()));
        assert_eq!((found.part(Detail, ""), found.part(User, "").as_deref()), (None, Some(b"ken-a+b".as_slice())));
    }
}
