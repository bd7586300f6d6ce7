//! Names of mailboxes: UTF-8 in NFC, components separated by `/`, INBOX in capitals (RFC 3501 §5.1).
//!
//! A name is only ever a key. It never becomes a path.

use unicode_normalization::UnicodeNormalization;

use super::{Error, SpecialUse};

/// The hierarchy separator.
pub const SEPARATOR: char = '/';
/// The mailbox that every account has (RFC 3501 §5.1).
pub const INBOX: &str = "INBOX";
/// The longest name in octets: more than any client shows, and a bound for what a name costs.
const MAX_OCTETS: usize = 1_000;
/// The deepest name: missing superiors are made, so this bounds the work of one CREATE.
const MAX_COMPONENTS: usize = 32;

/// A name as the store keeps it.
///
/// Errors: [`Error::BadName`], which says what is wrong with it.
pub fn canonical_name(name: &str) -> Result<String, Error> {
    let name: String = name.nfc().collect();
    if name.is_empty() {
        return Err(Error::BadName("it is empty"));
    }
    if name.len() > MAX_OCTETS {
        return Err(Error::BadName("it is longer than 1,000 octets"));
    }
    // The separators of lines and paragraphs are none of Unicode's controls, but as little a part of a name (RFC 6855 §3).
    if name.chars().any(|character| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')) {
        return Err(Error::BadName("it holds a control character"));
    }
    if name.contains(['*', '%']) {
        return Err(Error::BadName("`*` and `%` are wildcards of LIST"));
    }
    if name.starts_with('#') {
        return Err(Error::BadName("names that begin with `#` are namespaces"));
    }
    if name.split(SEPARATOR).any(str::is_empty) {
        return Err(Error::BadName("a component between `/` is empty"));
    }
    if name.split(SEPARATOR).count() > MAX_COMPONENTS {
        return Err(Error::BadName("it is more than 32 levels deep"));
    }
    let (first, rest) = name.split_once(SEPARATOR).map_or((name.as_str(), None), |(first, rest)| (first, Some(rest)));
    if first.eq_ignore_ascii_case(INBOX) {
        return Ok(match rest {
            Some(rest) => format!("{INBOX}{SEPARATOR}{rest}"),
            None => INBOX.to_owned(),
        });
    }
    Ok(name)
}

/// What a mailbox of this name is for, as clients name them when they make them themselves. RFC 6154 §2 says what the uses
/// are, and leaves it to us how a mailbox comes by one.
pub(crate) fn customary_use(name: &str) -> Option<SpecialUse> {
    match name {
        "Archive" | "Archives" => Some(SpecialUse::Archive),
        "Drafts" => Some(SpecialUse::Drafts),
        "Junk" | "Spam" => Some(SpecialUse::Junk),
        "Sent" | "Sent Items" | "Sent Messages" => Some(SpecialUse::Sent),
        "Trash" | "Deleted Items" | "Deleted Messages" => Some(SpecialUse::Trash),
        _ => None,
    }
}

/// The names above a name, highest first: `a`, `a/b` for `a/b/c`.
pub(crate) fn superiors(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(SEPARATOR).map(|(at, _)| &name[..at])
}

/// Whether `name` stands below `superior`.
pub(crate) fn is_inferior(name: &str, superior: &str) -> bool {
    name.strip_prefix(superior).is_some_and(|rest| rest.starts_with(SEPARATOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_is_one_in_any_case_and_as_a_superior() {
        assert_eq!(canonical_name("inBox").unwrap(), "INBOX");
        assert_eq!(canonical_name("inbox/Work").unwrap(), "INBOX/Work");
        assert_eq!(canonical_name("inboxes").unwrap(), "inboxes");
        assert_eq!(canonical_name("Work/inbox").unwrap(), "Work/inbox");
    }

    #[test]
    fn names_that_look_alike_are_one() {
        assert_eq!(canonical_name("A\u{308}rger").unwrap(), canonical_name("\u{c4}rger").unwrap());
    }

    #[test]
    fn bad_names_are_refused() {
        let long = "x".repeat(1_001);
        let deep = "a/".repeat(32) + "a";
        for name in ["", "/", "a//b", "a/", "/a", "a\u{7}", "a\u{2028}", "a*", "50%", "#shared", &long, &deep] {
            assert!(matches!(canonical_name(name), Err(Error::BadName(_))), "{name}");
        }
        canonical_name(&"x".repeat(1_000)).unwrap();
    }

    #[test]
    fn superiors_come_highest_first() {
        assert_eq!(superiors("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert!(is_inferior("a/b", "a") && !is_inferior("ab", "a") && !is_inferior("a", "a"));
    }
}
