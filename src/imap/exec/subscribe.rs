//! SUBSCRIBE and UNSUBSCRIBE (RFC 3501 §6.3.6, §6.3.7). A name need not be a mailbox's: it may come before its mailbox, and
//! stays on the list when its mailbox is deleted.

use super::{Context, Done, Outcome};

pub(super) async fn run(cx: &mut Context<'_>, mailbox: &str, subscribed: bool) -> Outcome {
    let account = cx.account()?;
    cx.store().set_subscribed(account, mailbox, subscribed).await?;
    Ok(Done::ok(if subscribed { "SUBSCRIBE done" } else { "UNSUBSCRIBE done" }))
}
