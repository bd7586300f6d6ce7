//! Sets of messages, and the commands that change or copy what they name: STORE, COPY, MOVE (RFC 3501 §6.4, RFC 6851 §3).

use nom::Parser;
use nom::branch::alt;
use nom::combinator::opt;
use nom::multi::separated_list1;
use nom::sequence::{preceded, separated_pair};

use super::flag::store_flags;
use super::lexeme::{Parsed, argument, expected, fail, named, nz_number, octet, word};
use super::mailbox::mailbox;
use super::{Fault, condstore};
use crate::imap::command::{CommandBody, Numbering, UidBatches};
use crate::imap::numbers::PartialRange;
use crate::imap::sequence_set::{SeqNumber, SequenceSet};
use crate::store::FlagAction;

/// ```abnf
/// sequence-set = (seq-number / seq-range) *("," (seq-number / seq-range)) / seq-last-command
/// seq-range    = seq-number ":" seq-number
/// seq-number   = nz-number / "*"
/// seq-last-command = "$"             ; RFC 5182 §3: alone, never in a list
/// ```
pub(super) fn sequence_set(rest: &[u8]) -> Parsed<'_, SequenceSet> {
    if let Some(behind) = rest.strip_prefix(b"$") {
        return Ok((behind, SequenceSet::SAVED));
    }
    let range =
        (seq_number, opt((octet(b':', ":"), seq_number))).map(|(from, to)| (from, to.map_or(from, |(_, to)| to)));
    let (behind, ranges) = named("a sequence set", separated_list1(octet(b',', ","), range)).parse(rest)?;
    match SequenceSet::new(ranges) {
        Some(set) => Ok((behind, set)),
        None => expected(rest, "a sequence set"),
    }
}

pub(super) fn seq_number(rest: &[u8]) -> Parsed<'_, SeqNumber> {
    alt((octet(b'*', "*").map(|_| SeqNumber::Largest), nz_number.map(SeqNumber::Number))).parse(rest)
}

/// ```abnf
/// partial-range       = partial-range-first / partial-range-last   ; RFC 9394 §4
/// partial-range-first = nz-number ":" nz-number
/// partial-range-last  = "-" nz-number ":" "-" nz-number
/// ```
pub(super) fn partial_range(rest: &[u8]) -> Parsed<'_, PartialRange> {
    let from_last = rest.first() == Some(&b'-');
    let end = |rest| match from_last {
        true => preceded(octet(b'-', "-"), nz_number).parse(rest),
        false => nz_number(rest),
    };
    let range = separated_pair(end, octet(b':', ":"), end);
    range.map(|(from, to)| PartialRange { from, to, from_last }).parse(rest)
}

/// ```abnf
/// store           = "STORE" SP sequence-set [store-modifiers] SP store-att-flags
/// store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
/// ```
pub(super) fn store(rest: &[u8], by: Numbering) -> Parsed<'_, CommandBody> {
    let (rest, set) = argument(sequence_set).parse(rest)?;
    let (rest, unchanged_since) = condstore::store_modifiers(rest)?;
    let (rest, (action, silent)) = argument(named("FLAGS, +FLAGS or -FLAGS", store_action)).parse(rest)?;
    let (rest, flags) = argument(store_flags).parse(rest)?;
    Ok((rest, CommandBody::Store { by, set, unchanged_since, action, silent, flags }))
}

fn store_action(rest: &[u8]) -> Parsed<'_, (FlagAction, bool)> {
    let (name, action) = match rest.first() {
        Some(b'+') => (&rest[1..], FlagAction::Add),
        Some(b'-') => (&rest[1..], FlagAction::Remove),
        _ => (rest, FlagAction::Replace),
    };
    let (behind, name) = word("FLAGS").parse(name)?;
    match name.as_str() {
        "FLAGS" => Ok((behind, (action, false))),
        "FLAGS.SILENT" => Ok((behind, (action, true))),
        _ => fail(rest, Fault::Expected("FLAGS, +FLAGS or -FLAGS")),
    }
}

/// `uidbatches = "UIDBATCHES" SP nz-number [SP nz-number ":" nz-number]` (RFC 10022)
pub(super) fn uid_batches(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let range = (nz_number, octet(b':', ":"), nz_number).map(|(from, _, to)| (from, to));
    let (rest, size) = argument(nz_number).parse(rest)?;
    let (rest, range) = opt(argument(range)).parse(rest)?;
    Ok((rest, CommandBody::UidBatches(UidBatches { size, range })))
}

/// `copy = "COPY" SP sequence-set SP mailbox`
pub(super) fn copy(rest: &[u8], by: Numbering) -> Parsed<'_, CommandBody> {
    let arguments = (argument(sequence_set), argument(mailbox));
    arguments.map(|(set, mailbox)| CommandBody::Copy { by, set, mailbox }).parse(rest)
}

/// `move = "MOVE" SP sequence-set SP mailbox` (RFC 6851 §3)
pub(super) fn move_messages(rest: &[u8], by: Numbering) -> Parsed<'_, CommandBody> {
    let arguments = (argument(sequence_set), argument(mailbox));
    arguments.map(|(set, mailbox)| CommandBody::Move { by, set, mailbox }).parse(rest)
}
