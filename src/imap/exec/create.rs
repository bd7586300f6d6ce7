//! CREATE (RFC 3501 §6.3.3): a mailbox, and its superiors where they are missing.
//!
//! A name that ends with the separator declares that inferiors will follow. Every mailbox can have them here, so that the
//! declaration says nothing, and the mailbox is created without the separator.

use super::{Context, Done, Outcome};

pub(super) async fn run(cx: &mut Context<'_>, mailbox: &str) -> Outcome {
    let account = cx.account()?;
    cx.store().create_mailbox(account, mailbox, None).await?;
    Ok(Done::ok("CREATE done"))
}
