//! The canonical form of an address: what makes two spellings one account.
//!
//! An account is named by a full address. Its local part is in lower case (RFC 5321 §2.4 leaves the meaning of case to
//! the receiving host, and ours has none) and in NFC, with `+detail` cut off (RFC 5233 §1 calls it subaddressing) and
//! quoted only where it must be; its domain is a list of A-labels (RFC 5890 §2.3.2.1) or an address literal. The
//! spelling that was given stays beside it for display.
//!
//! Knows no account and no list of domains: that is [`directory`](super::directory).

use std::net::{Ipv4Addr, Ipv6Addr};

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;

/// RFC 5321 §4.5.3.1.1.
const LOCAL_PART_OCTETS_MAX: usize = 64;

/// RFC 5321 §4.5.3.1.2; what is longer is not even looked at.
const DOMAIN_OCTETS_MAX: usize = 255;

/// What separates the user from the detail where nothing else is said: the common choice (RFC 5233 §4 leaves it to the site).
pub(super) const DETAIL_SEPARATOR: char = '+';

/// An address in both spellings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The canonical spelling: the key of an account.
    pub name: String,
    /// The spelling as given, less the detail.
    pub display_name: String,
    /// What stood behind the separator, as given and without quotes (RFC 5233 §4): never empty.
    pub detail: Option<String>,
}

/// Why something is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// The local part is empty, too long, or holds control characters.
    #[error("the part before the @ is empty, longer than {LOCAL_PART_OCTETS_MAX} octets, or holds control characters")]
    LocalPart,
    /// The domain is neither a name that the DNS could hold nor an address literal.
    #[error("the part after the @ is not a domain")]
    Domain,
}

impl Address {
    /// The address of `local_part` at `domain`. A local part in double quotes is taken for a quoted string (RFC 5321
    /// §4.1.2); the domain may be given in Unicode, as A-labels, or as an address literal.
    pub fn new(local_part: &str, domain: &str) -> Result<Self, BadAddress> {
        Self::with_separators(local_part, domain, DETAIL_SEPARATOR.encode_utf8(&mut [0; 4]))
    }

    /// The same where any of these characters separates the user from the detail; without one nothing is cut off.
    pub fn with_separators(local_part: &str, domain: &str, separators: &str) -> Result<Self, BadAddress> {
        let content = unquote(local_part).ok_or(BadAddress::LocalPart)?;
        if content.is_empty() || content.len() > LOCAL_PART_OCTETS_MAX || content.chars().any(char::is_control) {
            return Err(BadAddress::LocalPart);
        }
        let (user, detail) = cut_detail(&content, separators);
        let folded: String = user.to_lowercase().nfc().collect();
        Ok(Self {
            name: format!("{}@{}", quote_if_needed(&folded), canonical_domain(domain)?),
            display_name: format!("{}@{domain}", quote_if_needed(user)),
            detail: detail.filter(|detail| !detail.is_empty()).map(str::to_owned),
        })
    }
}

/// The domain as A-labels in lower case, or an address literal in its shortest spelling (RFC 5321 §4.1.3).
pub fn canonical_domain(domain: &str) -> Result<String, BadAddress> {
    if domain.is_empty() || domain.len() > DOMAIN_OCTETS_MAX {
        return Err(BadAddress::Domain);
    }
    if let Some(literal) = domain.strip_prefix('[') {
        return canonical_literal(literal.strip_suffix(']').ok_or(BadAddress::Domain)?);
    }
    // STD 3 names only, as RFC 5321 §2.3.5 wants; but hyphens in the third and fourth place do exist outside IDNA.
    Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map(|name| name.into_owned())
        .map_err(|_| BadAddress::Domain)
}

fn canonical_literal(literal: &str) -> Result<String, BadAddress> {
    const IPV6_TAG: &str = "IPv6:";
    match literal.get(..IPV6_TAG.len()) {
        Some(tag) if tag.eq_ignore_ascii_case(IPV6_TAG) => {
            let address: Ipv6Addr = literal[IPV6_TAG.len()..].parse().map_err(|_| BadAddress::Domain)?;
            Ok(format!("[{IPV6_TAG}{address}]"))
        }
        _ => {
            let address: Ipv4Addr = literal.parse().map_err(|_| BadAddress::Domain)?;
            Ok(format!("[{address}]"))
        }
    }
}

/// The content of a quoted string, or the text itself where it is not quoted; `None` where a quote or backslash has
/// no partner.
fn unquote(local_part: &str) -> Option<String> {
    let Some(rest) = local_part.strip_prefix('"') else { return Some(local_part.to_owned()) };
    let mut content = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '\\' => content.push(chars.next()?),
            '"' => return chars.as_str().is_empty().then_some(content),
            other => content.push(other),
        }
    }
}

/// The user, and the detail behind the first separator. What begins with the separator has no user to cut from, and stays
/// whole.
fn cut_detail<'a>(local_part: &'a str, separators: &str) -> (&'a str, Option<&'a str>) {
    match local_part.split_once(|character| separators.contains(character)) {
        Some((user, detail)) if !user.is_empty() => (user, Some(detail)),
        _ => (local_part, None),
    }
}

/// The twin of [`unquote`]: quotes what is no dot-string (RFC 5321 §4.1.2, with RFC 6531 §3.3 for non-ASCII).
fn quote_if_needed(content: &str) -> String {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
    };
    if content.split('.').all(is_atom) {
        return content.to_owned();
    }
    let mut quoted = String::with_capacity(content.len() + 2);
    quoted.push('"');
    for c in content.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(local_part: &str, domain: &str) -> String {
        Address::new(local_part, domain).unwrap().name
    }

    #[test]
    fn case_detail_and_unicode_make_no_difference() {
        for (local_part, domain) in [
            ("alice", "bücher.example"),
            ("Alice", "BÜCHER.example"),
            ("ALICE+news", "xn--bcher-kva.example"),
            ("\"alice\"", "XN--BCHER-KVA.EXAMPLE"),
            ("\"al\\ice+a b\"", "bu\u{308}cher.example"),
        ] {
            assert_eq!(name(local_part, domain), "alice@xn--bcher-kva.example");
        }
        assert_eq!(name("JÜRGEN", "a.example"), name("ju\u{308}rgen", "a.example"));
    }

    #[test]
    fn the_spelling_given_is_kept_for_display() {
        let address = Address::new("Alice+news", "Bücher.Example").unwrap();
        assert_eq!(address.display_name, "Alice@Bücher.Example");
    }

    #[test]
    fn the_detail_is_what_stood_behind_the_first_separator() {
        let detail = |local_part| Address::new(local_part, "x.example").unwrap().detail;
        assert_eq!(detail("alice+Lists/Rust").as_deref(), Some("Lists/Rust"));
        assert_eq!(detail("\"alice+a b\\\"c\"").as_deref(), Some("a b\"c"));
        assert_eq!(detail("alice+a+b").as_deref(), Some("a+b"));
        for none in ["alice", "alice+", "+alice"] {
            assert_eq!(detail(none), None, "{none}");
        }
    }

    #[test]
    fn only_what_must_be_quoted_is_quoted() {
        assert_eq!(name("\"a.b\"", "x.example"), "a.b@x.example");
        assert_eq!(name("\"a b\"", "x.example"), "\"a b\"@x.example");
        assert_eq!(name("\"a@b\"", "x.example"), "\"a@b\"@x.example");
        assert_eq!(name("\"a\\\"b\\\\\"", "x.example"), "\"a\\\"b\\\\\"@x.example");
        assert_eq!(name("a..b", "x.example"), "\"a..b\"@x.example");
    }

    #[test]
    fn a_detail_alone_is_a_user() {
        assert_eq!(name("+alice", "x.example"), "+alice@x.example");
    }

    #[test]
    fn address_literals_have_one_spelling() {
        assert_eq!(name("a", "[127.0.0.1]"), "a@[127.0.0.1]");
        assert_eq!(name("a", "[ipv6:0:0:0:0:0:0:0:1]"), "a@[IPv6:::1]");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = "x".repeat(65);
        for local_part in ["", "\"\"", "a\nb", "a\0", "\"a", "\"a\"b", "\"a\\", &long] {
            assert_eq!(Address::new(local_part, "x.example"), Err(BadAddress::LocalPart), "{local_part:?}");
        }
        let labels = "a.".repeat(130) + "example";
        for domain in ["", "a..b", "a.example.", "-a.example", "a_b.example", "[::1]", "[1.2.3]", "[", "a b", &labels] {
            assert_eq!(Address::new("a", domain), Err(BadAddress::Domain), "{domain:?}");
        }
    }
}
