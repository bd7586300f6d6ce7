//! What RFC 7162 puts into commands: parameters of SELECT, modifiers of FETCH and STORE, a key of SEARCH.
//!
//! Parameters and modifiers stand in one pair of parentheses (RFC 4466 §2.1 to §2.5), each once, in any order. What is not
//! known is BAD.

use nom::Parser;

use super::Fault;
use super::lexeme::{Parsed, argument, expected, fail, list1, named, number64, nz_number, octet, string, word};
use super::mailbox::mailbox;
use super::message::{partial_range, sequence_set};
use crate::imap::command::{FetchModifiers, MatchData, Numbering, QuickResync, SelectParameters};
use crate::imap::numbers::PartialRange;
use crate::store::{ModSeq, UidSet};

/// `mod-sequence-value = 1*DIGIT`, 1 to 2^63 - 1.
fn mod_sequence(rest: &[u8]) -> Parsed<'_, ModSeq> {
    match mod_sequence_or_zero(rest)? {
        (_, 0) => expected(rest, "a mod-sequence above 0"),
        parsed => Ok(parsed),
    }
}

/// `mod-sequence-valzer = "0" / mod-sequence-value`
fn mod_sequence_or_zero(rest: &[u8]) -> Parsed<'_, ModSeq> {
    named("a mod-sequence", number64).parse(rest)
}

/// ```abnf
/// select        = "SELECT" SP mailbox [select-params]
/// examine       = "EXAMINE" SP mailbox [select-params]
/// select-params = SP "(" select-param *(SP select-param) ")"
/// select-param  = "CONDSTORE" / "QRESYNC" SP "(" ... ")"
/// ```
pub(super) fn select(rest: &[u8]) -> Parsed<'_, (String, SelectParameters)> {
    let (rest, mailbox) = argument(mailbox).parse(rest)?;
    let (behind, given) = match rest.starts_with(b" ") {
        true => argument(list1(select_parameter)).parse(rest)?,
        false => (rest, Vec::new()),
    };
    let mut parameters = SelectParameters::default();
    for parameter in given {
        let again = match parameter {
            SelectParameter::Condstore => std::mem::replace(&mut parameters.condstore, true),
            SelectParameter::Resync(resync) => parameters.resync.replace(resync).is_some(),
        };
        if again {
            return fail(rest, Fault::Invalid("A parameter stands there twice"));
        }
    }
    Ok((behind, (mailbox, parameters)))
}

enum SelectParameter {
    Condstore,
    Resync(Box<QuickResync>),
}

fn select_parameter(rest: &[u8]) -> Parsed<'_, SelectParameter> {
    let (behind, name) = word("a parameter").parse(rest)?;
    match name.as_str() {
        "CONDSTORE" => Ok((behind, SelectParameter::Condstore)),
        "QRESYNC" => argument(resync).map(|resync| SelectParameter::Resync(Box::new(resync))).parse(behind),
        _ => fail(rest, Fault::Invalid("Unknown parameter")),
    }
}

/// `"(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`
fn resync(rest: &[u8]) -> Parsed<'_, QuickResync> {
    let (rest, _) = octet(b'(', "(").parse(rest)?;
    let (rest, uid_validity) = nz_number(rest)?;
    let (rest, mod_seq) = argument(mod_sequence).parse(rest)?;
    let (rest, known_uids) = match rest {
        [b' ', b'(', ..] | [b')', ..] => (rest, None),
        _ => argument(known_uids).map(Some).parse(rest)?,
    };
    let (rest, matches) = match rest.starts_with(b" ") {
        true => argument(match_data).map(Some).parse(rest)?,
        false => (rest, None),
    };
    let (rest, _) = octet(b')', ")").parse(rest)?;
    Ok((rest, QuickResync { uid_validity: uid_validity.get(), mod_seq, known_uids, matches }))
}

/// `known-uids = sequence-set`, in which `*` is not allowed.
fn known_uids(rest: &[u8]) -> Parsed<'_, UidSet> {
    let (behind, set) = sequence_set(rest)?;
    match set.without_star() {
        Some(uids) => Ok((behind, uids)),
        None => expected(rest, "a set without *"),
    }
}

/// `seq-match-data = "(" known-sequence-set SP known-uid-set ")"`: both ascending, without `*`, and as many in both.
fn match_data(rest: &[u8]) -> Parsed<'_, MatchData> {
    let (behind, _) = octet(b'(', "(").parse(rest)?;
    let (behind, numbers) = ascending(behind)?;
    let (behind, uids) = argument(ascending).parse(behind)?;
    let (behind, _) = octet(b')', ")").parse(behind)?;
    if numbers.len() != uids.len() {
        return fail(rest, Fault::Invalid("Not as many UIDs as sequence numbers"));
    }
    Ok((behind, MatchData { numbers, uids }))
}

fn ascending(rest: &[u8]) -> Parsed<'_, UidSet> {
    let (behind, set) = sequence_set(rest)?;
    match set.without_star() {
        Some(numbers) if set.is_ascending() => Ok((behind, numbers)),
        _ => expected(rest, "an ascending set without *"),
    }
}

/// ```abnf
/// fetch-modifiers = SP "(" fetch-modifier *(SP fetch-modifier) ")"
/// fetch-modifier  = "CHANGEDSINCE" SP mod-sequence-value / "VANISHED" / "PARTIAL" SP partial-range
/// ```
pub(super) fn fetch_modifiers(rest: &[u8], by: Numbering) -> Parsed<'_, FetchModifiers> {
    if !rest.starts_with(b" ") {
        return Ok((rest, FetchModifiers::default()));
    }
    let (behind, given) = argument(list1(fetch_modifier)).parse(rest)?;
    let mut modifiers = FetchModifiers::default();
    for modifier in given {
        let again = match modifier {
            FetchModifier::ChangedSince(mod_seq) => modifiers.changed_since.replace(mod_seq).is_some(),
            FetchModifier::Vanished => std::mem::replace(&mut modifiers.vanished, true),
            FetchModifier::Partial(range) => modifiers.partial.replace(range).is_some(),
        };
        if again {
            return fail(rest, Fault::Invalid("A modifier stands there twice"));
        }
    }
    // RFC 7162 §3.2.6
    if modifiers.vanished && (by == Numbering::Sequence || modifiers.changed_since.is_none()) {
        return fail(rest, Fault::Invalid("VANISHED stands only in UID FETCH, and beside CHANGEDSINCE"));
    }
    // RFC 9394 §3.3
    if modifiers.partial.is_some() && by == Numbering::Sequence {
        return fail(rest, Fault::Invalid("PARTIAL stands only in UID FETCH"));
    }
    Ok((behind, modifiers))
}

enum FetchModifier {
    ChangedSince(ModSeq),
    Vanished,
    Partial(PartialRange),
}

fn fetch_modifier(rest: &[u8]) -> Parsed<'_, FetchModifier> {
    let (behind, name) = word("a fetch modifier").parse(rest)?;
    match name.as_str() {
        "CHANGEDSINCE" => argument(mod_sequence).map(FetchModifier::ChangedSince).parse(behind),
        "VANISHED" => Ok((behind, FetchModifier::Vanished)),
        "PARTIAL" => argument(partial_range).map(FetchModifier::Partial).parse(behind),
        _ => fail(rest, Fault::Invalid("Unknown fetch modifier")),
    }
}

/// ```abnf
/// store-modifiers = SP "(" store-modifier *(SP store-modifier) ")"
/// store-modifier  = "UNCHANGEDSINCE" SP mod-sequence-valzer
/// ```
pub(super) fn store_modifiers(rest: &[u8]) -> Parsed<'_, Option<ModSeq>> {
    if !rest.starts_with(b" (") {
        return Ok((rest, None));
    }
    let (behind, given) = argument(list1(unchanged_since)).parse(rest)?;
    match given[..] {
        [mod_seq] => Ok((behind, Some(mod_seq))),
        _ => fail(rest, Fault::Invalid("UNCHANGEDSINCE stands there twice")),
    }
}

fn unchanged_since(rest: &[u8]) -> Parsed<'_, ModSeq> {
    let (behind, name) = word("a store modifier").parse(rest)?;
    match name.as_str() {
        "UNCHANGEDSINCE" => argument(mod_sequence_or_zero).parse(behind),
        _ => fail(rest, Fault::Invalid("Unknown store modifier")),
    }
}

/// ```abnf
/// search-modsequence = "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer
/// entry-name         = DQUOTE "/flags/" attr-flag DQUOTE
/// entry-type-req     = "priv" / "shared" / "all"
/// ```
pub(super) fn search_mod_seq(rest: &[u8]) -> Parsed<'_, ModSeq> {
    let (rest, ()) = match rest.starts_with(b" \"") {
        true => (argument(entry_name), argument(entry_type)).map(|_| ()).parse(rest)?,
        false => (rest, ()),
    };
    argument(mod_sequence_or_zero).parse(rest)
}

fn entry_name(rest: &[u8]) -> Parsed<'_, ()> {
    const WHAT: &str = "\"/flags/…\"";
    let (behind, name) = named(WHAT, string).parse(rest)?;
    let flag = name.strip_prefix(b"/flags/").map(|flag| flag.strip_prefix(b"\\").unwrap_or(flag));
    match flag {
        Some(flag) if !flag.is_empty() && flag.iter().copied().all(crate::wire::chars::is_atom_char) => {
            Ok((behind, ()))
        }
        _ => expected(rest, WHAT),
    }
}

fn entry_type(rest: &[u8]) -> Parsed<'_, ()> {
    const WHAT: &str = "priv, shared or all";
    let (behind, name) = word(WHAT).parse(rest)?;
    match name.as_str() {
        "PRIV" | "SHARED" | "ALL" => Ok((behind, ())),
        _ => expected(rest, WHAT),
    }
}
