//! Mailbox names as clients write them, and what they stand for: modified UTF-7 (RFC 3501 §5.1.3), or UTF-8 as it is
//! (RFC 6855 §3, RFC 9051 §5.1).
//!
//! Which of the two is not a matter of grammar, but of what the session has enabled; so names leave the parsers as they
//! stand, and are decoded here, when the command is read. The match names every command, so that a new one with a name is
//! not forgotten.

use super::Fault;
use crate::imap::command::{Append, CommandBody, GetMetadata, List};
use crate::imap::dialect::Dialect;
use crate::imap::mailbox_filter::MailboxFilter;
use crate::imap::notify::Notify;
use crate::wire::utf7;

/// Decodes the names in a command; errs where one stands for nothing.
pub(super) fn decode(body: &mut CommandBody, dialect: Dialect) -> Result<(), Fault> {
    let name = |name: &mut String| decode_name(name, dialect);
    match body {
        CommandBody::Select { mailbox, .. }
        | CommandBody::Examine { mailbox, .. }
        | CommandBody::Create { mailbox, .. }
        | CommandBody::Delete { mailbox }
        | CommandBody::Subscribe { mailbox }
        | CommandBody::Unsubscribe { mailbox }
        | CommandBody::Status { mailbox, .. }
        | CommandBody::MyRights { mailbox }
        | CommandBody::GetQuotaRoot { mailbox }
        | CommandBody::Append(Append { mailbox, .. })
        | CommandBody::Replace { append: Append { mailbox, .. }, .. }
        | CommandBody::Copy { mailbox, .. }
        | CommandBody::Move { mailbox, .. }
        | CommandBody::GetMetadata(GetMetadata { mailbox, .. })
        | CommandBody::SetMetadata { mailbox, .. } => name(mailbox),
        CommandBody::Rename { from, to } => name(from).and_then(|()| name(to)),
        // Wildcards are no digits of modified UTF-7, and stand for themselves.
        CommandBody::Lsub { reference, pattern } => name(reference).and_then(|()| name(pattern)),
        CommandBody::List(List { reference, patterns, .. }) => {
            name(reference).and_then(|()| patterns.iter_mut().try_for_each(name))
        }
        CommandBody::Notify(Notify::Set { groups, .. }) => {
            groups.iter_mut().flat_map(|group| group.mailboxes.names_mut()).try_for_each(name)
        }
        CommandBody::MultiSearch { sources, .. } => {
            sources.iter_mut().flat_map(MailboxFilter::names_mut).try_for_each(name)
        }
        CommandBody::Notify(Notify::None)
        | CommandBody::Capability
        | CommandBody::Noop
        | CommandBody::Logout
        | CommandBody::Id(_)
        | CommandBody::StartTls
        | CommandBody::Authenticate { .. }
        | CommandBody::Login { .. }
        | CommandBody::Namespace
        | CommandBody::Enable(_)
        | CommandBody::Idle
        | CommandBody::Unauthenticate
        | CommandBody::Compress
        | CommandBody::Check
        | CommandBody::Close
        | CommandBody::Unselect
        | CommandBody::Expunge
        | CommandBody::GetQuota(_)
        | CommandBody::UidExpunge(_)
        | CommandBody::UidBatches(_)
        | CommandBody::Search { .. }
        | CommandBody::Sort { .. }
        | CommandBody::Thread { .. }
        | CommandBody::Fetch { .. }
        | CommandBody::Store { .. } => Ok(()),
    }
}

/// A name with more than ASCII is no modified UTF-7 in any case: it is UTF-8, which has to be taken before it is enabled too
/// (RFC 6855 §3).
fn decode_name(name: &mut String, dialect: Dialect) -> Result<(), Fault> {
    if !dialect.utf8() && name.is_ascii() {
        *name = utf7::decode(name.as_bytes()).ok_or(Fault::MailboxName)?;
    }
    Ok(())
}
