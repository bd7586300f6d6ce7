//! From values to octets: what [`parse`](super::parse) reads, and what the server says (RFC 3501 §7, §9).
//!
//! Everything is appended to a `Vec<u8>`; nothing fails. Files are the twins of the parser's where both know a thing:
//! - `lexeme`, `flag`, `date`, `mailbox`, `mailbox_filter`: what lines are made of
//! - `status`: completions and their codes
//! - `fetch`, `envelope`, `structure`: FETCH, the line that there are millions of
//! - `command`, `append`: what clients and tests send
//! - `search`: SEARCH, and the response that its result options ask for
//! - `metadata`: METADATA
//! - `sort`, `thread`: SORT, THREAD
//! - `condstore`: what RFC 7162 puts into several of them

use super::dialect::Dialect;
use super::numbers::{Numbers, PartialRange};
use super::response::{Data, Response};
use super::sequence_set::{SeqNumber, SequenceSet};
use crate::store::ModSeq;
use lexeme::{Literals, list, number, string, text};

mod append;
mod command;
mod condstore;
mod date;
mod envelope;
pub mod fetch;
mod flag;
mod lexeme;
mod mailbox;
mod mailbox_filter;
mod metadata;
mod notify;
mod search;
mod sort;
mod status;
mod structure;
mod thread;

pub use command::command;

/// Appends a response as the client reads it, CRLF included.
pub fn response(out: &mut Vec<u8>, response: &Response, dialect: Dialect) {
    match response {
        Response::Status(status) => status::status(out, status),
        Response::Data(data) => {
            out.extend_from_slice(b"* ");
            untagged(out, data, dialect);
            out.extend_from_slice(b"\r\n");
        }
        Response::Continue(words) => {
            // continue-req = "+" SP (resp-text / base64) CRLF: the space stays where there is nothing behind it.
            out.extend_from_slice(b"+ ");
            text(out, words);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// `mailbox-data / message-data / capability-data`, and what extensions add.
fn untagged(out: &mut Vec<u8>, data: &Data, dialect: Dialect) {
    match data {
        Data::Capability(names) => words(out, b"CAPABILITY", names),
        Data::Enabled(names) => words(out, b"ENABLED", names),
        Data::List(entry) => {
            out.extend_from_slice(b"LIST ");
            mailbox::list_entry(out, entry, dialect);
        }
        Data::Lsub(entry) => {
            out.extend_from_slice(b"LSUB ");
            mailbox::list_entry(out, entry, dialect);
        }
        Data::Quota { storage, messages } => {
            out.extend_from_slice(b"QUOTA \"\" ");
            let resources = [("STORAGE", storage), ("MESSAGE", messages)];
            let limited: Vec<_> = resources.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).collect();
            list(out, &limited, |out, (name, (usage, limit))| {
                out.extend_from_slice(format!("{name} {usage} {limit}").as_bytes());
            });
        }
        Data::QuotaRoot { mailbox, rooted } => {
            out.extend_from_slice(b"QUOTAROOT ");
            mailbox::mailbox(out, mailbox, dialect);
            if *rooted {
                out.extend_from_slice(b" \"\"");
            }
        }
        Data::Status { mailbox, items } => {
            out.extend_from_slice(b"STATUS ");
            mailbox::status(out, mailbox, items, dialect);
        }
        Data::Search { numbers, mod_seq } => found(out, b"SEARCH", numbers, *mod_seq),
        Data::Sort { numbers, mod_seq } => found(out, b"SORT", numbers, *mod_seq),
        Data::Thread(marks) => thread::threads(out, marks),
        Data::ESearch(found) => {
            out.extend_from_slice(b"ESEARCH ");
            search::result(out, found, dialect);
        }
        Data::MyRights { mailbox, rights } => {
            out.extend_from_slice(b"MYRIGHTS ");
            mailbox::mailbox(out, mailbox, dialect);
            out.push(b' ');
            text(out, rights);
        }
        Data::Metadata { mailbox, entries } => metadata::values(out, mailbox, entries, dialect),
        Data::MetadataChanged { mailbox, entries } => metadata::changed(out, mailbox, entries, dialect),
        Data::UidBatches { tag, ranges } => {
            // "UIDBATCHES" search-correlator [SP uid-range *("," uid-range)]: a range of one message is a range too.
            out.extend_from_slice(b"UIDBATCHES ");
            search::correlator(out, tag, None, dialect);
            for (index, (highest, lowest)) in ranges.iter().enumerate() {
                out.push(if index == 0 { b' ' } else { b',' });
                number(out, u64::from(*highest));
                out.push(b':');
                number(out, u64::from(*lowest));
            }
        }
        Data::Flags(flags) => {
            out.extend_from_slice(b"FLAGS ");
            flag::names(out, flags, false);
        }
        Data::Exists(count) => counted(out, *count, b" EXISTS"),
        Data::Recent(count) => counted(out, *count, b" RECENT"),
        Data::Expunge(sequence_number) => counted(out, *sequence_number, b" EXPUNGE"),
        Data::Vanished { earlier, uids } => condstore::vanished(out, *earlier, uids),
        Data::Namespace { separator } => {
            // RFC 2342 §5: personal, other users', shared.
            out.extend_from_slice(b"NAMESPACE ((\"\" ");
            mailbox::separator(out, Some(*separator));
            out.extend_from_slice(b")) NIL NIL");
        }
        Data::Id(fields) => id(out, fields, Literals::Plain),
    }
}

fn words(out: &mut Vec<u8>, name: &[u8], words: &[std::borrow::Cow<'static, str>]) {
    out.extend_from_slice(name);
    for word in words {
        out.push(b' ');
        text(out, word);
    }
}

/// `("SEARCH" / "SORT") [1*(SP nz-number) SP search-sort-mod-seq]` (RFC 7162 §7)
fn found(out: &mut Vec<u8>, name: &[u8], numbers: &[u32], mod_seq: Option<ModSeq>) {
    out.extend_from_slice(name);
    for found in numbers {
        out.push(b' ');
        number(out, u64::from(*found));
    }
    condstore::search_mod_seq(out, mod_seq);
}

fn counted(out: &mut Vec<u8>, count: u32, name: &[u8]) {
    number(out, u64::from(count));
    out.extend_from_slice(name);
}

/// `"ID" SP ("(" #(string SP nstring) ")" / nil)` (RFC 2971 §4)
fn id<T: AsRef<str>>(out: &mut Vec<u8>, fields: &[(T, Option<T>)], literals: Literals) {
    out.extend_from_slice(b"ID ");
    if fields.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    list(out, fields, |out, (name, value)| {
        string(out, name.as_ref().as_bytes(), literals);
        out.push(b' ');
        match value {
            Some(value) => string(out, value.as_ref().as_bytes(), literals),
            None => out.extend_from_slice(b"NIL"),
        }
    });
}

/// `seq-number = nz-number / "*"`
fn seq_number(out: &mut Vec<u8>, value: SeqNumber) {
    match value {
        SeqNumber::Number(value) => number(out, u64::from(value.get())),
        SeqNumber::Largest => out.push(b'*'),
    }
}

/// `sequence-set`, as the client wrote it.
fn sequence_set(out: &mut Vec<u8>, set: &SequenceSet) {
    if set.is_saved() {
        out.push(b'$');
    }
    for (index, (from, to)) in set.ranges().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        seq_number(out, from);
        if from != to {
            out.push(b':');
            seq_number(out, to);
        }
    }
}

/// `partial-range` (RFC 9394 §4), as the client wrote it.
fn partial_range(out: &mut Vec<u8>, range: PartialRange) {
    for (index, end) in [range.from, range.to].into_iter().enumerate() {
        if index > 0 {
            out.push(b':');
        }
        if range.from_last {
            out.push(b'-');
        }
        number(out, u64::from(end.get()));
    }
}

/// `sequence-set` of what was found, in its order; there is something in it.
fn numbers(out: &mut Vec<u8>, numbers: &Numbers) {
    for (index, (first, last)) in numbers.ranges().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        number(out, u64::from(first));
        if last > first {
            out.push(b':');
            number(out, u64::from(last));
        }
    }
}

#[cfg(test)]
mod tests;
