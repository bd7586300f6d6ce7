//! Flags (RFC 3501 §2.3.2, §9 `flag`); keywords with a meaning, like `$Forwarded` (RFC 9051 §2.3.2), are keywords like
//! others.

use nom::Parser;
use nom::branch::alt;
use nom::multi::separated_list1;

use super::Fault;
use super::lexeme::{Parsed, ascii, atom, fail, list0, named, octet, space};
use crate::store::{FlagNames, Flags, KEYWORDS_MAX};

/// The longest keyword, in octets. All keywords of a mailbox stand in its head, which the index wants below 7 KiB; real
/// ones (`$Forwarded`, `NonJunk`) have a dozen.
const KEYWORD_OCTETS_MAX: usize = 100;

/// A flag as STORE and APPEND name it.
enum Flag {
    System(Flags),
    Keyword(String),
}

/// `flag = "\Answered" / "\Flagged" / "\Deleted" / "\Seen" / "\Draft" / flag-keyword / flag-extension`
///
/// No flag-extension is defined: one that a client names is none of PERMANENTFLAGS, and passed over (RFC 3501 §7.1).
/// `\Recent` is no flag here, and not for clients.
fn flag(rest: &[u8]) -> Parsed<'_, Flag> {
    let Ok((name, _)) = octet(b'\\', "a flag").parse(rest) else {
        return named("a flag", keyword).map(Flag::Keyword).parse(rest);
    };
    let (behind, name) = atom(name)?;
    let system = match ascii(name).to_ascii_lowercase().as_str() {
        "seen" => Flags::SEEN,
        "answered" => Flags::ANSWERED,
        "flagged" => Flags::FLAGGED,
        "deleted" => Flags::DELETED,
        "draft" => Flags::DRAFT,
        "recent" => return fail(rest, Fault::Invalid("\\Recent is not for clients to set")),
        _ => Flags::NONE,
    };
    Ok((behind, Flag::System(system)))
}

/// `flag-keyword = atom`
pub(super) fn keyword(rest: &[u8]) -> Parsed<'_, String> {
    let (behind, name) = atom(rest)?;
    if name.len() > KEYWORD_OCTETS_MAX {
        return fail(rest, Fault::Limit("A keyword has at most 100 octets"));
    }
    Ok((behind, ascii(name)))
}

/// `flag-list = "(" [flag *(SP flag)] ")"`
pub(super) fn flag_list(rest: &[u8]) -> Parsed<'_, FlagNames> {
    let (behind, flags) = list0(flag).parse(rest)?;
    collect(rest, behind, flags)
}

/// `store-att-flags` behind its name: `flag-list / (flag *(SP flag))`
pub(super) fn store_flags(rest: &[u8]) -> Parsed<'_, FlagNames> {
    let (behind, flags) = alt((list0(flag), separated_list1(space, flag))).parse(rest)?;
    collect(rest, behind, flags)
}

/// Each flag once. More keywords than a mailbox can have are refused here, so that comparing them stays cheap.
fn collect<'f>(rest: &'f [u8], behind: &'f [u8], flags: Vec<Flag>) -> Parsed<'f, FlagNames> {
    let mut names = FlagNames::default();
    for flag in flags {
        match flag {
            Flag::System(flag) => names.system = names.system.union(flag),
            Flag::Keyword(keyword) => {
                if names.keywords.iter().any(|known| known.eq_ignore_ascii_case(&keyword)) {
                    continue;
                }
                if names.keywords.len() == KEYWORDS_MAX {
                    return fail(rest, Fault::Limit("A mailbox has at most 58 keywords"));
                }
                names.keywords.push(keyword);
            }
        }
    }
    Ok((behind, names))
}
