//! What a client has given up by what it enabled: such a command is BAD before it runs.
//!
//! - UIDONLY (RFC 9586 §3): no message sequence numbers, neither in arguments nor in answers. `$` has none.
//! - IMAP4rev2 (RFC 9051, appendix E): `\Recent` is gone, and with it RECENT of STATUS and the keys RECENT, NEW and OLD of
//!   SEARCH, which could only be answered with nothing. What was merely replaced (RFC822, CHECK, LSUB) goes on to work.

use super::failure::Failure;
use crate::imap::command::{CommandBody, SearchKey, SelectParameters, StatusItem};
use crate::imap::dialect::Dialect;
use crate::imap::session::Facts;

pub(super) fn check(command: &CommandBody, facts: Facts, dialect: Dialect) -> Result<(), Failure> {
    if dialect.uid_only && (facts.numbers || matches_numbers(command)) {
        return Err(Failure::UidRequired);
    }
    if dialect.rev2 && asks_for_recent(command) {
        return Err(Failure::Bad("There is no \\Recent in IMAP4rev2"));
    }
    Ok(())
}

/// Match data of QRESYNC names messages by both numbers (RFC 7162 §3.2.5.2).
fn matches_numbers(command: &CommandBody) -> bool {
    let (CommandBody::Select { parameters, .. } | CommandBody::Examine { parameters, .. }) = command else {
        return false;
    };
    let SelectParameters { resync, .. } = parameters;
    resync.as_ref().is_some_and(|resync| resync.matches.is_some())
}

fn asks_for_recent(command: &CommandBody) -> bool {
    match command {
        CommandBody::Status { items, .. } => items.contains(&StatusItem::Recent),
        CommandBody::List(list) => {
            list.returns.as_ref().is_some_and(|returns| returns.status.contains(&StatusItem::Recent))
        }
        CommandBody::Search { key, .. }
        | CommandBody::Sort { key, .. }
        | CommandBody::Thread { key, .. }
        | CommandBody::MultiSearch { key, .. } => {
            key.any(&|key| matches!(key, SearchKey::Recent | SearchKey::New | SearchKey::Old))
        }
        _ => false,
    }
}
