//! RENAME (RFC 3501 §6.3.5): the mailbox with its inferiors; of INBOX the messages alone, so that INBOX stays.
//!
//! Whoever has it selected keeps it: a session holds the mailbox, not its name.

use super::{Context, Done, Outcome, old_name};

pub(super) async fn run(cx: &mut Context<'_>, from: &str, to: &str) -> Outcome {
    let account = cx.account()?;
    cx.store().rename_mailbox(account, from, to).await?;
    old_name::tell_renamed(cx, from, to)?;
    Ok(Done::ok("RENAME done"))
}
