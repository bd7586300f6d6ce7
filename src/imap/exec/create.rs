//! CREATE (RFC 3501 §6.3.3), with MAILBOXID (RFC 8474 §4.1): a mailbox, and its superiors where they are missing.
//!
//! A name that ends with the separator declares that inferiors will follow. Every mailbox can have them here, so that the
//! declaration says nothing, and the mailbox is created without the separator.

use super::{Context, Done, Outcome, old_name};
use crate::imap::response::Code;

pub(super) async fn run(cx: &mut Context<'_>, mailbox: &str) -> Outcome {
    let account = cx.account()?;
    let created = cx.store().create_mailbox(account, mailbox, None).await?;
    let id = cx.store().object_ids().mailbox(created.id());
    old_name::tell(cx, mailbox)?;
    Ok(Done::ok("CREATE done").with_code(Code::MailboxId(id)))
}
