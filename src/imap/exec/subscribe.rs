//! SUBSCRIBE and UNSUBSCRIBE (RFC 3501 §6.3.6, §6.3.7). A name need not be a mailbox's: it "MUST NOT" vanish from the list
//! because its mailbox was deleted, and may come before it.

use super::{Context, Done, Outcome};

pub(super) async fn run(cx: &mut Context<'_>, mailbox: &str, subscribed: bool) -> Outcome {
    let account = cx.account()?;
    cx.store().set_subscribed(account, mailbox, subscribed).await?;
    Ok(Done::ok(if subscribed { "SUBSCRIBE done" } else { "UNSUBSCRIBE done" }))
}
