//! Flags (RFC 3501 §9 `flag`, `flag-perm`, `flag-fetch`).

use crate::store::{FlagNames, Flags};

/// The system flags in the order in which RFC 3501 §9 names them.
const SYSTEM: [(Flags, &[u8]); 5] = [
    (Flags::ANSWERED, b"\\Answered"),
    (Flags::FLAGGED, b"\\Flagged"),
    (Flags::DELETED, b"\\Deleted"),
    (Flags::SEEN, b"\\Seen"),
    (Flags::DRAFT, b"\\Draft"),
];

/// Every system flag.
const ALL_SYSTEM: Flags =
    Flags::ANSWERED.union(Flags::FLAGGED).union(Flags::DELETED).union(Flags::SEEN).union(Flags::DRAFT);

/// `"(" [flag-fetch *(SP flag-fetch)] ")"`: the flags of one message; the mailbox's table names the keywords.
pub(super) fn fetched(out: &mut Vec<u8>, flags: Flags, keywords: &[String], recent: bool) {
    let start = begin(out, flags);
    if recent {
        out.extend_from_slice(b"\\Recent ");
    }
    // Most messages have no keyword: 58 bits need not be asked.
    if flags.minus(ALL_SYSTEM) != Flags::NONE {
        for name in flags.keywords().filter_map(|index| keywords.get(index)) {
            out.extend_from_slice(name.as_bytes());
            out.push(b' ');
        }
    }
    end(out, start);
}

/// `flag-list`; with `wildcard` the `\*` of PERMANENTFLAGS.
pub(super) fn names(out: &mut Vec<u8>, flags: &FlagNames, wildcard: bool) {
    let start = begin(out, flags.system);
    for name in &flags.keywords {
        out.extend_from_slice(name.as_bytes());
        out.push(b' ');
    }
    if wildcard {
        out.extend_from_slice(b"\\* ");
    }
    end(out, start);
}

fn begin(out: &mut Vec<u8>, system: Flags) -> usize {
    out.push(b'(');
    let start = out.len();
    for (flag, name) in SYSTEM {
        if system.contains(flag) {
            out.extend_from_slice(name);
            out.push(b' ');
        }
    }
    start
}

/// The closing parenthesis takes the place of the last space.
fn end(out: &mut Vec<u8>, start: usize) {
    if out.len() > start {
        out.pop();
    }
    out.push(b')');
}
