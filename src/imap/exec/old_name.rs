//! OLDNAME (RFC 9051 §6.3.9.7): a client of IMAP4rev2 that called a mailbox otherwise than the store does, with characters
//! that were composed or INBOX in another case, is told by LIST under which name it goes.

use super::failure::Failure;
use super::{Context, list};
use crate::imap::response::{Data, ListAttribute, ListEntry};
use crate::store::{SEPARATOR, canonical_name};

/// The name under which the mailbox goes, if the client reads OLDNAME and called it otherwise. A separator behind a name is
/// no part of it (RFC 9051 §6.3.4).
pub(super) fn normalised(cx: &Context<'_>, supplied: &str) -> Option<String> {
    if !cx.session.enabled.dialect.rev2 {
        return None;
    }
    let supplied = supplied.strip_suffix(SEPARATOR).unwrap_or(supplied);
    canonical_name(supplied).ok().filter(|name| name != supplied)
}

/// Behind CREATE and APPEND: `LIST` of the mailbox, with the name that the client gave it, where that is another.
pub(super) fn tell(cx: &mut Context<'_>, supplied: &str) -> Result<(), Failure> {
    match normalised(cx, supplied) {
        Some(name) => put(cx, name, supplied),
        None => Ok(()),
    }
}

/// Behind RENAME: the new name and the old one, where either of the two was given otherwise (RFC 9051 §6.3.6).
pub(super) fn tell_renamed(cx: &mut Context<'_>, from: &str, to: &str) -> Result<(), Failure> {
    match (normalised(cx, from), normalised(cx, to)) {
        (None, None) => Ok(()),
        (_, Some(name)) => put(cx, name, from),
        (Some(_), None) => put(cx, to.strip_suffix(SEPARATOR).unwrap_or(to).to_owned(), from),
    }
}

/// Behind DELETE: what is no longer there (RFC 9051 §6.3.5).
pub(super) fn tell_deleted(cx: &mut Context<'_>, supplied: &str) {
    if let Some(mailbox) = normalised(cx, supplied) {
        cx.put(Data::List(ListEntry {
            attributes: vec![ListAttribute::NonExistent],
            separator: Some(SEPARATOR),
            mailbox,
            old_name: Some(supplied.to_owned()),
            ..ListEntry::default()
        }));
    }
}

fn put(cx: &mut Context<'_>, name: String, supplied: &str) -> Result<(), Failure> {
    // Gone again in the meantime: there is nothing to tell of.
    if let Some(mailbox) = cx.store().mailbox(cx.account()?, &name) {
        let entry = list::entry_of(cx.store(), cx.account()?, &mailbox.head());
        cx.put(Data::List(ListEntry { old_name: Some(supplied.to_owned()), ..entry }));
    }
    Ok(())
}
