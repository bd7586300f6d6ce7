//! CREATE (RFC 3501 §6.3.3), with MAILBOXID (RFC 8474 §4.1) and USE (RFC 6154 §3): a mailbox, and its superiors where they
//! are missing.
//!
//! A mailbox has one special use, and a use one mailbox: `(USE (\Drafts \Sent))` gets USEATTR, and a use that another
//! mailbox has goes over to the new one, as it does by SETMETADATA (RFC 6154 §5.4).
//!
//! A name that ends with the separator declares that inferiors will follow. Every mailbox can have them here, so that the
//! declaration says nothing, and the mailbox is created without the separator.

use super::{Context, Done, Outcome, old_name};
use crate::imap::response::Code;
use crate::store::SpecialUse;

pub(super) async fn run(cx: &mut Context<'_>, mailbox: &str, uses: &[String]) -> Outcome {
    let account = cx.account()?;
    let special_use = SpecialUse::from_names(uses.iter().map(String::as_str))?;
    let created = cx.store().create_mailbox(account, mailbox, special_use).await?;
    let id = cx.store().object_ids().mailbox(created.id());
    old_name::tell(cx, mailbox)?;
    Ok(Done::ok("CREATE done").with_code(Code::MailboxId(id)))
}
