//! METADATA: commands and responses (RFC 5464 §5).

use super::lexeme::{Literals, astring, list, literal_header, number, spaced, string};
use super::mailbox::{mailbox, mailbox_of_command};
use crate::imap::command::{Depth, GetMetadata};
use crate::imap::dialect::Dialect;

/// `"GETMETADATA" [SP getmetadata-options] SP mailbox SP entries`
pub(super) fn get(out: &mut Vec<u8>, get: &GetMetadata, literals: Literals) {
    out.extend_from_slice(b"GETMETADATA ");
    let mut options: Vec<Vec<u8>> = Vec::new();
    if let Some(octets) = get.max_size {
        let mut option = b"MAXSIZE ".to_vec();
        number(&mut option, octets);
        options.push(option);
    }
    match get.depth {
        Depth::Zero => {}
        Depth::One => options.push(b"DEPTH 1".to_vec()),
        Depth::Infinity => options.push(b"DEPTH infinity".to_vec()),
    }
    if !options.is_empty() {
        list(out, options, |out, option| out.extend(option));
        out.push(b' ');
    }
    mailbox_of_command(out, &get.mailbox);
    out.push(b' ');
    entries(out, &get.entries, literals);
}

/// `"(" entry *(SP entry) ")"`
pub(super) fn entries(out: &mut Vec<u8>, names: &[String], literals: Literals) {
    list(out, names, |out, name| astring(out, name.as_bytes(), literals));
}

/// `"SETMETADATA" SP mailbox SP entry-values`
pub(super) fn set(out: &mut Vec<u8>, name: &str, entries: &[(String, Option<Vec<u8>>)], literals: Literals) {
    out.extend_from_slice(b"SETMETADATA ");
    mailbox_of_command(out, name);
    out.push(b' ');
    entry_values(out, entries.iter().map(|(name, value)| (name, value.as_deref())), literals);
}

/// `"METADATA" SP mailbox SP entry-values`
pub(super) fn values<V: AsRef<[u8]>>(out: &mut Vec<u8>, name: &str, entries: &[(String, Option<V>)], dialect: Dialect) {
    response(out, name, dialect);
    let entries = entries.iter().map(|(name, value)| (name, value.as_ref().map(AsRef::as_ref)));
    entry_values(out, entries, Literals::of(dialect));
}

/// `"METADATA" SP mailbox SP entry-list`
pub(super) fn changed(out: &mut Vec<u8>, name: &str, entries: &[String], dialect: Dialect) {
    response(out, name, dialect);
    spaced(out, entries, |out, name| astring(out, name.as_bytes(), Literals::of(dialect)));
}

fn response(out: &mut Vec<u8>, name: &str, dialect: Dialect) {
    out.extend_from_slice(b"METADATA ");
    mailbox(out, name, dialect);
    out.push(b' ');
}

/// `"(" entry-value *(SP entry-value) ")"`
fn entry_values<'a>(
    out: &mut Vec<u8>,
    entries: impl Iterator<Item = (&'a String, Option<&'a [u8]>)>,
    literals: Literals,
) {
    list(out, entries, |out, (name, octets)| {
        astring(out, name.as_bytes(), literals);
        out.push(b' ');
        value(out, octets, literals);
    });
}

/// `value = nstring / literal8`: a literal8 where there is a NUL in it.
fn value(out: &mut Vec<u8>, octets: Option<&[u8]>, literals: Literals) {
    match octets {
        None => out.extend_from_slice(b"NIL"),
        Some(octets) if octets.contains(&0) => {
            out.push(b'~');
            literal_header(out, octets.len() as u64, literals);
            out.extend_from_slice(octets);
        }
        Some(octets) => string(out, octets, literals),
    }
}
