//! Several mailboxes at once, as a client names them (RFC 5465 §8, RFC 7377 §4).

use super::lexeme::list;
use super::mailbox::mailbox_of_command as mailbox;
use crate::imap::mailbox_filter::MailboxFilter;

/// `filter-mailboxes`
pub(super) fn mailbox_filter(out: &mut Vec<u8>, filter: &MailboxFilter) {
    let name: &[u8] = match filter {
        MailboxFilter::Selected => b"SELECTED",
        MailboxFilter::SelectedDelayed => b"SELECTED-DELAYED",
        MailboxFilter::Inboxes => b"INBOXES",
        MailboxFilter::Personal => b"PERSONAL",
        MailboxFilter::Subscribed => b"SUBSCRIBED",
        MailboxFilter::Subtree(_) => b"SUBTREE ",
        MailboxFilter::SubtreeOne(_) => b"SUBTREE-ONE ",
        MailboxFilter::Mailboxes(_) => b"MAILBOXES ",
    };
    out.extend_from_slice(name);
    match filter.names() {
        [] => {}
        [name] => mailbox(out, name),
        names => list(out, names, |out, name| mailbox(out, name)),
    }
}
