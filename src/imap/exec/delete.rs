//! DELETE (RFC 3501 §6.3.4): the mailbox and its messages; its inferiors stay, and while it has any, LIST goes on to show
//! its name, which can't be selected.
//!
//! Other sessions that have it selected are told BYE (RFC 2180 §3.3). This one knows what it does: it is left without a
//! mailbox.

use super::failure::Failure;
use super::{Context, Done, Outcome, old_name, tree};
use crate::imap::response::Code;
use crate::store::Error;

pub(super) async fn run(cx: &mut Context<'_>, mailbox: &str) -> Outcome {
    let account = cx.account()?;
    let store = cx.store();
    let doomed = store.mailbox(account, mailbox).map(|mailbox| mailbox.id());
    match store.delete_mailbox(account, mailbox).await {
        Ok(()) => {}
        Err(Error::NoSuchMailbox) if tree::has_inferiors(store, account, mailbox) => {
            // A name that is only there because of its inferiors can't be deleted before them (RFC 3501 §6.3.4).
            return Err(Failure::no(Code::Cannot, "Only the mailboxes below that name can be deleted"));
        }
        Err(error) => return Err(error.into()),
    }
    old_name::tell_deleted(cx, mailbox);
    let own = cx.session.selected().is_some_and(|selected| Some(selected.mailbox.id()) == doomed);
    if own {
        cx.session.unselect();
        return Ok(Done::ok("DELETE done, no mailbox is selected now"));
    }
    Ok(Done::ok("DELETE done"))
}
